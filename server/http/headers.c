#include "server/http/headers.h"

#include "acme/base/memory.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

void headers_finish(struct headers *h)
{
    buf_finish_secret(&h->text);
    free(h->fields);
    *h = (struct headers){0};
}

void headers_add(struct headers *h, const char *name, size_t name_size, const char *value,
                 size_t value_size)
{
    if (h->count == h->capacity) {
        h->capacity = h->capacity ? h->capacity * 2 : 16;
        h->fields = mem_grow(h->fields, h->capacity, sizeof *h->fields);
    }
    struct header_field *field = &h->fields[h->count++];
    field->name = h->text.size;
    field->name_size = name_size;
    buf_add(&h->text, name, name_size);
    buf_add_char(&h->text, '\0');
    field->value = h->text.size;
    field->value_size = value_size;
    buf_add(&h->text, value, value_size);
    buf_add_char(&h->text, '\0');
}

const char *headers_name(const struct headers *h, size_t i)
{
    return h->text.data + h->fields[i].name;
}

const char *headers_value(const struct headers *h, size_t i)
{
    return h->text.data + h->fields[i].value;
}

const char *headers_get(const struct headers *h, const char *name)
{
    for (size_t i = 0; i < h->count; i++)
        if (!strcasecmp(headers_name(h, i), name))
            return headers_value(h, i);
    return NULL;
}

size_t headers_count(const struct headers *h, const char *name)
{
    size_t count = 0;
    for (size_t i = 0; i < h->count; i++)
        count += !strcasecmp(headers_name(h, i), name);
    return count;
}

char *headers_joined(const struct headers *h, const char *name)
{
    struct buf all = {0};
    for (size_t i = 0; i < h->count; i++) {
        if (strcasecmp(headers_name(h, i), name))
            continue;
        if (all.size)
            buf_add_string(&all, ", ");
        buf_add_string(&all, headers_value(h, i));
    }
    char *joined = all.data ? buf_take(&all) : NULL;
    buf_finish(&all);
    return joined;
}

#include "server/api/canonical.h"

#include "acme/base/buffer.h"
#include "acme/base/memory.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

static void add_value(struct json_object *value, struct buf *out);

static void add_scalar(struct json_object *value, struct buf *out)
{
    buf_add_string(out, json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN |
                                                                  JSON_C_TO_STRING_NOSLASHESCAPE));
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void add_object(struct json_object *object, struct buf *out)
{
    size_t count = 0;
    const char **names = mem_new((size_t)json_object_object_length(object) + 1, sizeof *names);
    json_object_object_foreach(object, name, member)
    {
        (void)member;
        names[count++] = name;
    }
    qsort(names, count, sizeof *names, compare);
    buf_add_char(out, '{');
    for (size_t i = 0; i < count; i++) {
        struct json_object *text = json_object_new_string(names[i]);
        if (i > 0)
            buf_add_char(out, ',');
        add_scalar(text, out);
        json_object_put(text);
        buf_add_char(out, ':');
        add_value(json_object_object_get(object, names[i]), out);
    }
    buf_add_char(out, '}');
    free(names);
}

static void add_array(struct json_object *array, struct buf *out)
{
    buf_add_char(out, '[');
    for (size_t i = 0; i < json_object_array_length(array); i++) {
        if (i > 0)
            buf_add_char(out, ',');
        add_value(json_object_array_get_idx(array, i), out);
    }
    buf_add_char(out, ']');
}

static void add_value(struct json_object *value, struct buf *out)
{
    if (json_object_is_type(value, json_type_object))
        add_object(value, out);
    else if (json_object_is_type(value, json_type_array))
        add_array(value, out);
    else
        add_scalar(value, out);
}

char *canonical_json(struct json_object *value)
{
    struct buf out = {0};
    add_value(value, &out);
    return buf_take(&out);
}

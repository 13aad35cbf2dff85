#include "server/config/settings.h"

#include "acme/base/memory.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

void config_texts_finish(struct config_texts *texts)
{
    for (size_t i = 0; i < texts->count; i++)
        free(texts->items[i]);
    free(texts->items);
    *texts = (struct config_texts){0};
}

void config_texts_add(struct config_texts *texts, const char *text)
{
    texts->items = mem_grow(texts->items, texts->count + 1, sizeof *texts->items);
    texts->items[texts->count++] = mem_strdup(text);
}

char *settings_pointer(const char *parent, const char *name)
{
    struct buf pointer = {0};
    buf_printf(&pointer, "%s/", parent);
    for (; *name; name++) {
        if (*name == '~')
            buf_add_string(&pointer, "~0");
        else if (*name == '/')
            buf_add_string(&pointer, "~1");
        else
            buf_add_char(&pointer, *name);
    }
    return buf_take(&pointer);
}

static void complain(const struct settings *s, const char *name, const char *what)
{
    char *pointer = settings_pointer(s->pointer, name);
    complaints_add(s->complaints, s->source, pointer, "%s", what);
    free(pointer);
}

static void complain_of_item(const struct settings *s, const char *name, size_t index,
                             const char *what)
{
    char *pointer = settings_pointer(s->pointer, name);
    char *item = mem_printf("%s/%zu", pointer, index);
    complaints_add(s->complaints, s->source, item, "%s", what);
    free(item);
    free(pointer);
}

void settings_only(const struct settings *s, const char *const *names)
{
    json_object_object_foreach(s->object, name, value)
    {
        (void)value;
        bool known = false;
        for (size_t i = 0; names[i] && !known; i++)
            known = !strcmp(names[i], name);
        if (!known)
            complain(s, name, "unknown member");
    }
}

const char *settings_fault(struct json_object *value, settings_check *check)
{
    if (!json_object_is_type(value, json_type_string))
        return "this has to be a text";
    const char *text = json_object_get_string(value);
    if (!*text)
        return "this is empty";
    for (const char *p = text; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 127)
            return "this holds a control character";
    if (strlen(text) != (size_t)json_object_get_string_len(value))
        return "this holds a control character";
    return check(text);
}

void settings_text(const struct settings *s, const char *name, settings_check *check, char **out)
{
    struct json_object *value;
    if (!json_object_object_get_ex(s->object, name, &value) || !value)
        return;
    const char *fault = settings_fault(value, check);
    if (fault) {
        complain(s, name, fault);
        return;
    }
    free(*out);
    *out = mem_strdup(json_object_get_string(value));
}

void settings_texts(const struct settings *s, const char *name, settings_check *check,
                    struct config_texts *out)
{
    struct json_object *list;
    struct config_texts read = {0};
    if (!json_object_object_get_ex(s->object, name, &list))
        return;
    if (!json_object_is_type(list, json_type_array)) {
        complain(s, name, "this has to be an array of texts");
        return;
    }
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        struct json_object *item = json_object_array_get_idx(list, i);
        const char *fault = settings_fault(item, check);
        if (fault)
            complain_of_item(s, name, i, fault);
        else
            config_texts_add(&read, json_object_get_string(item));
    }
    config_texts_finish(out);
    *out = read;
}

void settings_bool(const struct settings *s, const char *name, bool *out)
{
    struct json_object *value;
    if (!json_object_object_get_ex(s->object, name, &value))
        return;
    if (json_object_is_type(value, json_type_boolean))
        *out = json_object_get_boolean(value);
    else
        complain(s, name, "this has to be true or false");
}

void settings_int(const struct settings *s, const char *name, int min, int max, int *out)
{
    struct json_object *value;
    if (!json_object_object_get_ex(s->object, name, &value))
        return;
    int64_t number = json_object_get_int64(value);
    if (json_object_is_type(value, json_type_int) && number >= min && number <= max) {
        *out = (int)number;
        return;
    }
    char *pointer = settings_pointer(s->pointer, name);
    complaints_add(s->complaints, s->source, pointer, "this has to be a number from %d to %d", min,
                   max);
    free(pointer);
}

struct json_object *settings_object(const struct settings *s, const char *name)
{
    struct json_object *value;
    if (!json_object_object_get_ex(s->object, name, &value))
        return NULL;
    if (json_object_is_type(value, json_type_object))
        return value;
    complain(s, name, "this has to be an object");
    return NULL;
}

#include "server/api/peek.h"

#include "server/api/check.h"

#include <json-c/json.h>
#include <stddef.h>
#include <string.h>

static struct json_object *typed(struct json_object *body, const char *member, enum json_type type)
{
    struct json_object *value = NULL;
    if (!json_object_object_get_ex(body, member, &value) || !json_object_is_type(value, type))
        return NULL;
    return value;
}

const char *peek_text(struct json_object *body, const char *member)
{
    struct json_object *value = typed(body, member, json_type_string);
    return value ? json_object_get_string(value) : NULL;
}

const char *peek_name(struct json_object *body, const char *member)
{
    struct json_object *value = typed(body, member, json_type_string);
    if (!value)
        return NULL;
    const char *text = json_object_get_string(value);
    bool whole = strlen(text) == (size_t)json_object_get_string_len(value);
    return whole && !check_name(text) ? text : NULL;
}

struct json_object *peek_object(struct json_object *body, const char *member)
{
    return typed(body, member, json_type_object);
}

struct json_object *peek_array(struct json_object *body, const char *member)
{
    return typed(body, member, json_type_array);
}

bool peek_has(struct json_object *body, const char *member)
{
    return json_object_object_get_ex(body, member, NULL);
}

bool peek_true(struct json_object *body, const char *member)
{
    struct json_object *value = typed(body, member, json_type_boolean);
    return value && json_object_get_boolean(value);
}

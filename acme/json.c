#include "acme/json.h"

#include "acme/base/memory.h"
#include "acme/base/strict_json.h"
#include "acme/base/utf8.h"

#include <ctype.h>
#include <json-c/json.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 32, JSON_SIZE_MAX = INT_MAX / 8 };

/* An empty object of three bytes becomes one of 800 in memory: what a megabyte of them would take
   is bounded by the marks that make values. Orders of a thousand names stay far below. */
enum { CONTAINERS_MAX = 8192, VALUES_MAX = 65536 };

static bool is_bearable(const char *text, size_t size)
{
    size_t containers = 0, values = 0;
    for (size_t i = 0; i < size; i++) {
        containers += text[i] == '{' || text[i] == '[';
        values += text[i] == ',';
    }
    return containers <= CONTAINERS_MAX && values <= VALUES_MAX;
}

struct json_object *json_parse_any(const char *text, size_t size)
{
    while (size && isspace((unsigned char)text[size - 1]))
        size--;
    if (size == 0 || size > JSON_SIZE_MAX || !utf8_is(text, size) || !is_bearable(text, size))
        return NULL;
    struct json_tokener *tokener = json_tokener_new_ex(DEPTH_MAX);
    if (!tokener)
        mem_exhausted();
    size_t end;
    struct json_object *value = strict_json_parse(tokener, text, size, &end);
    bool whole = json_tokener_get_error(tokener) == json_tokener_success && end == size;
    json_tokener_free(tokener);
    if (!whole) {
        json_object_put(value);
        return NULL;
    }
    return value;
}

struct json_object *json_parse_object(const char *text, size_t size)
{
    struct json_object *object = json_parse_any(text, size);
    if (!json_object_is_type(object, json_type_object)) {
        json_object_put(object);
        return NULL;
    }
    return object;
}

static struct json_object *member(const struct json_object *object, const char *name,
                                  json_type type)
{
    struct json_object *value = NULL;
    if (!json_object_is_type(object, json_type_object) ||
        !json_object_object_get_ex(object, name, &value) || !json_object_is_type(value, type))
        return NULL;
    return value;
}

const char *json_text_of(const struct json_object *object, const char *name)
{
    struct json_object *value = member(object, name, json_type_string);
    if (!value)
        return NULL;
    /* A NUL inside would make us see less than the CA said. */
    const char *text = json_object_get_string(value);
    return strlen(text) == (size_t)json_object_get_string_len(value) ? text : NULL;
}

struct json_object *json_object_of(const struct json_object *object, const char *name)
{
    return member(object, name, json_type_object);
}

struct json_object *json_array_of(const struct json_object *object, const char *name)
{
    return member(object, name, json_type_array);
}

bool json_bool_of(const struct json_object *object, const char *name)
{
    struct json_object *value = member(object, name, json_type_boolean);
    return value && json_object_get_boolean(value);
}

char *json_write(const struct json_object *object)
{
    /* json-c caches the text in the object and so takes it without const. */
    struct json_object *o = (struct json_object *)(uintptr_t)object;
    const char *text =
        json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
    if (!text)
        mem_exhausted();
    return mem_strdup(text);
}

void json_add_text(const char *text, struct buf *out)
{
    struct json_object *string = json_object_new_string(text);
    if (!string)
        mem_exhausted();
    char *json = json_write(string);
    buf_add_string(out, json);
    free(json);
    json_object_put(string);
}

/*
 * json-c without memory ends the process, as acme/base/memory.h has it. Of itself it returns NULL,
 * takes NULL for a JSON null, and leaves members out of objects: an answer would be wrong and
 * nobody would know. It has no hook for its allocations, so the linker leads our calls of it here
 * (acme/CMakeLists.txt has the list).
 */
#include "acme/base/memory.h"

#include <errno.h>
#include <json-c/json.h>

/* A text that it could not write whole, or read whole, it hands over as far as it came. */
static void *whole(const void *p)
{
    if (errno == ENOMEM)
        mem_exhausted();
    return (void *)p;
}

/* The names are the linker's. NOLINTBEGIN(bugprone-reserved-identifier,cert-*) */

static void *alive(const void *p)
{
    if (!p)
        mem_exhausted();
    return (void *)p;
}

struct json_object *__real_json_object_new_object(void);
struct json_object *__wrap_json_object_new_object(void);
struct json_object *__wrap_json_object_new_object(void)
{
    return alive(__real_json_object_new_object());
}

struct json_object *__real_json_object_new_array(void);
struct json_object *__wrap_json_object_new_array(void);
struct json_object *__wrap_json_object_new_array(void)
{
    return alive(__real_json_object_new_array());
}

struct json_object *__real_json_object_new_string(const char *text);
struct json_object *__wrap_json_object_new_string(const char *text);
struct json_object *__wrap_json_object_new_string(const char *text)
{
    return alive(__real_json_object_new_string(text));
}

struct json_object *__real_json_object_new_string_len(const char *text, int size);
struct json_object *__wrap_json_object_new_string_len(const char *text, int size);
struct json_object *__wrap_json_object_new_string_len(const char *text, int size)
{
    return alive(__real_json_object_new_string_len(text, size));
}

struct json_object *__real_json_object_new_int(int32_t value);
struct json_object *__wrap_json_object_new_int(int32_t value);
struct json_object *__wrap_json_object_new_int(int32_t value)
{
    return alive(__real_json_object_new_int(value));
}

struct json_object *__real_json_object_new_int64(int64_t value);
struct json_object *__wrap_json_object_new_int64(int64_t value);
struct json_object *__wrap_json_object_new_int64(int64_t value)
{
    return alive(__real_json_object_new_int64(value));
}

struct json_object *__real_json_object_new_boolean(json_bool value);
struct json_object *__wrap_json_object_new_boolean(json_bool value);
struct json_object *__wrap_json_object_new_boolean(json_bool value)
{
    return alive(__real_json_object_new_boolean(value));
}

const char *__real_json_object_to_json_string_ext(struct json_object *o, int flags);
const char *__wrap_json_object_to_json_string_ext(struct json_object *o, int flags);
const char *__wrap_json_object_to_json_string_ext(struct json_object *o, int flags)
{
    errno = 0;
    return whole(alive(__real_json_object_to_json_string_ext(o, flags)));
}

const char *__real_json_object_to_json_string_length(struct json_object *o, int flags,
                                                     size_t *size);
const char *__wrap_json_object_to_json_string_length(struct json_object *o, int flags,
                                                     size_t *size);
const char *__wrap_json_object_to_json_string_length(struct json_object *o, int flags, size_t *size)
{
    errno = 0;
    return whole(alive(__real_json_object_to_json_string_length(o, flags, size)));
}

struct json_tokener *__real_json_tokener_new_ex(int depth);
struct json_tokener *__wrap_json_tokener_new_ex(int depth);
struct json_tokener *__wrap_json_tokener_new_ex(int depth)
{
    return alive(__real_json_tokener_new_ex(depth));
}

int __real_json_object_object_add(struct json_object *o, const char *name,
                                  struct json_object *value);
int __wrap_json_object_object_add(struct json_object *o, const char *name,
                                  struct json_object *value);
int __wrap_json_object_object_add(struct json_object *o, const char *name,
                                  struct json_object *value)
{
    if (__real_json_object_object_add(o, name, value) < 0)
        mem_exhausted();
    return 0;
}

int __real_json_object_array_add(struct json_object *o, struct json_object *value);
int __wrap_json_object_array_add(struct json_object *o, struct json_object *value);
int __wrap_json_object_array_add(struct json_object *o, struct json_object *value)
{
    if (__real_json_object_array_add(o, value) < 0)
        mem_exhausted();
    return 0;
}

/* NULL is also what is no JSON, or a JSON null. */
struct json_object *__real_json_tokener_parse(const char *text);
struct json_object *__wrap_json_tokener_parse(const char *text);
struct json_object *__wrap_json_tokener_parse(const char *text)
{
    errno = 0;
    return whole(__real_json_tokener_parse(text));
}

struct json_object *__real_json_tokener_parse_ex(struct json_tokener *tokener, const char *text,
                                                 int size);
struct json_object *__wrap_json_tokener_parse_ex(struct json_tokener *tokener, const char *text,
                                                 int size);
struct json_object *__wrap_json_tokener_parse_ex(struct json_tokener *tokener, const char *text,
                                                 int size)
{
    errno = 0;
    return whole(__real_json_tokener_parse_ex(tokener, text, size));
}

/* NOLINTEND(bugprone-reserved-identifier,cert-*) */

/* Reading a CA's JSON with tolerance, and writing ours. Private to acme. */
#ifndef CERTWRIGHT_ACME_JSON_H
#define CERTWRIGHT_ACME_JSON_H

#include "acme/base/buffer.h"

#include <stdbool.h>
#include <stddef.h>

struct json_object;

/* Parses an object, at most 32 deep, UTF-8, nothing but white space after it. NULL if it is none,
   or if it has more members than any answer of ACME needs (it would take a hundred times its size
   in memory); the caller ends it with json_object_put. */
struct json_object *json_parse_object(const char *text, size_t size);

/* The same for any value; NULL for null too. */
struct json_object *json_parse_any(const char *text, size_t size);

/* A member of that type, or NULL if it is absent or of another type. Borrowed. */
const char *json_text_of(const struct json_object *object, const char *name);
struct json_object *json_object_of(const struct json_object *object, const char *name);
struct json_object *json_array_of(const struct json_object *object, const char *name);
bool json_bool_of(const struct json_object *object, const char *name);

/* The object as compact JSON that the caller frees. */
char *json_write(const struct json_object *object);

/* Appends text as a JSON string with its quotes. */
void json_add_text(const char *text, struct buf *out);

#endif

/*
 * json-c's strict parser, on every version of it. Version 0.18 takes the bytes of UTF-8 above
 * ASCII for control characters when it is strict, so those are given to it as \u escapes.
 */
#ifndef CERTWRIGHT_ACME_BASE_STRICT_JSON_H
#define CERTWRIGHT_ACME_BASE_STRICT_JSON_H

#include <stddef.h>

struct json_object;
struct json_tokener;

/*
 * json_tokener_parse_ex with JSON_TOKENER_STRICT over text, which has to be UTF-8 (utf8_is) and
 * smaller than INT_MAX / 6. The result is the caller's; json_tokener_get_error tells of failure.
 * *end receives where in text the parser has stopped; may be NULL.
 */
struct json_object *strict_json_parse(struct json_tokener *tokener, const char *text, size_t size,
                                      size_t *end);

/*
 * How many bytes the number at text has (RFC 8259 section 6); 0 if what begins there is none.
 * json-c takes 9., -.5 and 00 too, however strict it is.
 */
size_t strict_json_number_size(const char *text, size_t size);

/* How many members its objects have, in all of the tree. Fewer than were written: json-c lets the
   last of two of one name win. */
size_t strict_json_members(struct json_object *tree);

/* Frees the tree and overwrites its strings, since any of them may be a key. NULL is fine. */
void strict_json_destroy(struct json_object *tree);

#endif

/* Request bodies: JSON as a stranger sends it. */
#ifndef CERTWRIGHT_SERVER_API_BODY_H
#define CERTWRIGHT_SERVER_API_BODY_H

#include "acme/base/error.h"

#include <stddef.h>

struct json_object;

enum {
    BODY_MAX_BYTES = 1024 * 1024,
    BODY_MAX_DEPTH = 32, /* objects and arrays within each other, the outermost one included */
};

/*
 * Reads one JSON object (RFC 8259, strictly: UTF-8, no comments, nothing after it but white space)
 * whose members are unique at every level. The caller ends *out with body_destroy.
 * ERR_MALFORMED, ERR_INVALID for JSON that is no object, ERR_TOO_LARGE over BODY_MAX_BYTES.
 */
int body_parse(const char *text, size_t size, struct json_object **out, struct err *e);

/* Frees it and overwrites its strings, since any of them may be a key. NULL is fine. */
void body_destroy(struct json_object *body);

#endif

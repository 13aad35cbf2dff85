/*
 * A request's target, read once from the raw bytes: what is routed is what is authorized. Private
 * to server/http.
 */
#ifndef CERTWRIGHT_SERVER_HTTP_TARGET_H
#define CERTWRIGHT_SERVER_HTTP_TARGET_H

#include "acme/base/error.h"

#include <stddef.h>

enum { HTTP_TARGET_MAX_PARAMETERS = 64 };

struct http_target_parameter {
    const char *name;
    const char *value;
};

/* Everything in it is owned; empty when all zeros. */
struct http_target {
    char *path;            /* decoded; unambiguous, since no segment holds a slash */
    char *text;            /* where the segments and parameters are stored */
    const char **segments; /* decoded; "/" has one, which is empty */
    size_t segment_count;
    struct http_target_parameter *parameters;
    size_t parameter_count;
};

/*
 * Reads the origin-form of RFC 9112 section 3.2.1; raw is NULL where the request line has none.
 * Each segment is percent-decoded once. ERR_MALFORMED for other forms, for `.` and `..`, for
 * encoded slashes, control characters and what is no UTF-8, and for a query parameter given twice.
 */
int http_target_parse(const char *raw, struct http_target *out, struct err *e);

void http_target_finish(struct http_target *t);

/* NULL if it is absent. */
const char *http_target_parameter(const struct http_target *t, const char *name);

#endif

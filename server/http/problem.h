/*
 * Errors as callers see them: HTTP statuses and problem documents (RFC 9457). The one place that
 * maps one to the other, and that keeps this program's insides to itself.
 */
#ifndef CERTWRIGHT_SERVER_HTTP_PROBLEM_H
#define CERTWRIGHT_SERVER_HTTP_PROBLEM_H

#include "acme/base/error.h"

#include <stdbool.h>

struct json_object;

/* The HTTP status that answers a request which failed with this code; never 0. */
int problem_status(enum err_code code);

/* Whether a code's detail is about this program's insides: the log gets it, a caller does not. */
bool problem_is_internal(enum err_code code);

/*
 * The document {type, title, detail, code, retryable, hint?, acme?} of an error that is no HTTP
 * answer, such as a job's. acme_document is the CA's own as JSON text, NULL for none; one that is
 * no JSON object is left out. The caller owns the result.
 */
struct json_object *problem_json(const struct err *e, const char *acme_document);

#endif

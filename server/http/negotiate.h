/* What a request's headers say about bodies, answers and waiting. Private to server/http. */
#ifndef CERTWRIGHT_SERVER_HTTP_NEGOTIATE_H
#define CERTWRIGHT_SERVER_HTTP_NEGOTIATE_H

#include "server/http/exchange.h"

#include <stdbool.h>
#include <stddef.h>

/* Whether an Accept field (RFC 9110 section 12.5.1; NULL: absent) takes that media type. */
bool negotiate_accepts(const char *accept, const char *media_type);

/* Whether the field takes that media type by its own name, not by a range that it is in. */
bool negotiate_names(const char *accept, const char *media_type);

/* Whether a Content-Type is one that a body of this method may have. */
bool negotiate_takes(enum http_method method, const char *content_type);

/*
 * Whether a list of entity tags, "*" among them, holds etag. weak: tags that differ in W/ alone are
 * the same (If-None-Match); else a weak tag matches nothing (If-Match). RFC 9110 section 8.8.3.2.
 */
bool negotiate_etag_listed(const char *list, const char *etag, bool weak);

/* Seconds of `wait` in a Prefer field (RFC 7240; NULL: absent), clamped to 0 … 30. */
int negotiate_wait_seconds(const char *prefer);

#endif

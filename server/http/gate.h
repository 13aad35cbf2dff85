/*
 * The gate: requests that two parsers could read in two ways end here. The library lets many of
 * them through (RFC 9112 sections 6.1, 6.3 and 11.2 are about what comes of that). Private to
 * server/http.
 */
#ifndef CERTWRIGHT_SERVER_HTTP_GATE_H
#define CERTWRIGHT_SERVER_HTTP_GATE_H

#include "acme/base/error.h"
#include "server/http/headers.h"

#include <stdbool.h>
#include <stdint.h>

/* How a request's body comes. */
struct gate_framing {
    bool has_body; /* chunked, or with a length above 0 */
    bool is_chunked;
    uint64_t length; /* 0 if chunked */
};

/*
 * Checks version and header fields: HTTP/1.0 or 1.1, one Host, at most one of each field that is
 * looked at once, no NUL or control character, one way to tell the body's length. ERR_MALFORMED.
 */
int gate_check(const char *version, const struct headers *h, struct gate_framing *out,
               struct err *e);

/*
 * Whether method, target and version lie in the request line one after the other with one byte
 * between. libmicrohttpd before 1.0 cuts the line there in place, and takes runs of spaces and NULs
 * within the target for granted; where the parts lie is all that shows it.
 */
bool gate_line_is_plain(const char *method, const char *target, size_t target_size,
                        const char *version);

#endif

/* What those share who call a provider: the solvers and the targets. */
#ifndef CERTWRIGHT_SERVER_OUTSIDE_OUTSIDE_H
#define CERTWRIGHT_SERVER_OUTSIDE_OUTSIDE_H

#include "acme/base/error.h"

/*
 * Turns what acme_http_send reports, which speaks of a CA, into an error of the provider's:
 * ERR_PROVIDER_UNREACHABLE; ERR_SHUTDOWN and ERR_OUTGOING_REFUSED as they are. Returns -1.
 */
int outside_transport_error(struct err *e);

/*
 * Whether a provider's URL may be used: https, or http to a loopback address or "localhost"; a
 * host, no user info, no query, no fragment. ERR_INVALID says what is wrong.
 */
int outside_endpoint_check(const char *url, struct err *e);

/* The same for a URL that is called as it stands: it may have a query. */
int outside_url_check(const char *url, struct err *e);

#endif

/*
 * Which Host and Origin are served. A page that a browser shows can post to loopback, and a name
 * that it controls can be made to point there (DNS rebinding); these rules keep it out. Private to
 * server/http.
 */
#ifndef CERTWRIGHT_SERVER_HTTP_HOST_H
#define CERTWRIGHT_SERVER_HTTP_HOST_H

#include "acme/base/error.h"
#include "server/http/headers.h"

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>

/* The hosts that are served, in one canonical text each. Empty when all zeros. */
struct host_list {
    char **names;
    size_t count;
};

/* Adds "name", "name:port", "v4", "[v6]:port" or "v6"; the port is not looked at. False if it is
   none of these. */
bool host_list_add(struct host_list *list, const char *host);
void host_list_finish(struct host_list *list);

/*
 * Whether a Host field's value names one of the list, or the address that the connection itself
 * came to (own_address, "" for a Unix socket). Ports are not looked at: rebinding changes the name,
 * not the port. ERR_HOST_REFUSED.
 */
int host_check(const struct host_list *list, const char *own_address, const char *host,
               struct err *e);

/* Whether it is one of the names that a certificate is for: nobody else's page can have come by a
   connection to it, whatever its name leads to. */
bool host_is_of(X509 *certificate, const char *host);

/*
 * What browsers tell of themselves. ERR_FORBIDDEN for a fetch in no-cors mode from elsewhere, for
 * an opaque Origin, and for a write whose Origin is not the Host it goes to; over TLS an Origin
 * without it is another one. (Without TLS it may be a proxy's.)
 */
int host_check_browser(const struct headers *h, bool is_write, bool is_tls, struct err *e);

#endif

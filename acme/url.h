/* URLs: what is asked of them before anything is sent there. */
#ifndef CERTWRIGHT_ACME_URL_H
#define CERTWRIGHT_ACME_URL_H

#include <stdbool.h>

/* Whether the host, as a URL spells it, is "localhost" or a loopback address. No name is resolved.
 */
bool url_host_is_loopback(const char *host);

/* The same of a whole URL; false if it is none. */
bool url_is_loopback(const char *url);

/* Whether a person may be sent there: http or https, a host, nothing that does not print. */
bool url_is_page(const char *url);

#endif

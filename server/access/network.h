/* Ranges of addresses: "10.0.0.0/8", "2001:db8::/32", one address, or "unix" for Unix sockets. */
#ifndef CERTWRIGHT_SERVER_ACCESS_NETWORK_H
#define CERTWRIGHT_SERVER_ACCESS_NETWORK_H

#include <stdbool.h>

enum network_family { NETWORK_V4, NETWORK_V6, NETWORK_UNIX };

struct network {
    enum network_family family;
    int bits; /* of the prefix */
    unsigned char prefix[16];
};

/* NULL, or what is wrong with the text, as a clause ("must be …"). Bits of the host have to be 0.
 */
const char *network_parse(const char *text, struct network *out);

/* Whether all of inner lies in outer. An address is a range of one. */
bool network_contains(const struct network *outer, const struct network *inner);

#endif

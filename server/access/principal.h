/* Who asks, and what for: made by authentication, asked by whoever decides what may be done. */
#ifndef CERTWRIGHT_SERVER_ACCESS_PRINCIPAL_H
#define CERTWRIGHT_SERVER_ACCESS_PRINCIPAL_H

#include <stdint.h>

struct grant;

enum { PRINCIPAL_NAME_SIZE = 256 };

struct principal {
    char name[PRINCIPAL_NAME_SIZE]; /* "token:ci", "uid:0", "open": stable, printable, no secret */
    uint32_t scopes;                /* see scope.h */
    struct grant *grant;            /* what narrows and ends it, a reference; NULL: nothing does */
};

#endif

/* What became of an account or certificate that was brought to its spec. */
#ifndef CERTWRIGHT_SERVER_API_APPLIED_H
#define CERTWRIGHT_SERVER_API_APPLIED_H

#include "acme/base/ulid.h"

struct applied {
    char job[ULID_SIZE]; /* the job that is active for it; "" if nothing is to be done */
    int64_t held_until;  /* nothing is done before then, since it failed; 0: not held */
};

#endif

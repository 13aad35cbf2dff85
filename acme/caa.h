/*
 * Whether CAA records let a CA issue (RFC 8659), for an account and by a method of validation
 * (RFC 8657). Which records count, the caller has found: those of the name, or of the closest
 * domain above it that has any.
 */
#ifndef CERTWRIGHT_ACME_CAA_H
#define CERTWRIGHT_ACME_CAA_H

#include "acme/base/buffer.h"

#include <stdbool.h>
#include <stddef.h>

/* All borrowed. */
struct caa_question {
    const char *const *identities; /* the domains that the CA goes by: its caaIdentities */
    size_t identity_count;
    bool is_wildcard;
    const char *account_url;    /* NULL: not known yet; then no accounturi speaks against it */
    const char *challenge_type; /* "dns-01", …; NULL: any will do */
};

enum caa_verdict {
    CAA_FREE,    /* no record restricts who may issue */
    CAA_ALLOWS,  /* one names this CA, and its parameters fit */
    CAA_FORBIDS, /* none does, or one is critical that nobody understands */
};

/*
 * A record is "FLAGS TAG VALUE", as in a zone file without the quotes. Appends to why what decided,
 * as the rest of a sentence that begins with the records.
 */
enum caa_verdict caa_judge(const char *const *records, size_t count,
                           const struct caa_question *question, struct buf *why);

#endif

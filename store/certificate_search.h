/* Certificates by what they are, a page at a time. */
#ifndef CERTWRIGHT_STORE_CERTIFICATE_SEARCH_H
#define CERTWRIGHT_STORE_CERTIFICATE_SEARCH_H

#include "store/certificate.h"

enum certificate_status {
    CERTIFICATE_PENDING, /* no version yet */
    CERTIFICATE_VALID,
    CERTIFICATE_EXPIRED,
    CERTIFICATE_REVOKED,
};

/* With equal times by name; a certificate without a version has 0 as its not_after. */
enum certificate_order { CERTIFICATE_BY_NAME, CERTIFICATE_BY_NOT_AFTER, CERTIFICATE_BY_CREATED_AT };

/* NULL and 0 match everything. */
struct certificate_search {
    enum certificate_order order;
    const char *identifier; /* one of its names is this */
    const char *label;      /* with that value */
    const char *label_value;
    const char *account;
    const char *authority;
    int status;             /* enum certificate_status; -1: any */
    int64_t now;            /* wall time */
    int64_t expires_before; /* wall time; then only those with a version */
};

/*
 * The first limit certificates behind the place that the last one of the page before had: its name
 * and what it was ordered by (0 by name). after NULL: from the start. *out as certificate_list.
 *
 * By name, those of an identifier, a label, an account or an authority and those pending are found
 * by an index in their order, and so are all by either time. Those revoked are found by an index
 * and sorted; other mixes are sorted if they are no more than some thousands, else looked for among
 * all.
 */
int certificate_find(struct db *db, const struct certificate_search *search, const char *after,
                     int64_t after_value, size_t limit, struct certificate **out, size_t *count,
                     struct err *e);

/* The statement that it takes while there are few, for who wants to see the plan of that. */
const char *certificate_find_sql(const struct certificate_search *search);

#endif

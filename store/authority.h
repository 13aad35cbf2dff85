/* Authorities: the CAs, by their directory URL (RFC 8555 section 7.1.1). */
#ifndef CERTWRIGHT_STORE_AUTHORITY_H
#define CERTWRIGHT_STORE_AUTHORITY_H

#include "store/origin.h"
#include "store/store.h"

struct authority {
    char *name;
    char *directory_url;
    char *trust_bundle; /* PEM; NULL: the system's */
    bool test;          /* its certificates are not trusted by the public */
    bool eab_required;
    enum origin origin;
    char *directory;              /* the CA's document; NULL before the first fetch */
    int64_t directory_fetched_at; /* 0 likewise */
    int64_t parked_until;         /* engine time; 0: not parked */
    char *parked_reason;
    int64_t created_at;
    int64_t updated_at;
};

void authority_finish(struct authority *authority);

/* ERR_NOT_FOUND. */
int authority_load(struct db *db, const char *name, struct authority *out, struct err *e);

/* Up to limit authorities with names after `after` (NULL: from the start), in byte order. The
   caller finishes each and frees *out. */
int authority_list(struct db *db, const char *after, size_t limit, struct authority **out,
                   size_t *count, struct err *e);

/* Inserts or replaces what a caller may set (url, bundle, test, eab_required, origin). A changed
   URL forgets the stored directory. *created tells which. */
int authority_put(struct store_tx *tx, const struct authority *authority, bool *created,
                  struct err *e);

/* ERR_NOT_FOUND; ERR_IN_USE while an account refers to it. */
int authority_delete(struct store_tx *tx, const char *name, struct err *e);

int authority_set_directory(struct store_tx *tx, const char *name, const char *document,
                            struct err *e);
/* until 0: opens it again. */
int authority_park(struct store_tx *tx, const char *name, int64_t until, const char *reason,
                   struct err *e);

#endif

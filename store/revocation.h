/*
 * Revocations of certificates that this service did not make: what their jobs need until they end,
 * the certificate's key among it.
 */
#ifndef CERTWRIGHT_STORE_REVOCATION_H
#define CERTWRIGHT_STORE_REVOCATION_H

#include "acme/base/ulid.h"
#include "acme/key.h"
#include "store/store.h"

struct revocation {
    int64_t id;
    char *authority;
    int64_t account_id; /* that signs; 0: the certificate's key does */
    char *leaf;         /* PEM */
    char *fingerprint;  /* of the certificate, as cert_fingerprint has it */
    int reason;         /* RFC 5280 code */
    char *job;          /* ULID; NULL until it is set */
};

void revocation_finish(struct revocation *revocation);

/* ERR_NOT_FOUND: its job has ended. */
int revocation_load(struct db *db, int64_t id, struct revocation *out, struct err *e);
/* The job under way for that certificate at that authority: *found, and its id. */
int revocation_find(struct db *db, const char *authority, const char *fingerprint, bool *found,
                    char job[ULID_SIZE], struct err *e);

/* Fills revocation->id. key: NULL with an account, and only then. What a job that was given up has
   left of the same certificate is replaced. */
int revocation_insert(struct store_tx *tx, struct revocation *revocation, const struct key *key,
                      struct err *e);
int revocation_set_job(struct store_tx *tx, int64_t id, const char *job, struct err *e);
/* Unseals. The caller destroys *out. ERR_NOT_FOUND. */
int revocation_open_key(struct db *db, int64_t id, struct key **out, struct err *e);
/* With its key; nothing if it is gone already. */
int revocation_delete(struct store_tx *tx, int64_t id, struct err *e);

/* Marks each version here that is this very certificate as revoked. */
int revocation_note(struct store_tx *tx, const char *leaf, const char *spki_sha256, int reason,
                    struct err *e);

#endif

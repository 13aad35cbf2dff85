/* ACME accounts (RFC 8555 section 7.1.2) and their sealed keys. */
#ifndef CERTWRIGHT_STORE_ACCOUNT_H
#define CERTWRIGHT_STORE_ACCOUNT_H

#include "acme/key.h"
#include "store/origin.h"
#include "store/store.h"

struct account {
    int64_t id;
    char *name;
    char *authority;
    char *spec;     /* normalized body as given, secrets as fingerprints; for PUT */
    char *contacts; /* JSON array of URLs */
    bool terms_of_service_agreed;
    bool only_existing;
    char *eab_kid; /* NULL: none */
    enum origin origin;

    enum key_type key_type;
    bool has_key; /* false until the job has made it (RSA takes a while) */
    char *thumbprint;
    char *jwk;
    char *public_pem;
    char *spki_sha256;

    char *status;    /* "pending" before the CA knows it; else the CA's word */
    char *url;       /* NULL before the CA knows it */
    char *ca_object; /* the CA's JSON, verbatim */
    char *initial_ip;
    char *ca_created_at;
    char *last_error; /* problem JSON of the last failed job; NULL */
    char *active_job; /* ULID; NULL */
    int64_t created_at;
    int64_t updated_at;
};

void account_finish(struct account *account);

/* ERR_NOT_FOUND. */
int account_load(struct db *db, const char *name, struct account *out, struct err *e);
int account_load_by_id(struct db *db, int64_t id, struct account *out, struct err *e);
int account_list(struct db *db, const char *after, size_t limit, struct account **out,
                 size_t *count, struct err *e);
/* Names of the authority's accounts, comma-separated, and how many: for picking the only one. */
int account_names_of(struct db *db, const char *authority, char **names, size_t *count,
                     struct err *e);

/*
 * Inserts with what a caller may set; key and eab_key may be NULL. Fills account->id.
 * ERR_INVALID if there is no such authority; ERR_NAME_TAKEN; ERR_KEY_REUSED if this key serves a
 * certificate; ERR_NAME_TAKEN also if another account of this authority has this key.
 */
int account_insert(struct store_tx *tx, struct account *account, const struct key *key,
                   const void *eab_key, size_t eab_key_size, struct err *e);

/* Replaces, by id, spec, contacts, terms, only_existing, EAB and origin; never key or authority.
   Without eab_key, the MAC key stays as long as eab_kid does. */
int account_update_spec(struct store_tx *tx, const struct account *account, const void *eab_key,
                        size_t eab_key_size, struct err *e);

/* The key that the job has made. Only while there is none (ERR_CONFLICT). */
int account_set_key(struct store_tx *tx, int64_t id, const struct key *key, struct err *e);

/* What the CA told; status and ca_object always, the others unless NULL. */
struct account_registration {
    const char *url;
    const char *status;
    const char *ca_object;
    const char *initial_ip;
    const char *ca_created_at;
};
int account_set_registration(struct store_tx *tx, int64_t id,
                             const struct account_registration *registration, struct err *e);

/* error NULL clears; job NULL: none is active. */
int account_set_job(struct store_tx *tx, int64_t id, const char *job, const char *error,
                    struct err *e);

/* Unseals. The caller destroys *out. */
int account_open_key(struct db *db, int64_t id, struct key **out, struct err *e);
/* Appends the MAC key; the caller ends it with buf_finish_secret. ERR_NOT_FOUND if there is none.
 */
int account_open_eab_key(struct db *db, int64_t id, struct buf *out, struct err *e);

/* Whether an account (any authority) has this public key. */
int account_has_spki(struct db *db, const char *spki_sha256, bool *has, struct err *e);

#endif

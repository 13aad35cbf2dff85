/* ACME accounts (RFC 8555 section 7.1.2) and their sealed keys. */
#ifndef CERTWRIGHT_STORE_ACCOUNT_H
#define CERTWRIGHT_STORE_ACCOUNT_H

#include "acme/jws.h"
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
    enum jws_mac eab_mac;
    enum origin origin;

    enum key_type key_type;
    bool has_key; /* false until the job has made it (RSA takes a while) */
    char *thumbprint;
    char *jwk;
    char *public_pem;
    char *spki_sha256;
    char *next_spki_sha256; /* of the key that is to follow; NULL: no change is under way */

    char *terms_agreed_url;  /* what the CA called its terms when they were agreed to; NULL */
    char *terms_current_url; /* what its directory calls them now; NULL */
    bool terms_due;          /* the caller agrees to those of now; the CA is to be told */

    char *status;    /* "pending" before the CA knows it; else the CA's word */
    char *url;       /* NULL before the CA knows it */
    char *ca_object; /* the CA's JSON, verbatim */
    char *initial_ip;
    char *ca_created_at;
    char *ca_orders; /* JSON {fetched_at, urls, truncated}; NULL: not asked, or the CA keeps none */
    char *last_error; /* problem JSON of the last failed job; NULL */
    /* The same of the active job while it waits for a person, "" if it has none; NULL: it does not
       wait for one. */
    char *person_error;
    char *job_error;  /* problem JSON of the active job, while it is to try again; NULL */
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

/*
 * A change of the key (RFC 8555 section 7.3.5): the next one is durable beside the one in use,
 * until one of them is destroyed. set: ERR_CONFLICT if the account has this key or a next one
 * already, else as account_insert. take makes it the account's key; drop destroys it.
 */
int account_set_next_key(struct store_tx *tx, int64_t id, const struct key *key, struct err *e);
int account_take_next_key(struct store_tx *tx, int64_t id, struct err *e);
int account_drop_next_key(struct store_tx *tx, int64_t id, struct err *e);
/* Unseals. ERR_NOT_FOUND if there is none. */
int account_open_next_key(struct db *db, int64_t id, struct key **out, struct err *e);

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

/* The caller agrees to the CA's terms of now: account_set_terms once the CA knows. */
int account_ask_for_terms(struct store_tx *tx, int64_t id, struct err *e);
int account_set_terms(struct store_tx *tx, int64_t id, const char *agreed_url, struct err *e);

/* The CA's list, see struct account; NULL: it keeps none. */
int account_set_orders(struct store_tx *tx, int64_t id, const char *orders, struct err *e);

/* Its certificates are not renewed any more, for that reason (problem JSON). */
int account_stop_certificates(struct store_tx *tx, int64_t id, const char *error, struct err *e);
/*
 * With its keys; its jobs are called back. ERR_IN_USE, with their names, while certificates refer
 * to it.
 */
int account_delete(struct store_tx *tx, int64_t id, struct err *e);

/* error NULL clears; job NULL: none is active. */
int account_set_job(struct store_tx *tx, int64_t id, const char *job, const char *error,
                    struct err *e);

/* Unseals. The caller destroys *out. */
int account_open_key(struct db *db, int64_t id, struct key **out, struct err *e);
/* Appends the MAC key; the caller ends it with buf_finish_secret. ERR_NOT_FOUND if there is none.
 */
int account_open_eab_key(struct db *db, int64_t id, struct buf *out, struct err *e);

/* Whether an account (any authority) has this public key, or is about to get it. */
int account_has_spki(struct db *db, const char *spki_sha256, bool *has, struct err *e);

#endif

/*
 * Certificates: what a caller asked for under a name, and the versions that came of it. The latest
 * valid version is the one in use; a version being made never touches it.
 */
#ifndef CERTWRIGHT_STORE_CERTIFICATE_H
#define CERTWRIGHT_STORE_CERTIFICATE_H

#include "acme/key.h"
#include "store/origin.h"
#include "store/store.h"

struct certificate {
    int64_t id;
    char *name;
    char *spec;            /* normalized body as given, secrets as fingerprints; for PUT */
    char *identifiers;     /* JSON array of strings, sorted */
    char *authority;       /* resolved; NULL: it was imported, and has no account */
    char *account;         /* resolved name; likewise */
    int64_t account_id;    /* 0 likewise */
    char *profile;         /* NULL: the CA's default */
    int64_t validity_ms;   /* that is asked for; 0: the CA's own */
    char *preferred_chain; /* issuer CN; NULL */
    char *challenge;       /* JSON object {type, solver?}; NULL: by zone */
    char *email;           /* for the CSR's subject; NULL */
    char *labels;          /* JSON object of strings */
    enum key_type key_type;
    bool key_reuse;
    bool key_exportable; /* not read when it is inserted or changed: see certificate_keep_key */
    bool has_given_key;  /* the caller's key is sealed here */
    bool has_given_csr;  /* the caller's CSR is here; then we never have a key */
    int64_t retry_for_ms;
    enum origin origin;
    bool renew;              /* by itself */
    int64_t renew_before_ms; /* so long before it expires; 0: by its life */
    bool renew_ari;          /* when the CA suggests it, if it does */

    int64_t version;    /* in use; 0: none yet */
    bool revoked;       /* the one in use is */
    bool outdated;      /* it was made from a former spec: the change has not come through yet */
    bool renew_stopped; /* revocation stops renewal */
    bool trusted;       /* not by a test authority; of the authority now */
    int64_t next_renewal_at; /* wall time; 0: none is planned */
    char *renewal;           /* JSON object, what the plan of its renewal rests on; NULL */
    char *last_error;        /* problem JSON; NULL */
    /* The same of the active job while it waits for a person, "" if it has none; NULL: it does not
       wait for one. */
    char *person_error;
    char *active_job;   /* ULID of the issue or revoke job; NULL */
    char *active_error; /* what that goes on with all the same: problem JSON; NULL */
    bool has_targets;   /* deployments */
    int64_t created_at;
    int64_t updated_at;

    /* of the version in use; NULL and 0 before */
    char *serial;
    char *issuer;
    char *spki_sha256;
    enum key_type version_key_type;
    int64_t not_before;
    int64_t not_after;
};

void certificate_finish(struct certificate *certificate);

/* ERR_NOT_FOUND. */
int certificate_load(struct db *db, const char *name, struct certificate *out, struct err *e);
int certificate_load_by_id(struct db *db, int64_t id, struct certificate *out, struct err *e);
int certificate_list(struct db *db, const char *after, size_t limit, struct certificate **out,
                     size_t *count, struct err *e);

/* How many there are, without a load of each. */
struct certificate_totals {
    int64_t all;
    int64_t ready;        /* a version is in use that is neither revoked nor expired */
    int64_t failing;      /* the last job failed, or waits for a person because of an error */
    int64_t first_expiry; /* of those that are ready; 0: none is */
};
int certificate_total(struct db *db, int64_t now, struct certificate_totals *out, struct err *e);

/*
 * Inserts what a caller may set; the account is found by account_id, else by its name, and there
 * may be none. given_key and given_csr (DER) may be NULL, and are not both given. Fills
 * certificate->id. ERR_INVALID if there is no such account; ERR_NAME_TAKEN; ERR_KEY_REUSED if an
 * account has given_key or the CSR's key (csr_spki_sha256).
 */
int certificate_insert(struct store_tx *tx, struct certificate *certificate,
                       const struct key *given_key, const void *given_csr, size_t given_csr_size,
                       const char *csr_spki_sha256, struct err *e);
/* Replaces, by id, all that a caller may set except the name; as above. A key or CSR that is not
   given again is forgotten. */
int certificate_update_spec(struct store_tx *tx, const struct certificate *certificate,
                            const struct key *given_key, const void *given_csr,
                            size_t given_csr_size, const char *csr_spki_sha256, struct err *e);
/* Its keys are not exportable from now on; nothing takes that back. */
int certificate_keep_key(struct store_tx *tx, const char *name, struct err *e);
/* Labels only (JSON object) and the normalized spec that goes with them. */
int certificate_update_labels(struct store_tx *tx, int64_t id, const char *labels, const char *spec,
                              struct err *e);
/* The wish alone: renew, renew_before_ms, renew_ari. */
int certificate_update_renew(struct store_tx *tx, int64_t id, bool renew, int64_t before_ms,
                             bool ari, struct err *e);
/* The plan for the renewal of that version (at 0: none); nothing if another is in use by now. */
int certificate_set_renewal(struct store_tx *tx, int64_t id, int64_t version, int64_t at,
                            const char *renewal, struct err *e);
/* Certificates to be renewed by themselves that no unfinished job issues or plans for; limit at
   most. *out as certificate_list has it. */
int certificate_list_unplanned(struct db *db, size_t limit, struct certificate **out, size_t *count,
                               struct err *e);
/* Deletes the row, its versions and their keys, its orders; but an order stays, until job_sweep
   takes its job, while that runs or a duty is open. ERR_NOT_FOUND. */
int certificate_delete(struct store_tx *tx, int64_t id, struct err *e);

/* error NULL clears; job NULL: none is active. */
int certificate_set_job(struct store_tx *tx, int64_t id, const char *job, const char *error,
                        struct err *e);

/* The caller's own CSR, DER appended to out. ERR_NOT_FOUND. */
int certificate_given_csr(struct db *db, int64_t id, struct buf *out, struct err *e);
int certificate_open_given_key(struct db *db, int64_t id, struct key **out, struct err *e);

/* ---- versions ---- */

enum version_state {
    VERSION_PREPARED, /* key and CSR are durable, no certificate yet */
    VERSION_VALID,
    VERSION_REVOKED,
    VERSION_FAILED, /* its key is destroyed */
};

struct version {
    int64_t certificate_id;
    int64_t n; /* from 1 */
    enum version_state state;
    bool has_key;
    enum key_type key_type;
    char *spki_sha256;
    char *csr; /* DER; empty if it was imported */
    size_t csr_size;
    char *leaf;  /* PEM; NULL before it is valid */
    char *chain; /* PEM of the intermediates; may be "" */
    char *serial;
    char *issuer;
    int64_t not_before;
    int64_t not_after;
    int64_t created_at;
    int64_t issued_at;
    int64_t revoked_at;        /* 0 */
    int64_t revocation_reason; /* RFC 5280 code; -1 */
};

void version_finish(struct version *version);

/* n 0: the one in use. ERR_NOT_FOUND. */
int version_load(struct db *db, int64_t certificate_id, int64_t n, struct version *out,
                 struct err *e);
/* All, newest first. */
int version_list(struct db *db, int64_t certificate_id, struct version **out, size_t *count,
                 struct err *e);
/* When (engine time) the certificate's nth newest version (0: the newest) was issued; 0 if it has
   fewer. */
int version_issued_at(struct db *db, int64_t certificate_id, int64_t nth, int64_t *at,
                      struct err *e);
/* Unseals. ERR_NOT_FOUND if its key never was here or is destroyed. */
int version_open_key(struct db *db, int64_t certificate_id, int64_t n, struct key **out,
                     struct err *e);

/*
 * The next version with its key (NULL: the CSR is the caller's) and CSR (DER). *n gets its number.
 * ERR_KEY_REUSED if an account has this public key.
 */
int version_prepare(struct store_tx *tx, int64_t certificate_id, const struct key *key,
                    const char *spki_sha256, enum key_type key_type, const void *csr,
                    size_t csr_size, int64_t *n, struct err *e);
struct version_issued {
    const char *leaf;
    const char *chain;
    const char *serial;
    const char *issuer;
    int64_t not_before;
    int64_t not_after;
};
/*
 * The next version, which is in use from now on, as it was issued elsewhere to that key: it has no
 * CSR, and counts as issued when it became valid. *n gets its number. ERR_KEY_REUSED as above.
 */
int version_import(struct store_tx *tx, int64_t certificate_id, const struct key *key,
                   const struct version_issued *issued, int64_t *n, struct err *e);

/*
 * These move a version on: ERR_NOT_FOUND if there is none, ERR_CONFLICT if its state does not allow
 * it. What is failed may fail again, what is revoked be revoked again: then nothing changes.
 */

/* Makes it the version in use, unless a later one is; then renewal goes on if it was stopped. */
int version_issue(struct store_tx *tx, int64_t certificate_id, int64_t n,
                  const struct version_issued *issued, struct err *e);
/* Destroys the key of a version that never was issued. */
int version_fail(struct store_tx *tx, int64_t certificate_id, int64_t n, struct err *e);
/* Stops renewal if it is the one in use. */
int version_revoke(struct store_tx *tx, int64_t certificate_id, int64_t n, int reason,
                   struct err *e);

#endif

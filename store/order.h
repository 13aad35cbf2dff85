/*
 * ACME orders as we follow them, with their authorizations (RFC 8555 sections 7.1.3, 7.1.4), the
 * challenge chosen for each, and what must be cleaned up afterwards.
 */
#ifndef CERTWRIGHT_STORE_ORDER_H
#define CERTWRIGHT_STORE_ORDER_H

#include "acme/base/ulid.h"
#include "store/store.h"

struct order {
    char id[ULID_SIZE];
    char *job;
    int64_t certificate_id;
    char *certificate; /* its name */
    int64_t version;
    char *account;
    char *authority;
    char *url;      /* the CA's; NULL while newOrder's answer is not known */
    char *status;   /* "new" before url is known; else the CA's word */
    char *document; /* the CA's JSON; NULL likewise */
    char *finalize_url;
    char *certificate_url;
    int64_t expires_at; /* 0: not told */
    char *error;        /* problem JSON; NULL */
    int64_t created_at;
    int64_t updated_at;
};

void order_finish(struct order *order);
int order_load(struct db *db, const char *id, struct order *out, struct err *e);
/* The newest of a job. ERR_NOT_FOUND. */
int order_load_of_job(struct db *db, const char *job, struct order *out, struct err *e);
/* How many a job has placed, or was about to. */
int order_count_of_job(struct db *db, const char *job, int64_t *count, struct err *e);
/* Newest first; after is the last row's id of the page before, ERR_NOT_FOUND if that order is gone
   meanwhile. certificate NULL: of all. */
int order_list(struct db *db, const char *certificate, const char *after, size_t limit,
               struct order **out, size_t *count, struct err *e);

/* Whether a job of the account has challenges under way: chosen, and not validated yet. One that
   waits for a person does not count. */
int order_account_has_challenges(struct db *db, const char *account, bool *has, struct err *e);

/* All of it; an order without an id gets one. */
int order_insert(struct store_tx *tx, struct order *order, struct err *e);
/* Replaces url, status, document, finalize_url, certificate_url, expires_at, error. */
int order_update(struct store_tx *tx, const struct order *order, struct err *e);

/* The version that is to come of it is another one now. */
int order_set_version(struct store_tx *tx, const char *id, int64_t version, struct err *e);

/* The way of one authorization through the job. */
enum authorization_step {
    AUTHORIZATION_NEW,       /* only its URL is known */
    AUTHORIZATION_CHOSEN,    /* fetched; challenge and solver are chosen */
    AUTHORIZATION_ANNOUNCED, /* the clean-up duty is durable; presenting may begin */
    AUTHORIZATION_PRESENTED,
    AUTHORIZATION_VISIBLE, /* the check has seen it where the CA will look */
    AUTHORIZATION_RESPONDED,
    AUTHORIZATION_VALID,
    AUTHORIZATION_INVALID,
};
const char *authorization_step_name(enum authorization_step step);

struct authorization {
    char order[ULID_SIZE];
    int64_t index; /* from 0, the order of the CA's list */
    char *url;
    enum authorization_step step;
    char *status; /* the CA's word; NULL before it was fetched */
    char *document;
    char *identifier_type;  /* NULL likewise */
    char *identifier_value; /* without "*." */
    bool wildcard;
    char *challenge_type;
    char *challenge_url;
    char *token;
    char *key_authorization; /* NULL with dns-persist-01 */
    char *solver;            /* name; NULL until chosen, and where dns-persist-01 has none */
    char *record_name;       /* of the dns-… challenges: where the TXT goes, CNAMEs followed */
    char *record_zone;
    char *record_value;
    char *detail; /* for people: "2 of 3 name servers have it" */
    char *error;  /* problem JSON; NULL */
};

void authorization_finish(struct authorization *authorization);
/* All of an order, by index. */
int authorization_list(struct db *db, const char *order, struct authorization **out, size_t *count,
                       struct err *e);
/* Calls fn with each order of the job that has authorizations which may be pending at the CA. */
int authorization_pending_orders(struct db *db, const char *job,
                                 int (*fn)(void *context, const char *order, struct err *e),
                                 void *context, struct err *e);
/* Whether an order that somebody still works on has this authorization too: CAs share them. */
int authorization_is_shared(struct db *db, const struct authorization *authorization, bool *shared,
                            struct err *e);
/* Inserts (index unknown yet to the table) or replaces. */
int authorization_put(struct store_tx *tx, const struct authorization *authorization,
                      struct err *e);

/* ---- duties: what must be taken back, whatever happens ---- */

struct duty {
    int64_t id;
    char order[ULID_SIZE];
    int64_t index;     /* of the authorization */
    char *solver;      /* name; "http-01" and "tls-alpn-01" are what we answer ourselves */
    char *record_name; /* TXT name, or the http-01 token, or the identifier of tls-alpn-01 */
    char *record_zone;
    char *record_value; /* TXT value, or the key authorization */
    char *state;        /* what the solver's present left for its cleanup; NULL */
};

void duty_finish(struct duty *duty);
/* The same one again changes nothing. */
int duty_insert(struct store_tx *tx, const struct duty *duty, struct err *e);
/* What present returned, for clean-up. ERR_NOT_FOUND without such a duty. */
int duty_set_state(struct store_tx *tx, const char *order, int64_t index, const char *state,
                   struct err *e);
int duty_list(struct db *db, const char *order, struct duty **out, size_t *count, struct err *e);
/* All duties of that solver: to fill the http-01 responder at the start. */
int duty_list_of_solver(struct db *db, const char *solver, struct duty **out, size_t *count,
                        struct err *e);
/* Fine if it is gone already. */
/* Whether another order owes the very same record: a CA may hand out one challenge twice. */
int duty_is_shared(struct db *db, const struct duty *duty, bool *shared, struct err *e);
int duty_delete(struct store_tx *tx, int64_t id, struct err *e);

#endif

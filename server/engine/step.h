/*
 * Steps: what a job is made of.
 *
 * A step is bracketed by the engine: load the job's rows, run the step (and those it may join),
 * commit what it left in its context in one transaction. run does at most one thing that the
 * outside world notices, and never writes to the store. Which step may follow which is data,
 * checked on every move.
 */
#ifndef CERTWRIGHT_SERVER_ENGINE_STEP_H
#define CERTWRIGHT_SERVER_ENGINE_STEP_H

#include "acme/client.h"
#include "server/engine/lanes.h"
#include "server/engine/remedy.h"
#include "server/engine/requests.h"
#include "store/account.h"
#include "store/authority.h"
#include "store/certificate.h"
#include "store/job.h"
#include "store/order.h"

struct ca;
struct engine;
struct json_object;
struct step_context;
struct worker;

enum { STEP_MESSAGE_SIZE = 512, STEP_NEXT_MAX = 6 };

struct step {
    const char *name;
    /* 0 with an outcome set (step_next, step_wait, step_done), or -1: retry.h decides. */
    int (*run)(struct step_context *c, struct err *e);
    /* The lane this step's work belongs to. */
    void (*lane)(const struct step_context *c, char out[LANE_NAME_SIZE]);
    bool committed;                  /* the point of no return is passed: no cancel any more */
    const char *next[STEP_NEXT_MAX]; /* the steps that may follow, besides itself */
};

/*
 * A step that may run before the one it follows is committed, and then shares a commit with it: no
 * two effects outside share one, and what an effect relies on is durable before it. After a kill
 * all that was joined runs again, from the first of its steps.
 */
struct step_join {
    const char *step;
    const char *next;
};

struct job_kind {
    const char *name;
    const struct step *steps;
    size_t step_count;
    const struct step_join *joins;
    size_t join_count;
    /* Fills the context from the store, before run. c->gone where the resource is no more. */
    int (*load)(struct step_context *c, struct err *e);
    /*
     * What can be done about a failed step (remedy_for(e)->first), or NULL: 0 with an outcome and
     * what is to be saved, or -1, and e is what retry.h decides about.
     */
    int (*remedy)(struct step_context *c, enum remedy remedy, struct err *e);
    /* Part of the transaction that ends the job. error: as in rows; NULL if it succeeded. */
    int (*end)(struct store_tx *tx, struct step_context *c, enum job_state state, const char *error,
               struct err *e);
};

enum step_outcome { STEP_NONE, STEP_NEXT, STEP_WAIT, STEP_DONE };

/* One run of one step, or of several that are joined. Everything in it ends with the commit. */
struct step_context {
    struct engine *engine;
    struct worker *worker;
    struct db *db;
    int64_t now;
    /* Whether an earlier run of this step may have reached the outside without our knowing: after
       a restart or a failure. Then look at the state of things before acting. */
    bool resumed;
    const struct job_kind *kind;
    const struct step *step;
    struct job job;
    struct json_object *args;

    bool loaded; /* by the kind: what follows is there */
    bool gone;   /* the resource was deleted meanwhile: the job ends as cancelled */
    struct authority authority;
    struct account account;
    struct certificate certificate;
    struct order order; /* id "" while there is none */
    struct authorization *authorizations;
    size_t authorization_count;
    struct key *account_key;
    struct acme_client client; /* ready after context_client */
    struct ca *ca;             /* likewise; the client's, borrowed */
    struct requests requests;  /* to the CA since the last commit */

    enum step_outcome outcome;
    const char *next; /* NULL: the same step */
    int64_t due;
    char message[STEP_MESSAGE_SIZE];
    char *about; /* the identifier that the message is about; NULL: the whole job */

    /* What the commit writes, whatever the outcome. */
    bool order_changed;
    bool order_new; /* the order has no row yet: save inserts it as it is by then */
    uint64_t authorizations_changed[(IDENTIFIER_MAX_COUNT + 63) / 64];
    char *directory; /* fetched in this step; NULL: was there */
    int (*save)(struct store_tx *tx, struct step_context *c, struct err *e);
    void *saved; /* for save */
    void (*saved_free)(void *saved);
    /* Asked inside the commit of a wait: whether what it waits for is there already. */
    bool (*ready)(struct step_context *c);
    /* The error that the job shows while it waits, though the step did not fail; NULL: none. */
    char *shown;
};

/* ---- outcomes; format NULL: nothing for the timeline ---- */

int step_next(struct step_context *c, const char *next, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* next NULL: this step again. */
int step_wait(struct step_context *c, const char *next, int64_t due, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
int step_done(struct step_context *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* How often this step has polled without an error in between. */
int64_t step_polls(const struct step_context *c);

void step_mark_authorization(struct step_context *c, size_t i);

/* The timeline's entry is about the identifier of that authorization. */
void step_about(struct step_context *c, size_t i);

/* ---- the context (context.c) ---- */

void context_finish(struct step_context *c);

/* Drops what a step has left to be saved, before something else is. */
void context_discard(struct step_context *c);

/*
 * Engine time up to which a failed step is tried again; INT64_MAX: for ever. What began before this
 * process has an hour in it, unless it wants no second try: while nobody ran it nobody tried, and a
 * machine may come up without its network, or with the wrong time.
 */
int64_t context_deadline(const struct step_context *c);
/* What is left until then; INT64_MAX: no end. */
int64_t context_left_ms(const struct step_context *c, int64_t now);

/*
 * Counts that the CA gave a step of its lane no answer, for how long no job is to ask it then; with
 * another error or none the count begins anew.
 */
int64_t context_silence_ms(struct step_context *c, bool at_authority, const struct err *error);

/* The longest back-off of the job: what renews a certificate has to be in time. */
int64_t context_patience_ms(const struct step_context *c);

/* Wall time to hold against the CA's dates: by the CA's clock, where it is known to be more than an
   hour away from this machine's. */
int64_t context_wall_ms(const struct step_context *c);

/* How many entries the job's timeline has of that step. */
int context_events(struct step_context *c, const char *step, size_t *count, struct err *e);

/* Opens the account's key and a way to its CA; the directory is there afterwards. */
int context_client(struct step_context *c, struct err *e);

/* A way to a CA without an account, for directories. */
int context_anonymous_client(struct step_context *c, struct err *e);
/* After it: the directory is there, fetched unless it was. */
int context_directory(struct step_context *c, struct err *e);
/* Keeps the CA's directory, which was fetched in this step; warns of terms that have changed. */
void context_take_directory(struct step_context *c);
/* What the CA calls its terms of service now; NULL if it has none. The caller frees. */
char *context_terms(struct step_context *c);
/* After a refusal that an outdated directory explains: it is fetched again soon. */
void context_doubt_directory(struct step_context *c, const struct err *error);

/* *e = *error, and -1: for an error that was looked at first, whether it is one. */
int context_fail(struct err *e, const struct err *error);

/* Whether the step's end tells of the authority: others call DNS providers, or nobody. */
bool context_is_at_authority(const struct step_context *c);

/* The CA was asked something for this step. */
void context_take_request(struct step_context *c, const struct acme_http_trace *trace);

/* An argument of the job; NULL or fallback if there is none. */
const char *context_arg(const struct step_context *c, const char *name);
int64_t context_arg_int(const struct step_context *c, const char *name, int64_t fallback);

/* ---- the table (table.c) ---- */

const struct job_kind *job_kind_by_name(const char *name);
/* ERR_MALFORMED, with those that there are, for a name that none has. */
int job_kind_check(const char *name, struct err *e);
const struct step *job_kind_step(const struct job_kind *kind, const char *name);
bool step_may_follow(const struct step *step, const char *next);
bool step_may_join(const struct job_kind *kind, const struct step *step, const char *next);

/* ---- kinds ---- */

extern const struct job_kind account_create_kind;
extern const struct job_kind account_update_kind;
extern const struct job_kind account_refresh_kind;
extern const struct job_kind account_rollover_kind;
extern const struct job_kind account_deactivate_kind;
extern const struct job_kind authority_refresh_kind;
extern const struct job_kind authorization_deactivate_kind;
extern const struct job_kind certificate_issue_kind;
extern const struct job_kind certificate_renew_kind;
extern const struct job_kind certificate_revoke_kind;
extern const struct job_kind certificate_deploy_kind;
extern const struct job_kind challenge_cleanup_kind;
extern const struct job_kind preflight_kind;
extern const struct job_kind revocation_send_kind;
extern const struct job_kind solver_test_kind;
extern const struct job_kind target_test_kind;

/* ---- lanes by name ---- */

void lane_local(const struct step_context *c, char out[LANE_NAME_SIZE]);
void lane_of_authority(const struct step_context *c, char out[LANE_NAME_SIZE]);
void lane_name_of_authority(const char *authority, char out[LANE_NAME_SIZE]);
void lane_name_of_preflight(const char *authority, char out[LANE_NAME_SIZE]);
void lane_name_of_target(const char *target, char out[LANE_NAME_SIZE]);
const char *lane_name_for_key(enum key_type type);

#endif

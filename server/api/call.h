/*
 * One write on its way: from the handler to the writer thread, and back as an answer.
 *
 * The handler reads and validates the body, then gives the work to call_write and returns. apply
 * runs in the store's transaction (and may run again: it has no side effects but in the database
 * and in call->out). What it leaves in call->out is answered once the transaction is durable.
 */
#ifndef CERTWRIGHT_SERVER_API_CALL_H
#define CERTWRIGHT_SERVER_API_CALL_H

#include "acme/base/ulid.h"
#include "server/api/api_private.h"
#include "server/api/fields.h"
#include "server/api/job_view.h"
#include "store/origin.h"

struct call;

/* What is answered. A job beats a status and JSON: 202 with that job. */
struct call_out {
    int status;
    struct json_object *json;  /* owned; NULL: no body */
    char etag[HTTP_ETAG_SIZE]; /* json's; "": a hash of it */
    char *location;            /* owned; NULL: none */
    bool is_secret;            /* json: no hash of it is told, and its memory is cleansed */
    char job[ULID_SIZE];       /* "": none */
    struct job_view view;      /* of the job */
};

typedef int call_apply_fn(struct call *call, struct store_tx *tx, struct err *e);

/* Called on the writer thread once the write is durable, before the answer. Must not wait. */
typedef void call_committed_fn(struct call *call);

struct call {
    struct api *api;
    struct http_exchange *x;
    call_apply_fn *apply;
    call_committed_fn *committed; /* NULL: nothing is to be done */
    bool is_post;                 /* so that an Idempotency-Key counts */
    bool runs_again;              /* and apply is to find by itself what it did the first time */
    void *spec;                   /* what the handler has read, owned */
    void (*spec_destroy)(void *spec);
    struct fields errors; /* for ERR_INVALID of apply */
    int64_t before;       /* see rights_note_before */
    struct call_out out;
};

/* spec's ownership passes, with spec_destroy to end it; both may be NULL. */
void call_write(struct api *api, struct http_exchange *x, call_apply_fn *apply, void *spec,
                void (*spec_destroy)(void *spec));
/* The same, and committed afterwards. */
void call_write_then(struct api *api, struct http_exchange *x, call_apply_fn *apply,
                     call_committed_fn *committed, void *spec, void (*spec_destroy)(void *spec));
/* The same for a POST: with an Idempotency-Key that came before, apply is not run. */
void call_post(struct api *api, struct http_exchange *x, call_apply_fn *apply, void *spec,
               void (*spec_destroy)(void *spec));

/* The same for one that is answered with a resource, not a job: with a key that came before, apply
   is run again, and has to find what it did. */
void call_post_again(struct api *api, struct http_exchange *x, call_apply_fn *apply, void *spec,
                     void (*spec_destroy)(void *spec));

/* Inside apply: ERR_PRECONDITION unless If-Match allows to change what is shown as current; takes
   current over (NULL: there is no such resource). */
int call_if_match(const struct call *call, struct json_object *current, struct err *e);

/* ERR_MANAGED unless the API may change what has that origin. */
int call_check_origin(enum origin origin, const char *what, const char *name, struct err *e);

/* Inside apply: answers with status and JSON (its ownership passes). */
void call_answer(struct call *call, int status, struct json_object *json);

/* ---- bodies ---- */

/*
 * The body's object for the handler of x, which ends it with body_destroy; NULL if it is none: x is
 * answered then. An empty body is an empty object on routes that need none.
 */
struct json_object *call_body(struct http_exchange *x);

/* The same, with call_reader's connection to check it against. */
struct json_object *call_body_with_reader(struct api *api, struct http_exchange *x, struct db **db);

/* For routes whose body is {} or nothing; false: x is answered. */
bool call_empty_body(struct http_exchange *x);

/* Complains unless the name in a path is one that a resource can have. */
void call_check_name(const char *name, struct fields *errors);

/* If there are complaints: answers x with them, frees them, and returns true. */
bool call_refused(struct http_exchange *x, struct fields *errors);

/* The same after checks that may fail themselves: rc < 0, with e, which is answered then. */
bool call_rejected(struct http_exchange *x, int rc, const struct err *e, struct fields *errors);

/* Appends JSON that holds a secret as text, and cleanses its memory; its ownership passes. */
void call_secret_text(struct json_object *json, struct buf *out);

/* For handlers that only read: the thread's connection; NULL: x is answered. */
struct db *call_reader(struct api *api, struct http_exchange *x);

/* Answers x with a job, 200 or 202, now or at its end if `Prefer: wait` asks for that. x may be
   deferred already. */
void call_answer_job(struct api *api, struct http_exchange *x, int status, const char *id);

#endif

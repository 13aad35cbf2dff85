#include "server/api/call.h"

#include "acme/base/memory.h"
#include "server/api/audit.h"
#include "server/api/body.h"
#include "server/api/check.h"
#include "server/api/rights.h"
#include "store/idempotency.h"
#include "store/job.h"

#include <json-c/json.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { IDEMPOTENCY_KEY_MAX = 255 };

/* ---- answering with a job ---- */

struct job_wait {
    struct api *api;
    int status;
    int seconds;
    char id[ULID_SIZE];
};

static void respond_job(struct http_exchange *x, int status, const char *id, int waited_seconds,
                        struct job_view *view)
{
    char text[64];
    if (status == 202) {
        snprintf(text, sizeof text, "/jobs/%s", id);
        http_add_header(x, "Location", text);
    }
    if (!view->ended) {
        snprintf(text, sizeof text, "%d", (int)view->retry_after_seconds);
        http_add_header(x, "Retry-After", text);
    }
    if (waited_seconds > 0) {
        snprintf(text, sizeof text, "wait=%d", waited_seconds);
        http_add_header(x, "Preference-Applied", text);
    }
    http_respond_json(x, status, view->json);
}

/* Whether the job still goes on: all that a waiter needs to know of most commits. */
static bool goes_on(struct api *api, const char *id)
{
    struct db *db;
    struct job job;
    struct err ignored; /* the view that is made then meets it again, and tells it */
    if (store_reader(api->options.store, &db, &ignored) < 0 || job_load(db, id, &job, &ignored) < 0)
        return false;
    bool ended = job_state_is_final(job.state);
    job_finish(&job);
    return !ended;
}

static bool answer_wait(struct http_exchange *x, void *context, bool final)
{
    const struct job_wait *wait = context;
    struct job_view view;
    struct db *db;
    struct err e;
    if (http_confirm(x, &e) < 0) {
        http_respond_error(x, &e, NULL, NULL);
        return true;
    }
    if (!final && goes_on(wait->api, wait->id))
        return false;
    if (store_reader(wait->api->options.store, &db, &e) < 0 ||
        job_view_load(db, wait->id, &view, &e) < 0) {
        http_respond_error(x, &e, NULL, NULL);
        return true;
    }
    respond_job(x, wait->status, wait->id, wait->seconds, &view);
    return true;
}

static void begin_wait(struct api *api, struct http_exchange *x, int status, const char *id)
{
    struct job_wait *wait = mem_new(1, sizeof *wait);
    wait->api = api;
    wait->status = status;
    wait->seconds = http_prefer_wait_seconds(x);
    memcpy(wait->id, id, ULID_SIZE);
    http_wait(x, wait->seconds, answer_wait, wait, free);
}

void call_answer_job(struct api *api, struct http_exchange *x, int status, const char *id)
{
    if (http_prefer_wait_seconds(x) > 0) {
        begin_wait(api, x, status, id);
        return;
    }
    struct job_wait now = {.api = api, .status = status};
    memcpy(now.id, id, ULID_SIZE);
    answer_wait(x, &now, true);
}

/* ---- writes ---- */

static void reset(struct call *call)
{
    if (call->out.is_secret)
        body_destroy(call->out.json);
    else
        json_object_put(call->out.json);
    json_object_put(call->out.view.json);
    free(call->out.location);
    call->out = (struct call_out){.status = 204};
    fields_finish(&call->errors);
}

static void destroy(struct call *call)
{
    reset(call);
    if (call->spec_destroy)
        call->spec_destroy(call->spec);
    free(call);
}

static int load_job(struct call *call, struct store_tx *tx, struct err *e)
{
    if (!call->out.job[0])
        return 0;
    return job_view_load(store_tx_db(tx), call->out.job, &call->out.view, e);
}

/* apply, unless the same request came before. */
static int run_once(struct call *call, struct store_tx *tx, const char *key, struct err *e)
{
    char *scope = mem_printf("%s\nPOST %s", http_principal(call->x), http_path(call->x));
    const struct buf *body = http_body(call->x);
    char hash[SEAL_FINGERPRINT_SIZE];
    bool found = false;
    seal_fingerprint(db_seal(store_tx_db(tx)), body->data ? body->data : "", body->size, hash);
    struct idempotency request = {.scope = scope, .key = key, .body = hash};
    int rc = idempotency_find(tx, &request, call->out.job, &found, e);
    if (rc == 0 && (!found || call->runs_again))
        rc = call->apply(call, tx, e);
    if (rc == 0 && !found && (call->out.job[0] || call->runs_again))
        rc = idempotency_put(tx, &request, call->out.job, e);
    free(scope);
    return rc;
}

/* What the call has made or changed: the job's resource, what is new, or what the path names. */
static const char *resource_of(const struct call *call)
{
    struct json_object *resource, *href;
    if (call->out.job[0] && json_object_object_get_ex(call->out.view.json, "resource", &resource) &&
        json_object_object_get_ex(resource, "href", &href) && href)
        return json_object_get_string(href);
    return call->out.location ? call->out.location : http_path(call->x);
}

/* In the transaction of what it tells of: there is neither without the other. */
static int write_audit(struct call *call, struct store_tx *tx, struct err *e)
{
    const char *job = call->out.job[0] ? call->out.job : NULL;
    if (http_is_read(call->x))
        return 0;
    return audit_note_success(tx, call->x, job ? 202 : call->out.status, resource_of(call), job, e);
}

static int run(struct store_tx *tx, void *arg, struct err *e)
{
    struct call *call = arg;
    reset(call);
    if (http_confirm(call->x, e) < 0 || rights_permit(store_tx_db(tx), call->x, e) < 0)
        return -1;
    const char *key = call->is_post ? http_header(call->x, "Idempotency-Key") : NULL;
    if (rights_note_before(store_tx_db(tx), call->x, &call->before, e) < 0)
        return -1;
    int rc = key ? run_once(call, tx, key, e) : call->apply(call, tx, e);
    if (rc == 0)
        rc = rights_check_result(store_tx_db(tx), call, &call->errors, e);
    if (rc == 0)
        rc = load_job(call, tx, e);
    return rc < 0 ? -1 : write_audit(call, tx, e);
}

/* With its tag, so that the next change can be made conditional on this answer. */
static void respond_resource(struct http_exchange *x, const struct call_out *out)
{
    char etag[HTTP_ETAG_SIZE];
    if (!out->etag[0])
        http_json_etag(out->json, etag);
    http_add_header(x, "ETag", out->etag[0] ? out->etag : etag);
    http_respond_json(x, out->status, out->json);
}

/* Its transaction has told of it. */
static void respond_secret(struct http_exchange *x, int status, struct json_object *json)
{
    struct buf body = {0};
    call_secret_text(json, &body);
    http_respond(x, status, "application/json", &body);
}

/* On the writer thread, so nothing here reads the database or waits. */
static void done(void *arg, const struct err *e)
{
    struct call *call = arg;
    struct http_exchange *x = call->x;
    struct call_out *out = &call->out;
    if (!e && call->committed)
        call->committed(call);
    if (e) {
        http_respond_error(x, e, call->errors.count ? fields_json(&call->errors) : NULL, NULL);
    } else if (out->job[0] && !out->view.ended && http_prefer_wait_seconds(x) > 0) {
        begin_wait(call->api, x, 202, out->job);
    } else if (out->job[0]) {
        respond_job(x, 202, out->job, http_prefer_wait_seconds(x), &out->view);
        out->view.json = NULL;
    } else {
        if (out->location)
            http_add_header(x, "Location", out->location);
        if (out->json && out->is_secret)
            respond_secret(x, out->status, out->json);
        else if (out->json)
            respond_resource(x, out);
        else
            http_respond(x, out->status, NULL, NULL);
        out->json = NULL;
    }
    destroy(call);
}

/* 0, or -1 if the key is not usable. */
static int check_idempotency_key(const struct http_exchange *x, struct err *e)
{
    const char *key = http_header(x, "Idempotency-Key");
    if (key && (!*key || strlen(key) > IDEMPOTENCY_KEY_MAX))
        return err_set(e, ERR_MALFORMED, "An Idempotency-Key has 1 to %d characters.",
                       IDEMPOTENCY_KEY_MAX);
    return 0;
}

static struct call *create(struct api *api, struct http_exchange *x, call_apply_fn *apply,
                           void *spec, void (*spec_destroy)(void *spec))
{
    struct call *call = mem_new(1, sizeof *call);
    call->api = api;
    call->x = x;
    call->apply = apply;
    call->spec = spec;
    call->spec_destroy = spec_destroy;
    if (!http_is_read(x))
        http_request_id(x);
    return call;
}

void call_write(struct api *api, struct http_exchange *x, call_apply_fn *apply, void *spec,
                void (*spec_destroy)(void *spec))
{
    call_write_then(api, x, apply, NULL, spec, spec_destroy);
}

void call_write_then(struct api *api, struct http_exchange *x, call_apply_fn *apply,
                     call_committed_fn *committed, void *spec, void (*spec_destroy)(void *spec))
{
    struct call *call = create(api, x, apply, spec, spec_destroy);
    call->committed = committed;
    http_defer(x);
    store_write(api->options.store, run, call, done);
}

static void post(struct call *call)
{
    struct http_exchange *x = call->x;
    struct err e;
    call->is_post = true;
    if (check_idempotency_key(x, &e) < 0) {
        http_respond_error(x, &e, NULL, NULL);
        destroy(call);
        return;
    }
    http_defer(x);
    store_write(call->api->options.store, run, call, done);
}

void call_post(struct api *api, struct http_exchange *x, call_apply_fn *apply, void *spec,
               void (*spec_destroy)(void *spec))
{
    post(create(api, x, apply, spec, spec_destroy));
}

void call_post_again(struct api *api, struct http_exchange *x, call_apply_fn *apply, void *spec,
                     void (*spec_destroy)(void *spec))
{
    struct call *call = create(api, x, apply, spec, spec_destroy);
    call->runs_again = true;
    post(call);
}

int call_if_match(const struct call *call, struct json_object *current, struct err *e)
{
    char etag[HTTP_ETAG_SIZE];
    if (!current)
        return http_if_match(call->x, NULL, e);
    http_json_etag(current, etag);
    json_object_put(current);
    return http_if_match(call->x, etag, e);
}

int call_check_origin(enum origin origin, const char *what, const char *name, struct err *e)
{
    if (origin == ORIGIN_API)
        return 0;
    if (origin == ORIGIN_BUILTIN)
        return err_set(e, ERR_MANAGED, "The %s \"%s\" is built in; make one of another name.", what,
                       name);
    return err_set(e, ERR_MANAGED, "The %s \"%s\" is the config's.", what, name);
}

void call_answer(struct call *call, int status, struct json_object *json)
{
    call->out.status = status;
    call->out.json = json;
}

/* json-c would leave the secret behind in freed memory. */
void call_secret_text(struct json_object *json, struct buf *out)
{
    size_t size;
    const char *text = json_object_to_json_string_length(
        json, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &size);
    buf_add(out, text, size);
    buf_add_char(out, '\n');
    OPENSSL_cleanse((char *)text, size);
    body_destroy(json);
}

/* ---- bodies ---- */

struct json_object *call_body(struct http_exchange *x)
{
    const struct buf *body = http_body(x);
    struct json_object *json = NULL;
    struct err e;
    /* The server lets an empty body through only where the route allows it. */
    if (body->size == 0)
        return json_object_new_object();
    if (body_parse(body->data, body->size, &json, &e) < 0)
        http_respond_error(x, &e, NULL, NULL);
    return json;
}

struct json_object *call_body_with_reader(struct api *api, struct http_exchange *x, struct db **db)
{
    struct json_object *body = call_body(x);
    if (!body)
        return NULL;
    *db = call_reader(api, x);
    if (*db)
        return body;
    body_destroy(body);
    return NULL;
}

bool call_empty_body(struct http_exchange *x)
{
    static const char *const names[] = {NULL};
    struct fields errors = {0};
    struct json_object *body = call_body(x);
    if (!body)
        return false;
    struct members m = members_of_body(body, &errors);
    members_only(&m, names);
    body_destroy(body);
    return !call_refused(x, &errors);
}

void call_check_name(const char *name, struct fields *errors)
{
    const char *fault = check_name(name);
    if (fault)
        fields_add_outside(errors, "The name in the URL %s", fault);
}

bool call_refused(struct http_exchange *x, struct fields *errors)
{
    struct err e;
    if (fields_verdict(errors, &e) == 0)
        return false;
    http_respond_error(x, &e, fields_json(errors), NULL);
    fields_finish(errors);
    return true;
}

bool call_rejected(struct http_exchange *x, int rc, const struct err *e, struct fields *errors)
{
    if (rc == 0)
        return call_refused(x, errors);
    http_respond_error(x, e, NULL, NULL);
    fields_finish(errors);
    return true;
}

struct db *call_reader(struct api *api, struct http_exchange *x)
{
    struct db *db = NULL;
    struct err e;
    if (store_reader(api->options.store, &db, &e) < 0)
        http_respond_error(x, &e, NULL, NULL);
    return db;
}

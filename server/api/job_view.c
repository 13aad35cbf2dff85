#include "server/api/job_view.h"

#include "acme/base/clock.h"
#include "acme/identifier.h"
#include "acme/problem.h"
#include "server/api/event_view.h"
#include "server/api/show.h"
#include "server/engine/requests.h"
#include "server/http/problem.h"
#include "store/certificate_subject.h"
#include "store/order.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EVENTS_SHOWN = 200 };

static struct json_object *show_challenge(const struct authorization *a)
{
    if (!a->challenge_type)
        return NULL;
    struct json_object *record = NULL;
    if (a->record_name && a->record_value) {
        record = json_object_new_object();
        show_add_text(record, "name", a->record_name);
        show_add_text(record, "type", "TXT");
        show_add_text(record, "value", a->record_value);
        show_add_text(record, "zone", a->record_zone && a->record_zone[0] ? a->record_zone : NULL);
    }
    struct json_object *challenge = json_object_new_object();
    show_add_text(challenge, "type", a->challenge_type);
    show_add_text(challenge, "solver", a->solver);
    json_object_object_add(challenge, "record", record);
    return challenge;
}

/* error: as show_failure has it; its sentence goes before detail. */
static struct json_object *show_identifier(const char *value, const char *type, const char *state,
                                           struct json_object *challenge, const char *detail,
                                           struct json_object *error)
{
    const char *why = json_object_get_string(json_object_object_get(error, "detail"));
    struct json_object *identifier = json_object_new_object();
    show_add_text(identifier, "value", value);
    show_add_text(identifier, "type", type);
    show_add_text(identifier, "state", state);
    json_object_object_add(identifier, "challenge", challenge);
    show_add_text(identifier, "detail", why ? why : detail);
    json_object_object_add(identifier, "error", error);
    return identifier;
}

static struct json_object *show_authorization(const struct authorization *a)
{
    char value[300];
    snprintf(value, sizeof value, "%s%s", a->wildcard ? "*." : "", a->identifier_value);
    return show_identifier(value, a->identifier_type, authorization_step_name(a->step),
                           show_challenge(a), a->detail, show_failure(a->error));
}

static bool is_listed(struct json_object *identifiers, const char *value)
{
    for (size_t i = 0; i < json_object_array_length(identifiers); i++) {
        struct json_object *item = json_object_array_get_idx(identifiers, i);
        if (!strcmp(json_object_get_string(json_object_object_get(item, "value")), value))
            return true;
    }
    return false;
}

/* The identifiers of the job's order; *complete tells whether every authorization is known. */
static int add_authorizations(struct db *db, const char *job, struct json_object *identifiers,
                              bool *complete, struct err *e)
{
    struct order order;
    struct authorization *list;
    size_t count;
    *complete = false;
    if (order_load_of_job(db, job, &order, e) < 0)
        return e->code == ERR_NOT_FOUND ? 0 : -1;
    int rc = authorization_list(db, order.id, &list, &count, e);
    order_finish(&order);
    if (rc < 0)
        return -1;
    *complete = count > 0;
    for (size_t i = 0; i < count; i++) {
        if (list[i].identifier_value)
            json_object_array_add(identifiers, show_authorization(&list[i]));
        else
            *complete = false;
        authorization_finish(&list[i]);
    }
    free(list);
    return 0;
}

/* The certificate's identifiers, those of then, that no authorization is known for. */
static int add_unknown(struct db *db, const char *job, struct json_object *identifiers,
                       struct err *e)
{
    struct certificate_subject subject;
    if (certificate_subject_load_of_job(db, job, &subject, e) < 0)
        return e->code == ERR_NOT_FOUND ? 0 : -1;
    struct json_object *wanted = show_stored(subject.former ? subject.former : subject.identifiers);
    certificate_subject_finish(&subject);
    for (size_t i = 0; i < json_object_array_length(wanted); i++) {
        const char *value = json_object_get_string(json_object_array_get_idx(wanted, i));
        struct identifier id;
        struct err ignored;
        if (is_listed(identifiers, value) || identifier_parse(value, &id, &ignored) < 0)
            continue;
        json_object_array_add(identifiers, show_identifier(value, identifier_type_name(id.type),
                                                           "new", NULL, NULL, NULL));
    }
    json_object_put(wanted);
    return 0;
}

/* ---- what the CA says of each (RFC 8555 section 6.7.1) ---- */

static const char *text_of(struct json_object *object, const char *name)
{
    struct json_object *value = NULL;
    return json_object_object_get_ex(object, name, &value) &&
                   json_object_is_type(value, json_type_string)
               ? json_object_get_string(value)
               : NULL;
}

static struct json_object *show_subproblem(struct json_object *sub)
{
    struct acme_problem problem = {0};
    struct err error;
    acme_problem_from_json(sub, 0, &problem, &error);
    struct json_object *shown = problem_json(&error, problem.document);
    acme_problem_finish(&problem);
    return shown;
}

/* An identifier that has an error already keeps it: its authorization tells more. */
static void blame(struct json_object *identifiers, const char *value, struct json_object *sub)
{
    for (size_t i = 0; i < json_object_array_length(identifiers); i++) {
        struct json_object *item = json_object_array_get_idx(identifiers, i);
        if (strcmp(text_of(item, "value"), value) != 0 || json_object_object_get(item, "error"))
            continue;
        struct json_object *error = show_subproblem(sub);
        show_add_text(item, "state", authorization_step_name(AUTHORIZATION_INVALID));
        show_add_text(item, "detail", text_of(error, "detail"));
        json_object_object_add(item, "error", error);
    }
}

/* error: the job's. */
static void add_subproblems(struct json_object *error, struct json_object *identifiers)
{
    struct json_object *acme = json_object_object_get(error, "acme"), *subs, *identifier;
    if (!acme || !json_object_object_get_ex(acme, "subproblems", &subs) ||
        !json_object_is_type(subs, json_type_array))
        return;
    for (size_t i = 0; i < json_object_array_length(subs); i++) {
        struct json_object *sub = json_object_array_get_idx(subs, i);
        if (!json_object_is_type(sub, json_type_object) ||
            !json_object_object_get_ex(sub, "identifier", &identifier) ||
            !json_object_is_type(identifier, json_type_object))
            continue;
        const char *value = text_of(identifier, "value");
        if (value)
            blame(identifiers, value, sub);
    }
}

static int add_identifiers(struct db *db, const struct job *job, struct json_object *out,
                           struct err *e)
{
    bool complete = true;
    struct json_object *identifiers = json_object_new_array();
    json_object_object_add(out, "identifiers", identifiers);
    if (strcmp(job->kind, "certificate.issue") != 0)
        return 0;
    if (add_authorizations(db, job->id, identifiers, &complete, e) < 0)
        return -1;
    return complete ? 0 : add_unknown(db, job->id, identifiers, e);
}

static int add_events(struct db *db, const char *id, struct json_object *out, struct err *e)
{
    struct event *events;
    size_t count;
    if (event_list(db, id, EVENTS_SHOWN, &events, &count, e) < 0)
        return -1;
    struct json_object *array = json_object_new_array();
    for (size_t i = 0; i < count; i++) {
        json_object_array_add(array, event_view_in_job(&events[i]));
        event_finish(&events[i]);
    }
    free(events);
    json_object_object_add(out, "events", array);
    return 0;
}

static void add_requests(const struct job *job, struct json_object *out)
{
    struct requests log;
    struct json_object *array = json_object_new_array();
    requests_read(job->requests, &log);
    for (size_t i = 0; i < log.count; i++) {
        const struct request *r = &log.items[i];
        struct json_object *item = json_object_new_object();
        show_add_time(item, "at", r->at);
        show_add_time(item, "last_at", r->last_at);
        show_add_text(item, "step", r->step);
        show_add_text(item, "identifier", r->identifier);
        show_add_text(item, "method", r->method);
        show_add_text(item, "path", r->path);
        json_object_object_add(item, "status", r->status ? json_object_new_int(r->status) : NULL);
        show_add_int(item, "duration_ms", r->duration_ms);
        show_add_int(item, "count", r->count);
        json_object_array_add(array, item);
    }
    json_object_object_add(out, "requests", array);
    show_add_int(out, "requests_omitted", log.omitted);
    requests_finish(&log);
}

/* Where a job installs something, or rehearses that. */
static struct json_object *show_target(const struct job *job)
{
    struct json_object *args =
        strcmp(job->kind, "certificate.deploy") != 0 && strcmp(job->kind, "target.test") != 0
            ? NULL
            : show_stored(job->args);
    struct json_object *target =
        show_text(json_object_get_string(json_object_object_get(args, "target")));
    json_object_put(args);
    return target;
}

static void add_head(const struct job *job, struct json_object *out)
{
    bool has_time =
        (job->state == JOB_QUEUED || job->state == JOB_WAITING) && job->due_at != INT64_MAX;
    show_add_text(out, "id", job->id);
    show_add_text(out, "kind", job->kind);
    show_add_text(out, "state", job_state_name(job->state));
    show_add_text(out, "step", job->step);
    show_add_int(out, "attempt", job->attempt);
    show_add_time(out, "created_at", job->created_at);
    show_add_time(out, "updated_at", job->updated_at);
    show_add_time(out, "finished_at", job->finished_at);
    show_add_time(out, "next_attempt_at", has_time ? job->due_at : 0);
    json_object_object_add(out, "resource", show_resource(job->resource_type, job->resource_name));
    json_object_object_add(out, "target", show_target(job));
}

/* Whoever polls a job that waits long need not do so often. */
static int64_t retry_after_seconds(const struct job *job)
{
    enum { MOST = 60 };
    if (job_state_is_final(job->state))
        return 0;
    if (job->state != JOB_WAITING)
        return 1;
    int64_t now = clock_engine_ms();
    int64_t wait = job->due_at == INT64_MAX ? MOST : (job->due_at - now) / CLOCK_SECOND_MS + 1;
    return wait < 1 ? 1 : wait > MOST ? MOST : wait;
}

int job_view_make(struct db *db, const struct job *job, struct job_view *view, struct err *e)
{
    struct json_object *json = json_object_new_object();
    add_head(job, json);
    int rc = add_identifiers(db, job, json, e);
    struct json_object *error = show_failure(job->error);
    add_subproblems(error, json_object_object_get(json, "identifiers"));
    json_object_object_add(json, "error", error);
    if (rc == 0)
        rc = add_events(db, job->id, json, e);
    add_requests(job, json);
    json_object_object_add(json, "result", show_stored(job->result));
    if (rc < 0) {
        json_object_put(json);
        return -1;
    }
    view->json = json;
    view->ended = job_state_is_final(job->state);
    view->retry_after_seconds = retry_after_seconds(job);
    return 0;
}

int job_view_load(struct db *db, const char *id, struct job_view *view, struct err *e)
{
    struct job job;
    if (job_load(db, id, &job, e) < 0)
        return -1;
    int rc = job_view_make(db, &job, view, e);
    job_finish(&job);
    return rc;
}

#include "server/engine/verdicts.h"

#include "acme/base/hash.h"
#include "acme/base/memory.h"
#include "acme/base/pool.h"
#include "store/job.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of a zone, of a record or of a survey; thousands may wait to be read, so texts are as long as
 * they are. */
struct answer {
    char *zone, *fqdn; /* NULL: not of a zone that was found */
    bool found;
    int have, total;
    enum err_code code;
    char *detail; /* with code */
    struct survey *survey;
};

/* A ULID, and a number of at most four digits or so: a job has no more authorizations. */
enum { VERDICT_ID_SIZE = ULID_SIZE + 14 };

/* Thousands may be pending: the answer takes its room only once it is there. */
struct verdict {
    struct answer *answer; /* NULL: pending */
    struct verdict *next;
    char id[VERDICT_ID_SIZE]; /* "JOB.zINDEX", "JOB.rINDEX" or "JOB.s0" */
};

enum { BUCKETS = 1024 };

struct verdicts {
    struct store *store;
    struct propagation *propagation;
    pthread_mutex_t mutex;
    struct verdict *buckets[BUCKETS]; /* by job */
    struct pool pool;
};

struct verdicts *verdicts_create(struct store *store, struct propagation *propagation)
{
    struct verdicts *verdicts = mem_new(1, sizeof *verdicts);
    verdicts->store = store;
    verdicts->propagation = propagation;
    pthread_mutex_init(&verdicts->mutex, NULL);
    verdicts->pool.size = sizeof(struct verdict);
    return verdicts;
}

static struct answer *answer_create(const struct err *error)
{
    struct answer *answer = mem_new(1, sizeof *answer);
    if (error && error->code != ERR_NONE) {
        answer->code = error->code;
        answer->detail = mem_strdup(error->detail);
    }
    return answer;
}

static void answer_free(struct answer *answer)
{
    if (!answer)
        return;
    free(answer->zone);
    free(answer->fqdn);
    survey_destroy(answer->survey);
    free(answer->detail);
    free(answer);
}

static void answer_tell_error(const struct answer *answer, struct err *out)
{
    *out = (struct err){0};
    if (answer->code != ERR_NONE)
        err_set(out, answer->code, "%s", answer->detail);
}

/* With the mutex, or at the end. */
static void release(struct verdicts *verdicts, struct verdict *v)
{
    answer_free(v->answer);
    pool_give(&verdicts->pool, v);
}

void verdicts_destroy(struct verdicts *verdicts)
{
    if (!verdicts)
        return;
    for (size_t i = 0; i < BUCKETS; i++) {
        for (struct verdict *v = verdicts->buckets[i], *next; v; v = next) {
            next = v->next;
            release(verdicts, v);
        }
    }
    pool_finish(&verdicts->pool);
    pthread_mutex_destroy(&verdicts->mutex);
    free(verdicts);
}

/* By the job's ULID, with which every id begins. */
static struct verdict **bucket_of(struct verdicts *verdicts, const char *id)
{
    return &verdicts->buckets[hash_bytes(id, strnlen(id, ULID_SIZE - 1), 0) % BUCKETS];
}

static void make_id(char id[PROPAGATION_ID_SIZE], const char *job, char what, int64_t index)
{
    snprintf(id, PROPAGATION_ID_SIZE, "%s.%c%" PRId64, job, what, index);
}

static struct verdict *find(struct verdicts *verdicts, const char *id)
{
    struct verdict *v = *bucket_of(verdicts, id);
    while (v && strcmp(v->id, id) != 0)
        v = v->next;
    return v;
}

static struct verdict *add(struct verdicts *verdicts, const char *id)
{
    struct verdict *v = pool_take(&verdicts->pool);
    struct verdict **bucket = bucket_of(verdicts, id);
    snprintf(v->id, sizeof v->id, "%s", id);
    v->next = *bucket;
    *bucket = v;
    return v;
}

static void drop(struct verdicts *verdicts, const char *id)
{
    for (struct verdict **at = bucket_of(verdicts, id); *at; at = &(*at)->next) {
        if (!strcmp((*at)->id, id)) {
            struct verdict *gone = *at;
            *at = gone->next;
            release(verdicts, gone);
            return;
        }
    }
}

struct wake {
    struct verdicts *verdicts;
    char job[ULID_SIZE];
};

/* A step that has the answer by now may have failed of it: then its back-off counts. */
static int bring_forward(struct store_tx *tx, void *arg, struct err *e)
{
    const struct wake *wake = arg;
    return verdicts_ready(wake->verdicts, wake->job) ? job_bring_forward(tx, wake->job, e) : 0;
}

/* A job that is not waiting any more, or not yet, needs no haste: its wait's commit looks here. */
static void brought_forward(void *arg, const struct err *e)
{
    (void)e;
    free(arg);
}

static void wake(struct verdicts *verdicts, const char *id)
{
    struct wake *wake = mem_new(1, sizeof *wake);
    wake->verdicts = verdicts;
    memcpy(wake->job, id, ULID_SIZE - 1);
    store_write(verdicts->store, bring_forward, wake, brought_forward);
}

static void zone_found(void *context, const char *id, const struct propagation_zone *zone,
                       const struct err *error)
{
    struct verdicts *verdicts = context;
    pthread_mutex_lock(&verdicts->mutex);
    struct verdict *v = find(verdicts, id);
    if (v && !v->answer) {
        v->answer = answer_create(zone ? NULL : error);
        if (zone) {
            v->answer->zone = mem_strdup(zone->zone);
            v->answer->fqdn = mem_strdup(zone->fqdn);
        }
    }
    pthread_mutex_unlock(&verdicts->mutex);
    if (v)
        wake(verdicts, id);
}

static void record_checked(void *context, const char *id, const struct propagation_verdict *verdict)
{
    struct verdicts *verdicts = context;
    pthread_mutex_lock(&verdicts->mutex);
    struct verdict *v = find(verdicts, id);
    if (v && !v->answer) {
        v->answer = answer_create(&verdict->error);
        v->answer->found = verdict->found;
        v->answer->have = verdict->have;
        v->answer->total = verdict->total;
    }
    pthread_mutex_unlock(&verdicts->mutex);
    if (v)
        wake(verdicts, id);
}

static void surveyed(void *context, const char *id, struct survey *survey)
{
    struct verdicts *verdicts = context;
    pthread_mutex_lock(&verdicts->mutex);
    struct verdict *v = find(verdicts, id);
    if (v && !v->answer) {
        v->answer = answer_create(NULL);
        v->answer->survey = survey;
        survey = NULL;
    }
    pthread_mutex_unlock(&verdicts->mutex);
    survey_destroy(survey);
    if (v)
        wake(verdicts, id);
}

/* Takes what is known of id, NULL: pending; *first if nobody has asked before. */
static struct answer *take(struct verdicts *verdicts, const char *id, bool *first)
{
    struct answer *answer = NULL;
    pthread_mutex_lock(&verdicts->mutex);
    struct verdict *v = find(verdicts, id);
    *first = !v;
    if (v && v->answer) {
        answer = v->answer;
        v->answer = NULL;
        drop(verdicts, id);
    } else if (!v) {
        add(verdicts, id);
    }
    pthread_mutex_unlock(&verdicts->mutex);
    return answer;
}

static void forget_one(struct verdicts *verdicts, const char *id)
{
    pthread_mutex_lock(&verdicts->mutex);
    drop(verdicts, id);
    pthread_mutex_unlock(&verdicts->mutex);
}

enum verdict_state verdicts_zone(struct verdicts *verdicts, const char *job, int64_t index,
                                 const char *name, const char *hint, struct propagation_zone *out,
                                 struct err *error)
{
    char id[PROPAGATION_ID_SIZE];
    bool first;
    make_id(id, job, 'z', index);
    struct answer *answer = take(verdicts, id, &first);
    if (answer) {
        *out = (struct propagation_zone){0};
        if (answer->zone) {
            snprintf(out->zone, sizeof out->zone, "%s", answer->zone);
            snprintf(out->fqdn, sizeof out->fqdn, "%s", answer->fqdn);
        }
        answer_tell_error(answer, error);
        answer_free(answer);
        return VERDICT_READY;
    }
    /* The call-back may come while this call is still running, hence without the mutex. */
    if (first && propagation_find_zone(verdicts->propagation, id, name, hint, zone_found, verdicts,
                                       error) < 0) {
        forget_one(verdicts, id);
        return VERDICT_READY;
    }
    return VERDICT_PENDING;
}

enum verdict_state verdicts_record(struct verdicts *verdicts, const char *job, int64_t index,
                                   struct propagation_check *check, struct propagation_verdict *out)
{
    bool first;
    make_id(check->id, job, 'r', index);
    struct answer *answer = take(verdicts, check->id, &first);
    *out = (struct propagation_verdict){0};
    if (answer) {
        out->found = answer->found;
        out->have = answer->have;
        out->total = answer->total;
        answer_tell_error(answer, &out->error);
        answer_free(answer);
        return VERDICT_READY;
    }
    if (first && propagation_submit(verdicts->propagation, check, record_checked, verdicts,
                                    &out->error) < 0) {
        forget_one(verdicts, check->id);
        return VERDICT_READY;
    }
    return VERDICT_PENDING;
}

enum verdict_state verdicts_survey(struct verdicts *verdicts, const char *job,
                                   const struct survey_subject *subjects, size_t count,
                                   struct survey **out)
{
    char id[PROPAGATION_ID_SIZE];
    bool first;
    make_id(id, job, 's', 0);
    struct answer *answer = take(verdicts, id, &first);
    if (answer) {
        *out = answer->survey;
        answer->survey = NULL;
        answer_free(answer);
        return VERDICT_READY;
    }
    if (first)
        survey_submit(verdicts->propagation, id, subjects, count, surveyed, verdicts);
    return VERDICT_PENDING;
}

bool verdicts_progress(struct verdicts *verdicts, const char *job, int64_t index,
                       struct propagation_progress *out)
{
    char id[PROPAGATION_ID_SIZE];
    make_id(id, job, 'r', index);
    return propagation_progress(verdicts->propagation, id, out);
}

static bool is_of(const struct verdict *v, const char *job)
{
    return !strncmp(v->id, job, ULID_SIZE - 1);
}

bool verdicts_ready(struct verdicts *verdicts, const char *job)
{
    bool ready = false;
    pthread_mutex_lock(&verdicts->mutex);
    for (struct verdict *v = *bucket_of(verdicts, job); v && !ready; v = v->next)
        ready = v->answer && is_of(v, job);
    pthread_mutex_unlock(&verdicts->mutex);
    return ready;
}

void verdicts_forget(struct verdicts *verdicts, const char *job)
{
    pthread_mutex_lock(&verdicts->mutex);
    struct verdict *gone = NULL;
    for (struct verdict **at = bucket_of(verdicts, job); *at;) {
        struct verdict *v = *at;
        if (!is_of(v, job)) {
            at = &v->next;
            continue;
        }
        *at = v->next;
        v->next = gone;
        gone = v;
    }
    pthread_mutex_unlock(&verdicts->mutex);
    for (const struct verdict *v = gone; v; v = v->next)
        propagation_cancel(verdicts->propagation, v->id);
    pthread_mutex_lock(&verdicts->mutex);
    for (struct verdict *next; gone; gone = next) {
        next = gone->next;
        release(verdicts, gone);
    }
    pthread_mutex_unlock(&verdicts->mutex);
}

#include "server/engine/verdicts.h"

#include "acme/base/memory.h"
#include "store/job.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct answer {
    struct propagation_zone zone;
    struct err zone_error;
    struct propagation_verdict record;
};

/* Thousands may be pending: the answer takes its room only once it is there. */
struct verdict {
    struct answer *answer; /* NULL: pending */
    struct verdict *next;
    char id[]; /* "JOB.zINDEX" or "JOB.rINDEX" */
};

enum { BUCKETS = 1024 };

struct verdicts {
    struct store *store;
    struct propagation *propagation;
    pthread_mutex_t mutex;
    struct verdict *buckets[BUCKETS]; /* by job */
};

struct verdicts *verdicts_create(struct store *store, struct propagation *propagation)
{
    struct verdicts *verdicts = mem_new(1, sizeof *verdicts);
    verdicts->store = store;
    verdicts->propagation = propagation;
    pthread_mutex_init(&verdicts->mutex, NULL);
    return verdicts;
}

static void release(struct verdict *v)
{
    free(v->answer);
    free(v);
}

void verdicts_destroy(struct verdicts *verdicts)
{
    if (!verdicts)
        return;
    for (size_t i = 0; i < BUCKETS; i++) {
        for (struct verdict *v = verdicts->buckets[i], *next; v; v = next) {
            next = v->next;
            release(v);
        }
    }
    pthread_mutex_destroy(&verdicts->mutex);
    free(verdicts);
}

/* FNV-1a over the job's ULID, with which every id begins. */
static struct verdict **bucket_of(struct verdicts *verdicts, const char *id)
{
    uint32_t hash = 2166136261U;
    for (int i = 0; i < ULID_SIZE - 1 && id[i]; i++)
        hash = (hash ^ (unsigned char)id[i]) * 16777619U;
    return &verdicts->buckets[hash % BUCKETS];
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
    size_t size = strlen(id) + 1;
    struct verdict *v = mem_new(1, sizeof *v + size);
    struct verdict **bucket = bucket_of(verdicts, id);
    memcpy(v->id, id, size);
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
            release(gone);
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
        v->answer = mem_new(1, sizeof *v->answer);
        if (zone)
            v->answer->zone = *zone;
        else
            v->answer->zone_error = *error;
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
        v->answer = mem_new(1, sizeof *v->answer);
        v->answer->record = *verdict;
    }
    pthread_mutex_unlock(&verdicts->mutex);
    if (v)
        wake(verdicts, id);
}

/* What is known of id: a copy in out and READY, or PENDING; *first if nobody has asked before. */
static enum verdict_state look(struct verdicts *verdicts, const char *id, struct answer *out,
                               bool *first)
{
    pthread_mutex_lock(&verdicts->mutex);
    struct verdict *v = find(verdicts, id);
    *first = !v;
    bool ready = v && v->answer;
    if (ready) {
        *out = *v->answer;
        drop(verdicts, id);
    } else if (!v) {
        add(verdicts, id);
    }
    pthread_mutex_unlock(&verdicts->mutex);
    return ready ? VERDICT_READY : VERDICT_PENDING;
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
    struct answer answer;
    bool first;
    make_id(id, job, 'z', index);
    if (look(verdicts, id, &answer, &first) == VERDICT_READY) {
        *out = answer.zone;
        *error = answer.zone_error;
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
    struct answer answer;
    bool first;
    make_id(check->id, job, 'r', index);
    if (look(verdicts, check->id, &answer, &first) == VERDICT_READY) {
        *out = answer.record;
        return VERDICT_READY;
    }
    *out = (struct propagation_verdict){0};
    if (first && propagation_submit(verdicts->propagation, check, record_checked, verdicts,
                                    &out->error) < 0) {
        forget_one(verdicts, check->id);
        return VERDICT_READY;
    }
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
    for (struct verdict *next; gone; gone = next) {
        next = gone->next;
        propagation_cancel(verdicts->propagation, gone->id);
        release(gone);
    }
}

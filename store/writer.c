#include "store/writer.h"

#include "acme/base/clock.h"
#include "acme/base/failpoint.h"
#include "acme/base/memory.h"
#include "store/driver.h"
#include "store/event.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { GROUP_MAX = 256, SUBSCRIBERS_MAX = 4 };

struct write {
    store_fn *fn;
    void *arg;
    store_done *done;
    struct write *next;
    bool failed;
    struct err error;
};

struct subscriber {
    void (*told)(void *context, const struct store_news *news);
    void *context;
};

struct writer {
    struct db *db;
    struct subscriber subscribers[SUBSCRIBERS_MAX];
    size_t subscriber_count;
    pthread_t thread;

    pthread_mutex_t mutex; /* of what follows */
    pthread_cond_t filled;
    struct write *first;
    struct write **end;
    bool closing;
};

/* One transaction. Lanes own their names; a lane may stand there several times. */
struct store_tx {
    struct db *db;
    int64_t now;
    bool changed;
    bool job_ended; /* perhaps: a write that was taken back may have set it */
    struct store_lane *lanes;
    size_t lane_count;
    size_t lane_capacity;
};

struct db *store_tx_db(struct store_tx *tx)
{
    return tx->db;
}

int64_t store_tx_now(const struct store_tx *tx)
{
    return tx->now;
}

/* ---- news ---- */

static void add_lane(struct store_tx *tx, const char *lane, int64_t due_ms, bool insisted)
{
    if (tx->lane_count == tx->lane_capacity) {
        tx->lane_capacity = tx->lane_capacity ? 2 * tx->lane_capacity : 8;
        tx->lanes = mem_grow(tx->lanes, tx->lane_capacity, sizeof *tx->lanes);
    }
    tx->lanes[tx->lane_count++] = (struct store_lane){mem_strdup(lane), due_ms, insisted};
}

void store_tx_touch(struct store_tx *tx, const char *lane, int64_t due_ms)
{
    add_lane(tx, lane, due_ms, false);
}

void store_tx_insist(struct store_tx *tx, const char *lane)
{
    add_lane(tx, lane, tx->now, true);
    tx->changed = true; /* it is news even if the job was due already */
}

void store_tx_end_job(struct store_tx *tx)
{
    tx->job_ended = true;
}

static void forget_lanes(struct store_tx *tx, size_t keep)
{
    while (tx->lane_count > keep)
        free((void *)tx->lanes[--tx->lane_count].name);
}

static int compare_lanes(const void *a, const void *b)
{
    const struct store_lane *left = a;
    const struct store_lane *right = b;
    int order = strcmp(left->name, right->name);
    return order ? order : (left->due_ms > right->due_ms) - (left->due_ms < right->due_ms);
}

/* Each lane once, with its earliest time. */
static void merge_lanes(struct store_tx *tx)
{
    if (tx->lane_count < 2)
        return;
    qsort(tx->lanes, tx->lane_count, sizeof *tx->lanes, compare_lanes);
    size_t kept = 1;
    for (size_t i = 1; i < tx->lane_count; i++) {
        if (strcmp(tx->lanes[i].name, tx->lanes[kept - 1].name) == 0) {
            tx->lanes[kept - 1].insisted |= tx->lanes[i].insisted;
            free((void *)tx->lanes[i].name);
        } else {
            tx->lanes[kept++] = tx->lanes[i];
        }
    }
    tx->lane_count = kept;
}

static void tell(const struct writer *writer, struct store_tx *tx, int64_t seq)
{
    merge_lanes(tx);
    struct store_news news = {
        .seq = seq, .lanes = tx->lanes, .lane_count = tx->lane_count, .job_ended = tx->job_ended};
    for (size_t i = 0; i < writer->subscriber_count; i++)
        writer->subscribers[i].told(writer->subscribers[i].context, &news);
}

/* ---- transactions ---- */

static int run_one(struct store_tx *tx, struct write *write)
{
    int64_t changes = store_driver->total_changes(tx->db);
    write->failed = write->fn(tx, write->arg, &write->error) < 0;
    tx->changed |= !write->failed && store_driver->total_changes(tx->db) > changes;
    return write->failed ? -1 : 0;
}

/* -1 only if the transaction is lost: a write that fails takes back its own changes alone. */
static int run_in_savepoint(struct store_tx *tx, struct write *write, struct err *e)
{
    size_t lanes = tx->lane_count;
    if (store_driver->savepoint(tx->db, e) < 0)
        return -1;
    if (run_one(tx, write) == 0)
        return store_driver->release(tx->db, e);
    forget_lanes(tx, lanes);
    return store_driver->rollback_to_savepoint(tx->db, e);
}

int store_tx_rehearse(struct store_tx *tx, store_fn *fn, void *arg, struct err *e)
{
    size_t lanes = tx->lane_count;
    bool changed = tx->changed, job_ended = tx->job_ended;
    struct err lost;
    if (store_driver->savepoint(tx->db, e) < 0)
        return -1;
    int rc = fn(tx, arg, e);
    forget_lanes(tx, lanes);
    tx->changed = changed;
    tx->job_ended = job_ended;
    if (store_driver->rollback_to_savepoint(tx->db, &lost) < 0) {
        *e = lost;
        return -1;
    }
    return rc;
}

static int run_in_savepoints(struct store_tx *tx, struct write *first, struct err *e)
{
    for (struct write *write = first; write; write = write->next)
        if (run_in_savepoint(tx, write, e) < 0)
            return -1;
    return 0;
}

/* Without savepoints, each of which would keep the pages as they were before it. -1 as soon as one
   fails, or the database has ended the transaction: then there is nothing of any. */
static int run_unguarded(struct store_tx *tx, struct write *first)
{
    for (struct write *write = first; write; write = write->next)
        if (run_one(tx, write) < 0 || !store_driver->in_transaction(tx->db)) {
            store_driver->rollback(tx->db);
            forget_lanes(tx, 0);
            tx->changed = false;
            tx->job_ended = false;
            return -1;
        }
    return 0;
}

/* In a transaction that has begun. Few writes fail; then those beside them are run once more. */
static int run_and_commit(struct store_tx *tx, struct write *first, int64_t *seq, struct err *e)
{
    if (run_unguarded(tx, first) < 0) {
        if (first->failed && !first->next)
            return 0; /* nothing is left to commit */
        if (!first->next)
            return err_set(e, ERR_STORE, "The database has ended the transaction.");
        if (store_driver->begin(tx->db, e) < 0 || run_in_savepoints(tx, first, e) < 0)
            return -1;
    }
    if (event_last_seq(tx->db, seq, e) < 0)
        return -1;
    failpoint("commit", NULL);
    if (store_driver->commit(tx->db, e) < 0)
        return -1;
    failpoint("committed", NULL);
    return 0;
}

#ifdef CERTWRIGHT_FAILPOINTS
/* For tests: whether every write is run once for nothing before it counts, as it is when another of
   its group fails. */
static void rehearse(struct writer *writer, struct write *first)
{
    struct store_tx tx = {.db = writer->db, .now = clock_engine_ms()};
    struct err ignored;
    if (!getenv("CERTWRIGHT_WRITES_TWICE") || store_driver->begin(writer->db, &ignored) < 0)
        return;
    run_unguarded(&tx, first);
    store_driver->rollback(writer->db);
    forget_lanes(&tx, 0);
    free(tx.lanes);
}
#else
static void rehearse(struct writer *writer, struct write *first)
{
    (void)writer;
    (void)first;
}
#endif

/* 0 when all is durable that did not fail by itself; -1 and nothing of any write is there. */
static int run_transaction(struct writer *writer, struct write *first, struct err *e)
{
    struct store_tx tx = {.db = writer->db, .now = clock_engine_ms()};
    int64_t seq = 0;
    int rc = run_and_commit(&tx, first, &seq, e);
    if (rc < 0)
        store_driver->rollback(writer->db);
    else if (tx.changed)
        tell(writer, &tx, seq);
    forget_lanes(&tx, 0);
    free(tx.lanes);
    return rc;
}

/* ---- groups ---- */

/* Tells each write how it went, with what all failed of unless it is NULL, and frees it. */
static void report(struct write *first, const struct err *of_all)
{
    while (first) {
        struct write *write = first;
        first = write->next;
        write->done(write->arg, write->failed ? &write->error : of_all);
        free(write);
    }
}

/* A group that did not commit fails for one of its members, or for all: each alone will tell. */
static void run_each_alone(struct writer *writer, struct write *first)
{
    while (first) {
        struct write *write = first;
        struct err e;
        first = write->next;
        write->next = NULL;
        write->failed = false;
        bool ok =
            store_driver->begin(writer->db, &e) == 0 && run_transaction(writer, write, &e) == 0;
        report(write, ok ? NULL : &e);
    }
}

static void run_group(struct writer *writer, struct write *first)
{
    struct err e;
    store_driver->rollback(writer->db); /* nothing, but for one that could not be taken back */
    rehearse(writer, first);
    if (store_driver->begin(writer->db, &e) < 0)
        report(first, &e);
    else if (run_transaction(writer, first, &e) == 0)
        report(first, NULL);
    else if (first->next)
        run_each_alone(writer, first);
    else
        report(first, &e);
}

/* Waits for writes and takes up to GROUP_MAX of them; NULL once the queue is empty and closing. */
static struct write *take_group(struct writer *writer)
{
    pthread_mutex_lock(&writer->mutex);
    while (!writer->first && !writer->closing)
        pthread_cond_wait(&writer->filled, &writer->mutex);
    struct write *group = writer->first;
    struct write **end = &group;
    for (int n = 0; *end && n < GROUP_MAX; n++)
        end = &(*end)->next;
    writer->first = *end;
    if (!writer->first)
        writer->end = &writer->first;
    *end = NULL;
    pthread_mutex_unlock(&writer->mutex);
    return group;
}

static void *run(void *arg)
{
    struct writer *writer = arg;
    struct write *group;
    while ((group = take_group(writer)))
        run_group(writer, group);
    return NULL;
}

/* Signals are for the main thread. */
static int start_thread(struct writer *writer)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&writer->thread, NULL, run, writer);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed;
}

int writer_create(struct db *db, struct writer **out, struct err *e)
{
    struct writer *writer = mem_new(1, sizeof *writer);
    writer->db = db;
    writer->end = &writer->first;
    pthread_mutex_init(&writer->mutex, NULL);
    pthread_cond_init(&writer->filled, NULL);
    int failed = start_thread(writer);
    if (failed) {
        pthread_cond_destroy(&writer->filled);
        pthread_mutex_destroy(&writer->mutex);
        free(writer);
        return err_set(e, ERR_INTERNAL, "Cannot start the writer: %s.", strerror(failed));
    }
    *out = writer;
    return 0;
}

void writer_destroy(struct writer *writer)
{
    if (!writer)
        return;
    pthread_mutex_lock(&writer->mutex);
    writer->closing = true;
    pthread_cond_signal(&writer->filled);
    pthread_mutex_unlock(&writer->mutex);
    pthread_join(writer->thread, NULL);
    pthread_cond_destroy(&writer->filled);
    pthread_mutex_destroy(&writer->mutex);
    free(writer);
}

/* ---- queueing ---- */

void writer_queue(struct writer *writer, store_fn *fn, void *arg, store_done *done)
{
    struct write *write = mem_new(1, sizeof *write);
    *write = (struct write){.fn = fn, .arg = arg, .done = done};
    pthread_mutex_lock(&writer->mutex);
    bool closing = writer->closing;
    if (!closing) {
        *writer->end = write;
        writer->end = &write->next;
        pthread_cond_signal(&writer->filled);
    }
    pthread_mutex_unlock(&writer->mutex);
    if (closing) {
        struct err e;
        err_set(&e, ERR_SHUTDOWN, "The store is closing.");
        report(write, &e);
    }
}

struct waiter {
    store_fn *fn;
    void *arg;
    pthread_mutex_t mutex;
    pthread_cond_t ended;
    bool over;
    bool failed;
    struct err error;
};

static int run_for_waiter(struct store_tx *tx, void *arg, struct err *e)
{
    struct waiter *waiter = arg;
    return waiter->fn(tx, waiter->arg, e);
}

static void wake_waiter(void *arg, const struct err *e)
{
    struct waiter *waiter = arg;
    pthread_mutex_lock(&waiter->mutex);
    waiter->over = true;
    waiter->failed = e;
    if (e)
        waiter->error = *e;
    pthread_cond_signal(&waiter->ended);
    pthread_mutex_unlock(&waiter->mutex);
}

int writer_wait(struct writer *writer, store_fn *fn, void *arg, struct err *e)
{
    assert(!pthread_equal(pthread_self(), writer->thread));
    struct waiter waiter = {.fn = fn,
                            .arg = arg,
                            .mutex = PTHREAD_MUTEX_INITIALIZER,
                            .ended = PTHREAD_COND_INITIALIZER};
    writer_queue(writer, run_for_waiter, &waiter, wake_waiter);
    pthread_mutex_lock(&waiter.mutex);
    while (!waiter.over)
        pthread_cond_wait(&waiter.ended, &waiter.mutex);
    pthread_mutex_unlock(&waiter.mutex);
    pthread_cond_destroy(&waiter.ended);
    pthread_mutex_destroy(&waiter.mutex);
    if (waiter.failed)
        *e = waiter.error;
    return waiter.failed ? -1 : 0;
}

void writer_subscribe(struct writer *writer,
                      void (*told)(void *context, const struct store_news *news), void *context)
{
    assert(writer->subscriber_count < SUBSCRIBERS_MAX);
    writer->subscribers[writer->subscriber_count++] = (struct subscriber){told, context};
}

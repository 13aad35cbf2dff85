/*
 * A stream has no queue: it knows the seq of the last event that it gave, and reads on from there
 * whenever its client has taken what came before. So each event comes once and in order, however
 * slow the client is, and a client that names that seq goes on as if it had never left.
 */
#include "server/api/event_stream.h"

#include "acme/base/memory.h"
#include "server/access/principal.h"
#include "server/api/api_private.h"
#include "server/api/event_view.h"
#include "server/api/rights.h"

#include <stdlib.h>
#include <string.h>

enum { BATCH = 32, FILL_BYTES = 16 * 1024, NEWS_MAX = 200, RETRY_MS = 2000 };

/* What has happened lately: read once for all streams. */
struct event_news {
    int64_t seq; /* of the last that was read */
    struct event *events;
    size_t count;
};

struct event_stream {
    struct api *api;
    struct event_filter filter;
    char *job, *certificate, *kind; /* what the filter points to */
    struct grant *grant;            /* that lets the client in; NULL: nothing narrows or ends it */
    int64_t after;
    bool has_begun;
};

int event_is_for(struct db *db, const struct grant *grant, const struct event *event, struct err *e)
{
    return rights_see_work(db, grant, event->job, e);
}

/* ---- one client's ---- */

static void begin(struct event_stream *s, struct db *db, struct buf *out)
{
    struct event_bounds bounds;
    struct err ignored; /* the next query meets it again */
    s->has_begun = true;
    buf_printf(out, "retry: %d\n\n", RETRY_MS);
    if (event_bounds(db, &bounds, &ignored) < 0)
        return;
    if (s->after > bounds.last) {
        event_view_gap(s->after, bounds.last, out);
        s->after = bounds.last;
    } else if (s->after < bounds.swept && !s->filter.job) {
        event_view_gap(s->after, bounds.swept, out);
    }
}

/* Whether there can be no more: the job's last event was given, or the job is gone. */
static bool is_over(const struct event_stream *s, struct db *db)
{
    struct job job;
    struct err e;
    if (!s->filter.job)
        return false;
    if (job_load(db, s->filter.job, &job, &e) < 0)
        return e.code == ERR_NOT_FOUND;
    bool over = job_state_is_final(job.state);
    job_finish(&job);
    return over;
}

/* As many as fit; s->after is the last that did. */
static int give(struct event_stream *s, struct db *db, struct event *events, size_t count,
                int64_t reached, struct buf *out, struct err *e)
{
    bool is_full = false;
    int rc = 0;
    for (size_t i = 0; i < count; i++) {
        struct event *event = &events[i];
        if (rc == 0 && !is_full) {
            int is_for = event_is_for(db, s->grant, event, e);
            rc = is_for < 0 ? -1 : 0;
            if (is_for > 0)
                event_view_stream(event, out);
            if (rc == 0)
                s->after = event->seq;
            is_full = out->size >= FILL_BYTES;
        }
        event_finish(event);
    }
    free(events);
    if (rc == 0 && !is_full)
        s->after = reached;
    return rc;
}

/* One look at the database: the job is looked at before its events, so that none is missed. */
static int look(struct event_stream *s, struct db *db, struct buf *out, bool *ended, struct err *e)
{
    struct event *events;
    size_t count;
    int64_t reached, before = s->after;
    bool over = is_over(s, db);
    if (event_find(db, &s->filter, s->after, BATCH, &events, &count, &reached, e) < 0)
        return -1;
    if (give(s, db, events, count, reached, out, e) < 0)
        return -1;
    *ended = over && count == 0;
    /* Many were looked at, and none matched: there may be more. */
    if (out->size == 0 && !*ended && s->after > before)
        buf_add_string(out, ": nothing so far\n\n");
    return 0;
}

static void fill(void *state, struct buf *out, bool *ended)
{
    struct event_stream *s = state;
    struct db *db;
    struct err e;
    if (store_reader(s->api->options.store, &db, &e) < 0) {
        *ended = true; /* the client may come again, and goes on where it was */
        return;
    }
    if (!s->has_begun)
        begin(s, db, out);
    else if (look(s, db, out, ended, &e) < 0)
        *ended = true;
}

static bool concerns(const void *state, const void *news)
{
    const struct event_stream *s = state;
    const struct event_news *all = news;
    for (size_t i = 0; i < all->count; i++)
        if (event_matches(&all->events[i], &s->filter))
            return true;
    return false;
}

static void destroy(void *state)
{
    struct event_stream *s = state;
    free(s->job);
    free(s->certificate);
    free(s->kind);
    grant_release(s->grant);
    free(s);
}

static const struct http_stream_source source = {fill, concerns, destroy};

void event_stream_answer(struct api *api, struct http_exchange *x,
                         const struct event_filter *filter, int64_t after)
{
    struct event_stream *s = mem_new(1, sizeof *s);
    s->api = api;
    s->after = after;
    s->job = mem_strdup(filter->job);
    s->certificate = mem_strdup(filter->certificate);
    s->kind = mem_strdup(filter->kind);
    struct grant *grant = http_rights(x)->grant;
    s->grant = grant ? grant_hold(grant) : NULL;
    s->filter = (struct event_filter){s->job, s->certificate, s->kind, filter->state};
    /* A proxy that gathers the answer would keep the client waiting. */
    http_add_header(x, "X-Accel-Buffering", "no");
    http_stream(x, &source, s);
}

/* ---- for all ---- */

struct event_news *event_news_create(void)
{
    return mem_new(1, sizeof(struct event_news));
}

static void forget(struct event_news *news)
{
    for (size_t i = 0; i < news->count; i++)
        event_finish(&news->events[i]);
    free(news->events);
    news->events = NULL;
    news->count = 0;
}

void event_news_destroy(struct event_news *news)
{
    if (!news)
        return;
    forget(news);
    free(news);
}

const void *api_news(void *context)
{
    static const struct event_filter all = {.state = -1};
    struct api *api = context;
    struct event_news *news = api->news;
    struct db *db;
    struct err ignored; /* who looks for itself meets it again */
    int64_t last;
    forget(news);
    if (store_reader(api->options.store, &db, &ignored) < 0 ||
        event_last_seq(db, &last, &ignored) < 0)
        return NULL;
    if (last > news->seq + NEWS_MAX) {
        news->seq = last;
        return NULL;
    }
    if (event_find(db, &all, news->seq, NEWS_MAX, &news->events, &news->count, &news->seq,
                   &ignored) < 0)
        return NULL;
    return news;
}

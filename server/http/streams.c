#include "server/http/streams.h"

#include "acme/base/buffer.h"
#include "acme/base/clock.h"
#include "acme/base/memory.h"
#include "server/access/grant.h"
#include "server/access/principal.h"
#include "server/http/connections.h"
#include "server/http/shares.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/types.h>

enum {
    /* News of that time are one: many commits a second wake thousands of clients no more often. */
    GATHER_MS = 50,
    BLOCK_BYTES = 2048, /* what the library keeps for a response that is not chunked */
};

struct stream {
    struct streams *all;
    struct MHD_Connection *mhd;
    struct connection *connection;
    struct grant *grant; /* NULL: none */
    struct share *share;
    const struct http_stream_source *source;
    void *state;

    /* Of the connection's thread alone. */
    struct buf bytes; /* that the client has not taken yet, from sent on */
    size_t sent;
    bool ended; /* the source has no more */
    bool has_said_goodbye;

    /* Guarded by the lock. */
    struct stream *previous, *next;
    struct stream *next_woken;
    bool is_suspended;
    int64_t ping_at; /* while suspended */
    bool ping;       /* it was woken for that */
};

struct streams {
    struct streams_options options;
    struct shares *shares; /* of the clients */
    int64_t not_before;    /* of whoever attends: when news may be passed on again */
    pthread_mutex_t lock;  /* guards what follows; never held over a call into libmicrohttpd */
    struct stream *first;
    size_t count;
    uint64_t rounds; /* of news: who saw an older one has to look again */
    int64_t ping_at; /* the first of those that rest; or earlier */
    bool is_notified;
    bool is_stopping;
    atomic_size_t listening; /* the same as count, to be read without the lock */
};

/* ---- a stream's own side, on its connection's thread ---- */

/* Whether it is to go on without a rest, because of what came while it found nothing to say. */
static bool look_again(struct stream *s, uint64_t seen)
{
    struct streams *all = s->all;
    pthread_mutex_lock(&all->lock);
    bool again = all->is_stopping || all->rounds != seen, sooner = false;
    if (!again) {
        s->is_suspended = true;
        s->ping_at = clock_monotonic_ms() + all->options.ping_ms;
        if (s->ping_at < all->ping_at) {
            all->ping_at = s->ping_at;
            sooner = true;
        }
    }
    pthread_mutex_unlock(&all->lock);
    if (sooner)
        eventfd_write(all->options.wake_fd, 1);
    return again;
}

/* Suspended first: from there on who attends may resume it. */
static ssize_t rest(struct stream *s, uint64_t seen)
{
    buf_finish(&s->bytes);
    s->sent = 0;
    connections_enter(s->all->options.connections, s->connection, CONNECTION_WORKING);
    MHD_suspend_connection(s->mhd);
    if (look_again(s, seen))
        MHD_resume_connection(s->mhd);
    return 0;
}

/* Its client may hear no more: the token was revoked or has expired. */
static bool is_over(const struct stream *s)
{
    struct err ignored;
    return s->grant && grant_check_time(s->grant, clock_wall_ms(), &ignored) < 0;
}

/* What there is to send, from the source or for the client's patience. */
static void fill(struct stream *s, uint64_t *seen)
{
    struct streams *all = s->all;
    pthread_mutex_lock(&all->lock);
    *seen = all->rounds;
    bool is_stopping = all->is_stopping, ping = s->ping;
    s->ping = false;
    pthread_mutex_unlock(&all->lock);
    s->bytes.size = 0;
    s->sent = 0;
    s->ended = is_over(s);
    if (!s->ended)
        s->source->fill(s->state, &s->bytes, &s->ended);
    if (s->bytes.size || s->ended)
        return;
    if (is_stopping && !s->has_said_goodbye) {
        buf_add_string(&s->bytes, ": the service is stopping\n\n");
        s->has_said_goodbye = true;
    } else if (is_stopping) {
        s->ended = true;
    } else if (ping) {
        buf_add_string(&s->bytes, ": ping\n\n");
    }
}

static ssize_t read_stream(void *cls, uint64_t position, char *out, size_t max)
{
    struct stream *s = cls;
    uint64_t seen = 0;
    (void)position;
    if (s->sent == s->bytes.size && !s->ended)
        fill(s, &seen);
    if (s->sent == s->bytes.size)
        return s->ended ? MHD_CONTENT_READER_END_OF_STREAM : rest(s, seen);
    size_t size = s->bytes.size - s->sent < max ? s->bytes.size - s->sent : max;
    memcpy(out, s->bytes.data + s->sent, size);
    s->sent += size;
    connections_enter(s->all->options.connections, s->connection, CONNECTION_ANSWERING);
    return (ssize_t)size;
}

static void end_stream(void *cls)
{
    struct stream *s = cls;
    struct streams *all = s->all;
    pthread_mutex_lock(&all->lock);
    if (s->previous)
        s->previous->next = s->next;
    else
        all->first = s->next;
    if (s->next)
        s->next->previous = s->previous;
    all->count--;
    atomic_store(&all->listening, all->count);
    pthread_mutex_unlock(&all->lock);
    s->source->destroy(s->state);
    shares_give(all->shares, s->share);
    grant_release(s->grant);
    buf_finish(&s->bytes);
    free(s);
}

/* False: there are as many as may be. */
static bool enlist(struct streams *all, struct stream *s)
{
    pthread_mutex_lock(&all->lock);
    bool has_room = !all->is_stopping && all->count < all->options.max;
    if (has_room) {
        s->next = all->first;
        if (s->next)
            s->next->previous = s;
        all->first = s;
        all->count++;
        atomic_store(&all->listening, all->count);
    }
    pthread_mutex_unlock(&all->lock);
    return has_room;
}

struct stream *streams_add(struct streams *all, const struct stream_client *client,
                           const struct http_stream_source *source, void *state,
                           enum stream_refusal *refusal)
{
    struct grant *grant = client->principal->grant;
    struct share *share = shares_take(all->shares, client->principal->name);
    if (!share) {
        *refusal = STREAMS_OF_CLIENT;
        return NULL;
    }
    struct stream *s = mem_new(1, sizeof *s);
    *s = (struct stream){
        .all = all,
        .mhd = client->mhd,
        .connection = client->connection,
        .grant = grant ? grant_hold(grant) : NULL,
        .share = share,
        .source = source,
        .state = state,
    };
    if (enlist(all, s))
        return s;
    *refusal = STREAMS_OF_ALL;
    shares_give(all->shares, share);
    grant_release(s->grant);
    free(s);
    return NULL;
}

struct MHD_Response *stream_response(struct stream *stream)
{
    struct MHD_Response *response = MHD_create_response_from_callback(
        MHD_SIZE_UNKNOWN, BLOCK_BYTES, read_stream, stream, end_stream);
    if (!response)
        mem_exhausted();
    return response;
}

size_t streams_count(struct streams *all)
{
    return atomic_load(&all->listening);
}

/* ---- whoever attends to them ---- */

/* Takes s out of its rest; called with the lock held. Its connection is to be resumed without. */
static void wake(struct stream *s, struct stream **woken)
{
    s->is_suspended = false;
    s->next_woken = *woken;
    *woken = s;
}

static void resume_all(struct stream *woken)
{
    while (woken) {
        struct MHD_Connection *mhd = woken->mhd;
        woken = woken->next_woken; /* before the resume, after which it may be gone */
        MHD_resume_connection(mhd);
    }
}

/*
 * The news were read before the lock was taken. So who rests by now is asked whether they concern
 * it, and who does not sees that a round has passed since it looked for the last time.
 */
static struct stream *pass_on(struct streams *all, bool has_news, const void *news)
{
    struct stream *woken = NULL;
    int64_t now = clock_monotonic_ms();
    all->ping_at = INT64_MAX;
    if (has_news)
        all->rounds++;
    for (struct stream *s = all->first; s; s = s->next) {
        if (!s->is_suspended)
            continue;
        if (all->is_stopping || is_over(s) ||
            (has_news && (!news || s->source->concerns(s->state, news)))) {
            wake(s, &woken);
        } else if (s->ping_at <= now) {
            s->ping = true;
            wake(s, &woken);
        } else if (s->ping_at < all->ping_at) {
            all->ping_at = s->ping_at;
        }
    }
    return woken;
}

/* When there is something to do; called with the lock held. */
static int64_t due(const struct streams *all)
{
    if (all->is_stopping)
        return 0;
    return all->is_notified || all->ping_at < all->not_before ? all->not_before : all->ping_at;
}

int64_t streams_attend(struct streams *all)
{
    pthread_mutex_lock(&all->lock);
    int64_t at = due(all);
    if (at > clock_monotonic_ms()) {
        pthread_mutex_unlock(&all->lock);
        return at;
    }
    bool has_news = all->is_notified && !all->is_stopping;
    all->is_notified = false;
    pthread_mutex_unlock(&all->lock);
    const void *news = has_news ? all->options.news(all->options.context) : NULL;
    pthread_mutex_lock(&all->lock);
    struct stream *woken = pass_on(all, has_news, news);
    pthread_mutex_unlock(&all->lock);
    resume_all(woken);
    pthread_mutex_lock(&all->lock);
    all->not_before = clock_monotonic_ms() + GATHER_MS;
    at = due(all);
    pthread_mutex_unlock(&all->lock);
    return at;
}

struct streams *streams_create(const struct streams_options *options)
{
    struct streams *all = mem_new(1, sizeof *all);
    all->options = *options;
    all->ping_at = INT64_MAX;
    all->shares = shares_create(options->max_of_client);
    pthread_mutex_init(&all->lock, NULL);
    return all;
}

void streams_notify(struct streams *all)
{
    if (atomic_load(&all->listening) == 0)
        return;
    pthread_mutex_lock(&all->lock);
    all->is_notified = true;
    pthread_mutex_unlock(&all->lock);
    eventfd_write(all->options.wake_fd, 1);
}

void streams_stop(struct streams *all)
{
    pthread_mutex_lock(&all->lock);
    all->is_stopping = true;
    pthread_mutex_unlock(&all->lock);
    streams_attend(all);
}

void streams_destroy(struct streams *all)
{
    if (!all)
        return;
    streams_stop(all);
    pthread_mutex_destroy(&all->lock);
    shares_destroy(all->shares);
    free(all);
}

/*
 * Streams: answers that have no end of their own (text/event-stream). Private to server/http.
 *
 * A stream asks its source for bytes when its client has taken those before; while there are none
 * its connection is suspended and costs no thread. Who attends wakes those that news concern, and
 * each that was silent for long with a comment: a client that has left is noticed by what cannot be
 * sent to it. Nothing is queued for a client, so a slow one costs what its source gives at once.
 */
#ifndef CERTWRIGHT_SERVER_HTTP_STREAMS_H
#define CERTWRIGHT_SERVER_HTTP_STREAMS_H

#include "server/http/exchange.h"

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct connection;
struct connections;
struct principal;
struct stream;
struct streams;

struct streams_options {
    size_t max;
    size_t max_of_client; /* 0: max */
    int ping_ms;
    int wake_fd;                     /* an eventfd, as waiters_create has it; borrowed */
    struct connections *connections; /* borrowed */
    const void *(*news)(void *context);
    void *context;
};

struct streams *streams_create(const struct streams_options *options);
/* After the last of them has ended. */
void streams_destroy(struct streams *all);

/* Whose a stream is. */
struct stream_client {
    struct MHD_Connection *mhd;
    struct connection *connection;
    const struct principal *principal; /* the stream ends with its grant */
};

/* What there are too many streams of. */
enum stream_refusal { STREAMS_OF_ALL, STREAMS_OF_CLIENT };

/* One more, with its source's state, which it takes over; NULL with *refusal if there are as many
   as may be, and then it takes nothing over. */
struct stream *streams_add(struct streams *all, const struct stream_client *client,
                           const struct http_stream_source *source, void *state,
                           enum stream_refusal *refusal);

/* The answer that sends it, and ends it; to be queued for its connection. */
struct MHD_Response *stream_response(struct stream *stream);

/* Something was committed. Never blocks for long; costs nothing while there are no streams. */
void streams_notify(struct streams *all);

/* Wakes those that have reason to go on, and tells when there is again: a time of
   clock_monotonic_ms, or INT64_MAX. By one thread at a time. */
int64_t streams_attend(struct streams *all);

/* How many there are. */
size_t streams_count(struct streams *all);

/* From here on all that are silent end, and the others when they fall silent. Nobody
   else attends to them any more. */
void streams_stop(struct streams *all);

#endif

/*
 * The TLS connections: a thread that does their handshakes and then stands between each client and
 * libmicrohttpd. A client that is slow, or many that only begin, cost this thread a little memory
 * and the service's own threads nothing. Private to server/http.
 */
#ifndef CERTWRIGHT_SERVER_HTTP_TLS_FRONT_H
#define CERTWRIGHT_SERVER_HTTP_TLS_FRONT_H

#include "acme/base/error.h"

#include <stddef.h>

struct connections;
struct listener;
struct tls_front;

struct tls_front_options {
    struct connections *connections; /* borrowed */
    size_t max;                      /* connections; more are closed at once */
    int handshake_ms;                /* for a whole handshake */
};

/* ERR_IO. */
int tls_front_create(const struct tls_front_options *options, struct tls_front **out,
                     struct err *e);

/* Takes over fd, which does not block; the listener has its TLS context and daemon. One thread. */
void tls_front_add(struct tls_front *front, const struct listener *listener, int fd);

/* Ends the handshakes, hands nothing over to libmicrohttpd any more: then the daemons may go. After
   the last add. */
void tls_front_stop(struct tls_front *front);

/* After the daemons' end; what these have said last is still sent, for a second at most. */
void tls_front_destroy(struct tls_front *front);

#endif

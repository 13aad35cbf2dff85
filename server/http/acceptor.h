/*
 * Accepts on all listeners and hands the connections to libmicrohttpd. Private to server/http.
 *
 * The library could listen by itself. But to stop that under load is a race within it (the thread
 * that quiesces it and its own both take the socket out of epoll, and the second aborts), and its
 * threads share connections out by chance.
 */
#ifndef CERTWRIGHT_SERVER_HTTP_ACCEPTOR_H
#define CERTWRIGHT_SERVER_HTTP_ACCEPTOR_H

#include "acme/base/error.h"

#include <stddef.h>

struct acceptor;
struct listener;

/* Borrows the listeners, whose daemons run. ERR_IO. */
int acceptor_create(const struct listener *listeners, size_t count, struct acceptor **out,
                    struct err *e);

/* Accepts no more. NULL is fine. */
void acceptor_destroy(struct acceptor *acceptor);

#endif

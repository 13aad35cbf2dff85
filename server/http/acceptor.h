/*
 * Accepts on all listeners and hands the connections to libmicrohttpd, or to the TLS front; cuts
 * off those that are too slow; and runs the daemons that have no thread of their own. Private to
 * server/http.
 *
 * The library could listen by itself. But to stop that under load is a race within it (the thread
 * that quiesces it and its own both take the socket out of epoll, and the second aborts), and its
 * threads share connections out by chance.
 */
#ifndef CERTWRIGHT_SERVER_HTTP_ACCEPTOR_H
#define CERTWRIGHT_SERVER_HTTP_ACCEPTOR_H

#include "acme/base/error.h"

struct acceptor;
struct http_server;

/* For the server's listeners, whose daemons run. ERR_IO. */
int acceptor_create(struct http_server *server, struct acceptor **out, struct err *e);

/* Accepts no more: then the listeners may go. All else goes on. */
void acceptor_stop(struct acceptor *acceptor);

/* Before the connections' and the daemons' end. NULL is fine. */
void acceptor_destroy(struct acceptor *acceptor);

#endif

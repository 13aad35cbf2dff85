/*
 * The tls-alpn-01 responder (RFC 8737 section 3): one thread that does TLS handshakes and nothing
 * else. Who does not name "acme-tls/1" in ALPN, or a server name that is answered at present, gets
 * an alert. After the handshake nothing is read; a connection has 10 seconds in all, and of more
 * than 64 the oldest is closed, so that idle peers keep no CA away.
 */
#ifndef CERTWRIGHT_SERVER_SOLVER_TLS_ALPN01_LISTENER_H
#define CERTWRIGHT_SERVER_SOLVER_TLS_ALPN01_LISTENER_H

#include "server/solver/tls_alpn01.h"

struct tls_alpn01_listener;

/* fd listens and does not block; it and the table are borrowed until destroy. ERR_IO. */
int tls_alpn01_listener_create(struct tls_alpn01_table *table, int fd,
                               struct tls_alpn01_listener **out, struct err *e);
/* Ends the thread and its connections. */
void tls_alpn01_listener_destroy(struct tls_alpn01_listener *listener);

#endif

/* A TLS listener's certificate, key and rules, which can be replaced while it serves. Private to
   server/http. */
#ifndef CERTWRIGHT_SERVER_HTTP_TLS_CONTEXT_H
#define CERTWRIGHT_SERVER_HTTP_TLS_CONTEXT_H

#include "acme/base/error.h"
#include "server/http/tls.h"

#include <openssl/types.h>

struct tls_context;

/* ERR_CONFIG if the chain or the CAs cannot be read, or the key is not the leaf's. The material is
   copied. */
int tls_context_create(enum http_tls_client client, const struct http_tls_material *material,
                       struct tls_context **out, struct err *e);
void tls_context_destroy(struct tls_context *context);

/* For connections from now on; as above. Any thread. */
int tls_context_renew(struct tls_context *context, const struct http_tls_material *material,
                      struct err *e);

/* A server's end of a new connection; the caller frees. Any thread. */
SSL *tls_context_session(struct tls_context *context);

#endif

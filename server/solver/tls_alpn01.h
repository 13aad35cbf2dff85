/*
 * What the tls-alpn-01 responder answers (RFC 8737): server name → certificate, in memory. The
 * engine fills it, at the start from the store; the listener (tls_alpn01_listener.h) asks it.
 */
#ifndef CERTWRIGHT_SERVER_SOLVER_TLS_ALPN01_H
#define CERTWRIGHT_SERVER_SOLVER_TLS_ALPN01_H

#include "acme/base/error.h"
#include "acme/identifier.h"

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>

struct tls_alpn01_table;

/* Makes the one key of all its certificates. ERR_CRYPTO. */
int tls_alpn01_create(struct tls_alpn01_table **out, struct err *e);
void tls_alpn01_destroy(struct tls_alpn01_table *table);

/*
 * From now on the handshake for id is answered with that key authorization. An authorization can
 * be shared by several orders, hence the owner (any text that names who wants it): the answer stays
 * until its last owner removes it, and adding twice for one owner is the same as once. A name can
 * have one answer at a time: ERR_CONFLICT while there is another, ERR_INVALID for a wildcard.
 */
int tls_alpn01_add(struct tls_alpn01_table *table, const char *owner, const struct identifier *id,
                   const char *key_authorization, struct err *e);

/* Takes the owner's claim on that answer back; fine if there is none. */
void tls_alpn01_remove(struct tls_alpn01_table *table, const char *owner,
                       const struct identifier *id, const char *key_authorization);

/* The certificate for a server name in any case, which the caller frees; NULL if there is none. */
X509 *tls_alpn01_certificate(struct tls_alpn01_table *table, const char *server_name);
/* The key of all of them; borrowed. */
EVP_PKEY *tls_alpn01_key(const struct tls_alpn01_table *table);

/* How many names are answered at present. */
size_t tls_alpn01_count(struct tls_alpn01_table *table);

#endif

/* Signed requests: flattened JWS JSON (RFC 7515, RFC 8555 section 6.2). */
#ifndef CERTWRIGHT_ACME_JWS_H
#define CERTWRIGHT_ACME_JWS_H

#include "acme/base/buffer.h"
#include "acme/base/error.h"
#include "acme/key.h"

/* RS256, ES256 or ES384, as the key's type demands. */
const char *jws_algorithm(const struct key *key);

/*
 * Signs payload ("" for POST-as-GET) for url, which goes into the header byte for byte. kid is the
 * account's URL; NULL puts the key itself there (jwk), as newAccount and revocation by certificate
 * key need. nonce NULL leaves the nonce out (inner JWS of keyChange). Appends JSON to out.
 */
int jws_sign(const struct key *key, const char *kid, const char *nonce, const char *url,
             const char *payload, struct buf *out, struct err *e);

/*
 * External account binding (RFC 8555 section 7.3.4): the account's public key, MACed with HS256
 * under mac_key, for the newAccount URL. Appends the inner JWS to out.
 */
int jws_bind_external(const struct key *account_key, const char *kid, const void *mac_key,
                      size_t mac_key_size, const char *url, struct buf *out, struct err *e);

#endif

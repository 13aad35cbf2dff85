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

/* RFC 7518 section 3.2. HS256 is what nearly every CA wants. */
enum jws_mac { JWS_HS256, JWS_HS384, JWS_HS512 };

/* "HS256", "HS384", "HS512". */
const char *jws_mac_name(enum jws_mac mac);
/* Returns 0, or -1 if there is no such algorithm (without an error). */
int jws_mac_by_name(const char *name, enum jws_mac *out);

/*
 * External account binding (RFC 8555 section 7.3.4): the account's public key, MACed under mac_key
 * (its bytes, no longer base64url), for the newAccount URL. Appends the inner JWS to out.
 */
int jws_bind_external(const struct key *account_key, enum jws_mac mac, const char *kid,
                      const void *mac_key, size_t mac_key_size, const char *url, struct buf *out,
                      struct err *e);

#endif

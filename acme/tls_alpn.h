/*
 * tls-alpn-01 (RFC 8737): the certificate that answers the CA's handshake. A responder needs these
 * two functions and a TLS server that offers the protocol TLS_ALPN_PROTOCOL, by TLS 1.2 or later.
 */
#ifndef CERTWRIGHT_ACME_TLS_ALPN_H
#define CERTWRIGHT_ACME_TLS_ALPN_H

#include "acme/base/buffer.h"
#include "acme/base/error.h"
#include "acme/identifier.h"
#include "acme/key.h"

/* What both sides name in ALPN. */
extern const char TLS_ALPN_PROTOCOL[];

enum { TLS_ALPN_SERVER_NAME_SIZE = IDENTIFIER_VALUE_SIZE };

/*
 * The server name that the CA asks for: the DNS name itself, or the reverse name of an address
 * ("1.2.0.192.in-addr.arpa", RFC 8738 section 6), in lower case without a final dot.
 */
void tls_alpn_server_name(const struct identifier *id, char out[TLS_ALPN_SERVER_NAME_SIZE]);

/*
 * Appends the DER of a self-signed certificate of key for id alone, with the digest of the key
 * authorization (challenge_key_authorization) in its critical acmeIdentifier (RFC 8737 section 3).
 * key should be made for this use, and be neither the account's nor a certificate's. It is valid
 * for a week. ERR_INVALID for a wildcard, which this challenge cannot prove.
 */
int tls_alpn_certificate(const struct identifier *id, const char *key_authorization,
                         const struct key *key, struct buf *der, struct err *e);

#endif

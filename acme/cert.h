/* Issued certificates: reading a chain, and checking it before it counts. */
#ifndef CERTWRIGHT_ACME_CERT_H
#define CERTWRIGHT_ACME_CERT_H

#include "acme/base/buffer.h"
#include "acme/base/error.h"
#include "acme/identifier.h"
#include "acme/key.h"

#include <stdint.h>

enum { CERT_CHAIN_MAX_CERTS = 10, CERT_CHAIN_MAX_BYTES = 256 * 1024 };

struct cert_info {
    char serial[65];   /* lower-case hex of the value, at least two digits */
    char issuer[256];  /* RFC 2253 text of the issuer's name */
    char subject[256]; /* likewise; often "" */
    int64_t not_before_ms;
    int64_t not_after_ms; /* the last moment it is valid, RFC 5280 section 4.1.2.5 */
    char spki_sha256[KEY_SPKI_SHA256_SIZE];
    enum key_type key_type;
    struct identifier *ids; /* from the SAN; sorted, unique */
    size_t count;
    /* The first certificate (from 1; the leaf is 0) that does not certify the one before it, as it
       should (RFC 8555 section 9.1): clients may not find their way to a root. 0: all do. */
    int chain_break;
};

void cert_info_finish(struct cert_info *info);

/*
 * Reads an application/pem-certificate-chain (RFC 8555 section 9.1), leaf first, and appends it
 * normalized (no text around the blocks, 64 columns, one newline) to leaf_pem and to chain_pem (the
 * rest; may stay empty). ERR_CERT_INVALID if it is none or over the caps; ERR_KEY_UNSUPPORTED if
 * the leaf's key is of another type. Names are as the CA wrote them but lower-case; kinds other
 * than DNS and IP are passed over. cert_info_finish frees what info holds.
 */
int cert_chain_read(const char *pem, size_t size, struct buf *leaf_pem, struct buf *chain_pem,
                    struct cert_info *info, struct err *e);

/*
 * Whether the leaf is what was ordered: this public key, exactly these names (sorted), valid at
 * wall time now_ms (a start up to an hour ahead is forgiven). ERR_CERT_KEY_MISMATCH,
 * ERR_CERT_NAMES_MISMATCH or ERR_CERT_VALIDITY.
 */
int cert_check(const struct cert_info *info, const char *spki_sha256, const struct identifier *ids,
               size_t count, int64_t now_ms, struct err *e);

/* The DER of the first certificate in pem, appended to out: for revocation. */
int cert_to_der(const char *pem, size_t size, struct buf *out, struct err *e);

/*
 * The certificate's name in renewal information (RFC 9773 section 4.1), of the first certificate in
 * pem: base64url of its AKI's key identifier, a dot, base64url of its serial number's DER value.
 * The caller frees *out. ERR_CERT_INVALID also if it has no such key identifier.
 */
int cert_renewal_id(const char *pem, size_t size, char **out, struct err *e);

/* SHA-256 of that DER, in lower-case hex: how people tell certificates apart. ERR_CERT_INVALID. */
enum { CERT_FINGERPRINT_SIZE = 65 };
int cert_fingerprint(const char *pem, size_t size, char out[CERT_FINGERPRINT_SIZE], struct err *e);

/*
 * Whether the chain is the preferred one of that name: any of its certificates has an issuer CN
 * equal to it, or a subject or authority key identifier (RFC 5280 sections 4.2.1.1 and 4.2.1.2) of
 * which it is the hex, in either case, with colons or without. Names are chosen anew by a CA for
 * each generation of its issuers, key identifiers tell two of one name apart.
 */
bool cert_chain_has_issuer(const char *pem, size_t size, const char *name);

#endif

/*
 * Private keys, of accounts and of certificates.
 *
 * A struct key is immutable and may be used by several threads at once. PEM and DER of private keys
 * land in buffers that the caller ends with buf_finish_secret.
 */
#ifndef CERTWRIGHT_ACME_KEY_H
#define CERTWRIGHT_ACME_KEY_H

#include "acme/base/buffer.h"
#include "acme/base/error.h"

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>

enum key_type { KEY_EC_P256, KEY_EC_P384, KEY_RSA_2048, KEY_RSA_3072, KEY_RSA_4096 };
enum { KEY_TYPE_COUNT = KEY_RSA_4096 + 1 };

enum {
    KEY_THUMBPRINT_SIZE = 44,  /* base64url of SHA-256, with the NUL */
    KEY_SPKI_SHA256_SIZE = 65, /* lower-case hex, with the NUL */
    KEY_PEM_MAX = 16 * 1024,
};

struct key;

/* "ec-p256", "ec-p384", "rsa-2048", "rsa-3072", "rsa-4096". */
const char *key_type_name(enum key_type type);
/* Returns 0, or -1 if there is no such type (without an error). */
int key_type_by_name(const char *name, enum key_type *out);
/* Making an RSA key takes from 0.1 s to seconds of CPU: not on a thread that others wait for. */
bool key_type_is_slow(enum key_type type);

int key_generate(enum key_type type, struct key **out, struct err *e);

/*
 * An unencrypted private key: PEM of PKCS#8, PKCS#1 (RSA) or SEC1 (EC), white space and other PEM
 * blocks (EC PARAMETERS) around it allowed. ERR_KEY_INVALID if it cannot be read (an encrypted key
 * and a public key are told apart in the detail), ERR_KEY_UNSUPPORTED for other types and sizes.
 */
int key_from_pem(const char *pem, size_t size, struct key **out, struct err *e);
int key_from_der(const void *pkcs8, size_t size, struct key **out, struct err *e);
void key_destroy(struct key *key);

enum key_type key_type_of(const struct key *key);

/* PKCS#8, appended to out. */
int key_to_pem(const struct key *key, struct buf *out, struct err *e);
int key_to_der(const struct key *key, struct buf *out, struct err *e);

/* SubjectPublicKeyInfo as PEM, appended to out. */
int key_public_pem(const struct key *key, struct buf *out, struct err *e);

/* The public key as JWK with the members in RFC 7638's order and no white space, appended. */
int key_jwk(const struct key *key, struct buf *out, struct err *e);

/* RFC 7638, SHA-256. */
int key_thumbprint(const struct key *key, char out[KEY_THUMBPRINT_SIZE], struct err *e);

/* SHA-256 of the DER SubjectPublicKeyInfo: tells whether two keys are the same. */
int key_spki_sha256(const struct key *key, char out[KEY_SPKI_SHA256_SIZE], struct err *e);

/* The same of any public key; for CSRs and certificates. */
int key_spki_sha256_of(const EVP_PKEY *pkey, char out[KEY_SPKI_SHA256_SIZE], struct err *e);

/* For signing; borrowed. */
EVP_PKEY *key_evp(const struct key *key);

#endif

/* PKCS#12 (RFC 7292): a key and its certificates in one file behind a password. */
#ifndef CERTWRIGHT_ACME_PKCS12_H
#define CERTWRIGHT_ACME_PKCS12_H

#include "acme/base/buffer.h"
#include "acme/base/error.h"
#include "acme/key.h"

#include <stdbool.h>

enum {
    PKCS12_PASSWORD_MAX = 1024, /* bytes, as are all sizes here */
    PKCS12_FILE_MAX = 256 * 1024,
    /* Of hashing that one file may ask for, all derivations of keys together: a tenth of a second.
     */
    PKCS12_ROUNDS_MAX = 1000 * 1000,
};

enum pkcs12_encryption {
    PKCS12_AES,    /* PBES2 with AES-256-CBC and HMAC-SHA-256; the MAC is of SHA-256 */
    PKCS12_LEGACY, /* triple DES, and a MAC of SHA-1: what Windows before Server 2019 can read */
};

/* "aes" or "legacy". Returns 0, or -1 if there is no such encryption (without an error). */
int pkcs12_encryption_by_name(const char *name, enum pkcs12_encryption *out);

/* Whether text can be a friendly name: UTF-8 up to U+FFFF, what a BMPString holds. */
bool pkcs12_can_name(const char *text);

/*
 * Appends the file's DER to out, which the caller ends with buf_finish_secret. chain_pem: the
 * intermediates, leaf's issuer first; may be "" or NULL. name: the friendly name that is shown in a
 * key store (see pkcs12_can_name); NULL or "": none.
 *
 * The password is UTF-8, 1 to PKCS12_PASSWORD_MAX bytes: an empty one is refused, since readers
 * disagree whether that means no bytes or a terminating zero.
 *
 * ERR_INVALID: the password or the name cannot be used, or the leaf is not the key's. ERR_CRYPTO:
 * the certificates cannot be read or the file not be made.
 */
int pkcs12_make(const struct key *key, const char *leaf_pem, const char *chain_pem,
                const char *password, enum pkcs12_encryption encryption, const char *name,
                struct buf *out, struct err *e);

/*
 * The other way: what the file holds, appended as PEM that is not judged yet. key_pem gets its one
 * private key (PKCS#8), and is ended with buf_finish_secret; certificates_pem all certificates, in
 * the file's order. The password is UTF-8, and may be empty.
 *
 * ERR_INVALID: the password does not open it. ERR_KEY_INVALID: it holds no private key, or several.
 * ERR_CERT_INVALID: it holds no certificate, cannot be read, asks for more than PKCS12_ROUNDS_MAX,
 * or is encrypted by what is not supported: all but PBES2 with PBKDF2 and the triple DES of RFC
 * 7292 appendix C, and its RC2 while OpenSSL's provider "legacy" is loaded.
 */
int pkcs12_read(const void *file, size_t size, const char *password, struct buf *key_pem,
                struct buf *certificates_pem, struct err *e);

#endif

/* What the files over OpenSSL share. Private to acme. */
#ifndef CERTWRIGHT_ACME_CRYPTO_H
#define CERTWRIGHT_ACME_CRYPTO_H

#include "acme/base/buffer.h"
#include "acme/base/error.h"

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>

enum { CRYPTO_SHA256_BYTES = 32 };

/* Fills e with code, what failed and OpenSSL's own reason, empties its queue, returns -1. */
int crypto_error(struct err *e, enum err_code code, const char *what);

void crypto_sha256(const void *data, size_t size, unsigned char out[CRYPTO_SHA256_BYTES]);

/* Lower-case hex with a NUL: out has room for 2 * size + 1. */
void crypto_hex(const unsigned char *data, size_t size, char *out);

/* An OpenSSL allocation that failed is like any other: the process ends. Returns p. */
void *crypto_alive(void *p);

/* Ends the process unless ok: for calls that fail for want of memory alone. */
void crypto_assert(int ok);

/* One block of a PEM text (RFC 7468). */
struct pem_block {
    char *name;          /* "CERTIFICATE" */
    unsigned char *data; /* in the secure heap if so asked */
    long size;
    bool secret;
    bool encrypted; /* by the headers of RFC 1421: data is ciphertext */
};

/*
 * Reads the next block. 1; 0 at the end; -1 if a block is damaged. secret keeps the bytes in
 * OpenSSL's secure heap. pem_block_finish overwrites and frees.
 */
int pem_next(BIO *in, bool secret, struct pem_block *block);
void pem_block_finish(struct pem_block *block);

/* Appends one block; secret keeps what OpenSSL holds of it in the secure heap. */
void pem_write(const char *name, const void *data, size_t size, bool secret, struct buf *out);
void pem_write_certificate(const X509 *x, struct buf *out);

#endif

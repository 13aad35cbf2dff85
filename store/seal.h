/*
 * Sealed values: private keys, provider secrets and EAB keys as they lie in the database.
 *
 * AES-256-GCM under a data key, which the database holds wrapped by the master key. A sealed value
 * is: version (1 byte), data key id (4, big endian), nonce (12), ciphertext, tag (16). The
 * associated data names table, row and column, so that a value moved elsewhere does not open.
 */
#ifndef CERTWRIGHT_STORE_SEAL_H
#define CERTWRIGHT_STORE_SEAL_H

#include "acme/base/buffer.h"
#include "acme/base/error.h"

#include <stddef.h>

enum { SEAL_KEY_SIZE = 32, SEAL_FINGERPRINT_SIZE = 65 };

struct seal;

/* A fresh data key, and its wrapped form appended to wrapped. */
int seal_create(const unsigned char master[SEAL_KEY_SIZE], struct seal **out, struct buf *wrapped,
                struct err *e);
/* From the wrapped form. ERR_SEAL with another master key. */
int seal_open(const unsigned char master[SEAL_KEY_SIZE], const void *wrapped, size_t size,
              struct seal **out, struct err *e);
/* Appends the data key's wrapped form under another master key. */
int seal_wrap_again(const struct seal *seal, const unsigned char master[SEAL_KEY_SIZE],
                    struct buf *wrapped, struct err *e);
void seal_destroy(struct seal *seal);

/* place is "table/row/column". Appends to out. ERR_CRYPTO. */
int seal_value(const struct seal *seal, const char *place, const void *data, size_t size,
               struct buf *out, struct err *e);
/* Appends the plain bytes to out, which the caller ends with buf_finish_secret. ERR_SEAL. */
int seal_unseal(const struct seal *seal, const char *place, const void *sealed, size_t size,
                struct buf *out, struct err *e);

/*
 * The same into memory that the caller chose (a secure heap's) and cleanses: seal_plain_size bytes
 * of it, which is 0 for what is too short to be a sealed value.
 */
size_t seal_plain_size(size_t sealed_size);
int seal_unseal_into(const struct seal *seal, const char *place, const void *sealed, size_t size,
                     void *out, struct err *e);

/* HMAC-SHA-256 under a key of its own, hex: tells whether a secret changed without storing it. */
void seal_fingerprint(const struct seal *seal, const void *data, size_t size,
                      char out[SEAL_FINGERPRINT_SIZE]);

#endif

#include "store/seal.h"

#include <assert.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    VERSION = 1,
    ID_SIZE = 4,
    NONCE_SIZE = 12,
    TAG_SIZE = 16,
    HEADER_SIZE = 1 + ID_SIZE,
    OVERHEAD = HEADER_SIZE + NONCE_SIZE + TAG_SIZE,
};

/* Where the data key itself is sealed, under the master key. */
static const char data_key_place[] = "data_key";

/* Lives in OpenSSL's secure heap as a whole. */
struct seal {
    uint32_t id;
    unsigned char data_key[SEAL_KEY_SIZE];
    unsigned char fingerprint_key[SEAL_KEY_SIZE];
};

static void alive(bool ok)
{
    if (!ok)
        abort();
}

/* ---- AES-256-GCM ---- */

/* One message, its header and place authenticated with it; in and out have size bytes. */
struct message {
    const unsigned char *key;
    const unsigned char *header;
    const unsigned char *nonce;
    const char *place;
    const unsigned char *in;
    size_t size;
    unsigned char *out;
};

static bool start_message(EVP_CIPHER_CTX *ctx, const struct message *m, bool encrypt)
{
    int n;
    return EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL, m->key, m->nonce, encrypt) == 1 &&
           EVP_CipherUpdate(ctx, NULL, &n, m->header, HEADER_SIZE) == 1 &&
           EVP_CipherUpdate(ctx, NULL, &n, (const unsigned char *)m->place,
                            (int)strlen(m->place)) == 1 &&
           EVP_CipherUpdate(ctx, m->out, &n, m->in, (int)m->size) == 1;
}

static bool encrypt_message(EVP_CIPHER_CTX *ctx, const struct message *m,
                            unsigned char tag[TAG_SIZE])
{
    unsigned char rest[EVP_MAX_BLOCK_LENGTH];
    int n;
    return start_message(ctx, m, true) && EVP_CipherFinal_ex(ctx, rest, &n) == 1 &&
           EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG_SIZE, tag) == 1;
}

static bool decrypt_message(EVP_CIPHER_CTX *ctx, const struct message *m,
                            const unsigned char tag[TAG_SIZE])
{
    unsigned char expected[TAG_SIZE];
    unsigned char rest[EVP_MAX_BLOCK_LENGTH];
    int n;
    memcpy(expected, tag, TAG_SIZE);
    return start_message(ctx, m, false) &&
           EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG_SIZE, expected) == 1 &&
           EVP_CipherFinal_ex(ctx, rest, &n) == 1;
}

/* ---- a sealed value: header, nonce, ciphertext, tag ---- */

static uint32_t id_of(const unsigned char *sealed)
{
    return (uint32_t)sealed[1] << 24 | (uint32_t)sealed[2] << 16 | (uint32_t)sealed[3] << 8 |
           sealed[4];
}

static int wrap(const unsigned char *key, uint32_t id, const char *place, const void *data,
                size_t size, struct buf *out, struct err *e)
{
    if (size > INT_MAX)
        return err_set(e, ERR_CRYPTO, "Too large to be sealed.");
    unsigned char head[HEADER_SIZE + NONCE_SIZE] = {VERSION, (unsigned char)(id >> 24),
                                                    (unsigned char)(id >> 16),
                                                    (unsigned char)(id >> 8), (unsigned char)id};
    if (RAND_bytes(head + HEADER_SIZE, NONCE_SIZE) != 1)
        return err_set(e, ERR_CRYPTO, "There are no random numbers for a nonce.");
    unsigned char *text = malloc(size + TAG_SIZE);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    alive(text && ctx);
    struct message m = {key, head, head + HEADER_SIZE, place, data, size, text};
    bool ok = encrypt_message(ctx, &m, text + size);
    EVP_CIPHER_CTX_free(ctx);
    if (ok) {
        buf_add(out, head, sizeof head);
        buf_add(out, text, size + TAG_SIZE);
    }
    free(text);
    return ok ? 0 : err_set(e, ERR_CRYPTO, "Sealing failed.");
}

/* out has seal_plain_size(size) bytes. Whether it opens; what does not is cleansed. */
static bool unwrap(const unsigned char *key, const char *place, const unsigned char *sealed,
                   size_t size, unsigned char *out)
{
    if (size < OVERHEAD || size > INT_MAX || sealed[0] != VERSION)
        return false;
    size_t plain = seal_plain_size(size);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    alive(ctx);
    struct message m = {
        key, sealed, sealed + HEADER_SIZE, place, sealed + HEADER_SIZE + NONCE_SIZE, plain, out};
    bool ok = decrypt_message(ctx, &m, sealed + size - TAG_SIZE);
    EVP_CIPHER_CTX_free(ctx);
    if (!ok)
        OPENSSL_cleanse(out, plain);
    return ok;
}

/* ---- the data key ---- */

static struct seal *seal_new(void)
{
    struct seal *seal = OPENSSL_secure_zalloc(sizeof *seal);
    alive(seal);
    return seal;
}

static void derive_fingerprint_key(struct seal *seal)
{
    static const unsigned char label[] = "certwright fingerprint";
    unsigned int n = 0;
    alive(HMAC(EVP_sha256(), seal->data_key, SEAL_KEY_SIZE, label, sizeof label - 1,
               seal->fingerprint_key, &n));
    assert(n == SEAL_KEY_SIZE);
}

int seal_create(const unsigned char master[SEAL_KEY_SIZE], struct seal **out, struct buf *wrapped,
                struct err *e)
{
    struct seal *seal = seal_new();
    int rc;
    if (RAND_bytes((unsigned char *)&seal->id, sizeof seal->id) != 1 ||
        RAND_priv_bytes(seal->data_key, SEAL_KEY_SIZE) != 1)
        rc = err_set(e, ERR_CRYPTO, "There are no random numbers for a data key.");
    else
        rc = wrap(master, seal->id, data_key_place, seal->data_key, SEAL_KEY_SIZE, wrapped, e);
    if (rc < 0) {
        seal_destroy(seal);
        return -1;
    }
    derive_fingerprint_key(seal);
    *out = seal;
    return 0;
}

int seal_open(const unsigned char master[SEAL_KEY_SIZE], const void *wrapped, size_t size,
              struct seal **out, struct err *e)
{
    struct seal *seal = seal_new();
    if (seal_plain_size(size) != SEAL_KEY_SIZE ||
        !unwrap(master, data_key_place, wrapped, size, seal->data_key)) {
        seal_destroy(seal);
        return err_set(e, ERR_SEAL,
                       "The database does not open under this master key. Give the one it was "
                       "written with; a copy from before a rekey wants the former one.");
    }
    seal->id = id_of(wrapped);
    derive_fingerprint_key(seal);
    *out = seal;
    return 0;
}

int seal_wrap_again(const struct seal *seal, const unsigned char master[SEAL_KEY_SIZE],
                    struct buf *wrapped, struct err *e)
{
    return wrap(master, seal->id, data_key_place, seal->data_key, SEAL_KEY_SIZE, wrapped, e);
}

void seal_destroy(struct seal *seal)
{
    OPENSSL_secure_clear_free(seal, sizeof *seal);
}

/* ---- values ---- */

int seal_value(const struct seal *seal, const char *place, const void *data, size_t size,
               struct buf *out, struct err *e)
{
    return wrap(seal->data_key, seal->id, place, data, size, out, e);
}

size_t seal_plain_size(size_t sealed_size)
{
    return sealed_size < OVERHEAD ? 0 : sealed_size - OVERHEAD;
}

int seal_unseal_into(const struct seal *seal, const char *place, const void *sealed, size_t size,
                     void *out, struct err *e)
{
    if (size >= OVERHEAD && id_of(sealed) != seal->id)
        return err_set(e, ERR_SEAL, "The secret of %s is sealed under another data key.", place);
    if (!unwrap(seal->data_key, place, sealed, size, out))
        return err_set(e, ERR_SEAL, "The secret of %s does not open: it was damaged or moved.",
                       place);
    return 0;
}

int seal_unseal(const struct seal *seal, const char *place, const void *sealed, size_t size,
                struct buf *out, struct err *e)
{
    size_t plain = seal_plain_size(size);
    size_t before = out->size;
    buf_add(out, sealed, plain); /* room of that size, to decrypt into */
    int rc = seal_unseal_into(seal, place, sealed, size, out->data + before, e);
    if (rc < 0) {
        out->size = before;
        out->data[before] = '\0';
    }
    return rc;
}

void seal_fingerprint(const struct seal *seal, const void *data, size_t size,
                      char out[SEAL_FINGERPRINT_SIZE])
{
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned int n = 0;
    alive(HMAC(EVP_sha256(), seal->fingerprint_key, SEAL_KEY_SIZE, data, size, mac, &n));
    assert(2 * n + 1 == SEAL_FINGERPRINT_SIZE);
    for (size_t i = 0; i < n; i++)
        snprintf(out + 2 * i, 3, "%02x", mac[i]);
}

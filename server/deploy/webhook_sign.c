#include "server/deploy/webhook_sign.h"

#include "acme/base/buffer.h"

#include <inttypes.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const char prefix[] = "whsec_";

enum { MAC_BYTES = 32, GROUP = 4, GROUP_BYTES = 3 };

static bool is_base64(const char *text, size_t size)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                   "0123456789+/";
    size_t plain = strspn(text, alphabet);
    size_t padding = strspn(text + plain, "=");
    return size > 0 && size % GROUP == 0 && plain + padding == size && padding < GROUP_BYTES;
}

/* Appends the bytes that text is the base64 of. Whether it is. */
static bool decode(const char *text, struct buf *out)
{
    size_t size = strlen(text);
    if (size % GROUP == 1 || size > INT32_MAX / 2)
        return false;
    struct buf padded = {0};
    buf_add_string(&padded, text);
    while (padded.size % GROUP) /* some tools leave it out */
        buf_add_char(&padded, '=');
    bool good = is_base64(buf_string(&padded), padded.size);
    if (good) {
        /* EVP_DecodeBlock counts the padding as bytes */
        size_t given = strcspn(padded.data, "=");
        buf_add(out, padded.data, padded.size / GROUP * GROUP_BYTES);
        int n = EVP_DecodeBlock((unsigned char *)out->data, (const unsigned char *)padded.data,
                                (int)padded.size);
        good = n >= 0;
        out->size = given * GROUP_BYTES / GROUP;
        out->data[out->size] = '\0';
    }
    buf_finish_secret(&padded);
    return good;
}

/* Appends the key that secret stands for. */
static int read_secret(const char *secret, struct buf *out, struct err *e)
{
    size_t skipped = sizeof prefix - 1;
    if (strncmp(secret, prefix, skipped) != 0)
        buf_add_string(out, secret);
    else if (!decode(secret + skipped, out))
        return err_set(e, ERR_INVALID, "the secret must be base64 after \"%s\"", prefix);
    if (out->size < WEBHOOK_SECRET_MIN)
        return err_set(e, ERR_INVALID, "the secret must have %d bytes or more", WEBHOOK_SECRET_MIN);
    return 0;
}

int webhook_secret_check(const char *secret, struct err *e)
{
    struct buf key = {0};
    int rc = read_secret(secret, &key, e);
    buf_finish_secret(&key);
    return rc;
}

int webhook_sign(const char *secret, const char *id, int64_t timestamp, const char *body,
                 char out[WEBHOOK_SIGNATURE_SIZE], struct err *e)
{
    unsigned char mac[MAC_BYTES];
    struct buf key = {0}, content = {0};
    int rc = read_secret(secret, &key, e);
    if (rc == 0) {
        buf_printf(&content, "%s.%" PRId64 ".%s", id, timestamp, body);
        if (!HMAC(EVP_sha256(), key.data, (int)key.size, (const unsigned char *)content.data,
                  content.size, mac, NULL)) {
            ERR_clear_error();
            rc = err_set(e, ERR_CRYPTO, "the request could not be signed");
        }
    }
    if (rc == 0) {
        unsigned char text[WEBHOOK_SIGNATURE_SIZE];
        EVP_EncodeBlock(text, mac, MAC_BYTES);
        snprintf(out, WEBHOOK_SIGNATURE_SIZE, "v1,%.44s", (const char *)text);
    }
    buf_finish_secret(&key);
    buf_finish(&content);
    return rc;
}

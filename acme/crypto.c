#include "acme/crypto.h"

#include "acme/base/memory.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

int crypto_error(struct err *e, enum err_code code, const char *what)
{
    unsigned long last = ERR_peek_last_error();
    const char *reason = last ? ERR_reason_error_string(last) : NULL;
    if (reason)
        err_set(e, code, "%s: %s", what, reason);
    else
        err_set(e, code, "%s", what);
    ERR_clear_error();
    return -1;
}

void *crypto_alive(void *p)
{
    if (!p)
        mem_exhausted();
    return p;
}

void crypto_assert(int ok)
{
    if (ok <= 0)
        abort();
}

void crypto_sha256(const void *data, size_t size, unsigned char out[CRYPTO_SHA256_BYTES])
{
    crypto_assert(EVP_Q_digest(NULL, "SHA256", NULL, data, size, out, NULL));
}

void crypto_hex(const unsigned char *data, size_t size, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < size; i++) {
        *out++ = digits[data[i] >> 4];
        *out++ = digits[data[i] & 15];
    }
    *out = '\0';
}

int pem_next(BIO *in, bool secret, struct pem_block *block)
{
    char *name = NULL, *header = NULL;
    unsigned char *data = NULL;
    long size = 0;
    ERR_clear_error();
    unsigned flags = PEM_FLAG_EAY_COMPATIBLE | (secret ? PEM_FLAG_SECURE : 0U);
    if (!PEM_read_bio_ex(in, &name, &header, &data, &size, flags)) {
        bool end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
        if (end)
            ERR_clear_error();
        return end ? 0 : -1;
    }
    *block = (struct pem_block){
        .data = data, .size = size, .secret = secret, .encrypted = strstr(header, "ENCRYPTED")};
    /* With the secure flag name and header lie in that small heap too, and need not. */
    block->name = crypto_alive(OPENSSL_strdup(name));
    if (secret) {
        OPENSSL_secure_free(name);
        OPENSSL_secure_free(header);
    } else {
        OPENSSL_free(name);
        OPENSSL_free(header);
    }
    return 1;
}

void pem_block_finish(struct pem_block *block)
{
    OPENSSL_free(block->name);
    if (block->secret)
        OPENSSL_secure_clear_free(block->data, (size_t)block->size);
    else
        OPENSSL_clear_free(block->data, (size_t)block->size);
    *block = (struct pem_block){0};
}

void pem_write(const char *name, const void *data, size_t size, bool secret, struct buf *out)
{
    BIO *bio = crypto_alive(BIO_new(secret ? BIO_s_secmem() : BIO_s_mem()));
    crypto_assert(PEM_write_bio(bio, name, "", data, (long)size));
    char *text = NULL;
    long length = BIO_get_mem_data(bio, &text);
    assert(length > 0);
    buf_add(out, text, (size_t)length);
    BIO_free(bio);
}

void pem_write_certificate(const X509 *x, struct buf *out)
{
    unsigned char *der = NULL;
    int size = i2d_X509(x, &der);
    crypto_assert(size);
    pem_write(PEM_STRING_X509, der, (size_t)size, false, out);
    OPENSSL_free(der);
}

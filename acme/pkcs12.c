#include "acme/pkcs12.h"

#include "acme/base/utf8.h"
#include "acme/crypto.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509.h>
#include <string.h>

/* Above OpenSSL's 2048, yet a few milliseconds of work: a file is made while a caller waits. */
enum { ITERATIONS = 10000 };

int pkcs12_encryption_by_name(const char *name, enum pkcs12_encryption *out)
{
    static const char *const names[] = {[PKCS12_AES] = "aes", [PKCS12_LEGACY] = "legacy"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(names[i], name)) {
            *out = (enum pkcs12_encryption)i;
            return 0;
        }
    return -1;
}

static int check_password(const char *password, struct err *e)
{
    size_t size = strlen(password);
    if (size == 0 || size > PKCS12_PASSWORD_MAX)
        return err_set(e, ERR_INVALID, "the password must have 1 to %d bytes", PKCS12_PASSWORD_MAX);
    if (!utf8_is(password, size))
        return err_set(e, ERR_INVALID, "the password is not UTF-8");
    return 0;
}

bool pkcs12_can_name(const char *text)
{
    enum { BMP_MAX_BYTES = 3 };
    for (size_t left = strlen(text), size; left > 0; left -= size, text += size) {
        size = utf8_character_size(text, left);
        if (size == 0 || size > BMP_MAX_BYTES)
            return false;
    }
    return true;
}

/* Appends the certificates of pem to out. */
static int read_certificates(const char *pem, STACK_OF(X509) * out, struct err *e)
{
    BIO *in = crypto_alive(BIO_new_mem_buf(pem, -1));
    struct pem_block block;
    int rc;
    while ((rc = pem_next(in, false, &block)) == 1) {
        const unsigned char *p = block.data;
        X509 *x = strcmp(block.name, PEM_STRING_X509) ? NULL : d2i_X509(NULL, &p, block.size);
        pem_block_finish(&block);
        if (!x) {
            rc = -1;
            break;
        }
        crypto_assert(sk_X509_push(out, x));
    }
    BIO_free(in);
    return rc < 0 ? crypto_error(e, ERR_CRYPTO, "a certificate of the chain cannot be read") : 0;
}

/* certificates: leaf first; the leaf is taken out of them. */
static PKCS12 *make(const struct key *key, STACK_OF(X509) * certificates, const char *password,
                    enum pkcs12_encryption encryption, const char *name)
{
    bool legacy = encryption == PKCS12_LEGACY;
    int nid = legacy ? NID_pbe_WithSHA1And3_Key_TripleDES_CBC : NID_aes_256_cbc;
    X509 *leaf = sk_X509_shift(certificates);
    /* -1: no MAC yet, since this function's own is of SHA-256 */
    PKCS12 *p12 = PKCS12_create(password, name, key_evp(key), leaf, certificates, nid, nid,
                                ITERATIONS, -1, 0);
    X509_free(leaf);
    if (p12 && !PKCS12_set_mac(p12, password, -1, NULL, 0, ITERATIONS,
                               legacy ? EVP_sha1() : EVP_sha256())) {
        PKCS12_free(p12);
        return NULL;
    }
    return p12;
}

static int add_der(PKCS12 *p12, struct buf *out, struct err *e)
{
    unsigned char *der = NULL;
    int size = i2d_PKCS12(p12, &der);
    if (size <= 0)
        return crypto_error(e, ERR_CRYPTO, "the PKCS#12 file could not be written");
    buf_add(out, der, (size_t)size);
    OPENSSL_clear_free(der, (size_t)size);
    return 0;
}

/* certificates: those that were read, leaf first. */
static int add_file(const struct key *key, STACK_OF(X509) * certificates, const char *password,
                    enum pkcs12_encryption encryption, const char *name, struct buf *out,
                    struct err *e)
{
    if (!X509_check_private_key(sk_X509_value(certificates, 0), key_evp(key)))
        return crypto_error(e, ERR_INVALID, "the certificate is for another key");
    PKCS12 *p12 = make(key, certificates, password, encryption, name);
    if (!p12)
        return crypto_error(e, ERR_CRYPTO, "the PKCS#12 file could not be made");
    int rc = add_der(p12, out, e);
    PKCS12_free(p12);
    return rc;
}

int pkcs12_make(const struct key *key, const char *leaf_pem, const char *chain_pem,
                const char *password, enum pkcs12_encryption encryption, const char *name,
                struct buf *out, struct err *e)
{
    if (name && !*name)
        name = NULL;
    if (check_password(password, e) < 0)
        return -1;
    if (name && !pkcs12_can_name(name))
        return err_set(e, ERR_INVALID, "the friendly name is not UTF-8 up to U+FFFF");
    STACK_OF(X509) *certificates = crypto_alive(sk_X509_new_null());
    int rc = read_certificates(leaf_pem, certificates, e);
    if (rc == 0 && sk_X509_num(certificates) != 1)
        rc = err_set(e, ERR_CRYPTO, "there is not one certificate to be the leaf");
    if (rc == 0 && chain_pem)
        rc = read_certificates(chain_pem, certificates, e);
    if (rc == 0)
        rc = add_file(key, certificates, password, encryption, name, out, e);
    sk_X509_pop_free(certificates, X509_free);
    return rc;
}

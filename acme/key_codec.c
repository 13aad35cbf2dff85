/* Private keys as text and bytes. */
#include "acme/base/memory.h"
#include "acme/crypto.h"
#include "acme/key.h"
#include "acme/key_private.h"

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/decoder.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* What a PEM block is to us. */
enum block_kind { BLOCK_OTHER, BLOCK_PRIVATE, BLOCK_ENCRYPTED, BLOCK_PUBLIC };

static enum block_kind kind_of(const struct pem_block *block)
{
    static const char *const private_names[] = {PEM_STRING_PKCS8INF, PEM_STRING_RSA,
                                                PEM_STRING_ECPRIVATEKEY};
    if (!strcmp(block->name, PEM_STRING_PKCS8))
        return BLOCK_ENCRYPTED;
    for (size_t i = 0; i < sizeof private_names / sizeof *private_names; i++)
        if (!strcmp(block->name, private_names[i]))
            return block->encrypted ? BLOCK_ENCRYPTED : BLOCK_PRIVATE;
    bool is_public =
        !strcmp(block->name, PEM_STRING_PUBLIC) || !strcmp(block->name, PEM_STRING_RSA_PUBLIC);
    return is_public ? BLOCK_PUBLIC : BLOCK_OTHER;
}

/* Finds the one private key among the blocks; *found is empty if there is none. */
static int find_private(BIO *in, struct pem_block *found, bool *saw_public, struct err *e)
{
    struct pem_block block;
    int rc;
    while ((rc = pem_next(in, true, &block)) == 1) {
        enum block_kind kind = kind_of(&block);
        if (kind == BLOCK_PRIVATE && !found->name) {
            *found = block;
            continue;
        }
        pem_block_finish(&block);
        if (kind == BLOCK_ENCRYPTED)
            return err_set(e, ERR_KEY_INVALID,
                           "the key is encrypted; remove its passphrase first (openssl pkey)");
        if (kind == BLOCK_PRIVATE)
            return err_set(e, ERR_KEY_INVALID, "there is more than one private key");
        *saw_public = *saw_public || kind == BLOCK_PUBLIC;
    }
    if (rc < 0)
        return crypto_error(e, ERR_KEY_INVALID, "the PEM is damaged");
    return 0;
}

/* A number that was changed by hand makes signatures that nobody can verify, or worse, that tell
   the key: so a key from outside must fit together. */
static int check_consistent(EVP_PKEY *pkey, struct err *e)
{
    EVP_PKEY_CTX *context = crypto_alive(EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL));
    int rc = EVP_PKEY_check(context);
    EVP_PKEY_CTX_free(context);
    if (rc != 1)
        return crypto_error(e, ERR_KEY_INVALID, "the key's numbers do not fit together");
    return 0;
}

static int refuse_explicit_curve(const EVP_PKEY *pkey, struct err *e)
{
    char encoding[32] = "";
    EVP_PKEY_get_utf8_string_param(pkey, OSSL_PKEY_PARAM_EC_ENCODING, encoding, sizeof encoding,
                                   NULL);
    ERR_clear_error();
    if (!strcmp(encoding, OSSL_PKEY_EC_ENCODING_EXPLICIT))
        return err_set(e, ERR_KEY_UNSUPPORTED,
                       "an EC key that spells out its curve's parameters; name the curve instead");
    return 0;
}

/* ---- our own encoding ---- */

/*
 * A thread's way to read keys of one type. To make one is most of what reading a P-256 key costs
 * (300 of 330 microseconds with OpenSSL 3.0), and a job opens its account's key again and again.
 * Nothing of a key stays in it.
 */
struct decoder {
    int nid;
    OSSL_DECODER_CTX *context;
    EVP_PKEY *pkey; /* where the context puts what it has read */
    struct decoder *next;
};

static pthread_key_t own_decoders;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void drop_decoders(void *list)
{
    struct decoder *next;
    for (struct decoder *decoder = list; decoder; decoder = next) {
        next = decoder->next;
        OSSL_DECODER_CTX_free(decoder->context);
        free(decoder);
    }
}

static void make_slot(void)
{
    if (pthread_key_create(&own_decoders, drop_decoders))
        abort();
}

/* NULL if there is no such type of keys. */
static struct decoder *decoder_of(int nid)
{
    pthread_once(&once, make_slot);
    struct decoder *first = pthread_getspecific(own_decoders);
    for (struct decoder *decoder = first; decoder; decoder = decoder->next)
        if (decoder->nid == nid)
            return decoder;
    struct decoder *made = mem_new(1, sizeof *made);
    *made = (struct decoder){.nid = nid, .next = first};
    made->context = OSSL_DECODER_CTX_new_for_pkey(&made->pkey, "DER", "PrivateKeyInfo",
                                                  OBJ_nid2sn(nid), EVP_PKEY_KEYPAIR, NULL, NULL);
    if (!made->context) {
        free(made);
        return NULL;
    }
    pthread_setspecific(own_decoders, made);
    return made;
}

/* The algorithm that PKCS#8 names; NID_undef if this is no PKCS#8. */
static int algorithm_of(const unsigned char *der, long size)
{
    const ASN1_OBJECT *name = NULL;
    PKCS8_PRIV_KEY_INFO *info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &der, size);
    int nid =
        info && PKCS8_pkey_get0(&name, NULL, NULL, NULL, info) ? OBJ_obj2nid(name) : NID_undef;
    PKCS8_PRIV_KEY_INFO_free(info);
    return nid;
}

static EVP_PKEY *decode_own(const unsigned char **der, long size)
{
    int nid = algorithm_of(*der, size);
    struct decoder *decoder = nid == NID_undef ? NULL : decoder_of(nid);
    size_t left = (size_t)size;
    if (!decoder)
        return d2i_AutoPrivateKey(NULL, der, size);
    decoder->pkey = NULL;
    if (!OSSL_DECODER_from_data(decoder->context, der, &left)) {
        EVP_PKEY_free(decoder->pkey);
        return NULL;
    }
    return decoder->pkey;
}

/* trusted: we wrote it ourselves, so the expensive check of its numbers is left out. */
static int read_der(const unsigned char *der, long size, bool trusted, struct key **out,
                    struct err *e)
{
    const unsigned char *p = der;
    EVP_PKEY *pkey = trusted ? decode_own(&p, size) : d2i_AutoPrivateKey(NULL, &p, size);
    if (!pkey)
        return crypto_error(e, ERR_KEY_INVALID, "the private key cannot be read");
    struct key *key = NULL;
    if (p != der + size) {
        EVP_PKEY_free(pkey);
        return err_set(e, ERR_KEY_INVALID, "bytes follow the private key");
    }
    if (key_adopt(pkey, &key, e) < 0)
        return -1;
    if (!trusted && (refuse_explicit_curve(pkey, e) < 0 || check_consistent(pkey, e) < 0)) {
        key_destroy(key);
        return -1;
    }
    *out = key;
    return 0;
}

int key_from_pem(const char *pem, size_t size, struct key **out, struct err *e)
{
    if (size > KEY_PEM_MAX)
        return err_set(e, ERR_KEY_INVALID, "the PEM is larger than %d bytes", KEY_PEM_MAX);
    BIO *in = crypto_alive(BIO_new_mem_buf(pem, (int)size));
    struct pem_block found = {0};
    bool saw_public = false;
    int rc = find_private(in, &found, &saw_public, e);
    BIO_free(in);
    if (rc == 0 && !found.name)
        rc = err_set(e, ERR_KEY_INVALID, "%s",
                     saw_public ? "this is a public key; the private one is needed"
                                : "there is no private key in PEM form");
    if (rc == 0)
        rc = read_der(found.data, found.size, false, out, e);
    if (found.name)
        pem_block_finish(&found);
    return rc;
}

int key_from_der(const void *pkcs8, size_t size, struct key **out, struct err *e)
{
    if (size == 0 || size > KEY_PEM_MAX)
        return err_set(e, ERR_KEY_INVALID, "the private key cannot be read");
    return read_der(pkcs8, (long)size, true, out, e);
}

int key_to_der(const struct key *key, struct buf *out, struct err *e)
{
    if (key_ec_pkcs8(key_evp(key), out))
        return 0;
    PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key_evp(key));
    if (!info)
        return crypto_error(e, ERR_CRYPTO, "the private key could not be written");
    unsigned char *der = NULL;
    int size = i2d_PKCS8_PRIV_KEY_INFO(info, &der);
    PKCS8_PRIV_KEY_INFO_free(info);
    if (size <= 0)
        return crypto_error(e, ERR_CRYPTO, "the private key could not be written");
    buf_add(out, der, (size_t)size);
    OPENSSL_clear_free(der, (size_t)size);
    return 0;
}

int key_to_pem(const struct key *key, struct buf *out, struct err *e)
{
    struct buf der = {0};
    if (key_to_der(key, &der, e) < 0)
        return -1;
    pem_write(PEM_STRING_PKCS8INF, der.data, der.size, true, out);
    buf_finish_secret(&der);
    return 0;
}

int key_public_pem(const struct key *key, struct buf *out, struct err *e)
{
    struct buf der = {0};
    if (key_spki(key_evp(key), &der, e) < 0)
        return -1;
    pem_write(PEM_STRING_PUBLIC, der.data, der.size, false, out);
    buf_finish(&der);
    return 0;
}

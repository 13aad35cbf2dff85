#include "acme/csr.h"

#include "acme/base/memory.h"
#include "acme/crypto.h"
#include "acme/key_private.h"
#include "acme/san.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

static void add_names(X509_REQ *request, const struct identifier *ids, size_t count)
{
    GENERAL_NAMES *names = san_make(ids, count);
    STACK_OF(X509_EXTENSION) *extensions = NULL;
    crypto_assert(X509V3_add1_i2d(&extensions, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT));
    crypto_assert(X509_REQ_add_extensions(request, extensions));
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
    GENERAL_NAMES_free(names);
}

/* emailAddress is an IA5String of at most 255 (RFC 2985 section 5.2.1). */
static int add_email(X509_REQ *request, const char *email, struct err *e)
{
    X509_NAME *subject = X509_REQ_get_subject_name(request);
    if (!X509_NAME_add_entry_by_NID(subject, NID_pkcs9_emailAddress, MBSTRING_UTF8,
                                    (const unsigned char *)email, -1, -1, 0))
        return crypto_error(e, ERR_INVALID, "the email cannot stand in a certificate request");
    return 0;
}

/* X509_REQ_set_pubkey encodes the key, and decodes it again to look at it. */
static bool set_public_key(X509_REQ *request, EVP_PKEY *pkey)
{
    struct buf point = {0};
    int curve = key_ec_point(pkey, &point);
    if (curve == NID_undef)
        return X509_REQ_set_pubkey(request, pkey);
    unsigned char *bits = crypto_alive(OPENSSL_memdup(point.data, point.size));
    int size = (int)point.size;
    buf_finish(&point);
    if (X509_PUBKEY_set0_param(X509_REQ_get_X509_PUBKEY(request),
                               OBJ_nid2obj(NID_X9_62_id_ecPublicKey), V_ASN1_OBJECT,
                               OBJ_nid2obj(curve), bits, size))
        return true;
    OPENSSL_free(bits);
    return false;
}

static int sign(X509_REQ *request, const struct key *key, struct buf *out, struct err *e)
{
    const EVP_MD *digest = key_type_of(key) == KEY_EC_P384 ? EVP_sha384() : EVP_sha256();
    if (!set_public_key(request, key_evp(key)) || X509_REQ_sign(request, key_evp(key), digest) <= 0)
        return crypto_error(e, ERR_CRYPTO, "the certificate request could not be signed");
    unsigned char *der = NULL;
    int size = i2d_X509_REQ(request, &der);
    if (size <= 0)
        return crypto_error(e, ERR_CRYPTO, "the certificate request could not be written");
    buf_add(out, der, (size_t)size);
    OPENSSL_free(der);
    return 0;
}

int csr_make(const struct key *key, const struct identifier *ids, size_t count, const char *email,
             struct buf *out, struct err *e)
{
    X509_REQ *request = crypto_alive(X509_REQ_new());
    crypto_assert(X509_REQ_set_version(request, X509_REQ_VERSION_1));
    add_names(request, ids, count);
    int rc = email ? add_email(request, email, e) : 0;
    if (rc == 0)
        rc = sign(request, key, out, e);
    X509_REQ_free(request);
    return rc;
}

/* A DNS name of a CSR has to be one that can be ordered. */
static int check_ids(const struct identifier *ids, size_t count, struct err *e)
{
    for (size_t i = 0; i < count; i++) {
        struct identifier parsed;
        struct err why;
        if (identifier_parse(ids[i].value, &parsed, &why) < 0)
            return err_set(e, ERR_CSR_INVALID, "its names: %s", why.detail);
        if (identifier_compare(&parsed, &ids[i]) != 0)
            return err_set(e, ERR_CSR_INVALID, "its names: '%s' is no DNS name in plain form",
                           ids[i].value);
    }
    return 0;
}

static int read_san(X509_REQ *request, struct csr_info *info, struct err *e)
{
    STACK_OF(X509_EXTENSION) *extensions = X509_REQ_get_extensions(request);
    GENERAL_NAMES *names =
        extensions ? X509V3_get_d2i(extensions, NID_subject_alt_name, NULL, NULL) : NULL;
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
    ERR_clear_error();
    if (!names)
        return 0;
    struct err why;
    bool other = false;
    int rc = san_read(names, &info->ids, &info->count, &other, &why);
    GENERAL_NAMES_free(names);
    if (rc < 0)
        return err_set(e, ERR_CSR_INVALID, "its names: %s", why.detail);
    if (other)
        return err_set(e, ERR_CSR_INVALID, "it asks for names that are neither DNS nor IP");
    return 0;
}

/* CAs take a common name that is a host name as one more name, so it counts. */
static void add_common_names(X509_REQ *request, struct csr_info *info)
{
    X509_NAME *subject = X509_REQ_get_subject_name(request);
    int at = -1;
    while ((at = X509_NAME_get_index_by_NID(subject, NID_commonName, at)) >= 0) {
        unsigned char *text = NULL;
        X509_NAME_ENTRY *entry = X509_NAME_get_entry(subject, at);
        int size = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(entry));
        struct identifier id;
        struct err ignored;
        if (size > 0 && strlen((char *)text) == (size_t)size &&
            identifier_parse((char *)text, &id, &ignored) == 0) {
            info->ids = mem_grow(info->ids, info->count + 1, sizeof *info->ids);
            info->ids[info->count++] = id;
        }
        OPENSSL_free(text);
    }
    info->count = identifiers_sort(info->ids, info->count);
}

static int read_key(X509_REQ *request, struct csr_info *info, struct err *e)
{
    EVP_PKEY *pkey = X509_REQ_get0_pubkey(request);
    if (!pkey)
        return crypto_error(e, ERR_CSR_INVALID, "its public key cannot be read");
    if (key_type_of_evp(pkey, &info->key_type, e) < 0 ||
        key_spki_sha256_of(pkey, info->spki_sha256, e) < 0)
        return -1;
    if (X509_REQ_verify(request, pkey) != 1)
        return crypto_error(e, ERR_CSR_INVALID, "its signature is not by its own key");
    return 0;
}

static int read_request(X509_REQ *request, struct csr_info *out, struct err *e)
{
    struct csr_info info = {0};
    if (read_key(request, &info, e) < 0)
        return -1;
    int rc = read_san(request, &info, e);
    if (rc == 0)
        rc = check_ids(info.ids, info.count, e);
    if (rc == 0) {
        add_common_names(request, &info);
        if (info.count == 0)
            rc = err_set(e, ERR_CSR_INVALID, "it asks for no names");
        else if (info.count > IDENTIFIER_MAX_COUNT)
            rc =
                err_set(e, ERR_CSR_INVALID, "it asks for more than %d names", IDENTIFIER_MAX_COUNT);
    }
    if (rc < 0)
        csr_info_finish(&info);
    else
        *out = info;
    return rc;
}

/* The one certificate request in a PEM text. */
static int find_request(const char *pem, size_t size, struct pem_block *out, struct err *e)
{
    BIO *in = crypto_alive(BIO_new_mem_buf(pem, (int)size));
    int rc = pem_next(in, false, out);
    BIO_free(in);
    if (rc < 0)
        return crypto_error(e, ERR_CSR_INVALID, "the PEM is damaged");
    if (rc == 0)
        return err_set(e, ERR_CSR_INVALID, "there is no PEM block");
    if (strcmp(out->name, PEM_STRING_X509_REQ) != 0 &&
        strcmp(out->name, PEM_STRING_X509_REQ_OLD) != 0) {
        err_set(e, ERR_CSR_INVALID, "the PEM holds a %.40s, not a certificate request", out->name);
        pem_block_finish(out);
        return -1;
    }
    return 0;
}

int csr_from_pem(const char *pem, size_t size, struct buf *der, struct csr_info *info,
                 struct err *e)
{
    if (size > CSR_PEM_MAX)
        return err_set(e, ERR_CSR_INVALID, "the PEM is larger than %d bytes", CSR_PEM_MAX);
    struct pem_block block;
    if (find_request(pem, size, &block, e) < 0)
        return -1;
    const unsigned char *p = block.data;
    X509_REQ *request = d2i_X509_REQ(NULL, &p, block.size);
    int rc;
    if (!request || p != block.data + block.size)
        rc = crypto_error(e, ERR_CSR_INVALID, "it cannot be read");
    else
        rc = read_request(request, info, e);
    if (rc == 0)
        buf_add(der, block.data, (size_t)block.size);
    X509_REQ_free(request);
    pem_block_finish(&block);
    return rc;
}

void csr_info_finish(struct csr_info *info)
{
    free(info->ids);
    *info = (struct csr_info){0};
}

int csr_to_pem(const void *der, size_t size, struct buf *out, struct err *e)
{
    const unsigned char *p = der;
    X509_REQ *request = d2i_X509_REQ(NULL, &p, (long)size);
    bool whole = request && p == (const unsigned char *)der + size;
    X509_REQ_free(request);
    if (!whole)
        return crypto_error(e, ERR_CSR_INVALID, "the certificate request cannot be read");
    pem_write(PEM_STRING_X509_REQ, der, size, false, out);
    return 0;
}

/*
 * PKCS12_parse would derive keys for as long as the file asks for, so here is a walk of our own
 * over the same parts: each derivation is paid for before it is begun, and nothing else is tried.
 */
#include "acme/base/utf8.h"
#include "acme/crypto.h"
#include "acme/pkcs12.h"

#include <openssl/asn1t.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509.h>
#include <string.h>

/* Rounds of a hash to one iteration, by its way of derivation: of RFC 7292 for a MAC, for a cipher
   (whose key is of two blocks, and its IV another), and PBKDF2. */
enum { MAC_ROUNDS = 1, CIPHER_ROUNDS = 3, PBKDF2_ROUNDS = 2 };

struct reader {
    const char *password;
    int password_size;
    bool is_proven; /* the password, by the MAC */
    long left;      /* rounds that may still be taken */
    struct buf key; /* PEM of all that there are; the caller of the walk judges the number */
    size_t key_count;
    struct buf certificates;
};

/* ---- what a derivation costs ---- */

static int pay(struct reader *r, const ASN1_INTEGER *iterations, int rounds, struct err *e)
{
    /* RFC 7292 section 4: one unless given. Too large a number for a long is -1. */
    long count = iterations ? ASN1_INTEGER_get(iterations) : 1;
    ERR_clear_error();
    if (count <= 0 || count > r->left / rounds)
        return err_set(e, ERR_CERT_INVALID,
                       "the password of the file is worked on for longer than is done here; write"
                       " it with fewer iterations (openssl pkcs12 -iter 10000)");
    r->left -= count * rounds;
    return 0;
}

/* RC2, which Windows once took for certificates, is in OpenSSL's provider "legacy" alone. */
static bool is_available(int nid)
{
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, OBJ_nid2sn(nid), NULL);
    ERR_clear_error();
    EVP_CIPHER_free(cipher);
    return cipher != NULL;
}

static int refuse_algorithm(int nid, struct err *e)
{
    return err_set(e, ERR_CERT_INVALID,
                   "the file is encrypted by %s, which is not supported here; write it with AES or"
                   " triple DES",
                   nid == NID_undef ? "an unknown algorithm" : OBJ_nid2ln(nid));
}

static int pay_pbes2(struct reader *r, const X509_ALGOR *algorithm, struct err *e)
{
    PBE2PARAM *pbes2 = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBE2PARAM), algorithm->parameter);
    PBKDF2PARAM *derivation = NULL;
    int function = pbes2 ? OBJ_obj2nid(pbes2->keyfunc->algorithm) : NID_undef, rc;
    if (function == NID_id_pbkdf2)
        derivation =
            ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBKDF2PARAM), pbes2->keyfunc->parameter);
    ERR_clear_error();
    if (derivation)
        rc = pay(r, derivation->iter, PBKDF2_ROUNDS, e);
    else
        rc = refuse_algorithm(function, e);
    PBKDF2PARAM_free(derivation);
    PBE2PARAM_free(pbes2);
    return rc;
}

static int pay_pkcs12(struct reader *r, const X509_ALGOR *algorithm, struct err *e)
{
    PBEPARAM *derivation =
        ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBEPARAM), algorithm->parameter);
    if (!derivation)
        return crypto_error(e, ERR_CERT_INVALID, "the file cannot be read");
    int rc = pay(r, derivation->iter, CIPHER_ROUNDS, e);
    PBEPARAM_free(derivation);
    return rc;
}

static int pay_cipher(struct reader *r, const X509_ALGOR *algorithm, struct err *e)
{
    int nid = OBJ_obj2nid(algorithm->algorithm);
    switch (nid) {
    case NID_pbes2:
        return pay_pbes2(r, algorithm, e);
    case NID_pbe_WithSHA1And3_Key_TripleDES_CBC:
    case NID_pbe_WithSHA1And2_Key_TripleDES_CBC:
        return pay_pkcs12(r, algorithm, e);
    case NID_pbe_WithSHA1And40BitRC2_CBC:
        return is_available(NID_rc2_40_cbc) ? pay_pkcs12(r, algorithm, e)
                                            : refuse_algorithm(nid, e);
    case NID_pbe_WithSHA1And128BitRC2_CBC:
        return is_available(NID_rc2_cbc) ? pay_pkcs12(r, algorithm, e) : refuse_algorithm(nid, e);
    default:
        return refuse_algorithm(nid, e);
    }
}

/* ---- the password ---- */

static int wrong_password(struct err *e)
{
    ERR_clear_error();
    return err_set(e, ERR_INVALID, "the password does not open the file");
}

/* Without a MAC, what cannot be decrypted is most likely that. */
static int not_decrypted(const struct reader *r, struct err *e)
{
    if (!r->is_proven)
        return wrong_password(e);
    return crypto_error(e, ERR_CERT_INVALID, "a part of the file cannot be decrypted");
}

static bool is_digest(int nid)
{
    return nid == NID_sha1 || nid == NID_sha224 || nid == NID_sha256 || nid == NID_sha384 ||
           nid == NID_sha512;
}

/* Writers disagree whether an empty password is no bytes or a terminating zero. */
static bool verify(struct reader *r, PKCS12 *p12)
{
    if (PKCS12_verify_mac(p12, r->password, r->password_size))
        return true;
    if (*r->password)
        return false;
    r->password = NULL;
    return PKCS12_verify_mac(p12, NULL, 0);
}

static int check_mac(struct reader *r, PKCS12 *p12, struct err *e)
{
    const X509_ALGOR *algorithm = NULL;
    const ASN1_OBJECT *digest = NULL;
    const ASN1_INTEGER *iterations = NULL;
    if (!PKCS12_mac_present(p12))
        return 0;
    PKCS12_get0_mac(NULL, &algorithm, NULL, &iterations, p12);
    X509_ALGOR_get0(&digest, NULL, NULL, algorithm);
    if (!is_digest(OBJ_obj2nid(digest)))
        return err_set(e, ERR_CERT_INVALID,
                       "the file's MAC is of an algorithm that is not supported here; write it with"
                       " one of SHA-256");
    if (pay(r, iterations, *r->password ? MAC_ROUNDS : 2 * MAC_ROUNDS, e) < 0)
        return -1;
    if (!verify(r, p12))
        return wrong_password(e);
    r->is_proven = true;
    return 0;
}

/* ---- bags ---- */

static int add_key(struct reader *r, const PKCS8_PRIV_KEY_INFO *info, struct err *e)
{
    unsigned char *der = NULL;
    int size = info ? i2d_PKCS8_PRIV_KEY_INFO(info, &der) : -1;
    if (size <= 0)
        return crypto_error(e, ERR_CERT_INVALID, "the private key cannot be read");
    r->key_count++;
    pem_write(PEM_STRING_PKCS8INF, der, (size_t)size, true, &r->key);
    OPENSSL_clear_free(der, (size_t)size);
    return 0;
}

static int open_key(struct reader *r, const PKCS12_SAFEBAG *bag, struct err *e)
{
    const X509_SIG *sealed = PKCS12_SAFEBAG_get0_pkcs8(bag);
    const X509_ALGOR *algorithm = NULL;
    if (!sealed)
        return crypto_error(e, ERR_CERT_INVALID, "the private key cannot be read");
    X509_SIG_get0(sealed, &algorithm, NULL);
    if (pay_cipher(r, algorithm, e) < 0)
        return -1;
    PKCS8_PRIV_KEY_INFO *info = PKCS12_decrypt_skey(bag, r->password, r->password_size);
    if (!info)
        return not_decrypted(r, e);
    int rc = add_key(r, info, e);
    PKCS8_PRIV_KEY_INFO_free(info);
    return rc;
}

static int add_certificate(struct reader *r, const PKCS12_SAFEBAG *bag, struct err *e)
{
    if (PKCS12_SAFEBAG_get_bag_nid(bag) != NID_x509Certificate)
        return 0;
    X509 *x = PKCS12_SAFEBAG_get1_cert(bag);
    if (!x)
        return crypto_error(e, ERR_CERT_INVALID, "a certificate cannot be read");
    pem_write_certificate(x, &r->certificates);
    X509_free(x);
    return 0;
}

/* CRLs and secrets are of no use here. */
static int read_bag(struct reader *r, const PKCS12_SAFEBAG *bag, struct err *e)
{
    switch (PKCS12_SAFEBAG_get_nid(bag)) {
    case NID_keyBag:
        return add_key(r, PKCS12_SAFEBAG_get0_p8inf(bag), e);
    case NID_pkcs8ShroudedKeyBag:
        return open_key(r, bag, e);
    case NID_certBag:
        return add_certificate(r, bag, e);
    case NID_safeContentsBag:
        return err_set(e, ERR_CERT_INVALID, "the file holds bags within bags, which nobody writes");
    default:
        return 0;
    }
}

static int open_safe(struct reader *r, PKCS7 *safe, STACK_OF(PKCS12_SAFEBAG) * *out, struct err *e)
{
    if (PKCS7_type_is_data(safe)) {
        *out = PKCS12_unpack_p7data(safe);
        return *out ? 0 : crypto_error(e, ERR_CERT_INVALID, "the file cannot be read");
    }
    /* The content is optional in the syntax of PKCS#7 (RFC 2315 section 7). */
    if (!PKCS7_type_is_encrypted(safe) || !safe->d.encrypted)
        return err_set(e, ERR_CERT_INVALID,
                       "a part of the file is encrypted by something else than a password");
    if (pay_cipher(r, safe->d.encrypted->enc_data->algorithm, e) < 0)
        return -1;
    *out = PKCS12_unpack_p7encdata(safe, r->password, r->password_size);
    return *out ? 0 : not_decrypted(r, e);
}

static int read_safe(struct reader *r, PKCS7 *safe, struct err *e)
{
    STACK_OF(PKCS12_SAFEBAG) *bags = NULL;
    int rc = open_safe(r, safe, &bags, e);
    for (int i = 0; rc == 0 && i < sk_PKCS12_SAFEBAG_num(bags); i++)
        rc = read_bag(r, sk_PKCS12_SAFEBAG_value(bags, i), e);
    sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free);
    return rc;
}

/* ---- the file ---- */

static int walk(struct reader *r, PKCS12 *p12, struct err *e)
{
    if (check_mac(r, p12, e) < 0)
        return -1;
    STACK_OF(PKCS7) *safes = PKCS12_unpack_authsafes(p12);
    if (!safes)
        return crypto_error(e, ERR_CERT_INVALID, "the file cannot be read");
    int rc = 0;
    for (int i = 0; rc == 0 && i < sk_PKCS7_num(safes); i++)
        rc = read_safe(r, sk_PKCS7_value(safes, i), e);
    sk_PKCS7_pop_free(safes, PKCS7_free);
    if (rc == 0 && r->key_count != 1)
        rc = err_set(e, ERR_KEY_INVALID, "there is %s private key in the file",
                     r->key_count ? "more than one" : "no");
    if (rc == 0 && !r->certificates.size)
        rc = err_set(e, ERR_CERT_INVALID, "there is no certificate in the file");
    return rc;
}

static int check_input(size_t size, const char *password, struct err *e)
{
    if (strlen(password) > PKCS12_PASSWORD_MAX || !utf8_is(password, strlen(password)))
        return err_set(e, ERR_INVALID, "the password is not UTF-8 of at most %d bytes",
                       PKCS12_PASSWORD_MAX);
    if (size > PKCS12_FILE_MAX)
        return err_set(e, ERR_CERT_INVALID, "the file is larger than %d bytes", PKCS12_FILE_MAX);
    return 0;
}

static int decode(const void *file, size_t size, PKCS12 **out, struct err *e)
{
    const unsigned char *p = file;
    PKCS12 *p12 = d2i_PKCS12(NULL, &p, (long)size);
    if (!p12 || p != (const unsigned char *)file + size) {
        PKCS12_free(p12);
        ERR_clear_error();
        return err_set(e, ERR_CERT_INVALID, "this is no PKCS#12 file");
    }
    *out = p12;
    return 0;
}

int pkcs12_read(const void *file, size_t size, const char *password, struct buf *key_pem,
                struct buf *certificates_pem, struct err *e)
{
    struct reader r = {
        .password = password,
        .password_size = (int)strlen(password),
        .left = PKCS12_ROUNDS_MAX,
    };
    PKCS12 *p12 = NULL;
    ERR_clear_error();
    if (check_input(size, password, e) < 0 || decode(file, size, &p12, e) < 0)
        return -1;
    int rc = walk(&r, p12, e);
    if (rc == 0) {
        buf_add(key_pem, r.key.data, r.key.size);
        buf_add(certificates_pem, r.certificates.data, r.certificates.size);
    }
    PKCS12_free(p12);
    buf_finish_secret(&r.key);
    buf_finish(&r.certificates);
    return rc;
}

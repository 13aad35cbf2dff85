#include "server/start/stop_gap.h"

#include "acme/base/memory.h"

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdint.h>
#include <stdlib.h>

enum { DAY_SECONDS = 24 * 60 * 60, DAYS = 365, HASH_SIZE = 32, HASH_BASE64_SIZE = 45 };

static bool set_number(X509 *made)
{
    uint64_t number;
    return RAND_bytes((unsigned char *)&number, sizeof number) == 1 &&
           ASN1_INTEGER_set_uint64(X509_get_serialNumber(made), (number >> 1) | 1) == 1;
}

static bool set_names(X509 *made)
{
    X509_NAME *name = X509_get_subject_name(made);
    X509_EXTENSION *san = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "DNS:localhost");
    bool done = san && X509_add_ext(made, san, -1) == 1 &&
                X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                           (const unsigned char *)"certwright, self-signed", -1, -1,
                                           0) == 1 &&
                X509_set_issuer_name(made, name) == 1;
    X509_EXTENSION_free(san);
    return done;
}

static bool fill(X509 *made, EVP_PKEY *key)
{
    return X509_set_version(made, X509_VERSION_3) == 1 && set_number(made) &&
           X509_gmtime_adj(X509_getm_notBefore(made), -DAY_SECONDS) &&
           X509_gmtime_adj(X509_getm_notAfter(made), (long)DAYS * DAY_SECONDS) && set_names(made) &&
           X509_set_pubkey(made, key) == 1 && X509_sign(made, key, EVP_sha256()) > 0;
}

static int write_pem(X509 *made, char **out, struct err *e)
{
    BIO *bio = BIO_new(BIO_s_mem());
    if (!bio)
        mem_exhausted();
    int rc = 0;
    char *data;
    if (PEM_write_bio_X509(bio, made) == 1) {
        long size = BIO_get_mem_data(bio, &data);
        *out = mem_strndup(data, (size_t)size);
    } else {
        rc = err_set(e, ERR_CRYPTO, "A self-signed certificate cannot be written.");
    }
    BIO_free(bio);
    return rc;
}

int stop_gap_make(struct key **key, char **pem, struct err *e)
{
    struct key *made_key;
    if (key_generate(KEY_EC_P256, &made_key, e) < 0)
        return -1;
    X509 *made = X509_new();
    if (!made)
        mem_exhausted();
    int rc = fill(made, key_evp(made_key))
                 ? write_pem(made, pem, e)
                 : err_set(e, ERR_CRYPTO, "A self-signed certificate cannot be made.");
    X509_free(made);
    if (rc < 0)
        key_destroy(made_key);
    else
        *key = made_key;
    return rc;
}

int stop_gap_pin(const struct key *key, char **out, struct err *e)
{
    char hex[KEY_SPKI_SHA256_SIZE];
    unsigned char hash[HASH_SIZE], base64[HASH_BASE64_SIZE];
    if (key_spki_sha256(key, hex, e) < 0)
        return -1;
    if (OPENSSL_hexstr2buf_ex(hash, sizeof hash, NULL, hex, '\0') != 1)
        return err_set(e, ERR_CRYPTO, "A key's hash cannot be written.");
    EVP_EncodeBlock(base64, hash, sizeof hash);
    *out = mem_printf("sha256//%s", (const char *)base64);
    return 0;
}

#include "acme/key.h"

#include "acme/base/base64url.h"
#include "acme/base/memory.h"
#include "acme/crypto.h"
#include "acme/key_private.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

struct key {
    EVP_PKEY *pkey;
    enum key_type type;
};

/* What OpenSSL and JWK (RFC 7518 section 6.2.1.1) call each type; RSA has no group. */
static const struct {
    const char *name;
    const char *group;
    const char *crv;
    int bits;
} types[KEY_TYPE_COUNT] = {
    [KEY_EC_P256] = {"ec-p256", "prime256v1", "P-256", 256},
    [KEY_EC_P384] = {"ec-p384", "secp384r1", "P-384", 384},
    [KEY_RSA_2048] = {"rsa-2048", NULL, NULL, 2048},
    [KEY_RSA_3072] = {"rsa-3072", NULL, NULL, 3072},
    [KEY_RSA_4096] = {"rsa-4096", NULL, NULL, 4096},
};

const char *key_type_name(enum key_type type)
{
    return types[type].name;
}

int key_type_by_name(const char *name, enum key_type *out)
{
    for (int i = 0; i < KEY_TYPE_COUNT; i++) {
        if (!strcmp(types[i].name, name)) {
            *out = (enum key_type)i;
            return 0;
        }
    }
    return -1;
}

bool key_type_is_slow(enum key_type type)
{
    return !types[type].group;
}

static int type_of_ec(const EVP_PKEY *pkey, enum key_type *out, struct err *e)
{
    char group[64] = "";
    EVP_PKEY_get_group_name(pkey, group, sizeof group, NULL);
    for (int i = 0; i < KEY_TYPE_COUNT; i++) {
        if (types[i].group && !strcmp(types[i].group, group)) {
            *out = (enum key_type)i;
            return 0;
        }
    }
    return err_set(e, ERR_KEY_UNSUPPORTED, "an EC key on %s; only P-256 and P-384 are supported",
                   *group ? group : "a curve without a name");
}

static int type_of_rsa(const EVP_PKEY *pkey, enum key_type *out, struct err *e)
{
    int bits = EVP_PKEY_get_bits(pkey);
    int type = -1;
    for (int i = 0; i < KEY_TYPE_COUNT; i++)
        if (!types[i].group && types[i].bits == bits)
            type = i;
    if (type < 0)
        return err_set(e, ERR_KEY_UNSUPPORTED,
                       "an RSA key of %d bits; only 2048, 3072 and 4096 are supported", bits);

    /* CAs take odd exponents from 65537 (CA/B Baseline Requirements 6.1.6); larger than 32 bits
       only makes verification slow. */
    BIGNUM *exponent = NULL;
    bool sane = EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_E, &exponent) &&
                BN_is_odd(exponent) && BN_num_bits(exponent) > 16 && BN_num_bits(exponent) <= 32;
    BN_free(exponent);
    if (!sane)
        return err_set(e, ERR_KEY_UNSUPPORTED,
                       "an RSA key with an unusual public exponent; 65537 is the usual one");
    *out = (enum key_type)type;
    return 0;
}

int key_type_of_evp(const EVP_PKEY *pkey, enum key_type *out, struct err *e)
{
    switch (EVP_PKEY_get_base_id(pkey)) {
    case EVP_PKEY_EC:
        return type_of_ec(pkey, out, e);
    case EVP_PKEY_RSA:
        return type_of_rsa(pkey, out, e);
    default: {
        const char *name = EVP_PKEY_get0_type_name(pkey);
        return err_set(e, ERR_KEY_UNSUPPORTED, "a key of type %s; only EC and RSA are supported",
                       name ? name : "unknown");
    }
    }
}

int key_adopt(EVP_PKEY *pkey, struct key **out, struct err *e)
{
    enum key_type type = KEY_EC_P256;
    if (key_type_of_evp(pkey, &type, e) < 0) {
        EVP_PKEY_free(pkey);
        return -1;
    }
    /* A file may say that the point is written compressed; CAs read only the long form. */
    if (types[type].group)
        EVP_PKEY_set_utf8_string_param(pkey, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT,
                                       "uncompressed");
    struct key *key = mem_new(1, sizeof *key);
    key->pkey = pkey;
    key->type = type;
    *out = key;
    return 0;
}

int key_generate(enum key_type type, struct key **out, struct err *e)
{
    EVP_PKEY *pkey =
        types[type].group ? EVP_EC_gen(types[type].group) : EVP_RSA_gen((unsigned)types[type].bits);
    if (!pkey)
        return crypto_error(e, ERR_CRYPTO, "a key could not be made");
    return key_adopt(pkey, out, e);
}

void key_destroy(struct key *key)
{
    if (!key)
        return;
    EVP_PKEY_free(key->pkey);
    free(key);
}

enum key_type key_type_of(const struct key *key)
{
    return key->type;
}

EVP_PKEY *key_evp(const struct key *key)
{
    return key->pkey;
}

/* Appends base64url of one number of the key, left-padded to size bytes (0: as long as it is). */
static int add_number(const struct key *key, const char *parameter, int size, struct buf *out,
                      struct err *e)
{
    BIGNUM *number = NULL;
    if (!EVP_PKEY_get_bn_param(key->pkey, parameter, &number))
        return crypto_error(e, ERR_CRYPTO, "a public key could not be read");
    if (size == 0)
        size = BN_num_bytes(number);
    unsigned char bytes[4096 / 8];
    int rc = size > (int)sizeof bytes ? -1 : BN_bn2binpad(number, bytes, size);
    BN_free(number);
    if (rc < 0)
        return crypto_error(e, ERR_CRYPTO, "a public key could not be written");
    base64url_encode(bytes, (size_t)size, out);
    return 0;
}

static int add_ec_jwk(const struct key *key, struct buf *out, struct err *e)
{
    int size = (types[key->type].bits + 7) / 8;
    buf_printf(out, "{\"crv\":\"%s\",\"kty\":\"EC\",\"x\":\"", types[key->type].crv);
    if (add_number(key, OSSL_PKEY_PARAM_EC_PUB_X, size, out, e) < 0)
        return -1;
    buf_add_string(out, "\",\"y\":\"");
    if (add_number(key, OSSL_PKEY_PARAM_EC_PUB_Y, size, out, e) < 0)
        return -1;
    buf_add_string(out, "\"}");
    return 0;
}

static int add_rsa_jwk(const struct key *key, struct buf *out, struct err *e)
{
    buf_add_string(out, "{\"e\":\"");
    if (add_number(key, OSSL_PKEY_PARAM_RSA_E, 0, out, e) < 0)
        return -1;
    buf_add_string(out, "\",\"kty\":\"RSA\",\"n\":\"");
    if (add_number(key, OSSL_PKEY_PARAM_RSA_N, 0, out, e) < 0)
        return -1;
    buf_add_string(out, "\"}");
    return 0;
}

int key_jwk(const struct key *key, struct buf *out, struct err *e)
{
    struct buf jwk = {0};
    int rc = types[key->type].group ? add_ec_jwk(key, &jwk, e) : add_rsa_jwk(key, &jwk, e);
    if (rc == 0)
        buf_add(out, jwk.data, jwk.size);
    buf_finish(&jwk);
    return rc;
}

int key_thumbprint(const struct key *key, char out[KEY_THUMBPRINT_SIZE], struct err *e)
{
    struct buf jwk = {0}, text = {0};
    int rc = key_jwk(key, &jwk, e);
    if (rc == 0) {
        unsigned char digest[CRYPTO_SHA256_BYTES];
        crypto_sha256(jwk.data, jwk.size, digest);
        base64url_encode(digest, sizeof digest, &text);
        memcpy(out, text.data, KEY_THUMBPRINT_SIZE);
    }
    buf_finish(&jwk);
    buf_finish(&text);
    return rc;
}

int key_spki(const EVP_PKEY *pkey, struct buf *out, struct err *e)
{
    if (key_ec_spki(pkey, out))
        return 0;
    unsigned char *der = NULL;
    int size = i2d_PUBKEY(pkey, &der);
    if (size <= 0)
        return crypto_error(e, ERR_CRYPTO, "a public key could not be written");
    buf_add(out, der, (size_t)size);
    OPENSSL_free(der);
    return 0;
}

int key_spki_sha256_of(const EVP_PKEY *pkey, char out[KEY_SPKI_SHA256_SIZE], struct err *e)
{
    struct buf der = {0};
    if (key_spki(pkey, &der, e) < 0)
        return -1;
    unsigned char digest[CRYPTO_SHA256_BYTES];
    crypto_sha256(der.data, der.size, digest);
    buf_finish(&der);
    crypto_hex(digest, sizeof digest, out);
    return 0;
}

int key_spki_sha256(const struct key *key, char out[KEY_SPKI_SHA256_SIZE], struct err *e)
{
    return key_spki_sha256_of(key->pkey, out, e);
}

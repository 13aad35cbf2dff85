#include "acme/tls_alpn.h"

#include "acme/base/clock.h"
#include "acme/crypto.h"
#include "acme/san.h"

#include <arpa/inet.h>
#include <assert.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

const char TLS_ALPN_PROTOCOL[] = "acme-tls/1";

enum { SERIAL_BYTES = 16, VALID_DAYS = 7, DAY_SECONDS = CLOCK_DAY_MS / CLOCK_SECOND_MS };

void tls_alpn_server_name(const struct identifier *id, char out[TLS_ALPN_SERVER_NAME_SIZE])
{
    unsigned char a[16];
    if (id->type == IDENTIFIER_DNS) {
        memcpy(out, id->value, TLS_ALPN_SERVER_NAME_SIZE);
    } else if (inet_pton(AF_INET, id->value, a) == 1) {
        snprintf(out, TLS_ALPN_SERVER_NAME_SIZE, "%d.%d.%d.%d.in-addr.arpa", a[3], a[2], a[1],
                 a[0]);
    } else {
        int rc = inet_pton(AF_INET6, id->value, a);
        assert(rc == 1);
        (void)rc;
        static const char digits[] = "0123456789abcdef";
        char *p = out;
        for (int i = 15; i >= 0; i--) {
            *p++ = digits[a[i] & 15];
            *p++ = '.';
            *p++ = digits[a[i] >> 4];
            *p++ = '.';
        }
        memcpy(p, "ip6.arpa", sizeof "ip6.arpa");
    }
}

/* Some CAs compare subject and issuer, so neither is empty. */
static void set_names(X509 *x)
{
    X509_NAME *name = X509_get_subject_name(x);
    crypto_assert(X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_ASC,
                                             (const unsigned char *)"ACME challenge", -1, -1, 0));
    crypto_assert(X509_set_issuer_name(x, name));
}

/* Positive and of full length. */
static int set_serial(X509 *x, struct err *e)
{
    unsigned char bytes[SERIAL_BYTES];
    if (RAND_bytes(bytes, sizeof bytes) <= 0)
        return crypto_error(e, ERR_CRYPTO, "there is no randomness");
    bytes[0] = (unsigned char)((bytes[0] & 0x7f) | 0x40);
    BIGNUM *number = crypto_alive(BN_bin2bn(bytes, sizeof bytes, NULL));
    crypto_alive(BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x)));
    BN_free(number);
    return 0;
}

/* An OCTET STRING with the digest, inside the one that every extension's value is. */
static void add_acme_identifier(X509 *x, const char *key_authorization)
{
    unsigned char value[2 + CRYPTO_SHA256_BYTES] = {V_ASN1_OCTET_STRING, CRYPTO_SHA256_BYTES};
    crypto_sha256(key_authorization, strlen(key_authorization), value + 2);
    ASN1_OCTET_STRING *octets = crypto_alive(ASN1_OCTET_STRING_new());
    crypto_assert(ASN1_OCTET_STRING_set(octets, value, sizeof value));
    ASN1_OBJECT *type = crypto_alive(OBJ_txt2obj("1.3.6.1.5.5.7.1.31", 1));
    X509_EXTENSION *extension =
        crypto_alive(X509_EXTENSION_create_by_OBJ(NULL, type, true, octets));
    crypto_assert(X509_add_ext(x, extension, -1));
    X509_EXTENSION_free(extension);
    ASN1_OBJECT_free(type);
    ASN1_OCTET_STRING_free(octets);
}

static int sign(X509 *x, const struct key *key, struct buf *der, struct err *e)
{
    const EVP_MD *digest = key_type_of(key) == KEY_EC_P384 ? EVP_sha384() : EVP_sha256();
    unsigned char *bytes = NULL;
    int size = 0;
    if (X509_set_pubkey(x, key_evp(key)) && X509_sign(x, key_evp(key), digest) > 0)
        size = i2d_X509(x, &bytes);
    if (size <= 0)
        return crypto_error(e, ERR_CRYPTO, "the challenge's certificate could not be signed");
    buf_add(der, bytes, (size_t)size);
    OPENSSL_free(bytes);
    return 0;
}

int tls_alpn_certificate(const struct identifier *id, const char *key_authorization,
                         const struct key *key, struct buf *der, struct err *e)
{
    if (identifier_is_wildcard(id))
        return err_set(e, ERR_INVALID, "tls-alpn-01 cannot prove the wildcard '%s'", id->value);
    X509 *x = crypto_alive(X509_new());
    crypto_assert(X509_set_version(x, X509_VERSION_3));
    set_names(x);
    /* A day early, as the CA's clock may be behind. */
    crypto_alive(X509_gmtime_adj(X509_getm_notBefore(x), -(long)DAY_SECONDS));
    crypto_alive(X509_gmtime_adj(X509_getm_notAfter(x), (long)VALID_DAYS * DAY_SECONDS));
    GENERAL_NAMES *names = san_make(id, 1);
    crypto_assert(X509_add1_ext_i2d(x, NID_subject_alt_name, names, false, X509V3_ADD_DEFAULT));
    GENERAL_NAMES_free(names);
    add_acme_identifier(x, key_authorization);
    int rc = set_serial(x, e);
    if (rc == 0)
        rc = sign(x, key, der, e);
    X509_free(x);
    return rc;
}

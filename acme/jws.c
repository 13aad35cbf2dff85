#include "acme/jws.h"

#include "acme/base/base64url.h"
#include "acme/base/memory.h"
#include "acme/crypto.h"
#include "acme/json.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <string.h>

/* bytes: of r and of s each; 0 for RSA. */
struct algorithm {
    const char *name;
    const char *digest;
    int bytes;
};

static const struct algorithm *algorithm_of(const struct key *key)
{
    static const struct algorithm rs256 = {"RS256", "SHA256", 0};
    static const struct algorithm es256 = {"ES256", "SHA256", 32};
    static const struct algorithm es384 = {"ES384", "SHA384", 48};
    switch (key_type_of(key)) {
    case KEY_EC_P256:
        return &es256;
    case KEY_EC_P384:
        return &es384;
    default:
        return &rs256;
    }
}

const char *jws_algorithm(const struct key *key)
{
    return algorithm_of(key)->name;
}

/* JWS wants r and s side by side, each of full length (RFC 7518 section 3.4), OpenSSL gives DER. */
static int add_raw_ecdsa(const unsigned char *der, size_t size, int bytes, struct buf *out,
                         struct err *e)
{
    ECDSA_SIG *signature = d2i_ECDSA_SIG(NULL, &der, (long)size);
    unsigned char raw[2 * 48];
    int ok = signature && BN_bn2binpad(ECDSA_SIG_get0_r(signature), raw, bytes) == bytes &&
             BN_bn2binpad(ECDSA_SIG_get0_s(signature), raw + bytes, bytes) == bytes;
    ECDSA_SIG_free(signature);
    if (!ok)
        return crypto_error(e, ERR_CRYPTO, "a signature could not be converted");
    base64url_encode(raw, 2 * (size_t)bytes, out);
    return 0;
}

/* Appends base64url of the signature over input. */
static int sign(const struct key *key, const struct buf *input, struct buf *out, struct err *e)
{
    const struct algorithm *algorithm = algorithm_of(key);
    unsigned char signature[4096 / 8];
    size_t size = sizeof signature;
    EVP_MD_CTX *context = crypto_alive(EVP_MD_CTX_new());
    int ok =
        EVP_DigestSignInit_ex(context, NULL, algorithm->digest, NULL, NULL, key_evp(key), NULL) &&
        EVP_DigestSign(context, signature, &size, (const unsigned char *)input->data, input->size);
    EVP_MD_CTX_free(context);
    if (!ok)
        return crypto_error(e, ERR_CRYPTO, "signing failed");
    if (algorithm->bytes)
        return add_raw_ecdsa(signature, size, algorithm->bytes, out, e);
    base64url_encode(signature, size, out);
    return 0;
}

static void add_base64url(const char *text, struct buf *out)
{
    base64url_encode(text, strlen(text), out);
}

/* The flattened serialization; input is "protected.payload". */
static void add_flattened(const struct buf *input, const struct buf *signature, struct buf *out)
{
    const char *dot = strchr(input->data, '.');
    buf_printf(out, "{\"protected\":\"%.*s\",\"payload\":\"%s\",\"signature\":\"%s\"}",
               (int)(dot - input->data), input->data, dot + 1, signature->data);
}

static int add_header(const struct key *key, const char *kid, const char *nonce, const char *url,
                      struct buf *out, struct err *e)
{
    buf_printf(out, "{\"alg\":\"%s\"", jws_algorithm(key));
    if (kid) {
        buf_add_string(out, ",\"kid\":");
        json_add_text(kid, out);
    } else {
        buf_add_string(out, ",\"jwk\":");
        if (key_jwk(key, out, e) < 0)
            return -1;
    }
    if (nonce) {
        buf_add_string(out, ",\"nonce\":");
        json_add_text(nonce, out);
    }
    buf_add_string(out, ",\"url\":");
    json_add_text(url, out);
    buf_add_char(out, '}');
    return 0;
}

int jws_sign(const struct key *key, const char *kid, const char *nonce, const char *url,
             const char *payload, struct buf *out, struct err *e)
{
    struct buf header = {0}, input = {0}, signature = {0};
    int rc = add_header(key, kid, nonce, url, &header, e);
    if (rc == 0) {
        add_base64url(header.data, &input);
        buf_add_char(&input, '.');
        add_base64url(payload, &input);
        rc = sign(key, &input, &signature, e);
    }
    if (rc == 0)
        add_flattened(&input, &signature, out);
    buf_finish(&header);
    buf_finish(&input);
    buf_finish(&signature);
    return rc;
}

static const struct {
    const char *name;
    const EVP_MD *(*digest)(void);
} macs[] = {
    [JWS_HS256] = {"HS256", EVP_sha256},
    [JWS_HS384] = {"HS384", EVP_sha384},
    [JWS_HS512] = {"HS512", EVP_sha512},
};

const char *jws_mac_name(enum jws_mac mac)
{
    return macs[mac].name;
}

int jws_mac_by_name(const char *name, enum jws_mac *out)
{
    for (size_t i = 0; i < sizeof macs / sizeof *macs; i++) {
        if (!strcmp(macs[i].name, name)) {
            *out = (enum jws_mac)i;
            return 0;
        }
    }
    return -1;
}

int jws_bind_external(const struct key *account_key, enum jws_mac mac, const char *kid,
                      const void *mac_key, size_t mac_key_size, const char *url, struct buf *out,
                      struct err *e)
{
    struct buf header = {0}, jwk = {0}, input = {0}, signature = {0};
    if (key_jwk(account_key, &jwk, e) < 0)
        return -1;
    buf_printf(&header, "{\"alg\":\"%s\",\"kid\":", macs[mac].name);
    json_add_text(kid, &header);
    buf_add_string(&header, ",\"url\":");
    json_add_text(url, &header);
    buf_add_char(&header, '}');
    add_base64url(header.data, &input);
    buf_add_char(&input, '.');
    add_base64url(jwk.data, &input);

    unsigned char code[SHA512_DIGEST_LENGTH];
    unsigned size = 0;
    int rc = 0;
    if (HMAC(macs[mac].digest(), mac_key, (int)mac_key_size, (const unsigned char *)input.data,
             input.size, code, &size)) {
        base64url_encode(code, size, &signature);
        add_flattened(&input, &signature, out);
    } else {
        rc = crypto_error(e, ERR_CRYPTO, "the external account binding could not be made");
    }
    buf_finish(&header);
    buf_finish(&jwk);
    buf_finish(&input);
    buf_finish(&signature);
    return rc;
}

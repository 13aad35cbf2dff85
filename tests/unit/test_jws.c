/* JWS against RFC 7515, appendix A, and RFC 8555. */
#include "acme/base/base64url.h"
#include "acme/base/memory.h"
#include "acme/jws.h"
#include "tests/unit/fixture.h"
#include "tests/unit/unit.h"

#include <json-c/json.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const char rfc_payload[] = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt"
                                  "cGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

static struct key *key_of(const char *name)
{
    struct buf pem = fixture(name);
    struct key *key = NULL;
    struct err e;
    if (key_from_pem(pem.data, pem.size, &key, &e) < 0)
        fail_msg("%s: %s", name, e.detail);
    buf_finish_secret(&pem);
    return key;
}

static struct buf decoded(const char *text)
{
    struct buf out = {0};
    struct err e;
    assert_int_equal(base64url_decode(text, strlen(text), &out, &e), 0);
    return out;
}

/* OpenSSL's form of a signature: DER for ECDSA. */
static struct buf to_der(const struct key *key, const struct buf *raw)
{
    struct buf out = {0};
    if (key_type_is_slow(key_type_of(key))) {
        buf_add(&out, raw->data, raw->size);
        return out;
    }
    int half = (int)raw->size / 2;
    const unsigned char *bytes = (const unsigned char *)raw->data;
    ECDSA_SIG *signature = ECDSA_SIG_new();
    ECDSA_SIG_set0(signature, BN_bin2bn(bytes, half, NULL), BN_bin2bn(bytes + half, half, NULL));
    unsigned char *der = NULL;
    int size = i2d_ECDSA_SIG(signature, &der);
    buf_add(&out, der, (size_t)size);
    OPENSSL_free(der);
    ECDSA_SIG_free(signature);
    return out;
}

static bool verifies(const struct key *key, const char *input, const char *signature)
{
    struct buf raw = decoded(signature), der = to_der(key, &raw);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    const char *digest = key_type_of(key) == KEY_EC_P384 ? "SHA384" : "SHA256";
    bool ok = EVP_DigestVerifyInit_ex(context, NULL, digest, NULL, NULL, key_evp(key), NULL) == 1 &&
              EVP_DigestVerify(context, (unsigned char *)der.data, der.size,
                               (const unsigned char *)input, strlen(input)) == 1;
    EVP_MD_CTX_free(context);
    buf_finish(&raw);
    buf_finish(&der);
    return ok;
}

/* The imported keys are the RFC's: its own signatures verify under them. */
static void verifies_the_signatures_of_rfc7515(void **state)
{
    (void)state;
    struct key *a2 = key_of("keys/rfc7515-a2.pem"), *a3 = key_of("keys/rfc7515-a3.pem");
    char *rs256 = mem_printf("eyJhbGciOiJSUzI1NiJ9.%s", rfc_payload);
    char *es256 = mem_printf("eyJhbGciOiJFUzI1NiJ9.%s", rfc_payload);
    assert_true(
        verifies(a2, rs256,
                 "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-"
                 "0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrn"
                 "byTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi1"
                 "2jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs"
                 "98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"));
    assert_true(
        verifies(a3, es256,
                 "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJ"
                 "qPP3-Kg6NU1Q"));
    assert_false(
        verifies(a3, rs256,
                 "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTU"
                 "JqPP3-Kg6NU1Q"));
    free(rs256);
    free(es256);
    key_destroy(a2);
    key_destroy(a3);
}

struct parts {
    struct json_object *json;
    struct json_object *header;
    const char *protected;
    const char *payload;
    const char *signature;
};

static const char *member(struct json_object *json, const char *name)
{
    struct json_object *value = NULL;
    return json_object_object_get_ex(json, name, &value) ? json_object_get_string(value) : NULL;
}

static struct parts take_apart(const char *jws)
{
    struct parts p = {.json = json_tokener_parse(jws)};
    assert_non_null(p.json);
    assert_int_equal(json_object_object_length(p.json), 3);
    p.protected = member(p.json, "protected");
    p.payload = member(p.json, "payload");
    p.signature = member(p.json, "signature");
    struct buf header = decoded(p.protected);
    p.header = json_tokener_parse(header.data);
    assert_non_null(p.header);
    buf_finish(&header);
    return p;
}

static void put(struct parts *p)
{
    json_object_put(p->json);
    json_object_put(p->header);
}

static void assert_signed_by(const struct key *key, const struct parts *p)
{
    char *input = mem_printf("%s.%s", p->protected, p->payload);
    assert_true(verifies(key, input, p->signature));
    free(input);
}

/* RS256 is deterministic: the whole text is known (its signature made by openssl dgst -sign). */
static void signs_rs256_to_the_byte(void **state)
{
    (void)state;
    struct key *key = key_of("keys/rfc7515-a2.pem");
    struct buf jws = {0}, expected = fixture("jws-rs256.json");
    struct err e;
    assert_int_equal(jws_sign(key, "https://ca.example/acct/1", "nonce-1",
                              "https://ca.example/new-order", "{\"a\":1}", &jws, &e),
                     0);
    assert_string_equal(jws.data, expected.data);
    buf_finish(&jws);
    buf_finish(&expected);
    key_destroy(key);
}

static void signs_with_every_type(void **state)
{
    (void)state;
    static const struct {
        enum key_type type;
        const char *algorithm;
        size_t signature_size;
    } rows[] = {{KEY_EC_P256, "ES256", 64},
                {KEY_EC_P384, "ES384", 96},
                {KEY_RSA_2048, "RS256", 256},
                {KEY_RSA_3072, "RS256", 384}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct key *key = NULL;
        struct buf jws = {0};
        struct err e;
        assert_int_equal(key_generate(rows[i].type, &key, &e), 0);
        assert_string_equal(jws_algorithm(key), rows[i].algorithm);
        assert_int_equal(jws_sign(key, NULL, "n", "https://ca.example/x", "{}", &jws, &e), 0);
        struct parts p = take_apart(jws.data);
        assert_string_equal(member(p.header, "alg"), rows[i].algorithm);
        struct buf raw = decoded(p.signature);
        assert_int_equal(raw.size, rows[i].signature_size);
        assert_signed_by(key, &p);
        buf_finish(&raw);
        put(&p);
        buf_finish(&jws);
        key_destroy(key);
    }
}

/* r or s may be short, and are padded all the same (RFC 7518 section 3.4): 1 in 128 is. */
static void pads_signatures(void **state)
{
    (void)state;
    struct key *key = key_of("keys/rfc7515-a3.pem");
    struct err e;
    bool seen = false;
    for (int i = 0; i < 5000 && !seen; i++) {
        struct buf jws = {0};
        assert_int_equal(jws_sign(key, "k", NULL, "u", "", &jws, &e), 0);
        struct parts p = take_apart(jws.data);
        struct buf raw = decoded(p.signature);
        assert_int_equal(raw.size, 64);
        seen = !raw.data[0] || !raw.data[32];
        if (seen)
            assert_signed_by(key, &p);
        buf_finish(&raw);
        put(&p);
        buf_finish(&jws);
    }
    assert_true(seen);
    key_destroy(key);
}

static void header_names_the_key_one_way(void **state)
{
    (void)state;
    struct key *key = key_of("keys/rfc7515-a3.pem");
    struct buf jws = {0};
    struct err e;
    const char *url = "https://ca.example/a\"b\\c/?x=%20&y=/";
    assert_int_equal(jws_sign(key, NULL, "no-nce_1", url, "", &jws, &e), 0);
    struct parts p = take_apart(jws.data);
    assert_string_equal(p.payload, "");
    assert_string_equal(member(p.header, "url"), url);
    assert_string_equal(member(p.header, "nonce"), "no-nce_1");
    assert_null(member(p.header, "kid"));
    struct json_object *jwk = NULL;
    assert_true(json_object_object_get_ex(p.header, "jwk", &jwk));
    assert_string_equal(member(jwk, "x"), "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU");
    assert_null(member(jwk, "d"));
    put(&p);

    buf_clear(&jws);
    assert_int_equal(jws_sign(key, "https://ca.example/acct/7", NULL, url, "{}", &jws, &e), 0);
    p = take_apart(jws.data);
    assert_string_equal(p.payload, "e30");
    assert_string_equal(member(p.header, "kid"), "https://ca.example/acct/7");
    assert_null(member(p.header, "jwk"));
    assert_null(member(p.header, "nonce"));
    assert_int_equal(json_object_object_length(p.header), 3);
    put(&p);
    buf_finish(&jws);
    key_destroy(key);
}

/* RFC 8555 section 7.3.4 */
static void binds_an_external_account(void **state)
{
    (void)state;
    static const struct {
        enum jws_mac mac;
        const char *name;
        const char *digest;
    } rows[] = {{JWS_HS256, "HS256", "SHA256"},
                {JWS_HS384, "HS384", "SHA384"},
                {JWS_HS512, "HS512", "SHA512"}};
    static const char mac_key[] = "a mac key with a \0 inside";
    struct key *key = key_of("keys/rfc7515-a3.pem");
    struct err e;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf jws = {0}, jwk = {0};
        assert_int_equal(jws_bind_external(key, rows[i].mac, "kid-1", mac_key, sizeof mac_key - 1,
                                           "https://ca.example/new-acct", &jws, &e),
                         0);
        struct parts p = take_apart(jws.data);
        assert_string_equal(member(p.header, "alg"), rows[i].name);
        assert_string_equal(member(p.header, "kid"), "kid-1");
        assert_string_equal(member(p.header, "url"), "https://ca.example/new-acct");
        assert_int_equal(json_object_object_length(p.header), 3);
        struct buf payload = decoded(p.payload);
        assert_int_equal(key_jwk(key, &jwk, &e), 0);
        assert_string_equal(payload.data, jwk.data);

        char *input = mem_printf("%s.%s", p.protected, p.payload);
        unsigned char code[EVP_MAX_MD_SIZE];
        unsigned size = 0;
        assert_non_null(HMAC(EVP_get_digestbyname(rows[i].digest), mac_key, sizeof mac_key - 1,
                             (unsigned char *)input, strlen(input), code, &size));
        struct buf signature = decoded(p.signature);
        assert_int_equal(signature.size, size);
        assert_memory_equal(signature.data, code, size);
        free(input);
        buf_finish(&signature);
        buf_finish(&payload);
        buf_finish(&jwk);
        put(&p);
        buf_finish(&jws);
    }
    key_destroy(key);
}

static void knows_macs_by_name(void **state)
{
    (void)state;
    enum jws_mac mac = JWS_HS256;
    assert_string_equal(jws_mac_name(JWS_HS256), "HS256");
    assert_int_equal(jws_mac_by_name("HS512", &mac), 0);
    assert_int_equal(mac, JWS_HS512);
    assert_int_equal(jws_mac_by_name("HS384", &mac), 0);
    assert_string_equal(jws_mac_name(mac), "HS384");
    assert_int_equal(jws_mac_by_name("hs256", &mac), -1);
    assert_int_equal(jws_mac_by_name("none", &mac), -1);
    assert_int_equal(mac, JWS_HS384);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verifies_the_signatures_of_rfc7515),
        cmocka_unit_test(signs_rs256_to_the_byte),
        cmocka_unit_test(signs_with_every_type),
        cmocka_unit_test(pads_signatures),
        cmocka_unit_test(header_names_the_key_one_way),
        cmocka_unit_test(binds_an_external_account),
        cmocka_unit_test(knows_macs_by_name),
    };
    return cmocka_run_group_tests_name("jws", tests, NULL, NULL);
}

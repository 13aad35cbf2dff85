/* Keys: every PEM form, what is refused and why, JWK and thumbprints of RFC 7517 and 7638. */
#include "acme/base/memory.h"
#include "acme/key.h"
#include "tests/unit/fixture.h"
#include "tests/unit/unit.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

static int read_key(const char *name, struct key **out, struct err *e)
{
    struct buf pem = fixture(name);
    int rc = key_from_pem(pem.data, pem.size, out, e);
    buf_finish_secret(&pem);
    return rc;
}

static struct key *key_of(const char *name)
{
    struct key *key = NULL;
    struct err e;
    if (read_key(name, &key, &e) < 0)
        fail_msg("%s: %s", name, e.detail);
    return key;
}

static void assert_jwk(const char *name, const char *expected)
{
    struct key *key = key_of(name);
    struct buf jwk = {0};
    struct err e;
    assert_int_equal(key_jwk(key, &jwk, &e), 0);
    assert_string_equal(jwk.data, expected);
    buf_finish(&jwk);
    key_destroy(key);
}

static void writes_jwk_of_rfc7517(void **state)
{
    (void)state;
    assert_jwk("keys/rfc7517-a2-ec.pem", "{\"crv\":\"P-256\",\"kty\":\"EC\","
                                         "\"x\":\"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4\","
                                         "\"y\":\"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM\"}");
    assert_jwk(
        "keys/rfc7517-a2-rsa.pem",
        "{\"e\":\"AQAB\",\"kty\":\"RSA\",\"n\":\"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM7"
        "8LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY"
        "4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zg"
        "dAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-"
        "G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw\"}");
}

static void thumbprint_of_rfc7638(void **state)
{
    (void)state;
    struct key *key = key_of("keys/rfc7517-a2-rsa.pem");
    char thumbprint[KEY_THUMBPRINT_SIZE];
    struct err e;
    assert_int_equal(key_thumbprint(key, thumbprint, &e), 0);
    assert_string_equal(thumbprint, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    key_destroy(key);
}

/* x keeps its full length where it begins with a zero byte (RFC 7518 section 6.2.1.2) */
static void pads_coordinates(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t length;
    } rows[] = {{"keys/p256-short-x.pem", 43}, {"keys/p384-short-x.pem", 64}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct key *key = key_of(rows[i].name);
        struct buf jwk = {0};
        struct err e;
        assert_int_equal(key_jwk(key, &jwk, &e), 0);
        const char *x = strstr(jwk.data, "\"x\":\"") + 5;
        assert_int_equal(strcspn(x, "\""), rows[i].length);
        assert_memory_equal(x, "A", 1);
        buf_finish(&jwk);
        key_destroy(key);
    }
}

static void takes_every_form_of_pem(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum key_type type;
    } rows[] = {
        {"keys/p256-pkcs8.pem", KEY_EC_P256},
        {"keys/p256-sec1.pem", KEY_EC_P256},
        {"keys/p256-sec1-with-parameters.pem", KEY_EC_P256},
        {"keys/p256-compressed.pem", KEY_EC_P256},
        {"keys/p384-sec1.pem", KEY_EC_P384},
        {"keys/rsa2048-pkcs1.pem", KEY_RSA_2048},
        {"keys/rsa2048-pkcs8.pem", KEY_RSA_2048},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct key *key = key_of(rows[i].name);
        assert_int_equal(key_type_of(key), rows[i].type);
        key_destroy(key);
    }
}

static void spki_of(const char *name, char out[KEY_SPKI_SHA256_SIZE])
{
    struct key *key = key_of(name);
    struct err e;
    assert_int_equal(key_spki_sha256(key, out, &e), 0);
    key_destroy(key);
}

/* openssl pkey -pubout -outform DER | sha256sum */
static void one_key_has_one_hash_in_every_form(void **state)
{
    (void)state;
    static const char *const forms[] = {"keys/p256-pkcs8.pem", "keys/p256-sec1.pem",
                                        "keys/p256-sec1-with-parameters.pem",
                                        "keys/p256-compressed.pem"};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        char hash[KEY_SPKI_SHA256_SIZE];
        spki_of(forms[i], hash);
        assert_string_equal(hash,
                            "0bb32f23c423cc0cb13d1cc7d7e518ffcc1c7f4818c0d461f06d4e3c170fc4ef");
    }
    char rsa[KEY_SPKI_SHA256_SIZE], other[KEY_SPKI_SHA256_SIZE];
    spki_of("keys/rsa2048-pkcs1.pem", rsa);
    spki_of("keys/rsa2048-pkcs8.pem", other);
    assert_string_equal(rsa, other);
    spki_of("keys/rfc7515-a2.pem", other);
    assert_string_not_equal(rsa, other);
}

static void tolerates_text_around_the_key(void **state)
{
    (void)state;
    struct buf pem = fixture("keys/p256-pkcs8.pem"), wrapped = {0};
    buf_add_string(&wrapped, "\xef\xbb\xbf\r\n  Bag Attributes: none\r\n\r\n");
    for (size_t i = 0; i < pem.size; i++) {
        if (pem.data[i] == '\n')
            buf_add_string(&wrapped, " \r");
        buf_add_char(&wrapped, pem.data[i]);
    }
    buf_add_string(&wrapped, "\r\ntrailing words");
    struct key *key = NULL;
    struct err e = {0};
    if (key_from_pem(wrapped.data, wrapped.size, &key, &e) < 0)
        fail_msg("%s", e.detail);
    key_destroy(key);

    /* no final newline */
    assert_int_equal(key_from_pem(pem.data, pem.size - 1, &key, &e), 0);
    key_destroy(key);
    buf_finish_secret(&pem);
    buf_finish_secret(&wrapped);
}

static void says_why_a_key_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum err_code code;
        const char *word;
    } rows[] = {
        {"keys/p256-encrypted-pkcs8.pem", ERR_KEY_INVALID, "encrypted"},
        {"keys/p256-encrypted-sec1.pem", ERR_KEY_INVALID, "encrypted"},
        {"keys/p256-public.pem", ERR_KEY_INVALID, "public"},
        {"keys/p256-explicit.pem", ERR_KEY_UNSUPPORTED, "parameters"},
        {"keys/p521-sec1.pem", ERR_KEY_UNSUPPORTED, "P-256"},
        {"keys/secp256k1-sec1.pem", ERR_KEY_UNSUPPORTED, "secp256k1"},
        {"keys/ed25519.pem", ERR_KEY_UNSUPPORTED, "ED25519"},
        {"keys/rsapss2048.pem", ERR_KEY_UNSUPPORTED, "RSA-PSS"},
        {"keys/rsa1024.pem", ERR_KEY_UNSUPPORTED, "1024"},
        {"keys/rsa2048-exponent3.pem", ERR_KEY_UNSUPPORTED, "exponent"},
        {"keys/rsa2048-tampered.pem", ERR_KEY_INVALID, "fit together"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct key *key = NULL;
        struct err e = {0};
        if (read_key(rows[i].name, &key, &e) == 0)
            fail_msg("%s was taken", rows[i].name);
        assert_null(key);
        assert_int_equal(e.code, rows[i].code);
        if (!strstr(e.detail, rows[i].word))
            fail_msg("%s: \"%s\" does not speak of \"%s\"", rows[i].name, e.detail, rows[i].word);
    }
}

static void refuses_garbage(void **state)
{
    (void)state;
    struct buf good = fixture("keys/p256-pkcs8.pem");
    char *two = mem_printf("%s%s", good.data, good.data);
    char *cut = mem_strndup(good.data, good.size / 2);
    char *damaged = mem_strdup(good.data);
    damaged[60] = '!';
    char *renamed = mem_printf("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    const char *const inputs[] = {"",
                                  "hello",
                                  two,
                                  cut,
                                  damaged,
                                  renamed,
                                  "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n"};
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++) {
        struct key *key = NULL;
        struct err e = {0};
        assert_int_equal(key_from_pem(inputs[i], strlen(inputs[i]), &key, &e), -1);
        assert_int_equal(e.code, ERR_KEY_INVALID);
        assert_null(key);
    }
    char *big = mem_new(KEY_PEM_MAX + 1, 1);
    struct key *key = NULL;
    struct err e;
    assert_int_equal(key_from_pem(big, KEY_PEM_MAX + 1, &key, &e), -1);
    assert_int_equal(key_from_der("", 0, &key, &e), -1);
    assert_int_equal(key_from_der("\x30\x03\x02\x01\x00", 5, &key, &e), -1);
    free(big);
    free(two);
    free(cut);
    free(damaged);
    free(renamed);
    buf_finish_secret(&good);
}

/* An encrypted PKCS#8 under the plain label must fail, not ask the terminal for a passphrase. */
static void never_asks_for_a_passphrase(void **state)
{
    (void)state;
    struct buf pem = fixture("keys/p256-encrypted-pkcs8.pem"), plain = {0};
    for (const char *p = pem.data; *p; p++) {
        if (!strncmp(p, "ENCRYPTED ", 10))
            p += 10;
        buf_add_char(&plain, *p);
    }
    struct key *key = NULL;
    struct err e;
    assert_int_equal(key_from_pem(plain.data, plain.size, &key, &e), -1);
    assert_int_equal(e.code, ERR_KEY_INVALID);
    buf_finish(&pem);
    buf_finish(&plain);
}

static void generated_keys_survive_writing(void **state)
{
    (void)state;
    for (int type = 0; type < KEY_TYPE_COUNT; type++) {
        struct key *key = NULL, *from_pem = NULL, *from_der = NULL;
        struct buf pem = {0}, der = {0}, public_pem = {0};
        struct err e;
        assert_int_equal(key_generate((enum key_type)type, &key, &e), 0);
        assert_int_equal(key_type_of(key), type);
        assert_int_equal(key_to_pem(key, &pem, &e), 0);
        assert_int_equal(key_to_der(key, &der, &e), 0);
        assert_int_equal(key_public_pem(key, &public_pem, &e), 0);
        assert_memory_equal(pem.data, "-----BEGIN PRIVATE KEY-----\n", 28);
        assert_memory_equal(public_pem.data, "-----BEGIN PUBLIC KEY-----\n", 27);
        assert_int_equal(key_from_pem(pem.data, pem.size, &from_pem, &e), 0);
        assert_int_equal(key_from_der(der.data, der.size, &from_der, &e), 0);
        assert_int_equal(EVP_PKEY_eq(key_evp(key), key_evp(from_pem)), 1);
        assert_int_equal(EVP_PKEY_eq(key_evp(key), key_evp(from_der)), 1);
        buf_finish_secret(&pem);
        buf_finish_secret(&der);
        buf_finish(&public_pem);
        key_destroy(key);
        key_destroy(from_pem);
        key_destroy(from_der);
    }
}

/* Byte for byte, for whatever we write without it. */
static void keys_are_written_as_openssl_writes_them(void **state)
{
    (void)state;
    for (int type = 0; type < KEY_TYPE_COUNT; type++) {
        struct key *key = NULL;
        struct buf der = {0}, pem = {0};
        unsigned char *theirs = NULL;
        struct err e;
        assert_int_equal(key_generate((enum key_type)type, &key, &e), 0);

        PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key_evp(key));
        int size = i2d_PKCS8_PRIV_KEY_INFO(info, &theirs);
        assert_int_equal(key_to_der(key, &der, &e), 0);
        assert_int_equal(der.size, size);
        assert_memory_equal(der.data, theirs, (size_t)size);
        PKCS8_PRIV_KEY_INFO_free(info);
        OPENSSL_clear_free(theirs, (size_t)size);

        BIO *bio = BIO_new(BIO_s_mem());
        char *text;
        assert_int_equal(PEM_write_bio_PUBKEY(bio, key_evp(key)), 1);
        size = (int)BIO_get_mem_data(bio, &text);
        assert_int_equal(key_public_pem(key, &pem, &e), 0);
        assert_int_equal(pem.size, size);
        assert_memory_equal(pem.data, text, (size_t)size);
        BIO_free(bio);
        buf_finish_secret(&der);
        buf_finish(&pem);
        key_destroy(key);
    }
}

static void types_have_names(void **state)
{
    (void)state;
    for (int i = 0; i < KEY_TYPE_COUNT; i++) {
        enum key_type type;
        assert_int_equal(key_type_by_name(key_type_name((enum key_type)i), &type), 0);
        assert_int_equal(type, i);
    }
    enum key_type type = KEY_RSA_3072;
    assert_int_equal(key_type_by_name("rsa-1024", &type), -1);
    assert_int_equal(key_type_by_name("", &type), -1);
    assert_int_equal(type, KEY_RSA_3072);
    assert_true(key_type_is_slow(KEY_RSA_2048));
    assert_false(key_type_is_slow(KEY_EC_P384));
    key_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_jwk_of_rfc7517),
        cmocka_unit_test(thumbprint_of_rfc7638),
        cmocka_unit_test(pads_coordinates),
        cmocka_unit_test(takes_every_form_of_pem),
        cmocka_unit_test(one_key_has_one_hash_in_every_form),
        cmocka_unit_test(tolerates_text_around_the_key),
        cmocka_unit_test(says_why_a_key_is_refused),
        cmocka_unit_test(refuses_garbage),
        cmocka_unit_test(never_asks_for_a_passphrase),
        cmocka_unit_test(generated_keys_survive_writing),
        cmocka_unit_test(keys_are_written_as_openssl_writes_them),
        cmocka_unit_test(types_have_names),
    };
    return cmocka_run_group_tests_name("key", tests, NULL, NULL);
}

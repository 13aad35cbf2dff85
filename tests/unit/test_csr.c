/* Certificate requests: ours read back through OpenSSL, and strangers' from the openssl command. */
#include "acme/base/memory.h"
#include "acme/csr.h"
#include "tests/unit/fixture.h"
#include "tests/unit/unit.h"

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

static struct identifier parsed(const char *text)
{
    struct identifier id;
    struct err e;
    assert_int_equal(identifier_parse(text, &id, &e), 0);
    return id;
}

static X509_REQ *decode(const struct buf *der)
{
    const unsigned char *p = (const unsigned char *)der->data;
    X509_REQ *request = d2i_X509_REQ(NULL, &p, (long)der->size);
    assert_non_null(request);
    assert_ptr_equal(p, der->data + der->size);
    return request;
}

static void assert_general_name(GENERAL_NAMES *names, int at, int kind, const void *data, int size)
{
    int found;
    ASN1_STRING *value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, at), &found);
    assert_int_equal(found, kind);
    assert_int_equal(ASN1_STRING_length(value), size);
    assert_memory_equal(ASN1_STRING_get0_data(value), data, (size_t)size);
}

static void names_stand_in_san_alone(void **state)
{
    (void)state;
    struct key *key = NULL;
    struct buf der = {0};
    struct err e;
    assert_int_equal(key_generate(KEY_EC_P256, &key, &e), 0);
    struct identifier ids[] = {parsed("*.example.com"), parsed("example.com"), parsed("192.0.2.1"),
                               parsed("2001:db8::1")};
    assert_int_equal(csr_make(key, ids, 4, NULL, &der, &e), 0);
    X509_REQ *request = decode(&der);
    assert_int_equal(X509_REQ_get_version(request), X509_REQ_VERSION_1);
    assert_int_equal(X509_NAME_entry_count(X509_REQ_get_subject_name(request)), 0);
    assert_int_equal(X509_REQ_verify(request, key_evp(key)), 1);
    assert_int_equal(X509_REQ_get_signature_nid(request), NID_ecdsa_with_SHA256);

    STACK_OF(X509_EXTENSION) *extensions = X509_REQ_get_extensions(request);
    assert_int_equal(sk_X509_EXTENSION_num(extensions), 1);
    int critical = -1;
    GENERAL_NAMES *names = X509V3_get_d2i(extensions, NID_subject_alt_name, &critical, NULL);
    assert_int_equal(critical, 0);
    assert_int_equal(sk_GENERAL_NAME_num(names), 4);
    assert_general_name(names, 0, GEN_DNS, "*.example.com", 13);
    assert_general_name(names, 1, GEN_DNS, "example.com", 11);
    assert_general_name(names, 2, GEN_IPADD, "\xc0\0\2\1", 4);
    assert_general_name(names, 3, GEN_IPADD, " \1\r\xb8\0\0\0\0\0\0\0\0\0\0\0\1", 16);
    GENERAL_NAMES_free(names);
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
    X509_REQ_free(request);
    buf_finish(&der);
    key_destroy(key);
}

static void digest_follows_the_key(void **state)
{
    (void)state;
    static const struct {
        enum key_type type;
        int nid;
    } rows[] = {{KEY_EC_P256, NID_ecdsa_with_SHA256},
                {KEY_EC_P384, NID_ecdsa_with_SHA384},
                {KEY_RSA_2048, NID_sha256WithRSAEncryption}};
    struct identifier id = parsed("example.com");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct key *key = NULL;
        struct buf der = {0};
        struct err e;
        assert_int_equal(key_generate(rows[i].type, &key, &e), 0);
        assert_int_equal(csr_make(key, &id, 1, NULL, &der, &e), 0);
        X509_REQ *request = decode(&der);
        assert_int_equal(X509_REQ_get_signature_nid(request), rows[i].nid);
        X509_REQ_free(request);
        buf_finish(&der);
        key_destroy(key);
    }
}

static void subject_holds_the_email_if_asked(void **state)
{
    (void)state;
    struct key *key = NULL;
    struct buf der = {0};
    struct err e = {0};
    assert_int_equal(key_generate(KEY_EC_P256, &key, &e), 0);
    struct identifier id = parsed("example.com");
    assert_int_equal(csr_make(key, &id, 1, "admin@example.com", &der, &e), 0);
    X509_REQ *request = decode(&der);
    X509_NAME *subject = X509_REQ_get_subject_name(request);
    assert_int_equal(X509_NAME_entry_count(subject), 1);
    char email[64];
    X509_NAME_get_text_by_NID(subject, NID_pkcs9_emailAddress, email, sizeof email);
    assert_string_equal(email, "admin@example.com");
    X509_REQ_free(request);

    size_t before = der.size;
    assert_int_equal(csr_make(key, &id, 1, "häuptling@example.com", &der, &e), -1);
    assert_int_equal(e.code, ERR_INVALID);
    assert_int_equal(der.size, before);
    buf_finish(&der);
    key_destroy(key);
}

static void reads_back_what_it_makes(void **state)
{
    (void)state;
    struct key *key = NULL;
    struct buf der = {0}, pem = {0}, again = {0};
    struct csr_info info = {0};
    struct err e = {0};
    char spki[KEY_SPKI_SHA256_SIZE];
    assert_int_equal(key_generate(KEY_EC_P384, &key, &e), 0);
    assert_int_equal(key_spki_sha256(key, spki, &e), 0);
    struct identifier ids[] = {parsed("b.example"), parsed("a.example"), parsed("192.0.2.1")};
    assert_int_equal(csr_make(key, ids, 3, NULL, &der, &e), 0);
    assert_int_equal(csr_to_pem(der.data, der.size, &pem, &e), 0);
    assert_memory_equal(pem.data, "-----BEGIN CERTIFICATE REQUEST-----\n", 36);
    assert_int_equal(csr_from_pem(pem.data, pem.size, &again, &info, &e), 0);
    assert_int_equal(again.size, der.size);
    assert_memory_equal(again.data, der.data, der.size);
    assert_int_equal(identifiers_sort(ids, 3), 3);
    assert_true(identifiers_equal(info.ids, info.count, ids, 3));
    assert_string_equal(info.spki_sha256, spki);
    assert_int_equal(info.key_type, KEY_EC_P384);
    csr_info_finish(&info);
    buf_finish(&der);
    buf_finish(&pem);
    buf_finish(&again);
    key_destroy(key);
}

static void reads_names_of_strangers(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *ids[6];
    } rows[] = {
        {"csr/common-name.pem",
         {"*.example.com", "example.com", "www.example.com", "192.0.2.1", "2001:db8::1"}},
        {"csr/only-common-name.pem", {"example.com"}},
        {"csr/common-name-words.pem", {"example.com"}},
        {"csr/rsa2048.pem", {"example.com"}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf pem = fixture(rows[i].name), der = {0};
        struct csr_info info = {0};
        struct err e;
        if (csr_from_pem(pem.data, pem.size, &der, &info, &e) < 0)
            fail_msg("%s: %s", rows[i].name, e.detail);
        size_t n = 0;
        for (; rows[i].ids[n]; n++) {
            assert_true(n < info.count);
            assert_string_equal(info.ids[n].value, rows[i].ids[n]);
        }
        assert_int_equal(info.count, n);
        csr_info_finish(&info);
        buf_finish(&pem);
        buf_finish(&der);
    }
}

static void says_why_a_request_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum err_code code;
        const char *word;
    } rows[] = {
        {"csr/no-names.pem", ERR_CSR_INVALID, "no names"},
        {"csr/email-name.pem", ERR_CSR_INVALID, "neither DNS nor IP"},
        {"csr/underscore.pem", ERR_CSR_INVALID, "underscore"},
        {"csr/address-as-dns.pem", ERR_CSR_INVALID, "192.0.2.1"},
        {"csr/p521.pem", ERR_KEY_UNSUPPORTED, "P-256"},
        {"csr/tampered.pem", ERR_CSR_INVALID, "signature"},
        {"keys/p256-pkcs8.pem", ERR_CSR_INVALID, "PRIVATE KEY"},
        {"certs/leaf.pem", ERR_CSR_INVALID, "CERTIFICATE"},
        {"jws-rs256.json", ERR_CSR_INVALID, "no PEM"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf pem = fixture(rows[i].name), der = {0};
        struct csr_info info = {.count = 42};
        struct err e = {0};
        if (csr_from_pem(pem.data, pem.size, &der, &info, &e) == 0)
            fail_msg("%s was taken", rows[i].name);
        assert_int_equal(e.code, rows[i].code);
        if (!strstr(e.detail, rows[i].word))
            fail_msg("%s: \"%s\" does not speak of \"%s\"", rows[i].name, e.detail, rows[i].word);
        assert_int_equal(info.count, 42);
        assert_int_equal(der.size, 0);
        buf_finish_secret(&pem);
    }
}

static void refuses_garbage(void **state)
{
    (void)state;
    static const char *const inputs[] = {
        "",
        "-----BEGIN CERTIFICATE REQUEST-----\n",
        "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
        "-----BEGIN CERTIFICATE REQUEST-----\n!!!!\n-----END CERTIFICATE REQUEST-----\n",
    };
    struct buf out = {0};
    struct csr_info info = {0};
    struct err e = {0};
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++) {
        assert_int_equal(csr_from_pem(inputs[i], strlen(inputs[i]), &out, &info, &e), -1);
        assert_int_equal(e.code, ERR_CSR_INVALID);
    }
    char *big = mem_new(CSR_PEM_MAX + 1, 1);
    assert_int_equal(csr_from_pem(big, CSR_PEM_MAX + 1, &out, &info, &e), -1);
    assert_int_equal(csr_to_pem("\x30\x00", 2, &out, &e), -1);
    assert_int_equal(out.size, 0);
    free(big);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_stand_in_san_alone),
        cmocka_unit_test(digest_follows_the_key),
        cmocka_unit_test(subject_holds_the_email_if_asked),
        cmocka_unit_test(reads_back_what_it_makes),
        cmocka_unit_test(reads_names_of_strangers),
        cmocka_unit_test(says_why_a_request_is_refused),
        cmocka_unit_test(refuses_garbage),
    };
    return cmocka_run_group_tests_name("csr", tests, NULL, NULL);
}

/* The certificates of tls-alpn-01, read back by OpenSSL. */
#include "acme/base/base64url.h"
#include "acme/challenge.h"
#include "acme/tls_alpn.h"
#include "tests/unit/unit.h"

#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <string.h>

static const char authorization[] = "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA."
                                    "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";

static struct identifier parsed(const char *text)
{
    struct identifier id;
    struct err e;
    assert_int_equal(identifier_parse(text, &id, &e), 0);
    return id;
}

static X509 *make(const char *name, enum key_type type, struct key **key)
{
    struct identifier id = parsed(name);
    struct buf der = {0};
    struct err e = {0};
    assert_int_equal(key_generate(type, key, &e), 0);
    assert_int_equal(tls_alpn_certificate(&id, authorization, *key, &der, &e), 0);
    const unsigned char *p = (const unsigned char *)der.data;
    X509 *x = d2i_X509(NULL, &p, (long)der.size);
    assert_non_null(x);
    assert_ptr_equal(p, (const unsigned char *)der.data + der.size);
    buf_finish(&der);
    return x;
}

/* By `printf %s … | openssl dgst -sha256`, in base64url: what dns-01 publishes too. */
static void assert_acme_identifier(const X509 *x)
{
    struct buf digest = {0};
    struct err e;
    static const char known[] = "ZTRx1Ckl1-tM05o5zaizTTA0yUy5AGereMgSNWC6Ll8";
    assert_int_equal(base64url_decode(known, sizeof known - 1, &digest, &e), 0);
    ASN1_OBJECT *type = OBJ_txt2obj("1.3.6.1.5.5.7.1.31", 1);
    int at = X509_get_ext_by_OBJ(x, type, -1);
    assert_true(at >= 0);
    assert_int_equal(X509_get_ext_by_OBJ(x, type, at), -1);
    X509_EXTENSION *extension = X509_get_ext(x, at);
    assert_int_equal(X509_EXTENSION_get_critical(extension), 1);
    const ASN1_OCTET_STRING *outer = X509_EXTENSION_get_data(extension);
    const unsigned char *p = ASN1_STRING_get0_data(outer);
    ASN1_OCTET_STRING *inner = d2i_ASN1_OCTET_STRING(NULL, &p, ASN1_STRING_length(outer));
    assert_non_null(inner);
    assert_int_equal(ASN1_STRING_length(inner), digest.size);
    assert_memory_equal(ASN1_STRING_get0_data(inner), digest.data, digest.size);
    assert_ptr_equal(p, ASN1_STRING_get0_data(outer) + ASN1_STRING_length(outer));
    ASN1_OCTET_STRING_free(inner);
    ASN1_OBJECT_free(type);
    buf_finish(&digest);
}

/* RFC 8737 section 3 */
static void assert_well_formed(X509 *x, const struct key *key)
{
    assert_int_equal(X509_get_version(x), X509_VERSION_3);
    assert_int_equal(X509_NAME_cmp(X509_get_subject_name(x), X509_get_issuer_name(x)), 0);
    assert_true(X509_NAME_entry_count(X509_get_subject_name(x)) > 0);
    assert_int_equal(X509_verify(x, key_evp(key)), 1);
    assert_int_equal(X509_cmp_current_time(X509_get0_notBefore(x)), -1);
    assert_int_equal(X509_cmp_current_time(X509_get0_notAfter(x)), 1);
    assert_int_equal(ASN1_STRING_length(X509_get0_serialNumber(x)), 16);
    assert_acme_identifier(x);
}

static GENERAL_NAMES *only_names(const X509 *x)
{
    int critical;
    GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, &critical, NULL);
    assert_non_null(names);
    assert_int_equal(sk_GENERAL_NAME_num(names), 1);
    return names;
}

static void proves_a_name(void **state)
{
    (void)state;
    static const enum key_type types[] = {KEY_EC_P256, KEY_EC_P384, KEY_RSA_2048};
    for (size_t i = 0; i < 3; i++) {
        struct key *key = NULL;
        X509 *x = make("www.example.com", types[i], &key);
        assert_well_formed(x, key);
        GENERAL_NAMES *names = only_names(x);
        int kind;
        const ASN1_STRING *value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, 0), &kind);
        assert_int_equal(kind, GEN_DNS);
        assert_int_equal(ASN1_STRING_length(value), 15);
        assert_memory_equal(ASN1_STRING_get0_data(value), "www.example.com", 15);
        GENERAL_NAMES_free(names);
        X509_free(x);
        key_destroy(key);
    }
}

static void proves_an_address(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        unsigned char bytes[16];
        int size;
    } rows[] = {
        {"192.0.2.1", {192, 0, 2, 1}, 4},
        {"2001:db8::a:1", {0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x0a, 0, 1}, 16},
    };
    for (size_t i = 0; i < 2; i++) {
        struct key *key = NULL;
        X509 *x = make(rows[i].text, KEY_EC_P256, &key);
        assert_well_formed(x, key);
        GENERAL_NAMES *names = only_names(x);
        int kind;
        const ASN1_STRING *value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, 0), &kind);
        assert_int_equal(kind, GEN_IPADD);
        assert_int_equal(ASN1_STRING_length(value), rows[i].size);
        assert_memory_equal(ASN1_STRING_get0_data(value), rows[i].bytes, (size_t)rows[i].size);
        GENERAL_NAMES_free(names);
        X509_free(x);
        key_destroy(key);
    }
}

static void is_another_each_time(void **state)
{
    (void)state;
    struct key *one = NULL, *other = NULL;
    X509 *a = make("www.example.com", KEY_EC_P256, &one);
    X509 *b = make("www.example.com", KEY_EC_P256, &other);
    assert_int_not_equal(ASN1_INTEGER_cmp(X509_get0_serialNumber(a), X509_get0_serialNumber(b)), 0);
    X509_free(a);
    X509_free(b);
    key_destroy(one);
    key_destroy(other);
}

static void refuses_wildcards(void **state)
{
    (void)state;
    struct identifier id = parsed("*.example.com");
    struct key *key = NULL;
    struct buf der = {0};
    struct err e = {0};
    assert_int_equal(key_generate(KEY_EC_P256, &key, &e), 0);
    assert_int_equal(tls_alpn_certificate(&id, authorization, key, &der, &e), -1);
    assert_int_equal(e.code, ERR_INVALID);
    assert_int_equal(der.size, 0);
    key_destroy(key);
}

/* The second is RFC 8738 section 6's own kind of name, the third RFC 3596 section 2.5's example. */
static void names_the_server(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"www.example.com", "www.example.com"},
        {"192.0.2.1", "1.2.0.192.in-addr.arpa"},
        {"4321:0:1:2:3:4:567:89ab",
         "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.0.0.0.0.1.2.3.4.ip6.arpa"},
    };
    for (size_t i = 0; i < 3; i++) {
        struct identifier id = parsed(rows[i][0]);
        char name[TLS_ALPN_SERVER_NAME_SIZE];
        tls_alpn_server_name(&id, name);
        assert_string_equal(name, rows[i][1]);
    }
}

/* One side of a handshake in memory: what a responder does, and what the CA sees. */
struct side {
    SSL *ssl;
    SSL_CTX *context;
};

static int select_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_size,
                           const unsigned char *in, unsigned in_size, void *context)
{
    (void)ssl;
    (void)context;
    /* What is chosen points into the offer, and is read after the return. */
    static const unsigned char offer[] = "\12acme-tls/1";
    unsigned char *found = NULL;
    int rc = SSL_select_next_proto(&found, out_size, offer, sizeof offer - 1, in, in_size);
    *out = found;
    return rc == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static void serves_a_handshake(void **state)
{
    (void)state;
    struct identifier id = parsed("2001:db8::1");
    struct key *key = NULL;
    struct buf der = {0};
    struct err e = {0};
    char name[TLS_ALPN_SERVER_NAME_SIZE];
    assert_int_equal(key_generate(KEY_EC_P256, &key, &e), 0);
    assert_int_equal(tls_alpn_certificate(&id, authorization, key, &der, &e), 0);
    tls_alpn_server_name(&id, name);

    struct side ca = {.context = SSL_CTX_new(TLS_client_method())};
    struct side we = {.context = SSL_CTX_new(TLS_server_method())};
    assert_int_equal(
        SSL_CTX_use_certificate_ASN1(we.context, (int)der.size, (const unsigned char *)der.data),
        1);
    assert_int_equal(SSL_CTX_use_PrivateKey(we.context, key_evp(key)), 1);
    SSL_CTX_set_alpn_select_cb(we.context, select_protocol, NULL);
    assert_int_equal(
        SSL_CTX_set_alpn_protos(ca.context, (const unsigned char *)"\12acme-tls/1", 11), 0);
    ca.ssl = SSL_new(ca.context);
    we.ssl = SSL_new(we.context);
    BIO *one = NULL, *other = NULL;
    assert_int_equal(BIO_new_bio_pair(&one, 0, &other, 0), 1);
    SSL_set_bio(ca.ssl, one, one);
    SSL_set_bio(we.ssl, other, other);
    SSL_set_connect_state(ca.ssl);
    SSL_set_accept_state(we.ssl);
    assert_int_equal(SSL_set_tlsext_host_name(ca.ssl, name), 1);
    for (int i = 0; i < 10 && !(SSL_is_init_finished(ca.ssl) && SSL_is_init_finished(we.ssl));
         i++) {
        SSL_do_handshake(ca.ssl);
        SSL_do_handshake(we.ssl);
    }
    assert_true(SSL_is_init_finished(ca.ssl) && SSL_is_init_finished(we.ssl));
    assert_string_equal(SSL_get_servername(we.ssl, TLSEXT_NAMETYPE_host_name), name);
    const unsigned char *protocol = NULL;
    unsigned size = 0;
    SSL_get0_alpn_selected(ca.ssl, &protocol, &size);
    assert_int_equal(size, strlen(TLS_ALPN_PROTOCOL));
    assert_memory_equal(protocol, TLS_ALPN_PROTOCOL, size);
    X509 *seen = SSL_get1_peer_certificate(ca.ssl);
    assert_well_formed(seen, key);
    X509_free(seen);
    SSL_free(ca.ssl);
    SSL_free(we.ssl);
    SSL_CTX_free(ca.context);
    SSL_CTX_free(we.context);
    buf_finish(&der);
    key_destroy(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(proves_a_name),        cmocka_unit_test(proves_an_address),
        cmocka_unit_test(is_another_each_time), cmocka_unit_test(refuses_wildcards),
        cmocka_unit_test(names_the_server),     cmocka_unit_test(serves_a_handshake),
    };
    return cmocka_run_group_tests_name("tls_alpn", tests, NULL, NULL);
}

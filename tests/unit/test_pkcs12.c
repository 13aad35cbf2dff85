/* PKCS#12 files, read back by OpenSSL. */
#include "acme/base/memory.h"
#include "acme/key.h"
#include "acme/pkcs12.h"
#include "tests/unit/unit.h"

#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509.h>
#include <string.h>

/* A leaf of key's and two intermediates above it. */
struct material {
    struct key *key;
    struct buf leaf;
    struct buf chain;
};

static void add_certificate(const struct key *key, const char *name, struct buf *out)
{
    X509 *x = X509_new();
    X509_set_version(x, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 7);
    X509_gmtime_adj(X509_getm_notBefore(x), 0);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                               (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(x));
    X509_set_pubkey(x, key_evp(key));
    assert_true(X509_sign(x, key_evp(key), EVP_sha256()) > 0);
    BIO *bio = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_X509(bio, x), 1);
    char *text = NULL;
    long size = BIO_get_mem_data(bio, &text);
    buf_add(out, text, (size_t)size);
    BIO_free(bio);
    X509_free(x);
}

static struct material material_of(enum key_type type)
{
    struct material m = {0};
    struct key *other;
    struct err e;
    assert_int_equal(key_generate(type, &m.key, &e), 0);
    assert_int_equal(key_generate(KEY_EC_P256, &other, &e), 0);
    add_certificate(m.key, "leaf", &m.leaf);
    add_certificate(other, "issuing", &m.chain);
    add_certificate(other, "above", &m.chain);
    key_destroy(other);
    return m;
}

static void material_finish(struct material *m)
{
    key_destroy(m->key);
    buf_finish(&m->leaf);
    buf_finish(&m->chain);
}

static PKCS12 *open_file(const struct buf *file)
{
    const unsigned char *p = (const unsigned char *)file->data;
    PKCS12 *p12 = d2i_PKCS12(NULL, &p, (long)file->size);
    assert_non_null(p12);
    assert_ptr_equal(p, file->data + file->size);
    return p12;
}

static PKCS12 *make(const struct material *m, const char *password,
                    enum pkcs12_encryption encryption, const char *name)
{
    struct buf file = {0};
    struct err e;
    if (pkcs12_make(m->key, m->leaf.data, m->chain.data, password, encryption, name, &file, &e) < 0)
        fail_msg("%s", e.detail);
    PKCS12 *p12 = open_file(&file);
    buf_finish_secret(&file);
    return p12;
}

/* The subjects of the certificates in the file's own order, as "leaf issuing above "; and the
   friendly name of key and leaf, which are to be the same. */
static void read_bags(PKCS12 *p12, const char *password, struct buf *order, struct buf *friendly)
{
    STACK_OF(PKCS7) *safes = PKCS12_unpack_authsafes(p12);
    for (int i = 0; i < sk_PKCS7_num(safes); i++) {
        PKCS7 *safe = sk_PKCS7_value(safes, i);
        STACK_OF(PKCS12_SAFEBAG) *bags = PKCS7_type_is_encrypted(safe)
                                             ? PKCS12_unpack_p7encdata(safe, password, -1)
                                             : PKCS12_unpack_p7data(safe);
        assert_non_null(bags);
        for (int j = 0; j < sk_PKCS12_SAFEBAG_num(bags); j++) {
            PKCS12_SAFEBAG *bag = sk_PKCS12_SAFEBAG_value(bags, j);
            char *name = PKCS12_get_friendlyname(bag);
            if (name)
                buf_printf(friendly, "%s;", name);
            OPENSSL_free(name);
            X509 *x =
                PKCS12_SAFEBAG_get_nid(bag) == NID_certBag ? PKCS12_SAFEBAG_get1_cert(bag) : NULL;
            char cn[64] = "";
            if (x && X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName, cn,
                                               sizeof cn) > 0)
                buf_printf(order, "%s ", cn);
            X509_free(x);
        }
        sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free);
    }
    sk_PKCS7_pop_free(safes, PKCS7_free);
}

static void check_opens(const struct material *m, PKCS12 *p12, const char *password)
{
    EVP_PKEY *key = NULL;
    X509 *leaf = NULL;
    STACK_OF(X509) *chain = NULL;
    assert_int_equal(PKCS12_parse(p12, password, &key, &leaf, &chain), 1);
    assert_int_equal(EVP_PKEY_eq(key, key_evp(m->key)), 1);
    assert_int_equal(X509_check_private_key(leaf, key), 1);
    assert_int_equal(sk_X509_num(chain), 2);
    EVP_PKEY_free(key);
    X509_free(leaf);
    sk_X509_pop_free(chain, X509_free);
}

static void check_round(enum key_type type, enum pkcs12_encryption encryption)
{
    struct material m = material_of(type);
    PKCS12 *p12 = make(&m, "s3cret pass", encryption, "www.example.com");
    check_opens(&m, p12, "s3cret pass");
    assert_int_equal(PKCS12_verify_mac(p12, "s3cret pas", -1), 0);
    assert_int_equal(PKCS12_verify_mac(p12, "", -1), 0);
    assert_int_equal(PKCS12_verify_mac(p12, NULL, 0), 0);
    struct buf order = {0}, friendly = {0};
    read_bags(p12, "s3cret pass", &order, &friendly);
    assert_string_equal(order.data, "leaf issuing above ");
    assert_string_equal(friendly.data, "www.example.com;www.example.com;");
    buf_finish(&order);
    buf_finish(&friendly);
    PKCS12_free(p12);
    material_finish(&m);
}

static void opens_again(void **state)
{
    (void)state;
    check_round(KEY_EC_P256, PKCS12_AES);
    check_round(KEY_EC_P384, PKCS12_LEGACY);
    check_round(KEY_RSA_2048, PKCS12_AES);
    check_round(KEY_RSA_2048, PKCS12_LEGACY);
}

/* The MAC's digest and the algorithms of the first (certificates) and second safe (key). */
static void check_algorithms(enum pkcs12_encryption encryption, int mac, int cipher)
{
    struct material m = material_of(KEY_EC_P256);
    PKCS12 *p12 = make(&m, "pw", encryption, NULL);
    const X509_ALGOR *used = NULL;
    const ASN1_OBJECT *name = NULL;
    const ASN1_INTEGER *iterations = NULL;
    PKCS12_get0_mac(NULL, &used, NULL, &iterations, p12);
    X509_ALGOR_get0(&name, NULL, NULL, used);
    assert_int_equal(OBJ_obj2nid(name), mac);
    assert_true(ASN1_INTEGER_get(iterations) >= 2048);

    STACK_OF(PKCS7) *safes = PKCS12_unpack_authsafes(p12);
    assert_int_equal(sk_PKCS7_num(safes), 2);
    const PKCS7 *certificates = sk_PKCS7_value(safes, 0);
    assert_int_equal(OBJ_obj2nid(certificates->d.encrypted->enc_data->algorithm->algorithm),
                     cipher);
    STACK_OF(PKCS12_SAFEBAG) *bags = PKCS12_unpack_p7data(sk_PKCS7_value(safes, 1));
    assert_int_equal(sk_PKCS12_SAFEBAG_num(bags), 1);
    const X509_SIG *key = PKCS12_SAFEBAG_get0_pkcs8(sk_PKCS12_SAFEBAG_value(bags, 0));
    X509_SIG_get0(key, &used, NULL);
    X509_ALGOR_get0(&name, NULL, NULL, used);
    assert_int_equal(OBJ_obj2nid(name), cipher);
    sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free);
    sk_PKCS7_pop_free(safes, PKCS7_free);
    PKCS12_free(p12);
    material_finish(&m);
}

static void takes_the_algorithms_it_says(void **state)
{
    (void)state;
    check_algorithms(PKCS12_AES, NID_sha256, NID_pbes2);
    check_algorithms(PKCS12_LEGACY, NID_sha1, NID_pbe_WithSHA1And3_Key_TripleDES_CBC);
}

static void takes_names_and_passwords_beyond_ascii(void **state)
{
    (void)state;
    struct material m = material_of(KEY_EC_P256);
    for (int i = 0; i < 2; i++) {
        PKCS12 *p12 = make(&m, "pässwörd 密码 🔑", i ? PKCS12_LEGACY : PKCS12_AES, "网站 é");
        check_opens(&m, p12, "pässwörd 密码 🔑");
        struct buf order = {0}, friendly = {0};
        read_bags(p12, "pässwörd 密码 🔑", &order, &friendly);
        assert_string_equal(friendly.data, "网站 é;网站 é;");
        buf_finish(&order);
        buf_finish(&friendly);
        PKCS12_free(p12);
    }
    material_finish(&m);
}

static void goes_without_chain_and_name(void **state)
{
    (void)state;
    struct material m = material_of(KEY_EC_P256);
    static const char *const chains[] = {NULL, ""};
    for (size_t i = 0; i < 2; i++) {
        struct buf file = {0}, order = {0}, friendly = {0};
        struct err e;
        assert_int_equal(
            pkcs12_make(m.key, m.leaf.data, chains[i], "pw", PKCS12_AES, chains[i], &file, &e), 0);
        PKCS12 *p12 = open_file(&file);
        read_bags(p12, "pw", &order, &friendly);
        assert_string_equal(order.data, "leaf ");
        assert_int_equal(friendly.size, 0);
        PKCS12_free(p12);
        buf_finish_secret(&file);
        buf_finish(&order);
    }
    material_finish(&m);
}

static void check_refused(const struct material *m, const char *leaf, const char *chain,
                          const char *password, const char *name, enum err_code code)
{
    struct buf file = {0};
    struct err e = {0};
    assert_int_equal(pkcs12_make(m->key, leaf, chain, password, PKCS12_AES, name, &file, &e), -1);
    assert_int_equal(e.code, code);
    assert_true(*e.detail);
    assert_null(file.data);
}

static void refuses_what_it_cannot_write(void **state)
{
    (void)state;
    struct material m = material_of(KEY_EC_P256), other = material_of(KEY_EC_P256);
    char longest[PKCS12_PASSWORD_MAX + 2];
    memset(longest, 'x', sizeof longest);
    longest[PKCS12_PASSWORD_MAX + 1] = '\0';
    const char *leaf = m.leaf.data, *chain = m.chain.data;
    check_refused(&m, leaf, chain, "", NULL, ERR_INVALID);
    check_refused(&m, leaf, chain, longest, NULL, ERR_INVALID);
    check_refused(&m, leaf, chain, "p\xff", NULL, ERR_INVALID);
    check_refused(&m, leaf, chain, "pw", "n\xc3", ERR_INVALID);
    check_refused(&m, leaf, chain, "pw", "key 🔑", ERR_INVALID);
    check_refused(&m, other.leaf.data, chain, "pw", NULL, ERR_INVALID);
    check_refused(&m, "", chain, "pw", NULL, ERR_CRYPTO);
    check_refused(&m, chain, NULL, "pw", NULL, ERR_CRYPTO);
    check_refused(&m, leaf, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "pw",
                  NULL, ERR_CRYPTO);
    material_finish(&m);
    material_finish(&other);
}

static void knows_its_encryptions(void **state)
{
    (void)state;
    enum pkcs12_encryption encryption = PKCS12_AES;
    assert_int_equal(pkcs12_encryption_by_name("legacy", &encryption), 0);
    assert_int_equal(encryption, PKCS12_LEGACY);
    assert_int_equal(pkcs12_encryption_by_name("aes", &encryption), 0);
    assert_int_equal(encryption, PKCS12_AES);
    assert_int_equal(pkcs12_encryption_by_name("AES", &encryption), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opens_again),
        cmocka_unit_test(takes_the_algorithms_it_says),
        cmocka_unit_test(takes_names_and_passwords_beyond_ascii),
        cmocka_unit_test(goes_without_chain_and_name),
        cmocka_unit_test(refuses_what_it_cannot_write),
        cmocka_unit_test(knows_its_encryptions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

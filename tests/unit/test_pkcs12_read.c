/* PKCS#12 files of others: as `openssl pkcs12` writes them, and as nobody should. */
#include "acme/adopt.h"
#include "acme/base/memory.h"
#include "acme/key.h"
#include "acme/pkcs12.h"
#include "tests/unit/unit.h"

#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/provider.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FEW = 10 }; /* iterations, where their number is not the point */

/* A key and its certificate, also as files in a folder for openssl. */
struct fixture {
    char folder[64];
    struct key *key;
    X509 *leaf;
    struct buf key_pem, leaf_pem;
};

static X509 *make_leaf(const struct key *key)
{
    X509 *x = X509_new();
    X509_set_version(x, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 7);
    X509_gmtime_adj(X509_getm_notBefore(x), 0);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                               (const unsigned char *)"leaf", -1, -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(x));
    X509_set_pubkey(x, key_evp(key));
    X509_EXTENSION *names =
        X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "DNS:www.example.com");
    X509_add_ext(x, names, -1);
    X509_EXTENSION_free(names);
    assert_true(X509_sign(x, key_evp(key), EVP_sha256()) > 0);
    return x;
}

static void write_file(const struct fixture *f, const char *name, const struct buf *content)
{
    char *path = mem_printf("%s/%s", f->folder, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(content->data, 1, content->size, file), content->size);
    assert_int_equal(fclose(file), 0);
    free(path);
}

static int setup(void **state)
{
    static struct fixture f;
    struct err e;
    f = (struct fixture){.folder = "/tmp/certwright-pkcs12-XXXXXX"};
    assert_non_null(mkdtemp(f.folder));
    assert_int_equal(key_generate(KEY_EC_P256, &f.key, &e), 0);
    assert_int_equal(key_to_pem(f.key, &f.key_pem, &e), 0);
    f.leaf = make_leaf(f.key);
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    assert_int_equal(PEM_write_bio_X509(bio, f.leaf), 1);
    long size = BIO_get_mem_data(bio, &text);
    buf_add(&f.leaf_pem, text, (size_t)size);
    BIO_free(bio);
    write_file(&f, "key.pem", &f.key_pem);
    write_file(&f, "leaf.pem", &f.leaf_pem);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    static const char *const names[] = {"key.pem", "leaf.pem", "file.p12"};
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *path = mem_printf("%s/%s", f->folder, names[i]);
        unlink(path);
        free(path);
    }
    assert_int_equal(rmdir(f->folder), 0);
    key_destroy(f->key);
    X509_free(f->leaf);
    buf_finish_secret(&f->key_pem);
    buf_finish(&f->leaf_pem);
    return 0;
}

/* What `openssl pkcs12 -export` writes with these options. */
static struct buf exported(const struct fixture *f, const char *password, const char *options)
{
    char bytes[8192];
    struct buf file = {0};
    char *command = mem_printf("cd %s && openssl pkcs12 -export -in leaf.pem -inkey key.pem"
                               " -passout 'pass:%s' -out file.p12 %s",
                               f->folder, password, options);
    if (system(command) != 0) /* NOLINT(cert-env33-c) */
        fail_msg("%s", command);
    free(command);
    char *path = mem_printf("%s/file.p12", f->folder);
    FILE *in = fopen(path, "rb");
    assert_non_null(in);
    size_t size = fread(bytes, 1, sizeof bytes, in);
    assert_true(size > 0 && size < sizeof bytes);
    buf_add(&file, bytes, size);
    fclose(in);
    free(path);
    return file;
}

/* The DER of a file, which is freed. */
static struct buf written(PKCS12 *p12)
{
    struct buf file = {0};
    unsigned char *der = NULL;
    int size = i2d_PKCS12(p12, &der);
    assert_true(size > 0);
    buf_add(&file, der, (size_t)size);
    OPENSSL_free(der);
    PKCS12_free(p12);
    return file;
}

static PKCS12 *opened(struct buf *file)
{
    const unsigned char *p = (const unsigned char *)file->data;
    PKCS12 *p12 = d2i_PKCS12(NULL, &p, (long)file->size);
    assert_non_null(p12);
    buf_finish(file);
    return p12;
}

/* It gives the key and the certificate; frees the file. */
static void check_read(const struct fixture *f, struct buf *file, const char *password)
{
    struct buf key_pem = {0}, certificates = {0};
    struct err e;
    if (pkcs12_read(file->data, file->size, password, &key_pem, &certificates, &e) < 0)
        fail_msg("%s", e.detail);
    assert_string_equal(key_pem.data, f->key_pem.data);
    assert_string_equal(certificates.data, f->leaf_pem.data);
    buf_finish_secret(&key_pem);
    buf_finish(&certificates);
    buf_finish(file);
}

/* Frees the file. */
static void check_refused(struct buf *file, const char *password, enum err_code code,
                          const char *why)
{
    struct buf key_pem = {0}, certificates = {0};
    struct err e = {0};
    assert_int_equal(pkcs12_read(file->data, file->size, password, &key_pem, &certificates, &e),
                     -1);
    assert_int_equal(e.code, code);
    if (!strstr(e.detail, why))
        fail_msg("'%s' does not say '%s'", e.detail, why);
    assert_null(key_pem.data);
    assert_null(certificates.data);
    buf_finish(file);
}

static const char triple_des[] =
    "-keypbe PBE-SHA1-3DES -certpbe PBE-SHA1-3DES -macalg sha1 -name 'IIS site'";

static void reads_what_openssl_writes(void **state)
{
    static const char *const options[] = {
        "",
        triple_des,
        "-keypbe PBE-SHA1-2DES -certpbe PBE-SHA1-2DES",
        "-keypbe AES-128-CBC -certpbe AES-192-CBC -macalg sha512",
        "-keypbe DES-EDE3-CBC -certpbe NONE -macalg sha384",
        "-keypbe NONE -certpbe NONE",
        "-keypbe NONE -certpbe NONE -nomac",
        "-nomac",
        "-noiter",
        "-nomaciter",
    };
    static const char *const passwords[] = {"s3cret pass", "pässwörd 密码 🔑", ""};
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        for (size_t j = 0; j < sizeof passwords / sizeof *passwords; j++) {
            struct buf file = exported(*state, passwords[j], options[i]);
            check_read(*state, &file, passwords[j]);
        }
}

static void reads_what_we_write(void **state)
{
    struct fixture *f = *state;
    struct err e;
    for (int i = 0; i < 2; i++) {
        struct buf file = {0};
        assert_int_equal(pkcs12_make(f->key, f->leaf_pem.data, NULL, "pässwörd",
                                     i ? PKCS12_LEGACY : PKCS12_AES, "site", &file, &e),
                         0);
        check_read(f, &file, "pässwörd");
    }
}

/* An empty password may be no bytes at all; openssl writes a terminating zero. */
static void reads_without_any_password(void **state)
{
    struct fixture *f = *state;
    PKCS12 *p12 = PKCS12_create(NULL, NULL, key_evp(f->key), f->leaf, NULL,
                                NID_pbe_WithSHA1And3_Key_TripleDES_CBC,
                                NID_pbe_WithSHA1And3_Key_TripleDES_CBC, FEW, -1, 0);
    assert_non_null(p12);
    assert_int_equal(PKCS12_set_mac(p12, NULL, 0, NULL, 0, FEW, EVP_sha1()), 1);
    struct buf file = written(p12);
    check_read(f, &file, "");
}

static void tells_a_wrong_password(void **state)
{
    static const char *const options[] = {"", triple_des, "-nomac", "-keypbe NONE -certpbe NONE"};
    static const char *const wrong[] = {"Secret", "", "secret "};
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        for (size_t j = 0; j < sizeof wrong / sizeof *wrong; j++) {
            struct buf file = exported(*state, "secret", options[i]);
            check_refused(&file, wrong[j], ERR_INVALID, "does not open the file");
        }
    /* openssl leaves certificates open where it leaves out the MAC; others may not. */
    struct fixture *f = *state;
    PKCS12 *p12 = PKCS12_create("secret", NULL, key_evp(f->key), f->leaf, NULL, NID_aes_256_cbc,
                                NID_aes_256_cbc, FEW, -1, 0);
    struct buf sealed = written(p12);
    check_refused(&sealed, "Secret", ERR_INVALID, "does not open the file");
    char longest[PKCS12_PASSWORD_MAX + 2];
    memset(longest, 'x', sizeof longest);
    longest[PKCS12_PASSWORD_MAX + 1] = '\0';
    struct buf file = exported(*state, "secret", "");
    check_refused(&file, longest, ERR_INVALID, "the password is not UTF-8 of at most");
    file = exported(*state, "secret", "");
    check_refused(&file, "p\xff", ERR_INVALID, "the password is not UTF-8 of at most");
}

/* Each part alone, just below and above what all of them may ask for together. */
static void keeps_to_its_budget(void **state)
{
    static const struct {
        const char *options;
        int iterations, rounds;
    } cases[] = {
        {"-keypbe NONE -certpbe AES-256-CBC", 333333, 3},
        {"-keypbe AES-256-CBC -certpbe NONE", 333333, 3},
        {"-keypbe AES-256-CBC -certpbe NONE -nomac", 500000, 2},
        {"-keypbe NONE -certpbe PBE-SHA1-3DES", 250000, 4},
        {"-keypbe PBE-SHA1-3DES -certpbe NONE", 250000, 4},
        {"-keypbe NONE -certpbe NONE", 1000000, 1},
        {"-keypbe AES-256-CBC -certpbe AES-256-CBC", 200000, 5},
        {"-keypbe PBE-SHA1-3DES -certpbe PBE-SHA1-3DES", 142857, 7},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_true(cases[i].iterations * cases[i].rounds <= PKCS12_ROUNDS_MAX);
        assert_true((cases[i].iterations + 1) * cases[i].rounds > PKCS12_ROUNDS_MAX);
        for (int more = 0; more < 2; more++) {
            char *options = mem_printf("-iter %d %s", cases[i].iterations + more, cases[i].options);
            struct buf file = exported(*state, "secret", options);
            if (more)
                check_refused(&file, "secret", ERR_CERT_INVALID, "fewer iterations");
            else
                check_read(*state, &file, "secret");
            free(options);
        }
    }
}

/* The same file with another number of iterations of its MAC. */
static struct buf with_iterations(const struct fixture *f, int64_t iterations)
{
    struct buf file = exported(f, "secret", "");
    PKCS12 *p12 = opened(&file);
    const ASN1_INTEGER *number = NULL;
    PKCS12_get0_mac(NULL, NULL, NULL, &number, p12);
    assert_int_equal(ASN1_INTEGER_set_int64((ASN1_INTEGER *)number, iterations), 1);
    return written(p12);
}

static void takes_no_number_that_is_none(void **state)
{
    static const int64_t numbers[] = {INT64_MAX, INT64_MIN, INT32_MAX, 1LL << 32, 0, -1};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        struct buf file = with_iterations(*state, numbers[i]);
        check_refused(&file, "secret", ERR_CERT_INVALID, "fewer iterations");
    }
    /* One that does not fit into any integer. */
    static const unsigned char huge[] = {0x7f, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
    struct buf file = exported(*state, "secret", "");
    PKCS12 *p12 = opened(&file);
    const ASN1_INTEGER *number = NULL;
    PKCS12_get0_mac(NULL, NULL, NULL, &number, p12);
    assert_int_equal(ASN1_STRING_set((ASN1_INTEGER *)number, huge, sizeof huge), 1);
    file = written(p12);
    check_refused(&file, "secret", ERR_CERT_INVALID, "fewer iterations");
}

/* RC2 is read only where somebody has loaded the provider that knows it. */
static void reads_rc2_where_it_is_loaded(void **state)
{
    static const char *const options[] = {"-legacy", "-legacy -certpbe PBE-SHA1-RC2-128"};
    for (size_t i = 0; i < 2; i++) {
        struct buf file = exported(*state, "secret", options[i]);
        check_refused(&file, "secret", ERR_CERT_INVALID, "RC2");
        OSSL_PROVIDER *common = OSSL_PROVIDER_load(NULL, "default");
        OSSL_PROVIDER *legacy = OSSL_PROVIDER_load(NULL, "legacy");
        assert_non_null(common);
        assert_non_null(legacy);
        file = exported(*state, "secret", options[i]);
        check_read(*state, &file, "secret");
        OSSL_PROVIDER_unload(legacy);
        OSSL_PROVIDER_unload(common);
    }
}

/* ---- files that no program writes ---- */

static PKCS12_SAFEBAG *key_bag(const struct fixture *f, X509_ALGOR *algorithm)
{
    PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key_evp(f->key));
    X509_SIG *sealed = PKCS8_set0_pbe("secret", -1, info, algorithm);
    assert_non_null(sealed);
    PKCS8_PRIV_KEY_INFO_free(info);
    return PKCS12_SAFEBAG_create0_pkcs8(sealed);
}

/* A file of one safe in plain, without a MAC; the bags are freed. */
static struct buf file_of(STACK_OF(PKCS12_SAFEBAG) * bags)
{
    STACK_OF(PKCS7) *safes = NULL;
    assert_int_equal(PKCS12_add_safe(&safes, bags, -1, 0, NULL), 1);
    PKCS12 *p12 = PKCS12_add_safes(safes, NID_pkcs7_data);
    assert_non_null(p12);
    sk_PKCS7_pop_free(safes, PKCS7_free);
    sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free);
    return written(p12);
}

static STACK_OF(PKCS12_SAFEBAG) * leaf_bag(const struct fixture *f)
{
    STACK_OF(PKCS12_SAFEBAG) *bags = NULL;
    assert_non_null(PKCS12_add_cert(&bags, f->leaf));
    return bags;
}

static void wants_one_key_and_a_certificate(void **state)
{
    struct fixture *f = *state;
    struct buf file = exported(f, "secret", "-nokeys");
    check_refused(&file, "secret", ERR_KEY_INVALID, "no private key");
    file = exported(f, "secret", "-nocerts");
    check_refused(&file, "secret", ERR_CERT_INVALID, "no certificate");
    STACK_OF(PKCS12_SAFEBAG) *bags = leaf_bag(f);
    for (int i = 0; i < 2; i++)
        assert_non_null(PKCS12_add_key(&bags, key_evp(f->key), 0, 0, -1, NULL));
    file = file_of(bags);
    check_refused(&file, "", ERR_KEY_INVALID, "more than one private key");
}

/* scrypt takes as much memory and time as it is told. */
static void derives_by_pbkdf2_alone(void **state)
{
    struct fixture *f = *state;
    STACK_OF(PKCS12_SAFEBAG) *bags = leaf_bag(f);
    X509_ALGOR *scrypt =
        PKCS5_pbe2_set_scrypt(EVP_aes_256_cbc(), (const unsigned char *)"salt", 4, NULL, 16, 1, 1);
    assert_non_null(scrypt);
    sk_PKCS12_SAFEBAG_push(bags, key_bag(f, scrypt));
    struct buf file = file_of(bags);
    check_refused(&file, "secret", ERR_CERT_INVALID, "scrypt");

    bags = leaf_bag(f);
    sk_PKCS12_SAFEBAG_push(
        bags, key_bag(f, PKCS5_pbe2_set(EVP_aes_256_cbc(), FEW, (unsigned char *)"salt", 4)));
    file = file_of(bags);
    check_read(f, &file, "secret");
}

/* Its iterations stand elsewhere (RFC 9579), where nobody has looked. */
static void refuses_other_macs(void **state)
{
    struct buf file = exported(*state, "secret", "");
    PKCS12 *p12 = opened(&file);
    const X509_ALGOR *algorithm = NULL;
    PKCS12_get0_mac(NULL, &algorithm, NULL, NULL, p12);
    X509_ALGOR_set0((X509_ALGOR *)algorithm, OBJ_nid2obj(NID_pbmac1), V_ASN1_NULL, NULL);
    file = written(p12);
    check_refused(&file, "secret", ERR_CERT_INVALID, "MAC");
}

static void refuses_bags_within_bags(void **state)
{
    /* A SafeContents of one bag, which is an empty SafeContents again (RFC 7292 section 4.2.6). */
    static const unsigned char nested[] = {0x30, 0x13, 0x30, 0x11, 0x06, 0x0b, 0x2a,
                                           0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x0c,
                                           0x0a, 0x01, 0x06, 0xa0, 0x02, 0x30, 0x00};
    (void)state;
    STACK_OF(PKCS7) *safes = sk_PKCS7_new_null();
    PKCS7 *safe = PKCS7_new();
    assert_int_equal(PKCS7_set_type(safe, NID_pkcs7_data), 1);
    assert_int_equal(ASN1_OCTET_STRING_set(safe->d.data, nested, sizeof nested), 1);
    sk_PKCS7_push(safes, safe);
    struct buf file = written(PKCS12_add_safes(safes, NID_pkcs7_data));
    sk_PKCS7_pop_free(safes, PKCS7_free);
    check_refused(&file, "", ERR_CERT_INVALID, "bags within bags");
}

static void refuses_what_is_damaged(void **state)
{
    char options[64];
    snprintf(options, sizeof options, "-iter %d", FEW);
    struct buf file = exported(*state, "secret", options);
    for (size_t size = 0; size < file.size; size++) {
        struct buf part = {0};
        buf_add(&part, file.data, size);
        check_refused(&part, "secret", ERR_CERT_INVALID, "no PKCS#12 file");
    }
    struct buf longer = {0};
    buf_add(&longer, file.data, file.size);
    buf_add_char(&longer, '\0');
    check_refused(&longer, "secret", ERR_CERT_INVALID, "no PKCS#12 file");
    buf_finish(&file);
    struct buf large = {0};
    large.data = mem_new(PKCS12_FILE_MAX + 1, 1);
    large.size = PKCS12_FILE_MAX + 1;
    check_refused(&large, "secret", ERR_CERT_INVALID, "larger than");
}

/* Whatever bit is turned, it is refused or makes no difference; what is worked on stays bounded. */
static void survives_every_turned_bit(void **state)
{
    static const char *const options[] = {"-iter 10 -nomac -keypbe PBE-SHA1-3DES -certpbe NONE",
                                          "-iter 10"};
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        struct buf file = exported(*state, "secret", options[i]);
        for (size_t bit = 0; bit < 8 * file.size; bit++) {
            struct buf key_pem = {0}, certificates = {0};
            struct err e = {0};
            file.data[bit / 8] ^= (char)(1 << bit % 8);
            int rc = pkcs12_read(file.data, file.size, "secret", &key_pem, &certificates, &e);
            assert_int_equal(key_pem.size > 0, rc == 0);
            assert_int_equal(certificates.size > 0, rc == 0);
            file.data[bit / 8] ^= (char)(1 << bit % 8);
            buf_finish_secret(&key_pem);
            buf_finish(&certificates);
        }
        check_read(*state, &file, "secret");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_openssl_writes),
        cmocka_unit_test(reads_what_we_write),
        cmocka_unit_test(reads_without_any_password),
        cmocka_unit_test(tells_a_wrong_password),
        cmocka_unit_test(keeps_to_its_budget),
        cmocka_unit_test(takes_no_number_that_is_none),
        cmocka_unit_test(reads_rc2_where_it_is_loaded),
        cmocka_unit_test(wants_one_key_and_a_certificate),
        cmocka_unit_test(derives_by_pbkdf2_alone),
        cmocka_unit_test(refuses_other_macs),
        cmocka_unit_test(refuses_bags_within_bags),
        cmocka_unit_test(refuses_what_is_damaged),
        cmocka_unit_test(survives_every_turned_bit),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

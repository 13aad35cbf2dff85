/* Certificates, contexts and folders for the tests of the targets files and exec. */
#ifndef CERTWRIGHT_TESTS_UNIT_TARGET_FIXTURE_H
#define CERTWRIGHT_TESTS_UNIT_TARGET_FIXTURE_H

#include "acme/base/buffer.h"
#include "acme/base/memory.h"
#include "acme/json.h"
#include "acme/key.h"
#include "server/deploy/target.h"
#include "server/outside/commands.h"
#include "tests/unit/unit.h"

#include <json.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One version, signed by its own key. */
struct issued {
    struct key *key;
    char *leaf;
    struct target_certificate certificate;
};

static const char *const issued_names[] = {"www.example.com", "example.com"};

static inline char *self_sign(const struct key *key, long serial)
{
    X509 *x = X509_new();
    ASN1_INTEGER_set(X509_get_serialNumber(x), serial);
    X509_gmtime_adj(X509_getm_notBefore(x), 0);
    X509_gmtime_adj(X509_getm_notAfter(x), 86400);
    X509_set_pubkey(x, key_evp(key));
    assert_true(X509_sign(x, key_evp(key), EVP_sha256()) > 0);
    BIO *out = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_X509(out, x), 1);
    char *data;
    long size = BIO_get_mem_data(out, &data);
    char *pem = mem_strndup(data, (size_t)size);
    BIO_free(out);
    X509_free(x);
    return pem;
}

static inline void issue(struct issued *out, int64_t version)
{
    struct err e;
    *out = (struct issued){0};
    assert_int_equal(key_generate(KEY_EC_P256, &out->key, &e), 0);
    out->leaf = self_sign(out->key, (long)version);
    out->certificate = (struct target_certificate){
        .name = "www",
        .version = version,
        .identifiers = issued_names,
        .identifier_count = 2,
        .leaf = out->leaf,
        .chain = "chain of the test\n",
        .key = out->key,
        .serial = "0a1b",
        .not_after_ms = 1803027599000,
    };
    snprintf(out->certificate.fingerprint, sizeof out->certificate.fingerprint, "%064llx",
             (unsigned long long)version);
}

static inline void issued_finish(struct issued *issued)
{
    key_destroy(issued->key);
    free(issued->leaf);
}

static inline struct json_object *parse(const char *text)
{
    struct json_object *object = json_parse_object(text, strlen(text));
    assert_non_null(object);
    return object;
}

/* Runs a line of the test's own, and frees it. */
static inline void run_line(char *line)
{
    assert_int_equal(system(line), 0); /* NOLINT(cert-env33-c) */
    free(line);
}

static inline void remove_folder(const char *path)
{
    run_line(mem_printf("rm -rf '%s'", path));
}

/* The file's text, or NULL. */
static inline char *read_text(const char *folder, const char *name)
{
    char *path = mem_printf("%s/%s", folder, name);
    FILE *file = fopen(path, "re");
    free(path);
    if (!file)
        return NULL;
    struct buf text = {0};
    char piece[4096];
    size_t got;
    while ((got = fread(piece, 1, sizeof piece, file)) > 0)
        buf_add(&text, piece, got);
    fclose(file);
    return text.data ? buf_take(&text) : mem_strdup("");
}

static inline void write_text(const char *folder, const char *name, const char *text)
{
    char *path = mem_printf("%s/%s", folder, name);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    free(path);
}

static inline void assert_text(const char *folder, const char *name, const char *expected)
{
    char *text = read_text(folder, name);
    assert_non_null(text);
    assert_string_equal(text, expected);
    free(text);
}

#endif

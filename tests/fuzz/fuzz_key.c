/* Private keys of strangers: PEM, or DER of PKCS#8 that is made PEM first. */
#include "acme/crypto.h"
#include "acme/key.h"
#include "tests/fuzz/fuzz.h"

static void must_be_the_same(const struct key *a, const struct key *b)
{
    char ours[KEY_SPKI_SHA256_SIZE], theirs[KEY_SPKI_SHA256_SIZE];
    struct err e;
    must(key_spki_sha256(a, ours, &e) == 0 && key_spki_sha256(b, theirs, &e) == 0,
         "a key has a fingerprint");
    must_equal(ours, theirs, "a key that was written is the same when it is read");
    must(key_type_of(a) == key_type_of(b), "a key keeps its type");
}

static void check_key(const struct key *key)
{
    struct buf pem = {0}, der = {0}, other = {0};
    struct key *again = NULL;
    struct err e;
    char thumbprint[KEY_THUMBPRINT_SIZE];
    must(key_to_pem(key, &pem, &e) == 0 && pem.size <= KEY_PEM_MAX, "a key can be written as PEM");
    must(key_from_pem(pem.data, pem.size, &again, &e) == 0, "our own PEM can be read");
    must_be_the_same(key, again);
    key_destroy(again);
    must(key_to_der(key, &der, &e) == 0, "a key can be written as DER");
    must(key_from_der(der.data, der.size, &again, &e) == 0, "our own DER can be read");
    must_be_the_same(key, again);
    key_destroy(again);
    must(key_jwk(key, &other, &e) == 0 && key_public_pem(key, &other, &e) == 0 &&
             key_thumbprint(key, thumbprint, &e) == 0,
         "a key's public half can be shown");
    buf_finish_secret(&pem);
    buf_finish_secret(&der);
    buf_finish(&other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf pem = {0};
    struct key *key = NULL;
    struct err e;
    if (size > 0 && data[0] == 0x30)
        pem_write("PRIVATE KEY", data, size, true, &pem);
    else
        buf_add(&pem, data, size);
    if (key_from_pem(buf_string(&pem), pem.size, &key, &e) == 0)
        check_key(key);
    else
        must(e.code == ERR_KEY_INVALID || e.code == ERR_KEY_UNSUPPORTED, "a bad key is told so");
    key_destroy(key);
    buf_finish_secret(&pem);
    return 0;
}

/* PKCS#12 files of strangers: a line with the password, then the file. */
#include "acme/adopt.h"
#include "acme/key.h"
#include "acme/pkcs12.h"
#include "tests/fuzz/fuzz.h"

/* What was read is judged like PEM that was posted; a key that is good can be written again. */
static void check_material(const struct buf *key_pem, const struct buf *certificates)
{
    struct buf leaf = {0}, chain = {0}, file = {0};
    struct cert_info info;
    struct key *key = NULL;
    struct err e;
    must(strstr(key_pem->data, "-----BEGIN PRIVATE KEY-----\n") == key_pem->data,
         "a key is PKCS#8");
    must(strstr(certificates->data, "-----BEGIN CERTIFICATE-----\n") == certificates->data,
         "a certificate is PEM");
    if (key_from_pem(key_pem->data, key_pem->size, &key, &e) < 0) {
        must(e.code == ERR_KEY_INVALID || e.code == ERR_KEY_UNSUPPORTED, "a bad key is told so");
        return;
    }
    if (adopt_chain(certificates->data, certificates->size, key, &leaf, &chain, &info, &e) == 0) {
        must(pkcs12_make(key, leaf.data, chain.data, "x", PKCS12_AES, NULL, &file, &e) == 0,
             "what was taken over can be exported");
        cert_info_finish(&info);
    }
    key_destroy(key);
    buf_finish(&leaf);
    buf_finish(&chain);
    buf_finish_secret(&file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {(const char *)data, size};
    struct buf key_pem = {0}, certificates = {0};
    struct err e;
    char *password = fuzz_line(&in);
    if (pkcs12_read(in.at, in.left, password, &key_pem, &certificates, &e) == 0) {
        check_material(&key_pem, &certificates);
    } else {
        must(e.code == ERR_INVALID || e.code == ERR_KEY_INVALID || e.code == ERR_CERT_INVALID,
             "a bad file is told so");
        must(!key_pem.data && !certificates.data, "outs are untouched on failure");
    }
    free(password);
    buf_finish_secret(&key_pem);
    buf_finish(&certificates);
    return 0;
}

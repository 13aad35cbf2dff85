/* Trust anchors: one parsed store for all connections of all threads. */
#include "acme/base/memory.h"
#include "acme/crypto.h"
#include "acme/http_private.h"

#include <curl/curl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct acme_trust {
    X509_STORE *store;
    atomic_size_t shares;
};

static struct acme_trust *trust_new(void)
{
    struct acme_trust *trust = mem_new(1, sizeof *trust);
    trust->store = crypto_alive(X509_STORE_new());
    /* Whoever names an intermediate as the anchor means it; curl's own store does the same. */
    X509_STORE_set_flags(trust->store, X509_V_FLAG_PARTIAL_CHAIN);
    atomic_init(&trust->shares, 1);
    return trust;
}

X509_STORE *acme_trust_store(const struct acme_trust *trust)
{
    return trust->store;
}

struct acme_trust *acme_trust_share(struct acme_trust *trust)
{
    atomic_fetch_add(&trust->shares, 1);
    return trust;
}

void acme_trust_release(struct acme_trust *trust)
{
    if (!trust || atomic_fetch_sub(&trust->shares, 1) != 1)
        return;
    X509_STORE_free(trust->store);
    free(trust);
}

/* SSL_CERT_FILE, the bundle that curl was built for, then OpenSSL's own places. */
static struct acme_trust *load_system(void)
{
    struct acme_trust *trust = trust_new();
    const char *file = getenv(X509_get_default_cert_file_env());
    if (!file)
        file = curl_version_info(CURLVERSION_NOW)->cainfo;
    bool found = file && X509_STORE_load_file(trust->store, file);
    if (!found)
        found = X509_STORE_set_default_paths(trust->store);
    ERR_clear_error();
    if (!found) {
        acme_trust_release(trust);
        return NULL;
    }
    return trust;
}

int acme_trust_system(struct acme_trust **out, struct err *e)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static struct acme_trust *loaded; /* lives as long as the process */
    pthread_mutex_lock(&lock);
    if (!loaded)
        loaded = load_system();
    if (loaded)
        *out = acme_trust_share(loaded);
    bool ok = loaded;
    pthread_mutex_unlock(&lock);
    return ok ? 0 : err_set(e, ERR_CONFIG, "there is no system trust store to read");
}

/* Adds one certificate. */
static int add_anchor(struct acme_trust *trust, const struct pem_block *block, struct err *e)
{
    const unsigned char *p = block->data;
    X509 *x = d2i_X509(NULL, &p, block->size);
    if (!x || p != block->data + block->size) {
        X509_free(x);
        return crypto_error(e, ERR_CERT_INVALID, "a trust anchor cannot be read");
    }
    crypto_assert(X509_STORE_add_cert(trust->store, x));
    X509_free(x);
    return 0;
}

static int add_anchors(struct acme_trust *trust, BIO *in, struct err *e)
{
    struct pem_block block;
    int rc, count = 0;
    while ((rc = pem_next(in, false, &block)) == 1) {
        if (!strcmp(block.name, PEM_STRING_X509)) {
            rc = add_anchor(trust, &block, e);
            count++;
        }
        pem_block_finish(&block);
        if (rc < 0)
            return -1;
    }
    if (rc < 0)
        return crypto_error(e, ERR_CERT_INVALID, "the PEM of the trust anchors is damaged");
    if (count == 0)
        return err_set(e, ERR_CERT_INVALID, "there is no certificate in PEM form to trust");
    return 0;
}

int acme_trust_from_pem(const char *pem, size_t size, struct acme_trust **out, struct err *e)
{
    if (size > ACME_TRUST_MAX_BYTES)
        return err_set(e, ERR_CERT_INVALID, "the trust anchors are larger than %d bytes",
                       ACME_TRUST_MAX_BYTES);
    struct acme_trust *trust = trust_new();
    BIO *in = crypto_alive(BIO_new_mem_buf(pem, (int)size));
    int rc = add_anchors(trust, in, e);
    BIO_free(in);
    if (rc < 0)
        acme_trust_release(trust);
    else
        *out = trust;
    return rc;
}

#include "acme/adopt.h"

#include "acme/crypto.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>

/* Of the digest against collisions: SHA-1 has less, SHA-256 128. */
enum { SIGNATURE_BITS_MIN = 80 };

static int read_one(const struct pem_block *block, STACK_OF(X509) * out, struct err *e)
{
    const unsigned char *p = block->data;
    if (strcmp(block->name, PEM_STRING_X509) != 0)
        return err_set(e, ERR_CERT_INVALID, "the PEM holds a %.40s among the certificates",
                       block->name);
    if (sk_X509_num(out) == ADOPT_MAX_CERTS)
        return err_set(e, ERR_CERT_INVALID, "there are more than %d certificates", ADOPT_MAX_CERTS);
    X509 *x = d2i_X509(NULL, &p, block->size);
    if (!x || p != block->data + block->size) {
        X509_free(x);
        return crypto_error(e, ERR_CERT_INVALID, "a certificate cannot be read");
    }
    crypto_assert(sk_X509_push(out, x));
    return 0;
}

static int read_heap(const char *pem, size_t size, STACK_OF(X509) * out, struct err *e)
{
    BIO *in = crypto_alive(BIO_new_mem_buf(pem, (int)size));
    struct pem_block block;
    int rc;
    while ((rc = pem_next(in, false, &block)) == 1) {
        int read = read_one(&block, out, e);
        pem_block_finish(&block);
        if (read < 0) {
            BIO_free(in);
            return -1;
        }
    }
    BIO_free(in);
    if (rc < 0)
        return crypto_error(e, ERR_CERT_INVALID, "the PEM is damaged");
    if (sk_X509_num(out) == 0)
        return err_set(e, ERR_CERT_INVALID, "there is no certificate in PEM form");
    return 0;
}

/* By name, key identifier and signature. */
static bool certifies(X509 *issuer, X509 *subject)
{
    EVP_PKEY *key = X509_get0_pubkey(issuer);
    bool good =
        key && X509_check_issued(issuer, subject) == X509_V_OK && X509_verify(subject, key) == 1;
    ERR_clear_error();
    return good;
}

/* Takes it out of the heap; NULL: there is none. */
static X509 *take_leaf(STACK_OF(X509) * heap, const struct key *key)
{
    for (int i = 0; i < sk_X509_num(heap); i++) {
        const EVP_PKEY *own = X509_get0_pubkey(sk_X509_value(heap, i));
        bool same = own && EVP_PKEY_eq(own, key_evp(key)) == 1;
        ERR_clear_error();
        if (same)
            return sk_X509_delete(heap, i);
    }
    return NULL;
}

static X509 *take_issuer(STACK_OF(X509) * heap, X509 *subject)
{
    for (int i = 0; i < sk_X509_num(heap); i++)
        if (certifies(sk_X509_value(heap, i), subject))
            return sk_X509_delete(heap, i);
    return NULL;
}

static int check_leaf(X509 *leaf, struct err *e)
{
    int bits = 0;
    if (X509_check_ca(leaf) == 1)
        return err_set(e, ERR_CERT_INVALID,
                       "the key's certificate is a CA's, not a server's: its basic constraints "
                       "would have to say CA:FALSE");
    if (X509_get_signature_info(leaf, NULL, NULL, &bits, NULL) && bits < SIGNATURE_BITS_MIN)
        return err_set(e, ERR_CERT_INVALID,
                       "the certificate's signature is of an algorithm that clients refuse");
    ERR_clear_error();
    return 0;
}

/* The root is the client's own: it is left out. Each is taken once, so a circle ends. */
static void write_way(X509 *leaf, STACK_OF(X509) * heap, struct buf *out)
{
    X509 *at = leaf, *issuer;
    pem_write_certificate(leaf, out);
    while ((issuer = take_issuer(heap, at))) {
        if (at != leaf)
            X509_free(at);
        at = issuer;
        if (!certifies(at, at))
            pem_write_certificate(at, out);
    }
    if (at != leaf)
        X509_free(at);
}

static int order(STACK_OF(X509) * heap, const struct key *key, struct buf *out, struct err *e)
{
    X509 *leaf = take_leaf(heap, key);
    if (!leaf)
        return err_set(e, ERR_CERT_KEY_MISMATCH, "none of the certificates is for the private key");
    int rc = check_leaf(leaf, e);
    if (rc == 0)
        write_way(leaf, heap, out);
    X509_free(leaf);
    return rc;
}

static int read_ordered(const struct buf *pem, struct buf *leaf_pem, struct buf *chain_pem,
                        struct cert_info *info, struct err *e)
{
    struct cert_info read;
    struct buf leaf = {0}, chain = {0};
    if (cert_chain_read(pem->data, pem->size, &leaf, &chain, &read, e) < 0)
        return -1;
    int rc = 0;
    if (read.count == 0)
        rc = err_set(e, ERR_CERT_INVALID,
                     "the certificate has no DNS name or address in its subjectAltName, and what"
                     " its common name says counts for no client");
    if (rc == 0) {
        buf_add(leaf_pem, leaf.data, leaf.size);
        buf_add(chain_pem, chain.data, chain.size);
        *info = read;
    } else {
        cert_info_finish(&read);
    }
    buf_finish(&leaf);
    buf_finish(&chain);
    return rc;
}

int adopt_chain(const char *pem, size_t size, const struct key *key, struct buf *leaf_pem,
                struct buf *chain_pem, struct cert_info *info, struct err *e)
{
    struct buf ordered = {0};
    if (size > CERT_CHAIN_MAX_BYTES)
        return err_set(e, ERR_CERT_INVALID, "the certificates are larger than %d bytes",
                       CERT_CHAIN_MAX_BYTES);
    STACK_OF(X509) *heap = crypto_alive(sk_X509_new_null());
    int rc = read_heap(pem, size, heap, e);
    if (rc == 0)
        rc = order(heap, key, &ordered, e);
    if (rc == 0)
        rc = read_ordered(&ordered, leaf_pem, chain_pem, info, e);
    buf_finish(&ordered);
    sk_X509_pop_free(heap, X509_free);
    return rc;
}

#include "server/http/tls_context.h"

#include "acme/base/memory.h"
#include "acme/key.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { CLIENT_CHAIN_DEPTH = 8 };

struct tls_context {
    enum http_tls_client client;
    pthread_mutex_t lock;
    SSL_CTX *ctx; /* guarded by lock; each connection holds the one that it began with */
};

/* An allocation that failed is like any other: the process ends. */
static void *alive(void *p)
{
    if (!p)
        mem_exhausted();
    return p;
}

/* All certificates of a text. */
static int read_certificates(const char *pem, const char *what, STACK_OF(X509) * *out,
                             struct err *e)
{
    BIO *bio = alive(BIO_new_mem_buf(pem, -1));
    STACK_OF(X509) *list = alive(sk_X509_new_null());
    X509 *one;
    while ((one = PEM_read_bio_X509(bio, NULL, NULL, NULL)))
        sk_X509_push(list, one);
    bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    ERR_clear_error();
    BIO_free(bio);
    if (at_end && sk_X509_num(list) > 0) {
        *out = list;
        return 0;
    }
    sk_X509_pop_free(list, X509_free);
    return err_set(e, ERR_CONFIG, "%s cannot be read as PEM.", what);
}

/* ---- what a context is made of ---- */

static int refuse_other_protocols(SSL *ssl, const unsigned char **out, unsigned char *out_size,
                                  const unsigned char *list, unsigned size, void *context)
{
    static const unsigned char ours[] = "\x08http/1.1\x08http/1.0";
    (void)ssl, (void)context;
    /* Somebody who meant another service (RFC 7301 section 3.2) is not to be taken at his word. */
    if (SSL_select_next_proto((unsigned char **)out, out_size, ours, sizeof ours - 1, list, size) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    return SSL_TLSEXT_ERR_OK;
}

static void set_rules(SSL_CTX *ctx)
{
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20");
    /* Without resumption each connection proves anew who it is, and no ticket key has to be kept
       and forgotten in time; handshakes are few, since callers keep their connections. */
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(ctx, 0);
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_alpn_select_cb(ctx, refuse_other_protocols, NULL);
}

static int use_certificate(SSL_CTX *ctx, const struct http_tls_material *material, struct err *e)
{
    STACK_OF(X509) * chain;
    if (read_certificates(material->chain_pem, "The certificate", &chain, e) < 0)
        return -1;
    int rc = 0;
    if (SSL_CTX_use_certificate(ctx, sk_X509_value(chain, 0)) != 1)
        rc = err_set(e, ERR_CONFIG, "The certificate does not suit a TLS server.");
    else if (SSL_CTX_use_PrivateKey(ctx, key_evp(material->key)) != 1 ||
             SSL_CTX_check_private_key(ctx) != 1)
        rc = err_set(e, ERR_CONFIG, "The key is not the certificate's.");
    for (int i = 1; i < sk_X509_num(chain) && rc == 0; i++)
        if (SSL_CTX_add1_chain_cert(ctx, sk_X509_value(chain, i)) != 1)
            rc = err_set(e, ERR_CONFIG, "The certificate's chain does not suit a TLS server.");
    sk_X509_pop_free(chain, X509_free);
    ERR_clear_error();
    return rc;
}

static int ask_clients(SSL_CTX *ctx, enum http_tls_client client, const char *ca_pem, struct err *e)
{
    STACK_OF(X509) * list;
    if (client == HTTP_TLS_CLIENT_NONE)
        return 0;
    if (read_certificates(ca_pem, "The clients' CA", &list, e) < 0)
        return -1;
    X509_STORE *store = SSL_CTX_get_cert_store(ctx);
    for (int i = 0; i < sk_X509_num(list); i++) {
        X509_STORE_add_cert(store, sk_X509_value(list, i));
        SSL_CTX_add_client_CA(ctx, sk_X509_value(list, i));
    }
    sk_X509_pop_free(list, X509_free);
    /* What the file names is what is trusted, be it a root or not. */
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(ctx), X509_V_FLAG_PARTIAL_CHAIN);
    SSL_CTX_set_verify_depth(ctx, CLIENT_CHAIN_DEPTH);
    SSL_CTX_set_verify(ctx,
                       client == HTTP_TLS_CLIENT_REQUIRED
                           ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT
                           : SSL_VERIFY_PEER,
                       NULL);
    return 0;
}

static int make(enum http_tls_client client, const struct http_tls_material *material,
                SSL_CTX **out, struct err *e)
{
    SSL_CTX *ctx = alive(SSL_CTX_new(TLS_server_method()));
    set_rules(ctx);
    if (use_certificate(ctx, material, e) < 0 ||
        ask_clients(ctx, client, material->client_ca_pem, e) < 0) {
        SSL_CTX_free(ctx);
        return -1;
    }
    *out = ctx;
    return 0;
}

/* ---- life ---- */

int tls_context_create(enum http_tls_client client, const struct http_tls_material *material,
                       struct tls_context **out, struct err *e)
{
    SSL_CTX *ctx;
    if (make(client, material, &ctx, e) < 0)
        return -1;
    struct tls_context *context = mem_new(1, sizeof *context);
    context->client = client;
    context->ctx = ctx;
    pthread_mutex_init(&context->lock, NULL);
    *out = context;
    return 0;
}

void tls_context_destroy(struct tls_context *context)
{
    if (!context)
        return;
    SSL_CTX_free(context->ctx);
    pthread_mutex_destroy(&context->lock);
    free(context);
}

int tls_context_renew(struct tls_context *context, const struct http_tls_material *material,
                      struct err *e)
{
    SSL_CTX *ctx;
    if (make(context->client, material, &ctx, e) < 0)
        return -1;
    pthread_mutex_lock(&context->lock);
    SSL_CTX *before = context->ctx;
    context->ctx = ctx;
    pthread_mutex_unlock(&context->lock);
    SSL_CTX_free(before);
    return 0;
}

SSL *tls_context_session(struct tls_context *context)
{
    pthread_mutex_lock(&context->lock);
    SSL *ssl = alive(SSL_new(context->ctx));
    pthread_mutex_unlock(&context->lock);
    SSL_set_accept_state(ssl);
    return ssl;
}

/* Clients that begin a handshake and do not end it. */
#include "acme/key.h"
#include "tests/unit/http_client.h"
#include "tests/unit/http_service.h"

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>
#include <sys/resource.h>

enum {
    KEPT = 256,
    FILES_FEW = 1024, /* descriptors: 768 connections, of which one with TLS takes three */
    KEPT_OF_FEW = 128,
    PATIENT_MS = 60 * 60 * 1000, /* for a handshake: none ends for want of time */
    SOON_MS = 60 * 1000
};

static struct buf certificate_of(const struct key *key)
{
    struct buf pem = {0};
    X509 *x = X509_new();
    X509_set_version(x, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), 0);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    X509_set_pubkey(x, key_evp(key));
    assert_true(X509_sign(x, key_evp(key), EVP_sha256()) > 0);
    BIO *bio = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_X509(bio, x), 1);
    char *text = NULL;
    long size = BIO_get_mem_data(bio, &text);
    buf_add(&pem, text, (size_t)size);
    BIO_free(bio);
    X509_free(x);
    return pem;
}

static struct http_server *start(void)
{
    struct key *key;
    struct err e;
    assert_int_equal(key_generate(KEY_EC_P256, &key, &e), 0);
    struct buf pem = certificate_of(key);
    const struct http_tls_material material = {.chain_pem = pem.data, .key = key};
    const struct http_listener_options listener = {
        .kind = HTTP_LISTENER_API, .address = "127.0.0.1:0", .tls = &material};
    const struct http_server_options options = {
        .listeners = &listener,
        .listener_count = 1,
        .routes = service_tables,
        .authenticate = authenticate,
        .header_timeout_ms = PATIENT_MS,
    };
    struct http_server *server;
    if (http_server_create(&options, &server, &e) < 0)
        fail_msg("%s", e.detail);
    buf_finish(&pem);
    key_destroy(key);
    return server;
}

/* Half of them with the beginning of a ClientHello. */
static int begin(const struct http_server *server, int i)
{
    int fd = client_connect(http_server_address(server, 0));
    assert_true(fd >= 0);
    if (i % 2)
        assert_int_equal(send(fd, "\x16\x03\x01\x02", 4, MSG_NOSIGNAL), 4);
    return fd;
}

static void until_ended(int fd)
{
    struct pollfd ready = {fd, POLLIN, 0};
    assert_int_equal(poll(&ready, 1, SOON_MS), 1);
}

static void none_has_ended(const int *fds, int count)
{
    for (int i = 0; i < count; i++) {
        struct pollfd ready = {fds[i], POLLIN, 0};
        if (poll(&ready, 1, 0) != 0)
            fail_msg("number %d of %d has ended", i, count);
    }
}

/* A handshake to its end, and an answer. */
static void is_served(int fd)
{
    static const char request[] = "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n";
    char answer[16] = "";
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *ssl = SSL_new(context);
    assert_int_equal(SSL_set_fd(ssl, fd), 1);
    assert_int_equal(SSL_connect(ssl), 1);
    assert_int_equal(SSL_write(ssl, request, sizeof request - 1), sizeof request - 1);
    assert_true(SSL_read(ssl, answer, sizeof answer - 1) > 0);
    assert_memory_equal(answer, "HTTP/1.1 200", 12);
    SSL_free(ssl);
    SSL_CTX_free(context);
}

/* One that comes when there are `most` takes the place of the oldest, and of no other. They arrive
   in the order in which they connect. */
static void check_places(int most)
{
    int fds[KEPT + 3];
    struct http_server *server = start();
    for (int i = 0; i <= most; i++)
        fds[i] = begin(server, i);
    until_ended(fds[0]);
    none_has_ended(fds + 1, most);
    /* The oldest of those that are left goes on where it was, and then counts no more. */
    fds[most + 1] = client_connect(http_server_address(server, 0));
    until_ended(fds[1]);
    none_has_ended(fds + 2, most);
    is_served(fds[2]);
    fds[most + 2] = begin(server, 0);
    is_served(fds[most + 2]);
    none_has_ended(fds + 3, most - 1);
    http_server_destroy(server);
    for (int i = 0; i < most + 3; i++)
        close(fds[i]);
}

static void limit_files(rlim_t wanted)
{
    struct rlimit files;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
    files.rlim_cur = wanted ? wanted : files.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
}

static void one_more_takes_the_oldest_place(void **state)
{
    (void)state;
    limit_files(0);
    check_places(KEPT);
}

static void where_few_can_connect_they_do_not_take_all(void **state)
{
    (void)state;
    limit_files(FILES_FEW);
    check_places(KEPT_OF_FEW);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_more_takes_the_oldest_place),
        cmocka_unit_test(where_few_can_connect_they_do_not_take_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

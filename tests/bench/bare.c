/*
 * The floor under certificates: acme/ alone, without a database, an API or jobs.
 *
 *   bare DIRECTORY_URL TRUST_PEM HTTP01_PORT THREADS COUNT PREFIX
 *
 * Gets COUNT certificates for PREFIX-N.example.com by http-01 and prints one line of JSON. Each
 * thread has one connection and polls every 10 ms. It loses everything when it is killed, checks
 * nothing of what it gets, and is what the service is compared with.
 */
#include "acme/base/memory.h"
#include "acme/challenge.h"
#include "acme/client.h"
#include "acme/csr.h"
#include "tests/bench/bench.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { POLL_MS = 10, POLLS_MAX = 1000, TIMEOUT_MS = 10000, THREADS_MAX = 64 };

struct bare {
    const char *prefix;
    struct acme_ca *ca;
    struct acme_trust *trust;
    struct key *key; /* of the account */
    char *kid;
    char thumbprint[KEY_THUMBPRINT_SIZE];
    int listener;
    struct acme_client clients[THREADS_MAX];
    atomic_int requests;
    int requests_warm; /* how many there were when all threads were warm */
};

/* ---- http-01: a key authorization is the token that was asked for and our thumbprint ---- */

static void answer(int fd, const struct bare *bare)
{
    static const char path[] = "/.well-known/acme-challenge/";
    char request[2048], reply[2048];
    size_t size = 0;
    ssize_t n = 1;
    request[0] = '\0';
    while (n > 0 && size < sizeof request - 1 && !strstr(request, "\r\n\r\n")) {
        n = recv(fd, request + size, sizeof request - 1 - size, 0);
        size += n > 0 ? (size_t)n : 0;
        request[size] = '\0';
    }
    const char *token = strstr(request, path);
    if (!token)
        return;
    token += sizeof path - 1;
    int token_size = (int)strcspn(token, " ");
    int length = snprintf(
        reply, sizeof reply,
        "HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%.*s.%s",
        token_size + 1 + (int)strlen(bare->thumbprint), token_size, token, bare->thumbprint);
    if (length > 0 && (size_t)length < sizeof reply)
        send(fd, reply, (size_t)length, MSG_NOSIGNAL);
}

static void *respond(void *context)
{
    const struct bare *bare = context;
    int fd;
    while ((fd = accept(bare->listener, NULL, NULL)) >= 0) {
        answer(fd, bare);
        shutdown(fd, SHUT_RDWR);
        close(fd);
    }
    return NULL;
}

static void listen_on(struct bare *bare, uint16_t port)
{
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
    int yes = 1;
    bare->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(bare->listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(bare->listener, (struct sockaddr *)&at, sizeof at) || listen(bare->listener, 64)) {
        perror("listen");
        exit(2);
    }
}

/* ---- one certificate ---- */

static int respond_to(struct acme_client *client, const struct acme_authorization *a, struct err *e)
{
    int64_t ignored;
    for (size_t i = 0; i < a->challenge_count; i++)
        if (!strcmp(a->challenges[i].type, "http-01"))
            return acme_challenge_respond(client, a->challenges[i].url, &ignored, e);
    return err_set(e, ERR_NO_CHALLENGE, "the CA offers no http-01");
}

static int authorize(struct acme_client *client, const char *url, struct err *e)
{
    for (int polls = 0; polls < POLLS_MAX; polls++) {
        struct acme_authorization a = {0};
        if (acme_authorization_get(client, url, &a, e) < 0)
            return -1;
        enum acme_authorization_status status = a.status;
        int rc = polls == 0 && status == ACME_AUTHORIZATION_PENDING ? respond_to(client, &a, e) : 0;
        acme_authorization_finish(&a);
        if (rc < 0 || status == ACME_AUTHORIZATION_VALID)
            return rc;
        if (status != ACME_AUTHORIZATION_PENDING)
            break;
        pause_ms(POLL_MS);
    }
    return err_set(e, ERR_ORDER_INVALID, "the authorization has not become valid");
}

/* Sends the CSR and follows the order until it is valid. */
static int finalize(struct acme_client *client, const struct acme_order *placed,
                    const struct buf *csr, char **certificate, struct err *e)
{
    struct acme_order order = {0};
    int rc =
        acme_order_finalize(client, placed->finalize, placed->url, csr->data, csr->size, &order, e);
    for (int polls = 0; rc == 0 && order.status == ACME_ORDER_PROCESSING && polls < POLLS_MAX;
         polls++) {
        acme_order_finish(&order);
        pause_ms(POLL_MS);
        rc = acme_order_get(client, placed->url, &order, e);
    }
    if (rc == 0 && order.status == ACME_ORDER_VALID)
        *certificate = mem_strdup(order.certificate);
    else if (rc == 0)
        rc = err_set(e, ERR_ORDER_INVALID, "the order has not become valid");
    acme_order_finish(&order);
    return rc;
}

static int issue(struct acme_client *client, const char *name, struct err *e)
{
    struct identifier id;
    if (identifier_parse(name, &id, e) < 0)
        return -1;
    struct acme_order_request request = {.ids = &id, .count = 1};
    struct acme_order order = {0};
    struct buf csr = {0}, chain = {0};
    struct key *key = NULL;
    char *url = NULL;
    int rc = acme_order_new(client, &request, &order, e);
    for (size_t i = 0; rc == 0 && i < order.authorization_count; i++)
        rc = authorize(client, order.authorizations[i], e);
    if (rc == 0)
        rc = key_generate(KEY_EC_P256, &key, e);
    if (rc == 0)
        rc = csr_make(key, &id, 1, NULL, &csr, e);
    if (rc == 0)
        rc = finalize(client, &order, &csr, &url, e);
    if (rc == 0)
        rc = acme_certificate_download(client, url, NULL, &chain, e);
    free(url);
    key_destroy(key);
    buf_finish(&csr);
    buf_finish(&chain);
    acme_order_finish(&order);
    return rc;
}

static int work(void *context, int thread, int number)
{
    struct bare *bare = context;
    struct err e;
    char *name = number < 0 ? mem_printf("%s-warm-%d.example.com", bare->prefix, thread)
                            : mem_printf("%s-%d.example.com", bare->prefix, number);
    int rc = issue(&bare->clients[thread], name, &e);
    if (rc < 0)
        fprintf(stderr, "bare: %s: %s: %s\n", name, err_info(e.code)->name, e.detail);
    free(name);
    return rc;
}

/* ---- set-up ---- */

static void count_request(void *context, const struct acme_http_trace *trace)
{
    (void)trace;
    atomic_fetch_add((atomic_int *)context, 1);
}

static void now_warm(void *context)
{
    struct bare *bare = context;
    bare->requests_warm = atomic_load(&bare->requests);
}

static void open_clients(struct bare *bare, int threads)
{
    struct acme_http_options options = {.user_agent = "certwright-bench/1",
                                        .trust = bare->trust,
                                        .timeout_ms = TIMEOUT_MS,
                                        .traced = count_request,
                                        .trace_context = &bare->requests};
    for (int i = 0; i < threads; i++) {
        struct acme_client *client = &bare->clients[i];
        *client = (struct acme_client){.ca = bare->ca, .key = bare->key};
        client->http = acme_http_create(&options);
    }
}

static int register_account(struct bare *bare, int threads, struct err *e)
{
    struct acme_account_request request = {.terms_of_service_agreed = true};
    struct acme_account account = {0};
    if (acme_account_new(&bare->clients[0], &request, &account, e) < 0)
        return -1;
    bare->kid = mem_strdup(account.url);
    acme_account_finish(&account);
    for (int i = 0; i < threads; i++)
        bare->clients[i].kid = bare->kid;
    return 0;
}

static int set_up(struct bare *bare, const char *trust_path, int threads, struct err *e)
{
    struct buf pem = slurp(trust_path);
    int rc = acme_trust_from_pem(buf_string(&pem), pem.size, &bare->trust, e);
    buf_finish(&pem);
    if (rc < 0 || key_generate(KEY_EC_P256, &bare->key, e) < 0 ||
        key_thumbprint(bare->key, bare->thumbprint, e) < 0)
        return -1;
    open_clients(bare, threads);
    return register_account(bare, threads, e);
}

int main(int count, char **argument)
{
    static struct bare bare;
    struct err e;
    if (count != 7) {
        fprintf(stderr, "usage: %s DIRECTORY_URL TRUST_PEM HTTP01_PORT THREADS COUNT PREFIX\n",
                argument[0]);
        return 2;
    }
    struct crowd crowd = {.work = work, .context = &bare};
    crowd.threads = (int)strtol(argument[4], NULL, 10);
    crowd.count = (int)strtol(argument[5], NULL, 10);
    if (crowd.threads < 1 || crowd.threads > THREADS_MAX || crowd.count < 1)
        return 2;
    bare.prefix = argument[6];
    bare.ca = acme_ca_create(argument[1]);
    if (acme_http_library_init(&e) < 0 || set_up(&bare, argument[2], crowd.threads, &e) < 0) {
        fprintf(stderr, "bare: %s: %s\n", err_info(e.code)->name, e.detail);
        return 1;
    }
    pthread_t responder;
    listen_on(&bare, (uint16_t)strtoul(argument[3], NULL, 10));
    if (pthread_create(&responder, NULL, respond, &bare))
        return 1;
    crowd_run(&crowd, now_warm);
    if (atomic_load(&crowd.failures))
        return 1;
    printf("{\"seconds\": %.6f, \"cpu_seconds\": %.6f, \"latency\": %.6f, \"requests\": %d}\n",
           crowd.seconds, crowd.cpu_seconds, quantile(crowd.latencies, (size_t)crowd.count, 0.5),
           atomic_load(&bare.requests) - bare.requests_warm);
    return 0;
}

/*
 * The ACME library alone, without a database or a service: one certificate for one name by http-01.
 *
 *   issue DIRECTORY_URL TRUST_PEM NAME CHALLTESTSRV_URL
 *
 * The challenge is put into pebble-challtestsrv, whose management API stands for whatever serves
 * port 80. Prints key and chain as PEM. A real client would keep both keys before it uses them.
 */
#include "acme/base/buffer.h"
#include "acme/base/memory.h"
#include "acme/challenge.h"
#include "acme/client.h"
#include "acme/csr.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { POLLS_MAX = 100 };

static int wait_a_little(int polls, struct err *e)
{
    if (polls >= POLLS_MAX)
        return err_set(e, ERR_CA_TIMEOUT, "the CA takes too long");
    struct timespec pause = {.tv_nsec = 100 * 1000 * 1000};
    nanosleep(&pause, NULL);
    return 0;
}

static int read_file(const char *path, struct buf *out, struct err *e)
{
    char piece[4096];
    size_t n;
    FILE *file = fopen(path, "rb");
    if (!file)
        return err_set(e, ERR_IO, "%s cannot be read", path);
    while ((n = fread(piece, 1, sizeof piece, file)) > 0)
        buf_add(out, piece, n);
    fclose(file);
    return 0;
}

static int open_http(const char *trust_path, struct acme_http **out, struct err *e)
{
    struct buf pem = {0};
    struct acme_trust *trust = NULL;
    struct acme_http_options options = {.user_agent = "certwright-example/1", .allow_http = true};
    int rc = read_file(trust_path, &pem, e);
    if (rc == 0)
        rc = acme_trust_from_pem(buf_string(&pem), pem.size, &trust, e);
    options.trust = trust;
    if (rc == 0)
        rc = acme_http_create(&options, out, e);
    acme_trust_release(trust);
    buf_finish(&pem);
    return rc;
}

/* Has challtestsrv answer for the token. */
static int serve(struct acme_http *http, const char *server, const char *token, const char *content,
                 struct err *e)
{
    char *url = mem_printf("%s/add-http01", server);
    char *body = mem_printf("{\"token\":\"%s\",\"content\":\"%s\"}", token, content);
    struct acme_http_request request = {
        .method = "POST", .url = url, .body = body, .body_size = strlen(body)};
    struct acme_http_response response = {0};
    int rc = acme_http_send(http, &request, &response, e);
    if (rc == 0 && response.status != 200)
        rc = err_set(e, ERR_SOLVER_FAILED, "challtestsrv answered %d", response.status);
    acme_http_response_finish(&response);
    free(body);
    free(url);
    return rc;
}

static int answer(struct acme_client *client, const struct acme_authorization *a,
                  const char *server, struct err *e)
{
    for (size_t i = 0; i < a->challenge_count; i++) {
        const struct acme_challenge *c = &a->challenges[i];
        if (strcmp(c->type, "http-01") != 0 || !c->token)
            continue;
        char *content = NULL;
        int64_t retry_after_ms;
        int rc = challenge_key_authorization(c->token, client->key, &content, e);
        if (rc == 0)
            rc = serve(client->http, server, c->token, content, e);
        if (rc == 0)
            rc = acme_challenge_respond(client, c->url, &retry_after_ms, e);
        free(content);
        return rc;
    }
    return err_set(e, ERR_NO_CHALLENGE, "the CA offers no http-01");
}

/* Follows one authorization until it is valid. */
static int authorize(struct acme_client *client, const char *url, const char *server, struct err *e)
{
    bool answered = false;
    for (int polls = 0;; polls++) {
        struct acme_authorization a = {0};
        if (acme_authorization_get(client, url, &a, e) < 0)
            return -1;
        enum acme_authorization_status status = a.status;
        const struct acme_challenge *failed = acme_authorization_failure(&a);
        int rc = 0;
        if (status == ACME_AUTHORIZATION_PENDING && !answered)
            rc = answer(client, &a, server, e);
        else if (status == ACME_AUTHORIZATION_PENDING)
            rc = wait_a_little(polls, e);
        else if (status != ACME_AUTHORIZATION_VALID)
            rc = err_set(e, ERR_ORDER_INVALID, "%s", failed ? failed->error.detail : "it is dead");
        answered = true;
        acme_authorization_finish(&a);
        if (rc < 0 || status == ACME_AUTHORIZATION_VALID)
            return rc;
    }
}

/* Sends the CSR and follows the order until it is valid; *certificate is then its URL. */
static int finalize(struct acme_client *client, const struct acme_order *placed,
                    const struct buf *csr, char **certificate, struct err *e)
{
    struct acme_order order = {0};
    if (acme_order_finalize(client, placed->finalize, placed->url, csr->data, csr->size, &order,
                            e) < 0)
        return -1;
    int rc = 0;
    for (int polls = 0; rc == 0 && order.status == ACME_ORDER_PROCESSING; polls++) {
        acme_order_finish(&order);
        rc = wait_a_little(polls, e);
        if (rc == 0)
            rc = acme_order_get(client, placed->url, &order, e);
    }
    if (rc == 0 && order.status == ACME_ORDER_VALID)
        *certificate = mem_strdup(order.certificate);
    else if (rc == 0)
        rc = err_set(e, ERR_ORDER_INVALID, "the order has not become valid");
    acme_order_finish(&order);
    return rc;
}

static int issue(struct acme_client *client, const struct identifier *id, const struct key *key,
                 const char *server, struct buf *chain, struct err *e)
{
    struct acme_order_request request = {.ids = id, .count = 1};
    struct acme_order order = {0};
    struct buf csr = {0};
    char *url = NULL;
    int rc = acme_order_new(client, &request, &order, e);
    for (size_t i = 0; rc == 0 && i < order.authorization_count; i++)
        rc = authorize(client, order.authorizations[i], server, e);
    if (rc == 0)
        rc = csr_make(key, id, 1, NULL, &csr, e);
    if (rc == 0)
        rc = finalize(client, &order, &csr, &url, e);
    if (rc == 0)
        rc = acme_certificate_download(client, url, NULL, chain, e);
    free(url);
    buf_finish(&csr);
    acme_order_finish(&order);
    return rc;
}

static int run(char **argument, struct buf *out, struct err *e)
{
    struct acme_client client = {.ca = acme_ca_create(argument[1])};
    struct acme_account_request request = {.terms_of_service_agreed = true};
    struct acme_account account = {0};
    struct identifier id;
    struct key *account_key = NULL, *key = NULL;
    int rc = identifier_parse(argument[3], &id, e);
    if (rc == 0)
        rc = open_http(argument[2], &client.http, e);
    if (rc == 0)
        rc = key_generate(KEY_EC_P256, &account_key, e);
    if (rc == 0)
        rc = key_generate(KEY_EC_P256, &key, e);
    client.key = account_key;
    if (rc == 0)
        rc = acme_account_new(&client, &request, &account, e);
    client.kid = account.url;
    if (rc == 0)
        rc = key_to_pem(key, out, e);
    if (rc == 0)
        rc = issue(&client, &id, key, argument[4], out, e);
    acme_http_destroy(client.http);
    acme_ca_destroy(client.ca);
    acme_client_finish(&client);
    acme_account_finish(&account);
    key_destroy(account_key);
    key_destroy(key);
    return rc;
}

int main(int count, char **argument)
{
    struct err e;
    struct buf out = {0};
    if (count != 5) {
        fprintf(stderr, "usage: %s DIRECTORY_URL TRUST_PEM NAME CHALLTESTSRV_URL\n", argument[0]);
        return 2;
    }
    int rc = acme_http_library_init(&e);
    if (rc == 0)
        rc = run(argument, &out, &e);
    if (rc == 0)
        fputs(out.data, stdout);
    else
        fprintf(stderr, "%s: %s\n", err_info(e.code)->name, e.detail);
    buf_finish_secret(&out);
    return rc == 0 ? 0 : 1;
}

/*
 * The ACME library alone, without a database or a service: one certificate for one name by dns-01.
 *
 *   issue DIRECTORY_URL TRUST_PEM NAME CHALLTESTSRV_URL
 *
 * The record is put into pebble-challtestsrv, whose management API stands for a DNS provider's.
 * Prints key and chain as PEM. What is missing: a client that lives keeps both keys before it uses
 * them, honours retry_after_ms, and goes on where it stood after a crash.
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

static struct err e;

static void must(int rc)
{
    if (rc == 0)
        return;
    fprintf(stderr, "%s: %s\n", err_info(e.code)->name, e.detail);
    exit(1);
}

static void wait_a_little(int *polls)
{
    struct timespec pause = {.tv_nsec = 100 * 1000 * 1000};
    if (++*polls > 300)
        must(err_set(&e, ERR_CA_TIMEOUT, "the CA takes too long"));
    nanosleep(&pause, NULL);
}

static struct acme_http *open_http(const char *trust_path)
{
    char pem[64 * 1024];
    struct acme_trust *trust;
    FILE *file = fopen(trust_path, "rb");
    if (!file)
        must(err_set(&e, ERR_IO, "%s cannot be read", trust_path));
    size_t size = fread(pem, 1, sizeof pem, file);
    fclose(file);
    must(acme_trust_from_pem(pem, size, &trust, &e));
    struct acme_http_options options = {
        .user_agent = "certwright-example/1", .trust = trust, .allow_http = true};
    struct acme_http *http = acme_http_create(&options);
    acme_trust_release(trust);
    return http;
}

/* Sets the TXT record that answers the challenge, and tells the CA to look. */
static void answer(struct acme_client *client, const struct acme_authorization *a, const char *dns)
{
    const struct acme_challenge *challenge = NULL;
    for (size_t i = 0; i < a->challenge_count; i++)
        if (!strcmp(a->challenges[i].type, "dns-01") && a->challenges[i].token)
            challenge = &a->challenges[i];
    if (!challenge)
        must(err_set(&e, ERR_NO_CHALLENGE, "the CA offers no dns-01"));
    char *key_authorization;
    char name[CHALLENGE_DNS01_NAME_SIZE], value[CHALLENGE_DNS01_VALUE_SIZE];
    must(challenge_key_authorization(challenge->token, client->key, &key_authorization, &e));
    challenge_dns01_name(a->identifier_value, name);
    challenge_dns01_value(key_authorization, value);

    char *url = mem_printf("%s/set-txt", dns);
    char *body = mem_printf("{\"host\":\"%s.\",\"value\":\"%s\"}", name, value);
    struct acme_http_request request = {
        .method = "POST", .url = url, .body = body, .body_size = strlen(body)};
    struct acme_http_response response;
    must(acme_http_send(client->http, &request, &response, &e));
    if (response.status != 200)
        must(err_set(&e, ERR_SOLVER_FAILED, "the DNS server answered %d", response.status));
    acme_http_response_finish(&response);
    int64_t retry_after_ms;
    must(acme_challenge_respond(client, challenge->url, &retry_after_ms, &e));
    free(body);
    free(url);
    free(key_authorization);
}

static void prove(struct acme_client *client, const char *url, const char *dns)
{
    struct acme_authorization a;
    bool answered = false;
    int polls = 0;
    must(acme_authorization_get(client, url, &a, &e));
    while (a.status == ACME_AUTHORIZATION_PENDING) {
        if (!answered)
            answer(client, &a, dns);
        answered = true;
        wait_a_little(&polls);
        acme_authorization_finish(&a);
        must(acme_authorization_get(client, url, &a, &e));
    }
    const struct acme_challenge *failed = acme_authorization_failure(&a);
    if (a.status != ACME_AUTHORIZATION_VALID)
        must(err_set(&e, ERR_ORDER_INVALID, "%s", failed ? failed->error.detail : "it is dead"));
    acme_authorization_finish(&a);
}

/* From newOrder (RFC 8555 section 7.4) to the chain. */
static void issue(struct acme_client *client, const struct identifier *id, const struct key *key,
                  const char *dns, struct buf *chain)
{
    struct acme_order_request request = {.ids = id, .count = 1};
    struct acme_order placed, order;
    struct buf csr = {0};
    int polls = 0;
    must(acme_order_new(client, &request, &placed, &e));
    for (size_t i = 0; i < placed.authorization_count; i++)
        prove(client, placed.authorizations[i], dns);
    must(csr_make(key, id, 1, NULL, &csr, &e));
    must(acme_order_finalize(client, placed.finalize, placed.url, csr.data, csr.size, &order, &e));
    while (order.status == ACME_ORDER_PROCESSING) {
        wait_a_little(&polls);
        acme_order_finish(&order);
        must(acme_order_get(client, placed.url, &order, &e));
    }
    if (order.status != ACME_ORDER_VALID)
        must(err_set(&e, ERR_ORDER_INVALID, "%s", order.error.detail));
    must(acme_certificate_download(client, order.certificate, NULL, chain, &e));
    acme_order_finish(&order);
    acme_order_finish(&placed);
    buf_finish(&csr);
}

int main(int count, char **argument)
{
    if (count != 5) {
        fprintf(stderr, "usage: %s DIRECTORY_URL TRUST_PEM NAME CHALLTESTSRV_URL\n", argument[0]);
        return 2;
    }
    struct acme_account_request request = {.terms_of_service_agreed = true};
    struct acme_account account;
    struct identifier id;
    struct key *account_key, *key;
    struct buf out = {0};
    must(acme_http_library_init(&e));
    must(identifier_parse(argument[3], &id, &e));
    must(key_generate(KEY_EC_P256, &account_key, &e));
    must(key_generate(KEY_EC_P256, &key, &e));
    struct acme_client client = {
        .http = open_http(argument[2]), .ca = acme_ca_create(argument[1]), .key = account_key};
    must(acme_account_new(&client, &request, &account, &e));
    client.kid = account.url;
    must(key_to_pem(key, &out, &e));
    issue(&client, &id, key, argument[4], &out);
    fputs(out.data, stdout);

    acme_http_destroy(client.http);
    acme_ca_destroy(client.ca);
    acme_client_finish(&client);
    acme_account_finish(&account);
    key_destroy(account_key);
    key_destroy(key);
    buf_finish_secret(&out);
    return 0;
}

/*
 * A CA that says anything. The input's first byte chooses a call of the protocol; then come the
 * answers, separated by the control character RS: a status, lines of headers, an empty line, a
 * body. Requests for a nonce are not among them: they are answered well.
 */
#include "acme/base/base64url.h"
#include "acme/base/utf8.h"
#include "acme/client.h"
#include "tests/fuzz/fuzz.h"

#include <strings.h>

enum { RECORD_SEPARATOR = 0x1e };

static const char base[] = "https://ca.example/";
static const char directory[] = "{\"newNonce\":\"https://ca.example/nonce\","
                                "\"newAccount\":\"https://ca.example/account\","
                                "\"newOrder\":\"https://ca.example/order\","
                                "\"revokeCert\":\"https://ca.example/revoke\","
                                "\"keyChange\":\"https://ca.example/key\","
                                "\"renewalInfo\":\"https://ca.example/ari\",\"meta\":{}}";

static struct fuzz_input answers;

/* Reads lines up to an empty one into headers, the rest into the body. */
static void read_answer(char *text, size_t size, struct acme_http_response *response)
{
    struct fuzz_input in = {text, size};
    char *status = fuzz_line(&in);
    response->status = atoi(status) % 600;
    free(status);
    while (in.left) {
        size_t length;
        char *line = fuzz_take(&in, '\n', &length);
        if (length) {
            buf_add_string(&response->headers, line);
            buf_add_char(&response->headers, '\n');
        }
        free(line);
        if (!length)
            break;
    }
    buf_add(&response->body, in.at, in.left);
}

/* In the place of acme_http_send: the linker sends its callers here. */
int __wrap_acme_http_send(struct acme_http *http, const struct acme_http_request *request,
                          struct acme_http_response *response, struct err *e);
int __wrap_acme_http_send(struct acme_http *http, const struct acme_http_request *request,
                          struct acme_http_response *response, struct err *e)
{
    (void)http;
    struct acme_http_response answer = {0};
    if (!strcmp(request->url, "https://ca.example/nonce")) {
        answer.status = 200;
        buf_add_string(&answer.headers, "replay-nonce: n0\n");
        *response = answer;
        return 0;
    }
    size_t size;
    char *text = fuzz_take(&answers, RECORD_SEPARATOR, &size);
    read_answer(text, size, &answer);
    free(text);
    if (answer.status <= 0) {
        acme_http_response_finish(&answer);
        return err_set(e, ERR_CA_UNREACHABLE, "the connection broke");
    }
    *response = answer;
    return 0;
}

/* ---- the calls ---- */

static void check_url(const char *url)
{
    must(!strncasecmp(url, "https://", 8), "a URL that is taken is https");
    for (const char *p = url; *p; p++)
        must(*p > ' ' && *p <= '~', "a URL that is taken is printable ASCII");
    size_t host = strcspn(url + 8, "/?#");
    must(host > 0 && !memchr(url + 8, '@', host), "a URL that is taken has a host and no user");
}

static void check_order(const struct acme_order *order)
{
    check_url(order->url);
    if (order->finalize)
        check_url(order->finalize);
    must(order->status != ACME_ORDER_VALID || order->certificate, "a valid order has its URL");
    must(order->status != ACME_ORDER_PENDING || order->authorization_count > 0,
         "a pending order has authorizations");
    for (size_t i = 0; i < order->authorization_count; i++) {
        check_url(order->authorizations[i]);
        for (size_t j = 0; j < i; j++)
            must(strcmp(order->authorizations[i], order->authorizations[j]) != 0,
                 "an authorization is listed once");
    }
    must(strlen(order->document) <= ACME_ORDER_MAX_BYTES, "a document keeps its cap");
    must(order->retry_after_ms >= 0, "nobody waits for the past");
}

static int end_order(int rc, struct acme_order *order)
{
    if (rc == 0)
        check_order(order);
    else
        must(!order->url && !order->document, "outs are untouched on failure");
    acme_order_finish(order);
    return rc;
}

static int new_order(struct acme_client *client, struct err *e)
{
    struct identifier id = {.type = IDENTIFIER_DNS, .value = "www.example.com"};
    struct acme_order_request request = {.ids = &id, .count = 1, .profile = "classic"};
    struct acme_order order = {0};
    return end_order(acme_order_new(client, &request, &order, e), &order);
}

static int get_order(struct acme_client *client, struct err *e)
{
    struct acme_order order = {0};
    return end_order(acme_order_get(client, "https://ca.example/order/1", &order, e), &order);
}

static int finalize(struct acme_client *client, struct err *e)
{
    struct acme_order order = {0};
    return end_order(acme_order_finalize(client, "https://ca.example/finalize/1",
                                         "https://ca.example/order/1", "csr", 3, &order, e),
                     &order);
}

static int get_authorization(struct acme_client *client, struct err *e)
{
    struct acme_authorization a = {0};
    int rc = acme_authorization_get(client, "https://ca.example/authz/1", &a, e);
    for (size_t i = 0; i < a.challenge_count; i++) {
        const struct acme_challenge *c = &a.challenges[i];
        check_url(c->url);
        must(!c->token || base64url_is(c->token), "a token that is taken is base64url");
        must(c->error.code == ERR_NONE || utf8_is(c->error.detail, strlen(c->error.detail)),
             "an error's sentence is UTF-8");
    }
    must(rc == 0 || !a.url, "outs are untouched on failure");
    const struct acme_challenge *failed = acme_authorization_failure(&a);
    must(!failed || failed->error.code != ERR_NONE, "what failed has an error");
    acme_authorization_finish(&a);
    return rc;
}

static int respond(struct acme_client *client, struct err *e)
{
    int64_t wait = -1;
    int rc = acme_challenge_respond(client, "https://ca.example/chall/1", &wait, e);
    must(rc < 0 ? wait == -1 : wait >= 0, "a wait is told on success alone");
    return rc;
}

static int new_account(struct acme_client *client, struct err *e)
{
    static const char *const contacts[] = {"mailto:me@example.com"};
    struct acme_account_request request = {.contacts = contacts,
                                           .contact_count = 1,
                                           .eab_kid = "kid",
                                           .eab_key = "0123456789abcdef0123456789abcdef",
                                           .eab_key_size = 32};
    struct acme_account account = {0};
    int rc = acme_account_new(client, &request, &account, e);
    if (rc == 0)
        check_url(account.url);
    acme_account_finish(&account);
    return rc;
}

static int get_account(struct acme_client *client, struct err *e)
{
    struct acme_account account = {0};
    int rc = acme_account_get(client, &account, e);
    must(rc < 0 || (account.status && account.document), "an account has a status");
    acme_account_finish(&account);
    return rc;
}

static int download(struct acme_client *client, struct err *e)
{
    struct buf chain = {0};
    int rc = acme_certificate_download(client, "https://ca.example/cert/1", "Some CA", &chain, e);
    must(rc == 0 || chain.size == 0, "outs are untouched on failure");
    buf_finish(&chain);
    return rc;
}

static int revoke(struct acme_client *client, struct err *e)
{
    return acme_certificate_revoke(client, "der", 3, 4, e);
}

static int change_key(struct acme_client *client, struct err *e)
{
    static struct key *next;
    if (!next)
        must(key_generate(KEY_EC_P384, &next, e) == 0, "a key can be made");
    int rc = acme_account_key_change(client, next, e);
    must(rc == 0 || !client->problem.location || e->http_status == 409,
         "only a conflict tells of another account");
    if (rc < 0 && client->problem.location)
        check_url(client->problem.location);
    return rc;
}

static int list_orders(struct acme_client *client, struct err *e)
{
    struct acme_order_list list = {0};
    int rc = acme_account_list_orders(client, "https://ca.example/orders/1", &list, e);
    must(rc == 0 || !list.urls, "outs are untouched on failure");
    must(list.count <= ACME_ORDER_LIST_MAX, "a list of orders keeps its cap");
    for (size_t i = 0; i < list.count; i++)
        check_url(list.urls[i]);
    acme_order_list_finish(&list);
    return rc;
}

static int get_renewal_info(struct acme_client *client, struct err *e)
{
    struct acme_renewal_info info = {0};
    int rc = acme_renewal_info_get(client, "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE", &info, e);
    if (rc == 0) {
        must(info.start_ms < info.end_ms, "a window has a length");
        int64_t first = acme_renewal_time(&info, 0), last = acme_renewal_time(&info, UINT64_MAX);
        must(first == info.start_ms && last >= info.start_ms && last < info.end_ms,
             "a time is in its window");
        must(info.retry_after_ms >= 60 * 1000 && info.retry_after_ms <= 24 * 60 * 60 * 1000,
             "the next question is in a minute to a day");
        if (info.explanation_url)
            check_url(info.explanation_url);
    }
    must(rc == 0 || !info.explanation_url, "outs are untouched on failure");
    acme_renewal_info_finish(&info);
    return rc;
}

static int deactivate_account(struct acme_client *client, struct err *e)
{
    struct acme_account account = {0};
    int rc = acme_account_deactivate(client, &account, e);
    must(rc < 0 || strlen(account.document) <= ACME_DOCUMENT_MAX_BYTES, "a document keeps its cap");
    acme_account_finish(&account);
    return rc;
}

static int fetch_directory(struct acme_client *client, struct err *e)
{
    struct acme_directory d = {0};
    int rc = acme_directory_fetch(client->http, base, &d, e);
    if (rc == 0) {
        check_url(d.new_nonce);
        check_url(d.new_account);
        check_url(d.new_order);
    }
    acme_directory_finish(&d);
    return rc;
}

static const struct {
    char letter;
    int (*call)(struct acme_client *client, struct err *e);
} calls[] = {
    {'o', new_order},        {'p', get_order},
    {'f', finalize},         {'z', get_authorization},
    {'c', respond},          {'a', new_account},
    {'g', get_account},      {'t', download},
    {'r', revoke},           {'d', fetch_directory},
    {'k', change_key},       {'l', list_orders},
    {'i', get_renewal_info}, {'x', deactivate_account},
};

/* An answer that is no success says what the CA said. */
static void check_error(const struct acme_client *client, const struct err *e)
{
    must(e->code > ERR_NONE && e->code < ERR_COUNT, "an error has a code");
    must(utf8_is(e->detail, strlen(e->detail)), "an error's sentence is UTF-8");
    must(e->retry_after_ms >= 0, "nobody waits for the past");
    const char *document = client->problem.document;
    must(!document || strlen(document) <= ACME_PROBLEM_MAX_BYTES, "a problem keeps its cap");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct key *key;
    struct err e = {0};
    if (!key)
        must(key_generate(KEY_EC_P256, &key, &e) == 0, "a key can be made");
    if (size == 0)
        return 0;
    struct acme_client client = {
        .ca = acme_ca_create(base), .key = key, .kid = "https://ca.example/account/1"};
    must(acme_ca_set_directory(client.ca, directory, &e) == 0, "our directory can be read");
    answers = (struct fuzz_input){(const char *)data + 1, size - 1};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        if (data[0] == (uint8_t)calls[i].letter && calls[i].call(&client, &e) < 0)
            check_error(&client, &e);
    acme_ca_destroy(client.ca);
    acme_client_finish(&client);
    return 0;
}

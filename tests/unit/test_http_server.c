/* What a handler and its caller may rely on: routing, negotiation, bodies, tokens, answers that
   come later, waiters, the end. */
#include "server/http/problem.h"
#include "tests/unit/http_client.h"
#include "tests/unit/http_service.h"

#include <microhttpd.h>
#include <sys/resource.h>
#include <time.h>

#define JSON "Content-Type: application/json\r\n"

static int setup(void **state)
{
    static struct service s;
    s = (struct service){0};
    service_start(&s, NULL);
    *state = &s;
    return 0;
}

static int teardown(void **state)
{
    struct service *s = *state;
    if (s->server)
        service_stop(s);
    return 0;
}

/* A member of the answer's body as text, in a buffer of the thread; "" if it has none. */
static const char *member(const struct answer *a, const char *name)
{
    static _Thread_local char text[512];
    struct json_object *json = json_tokener_parse(a->body), *value = NULL;
    text[0] = '\0';
    if (json_object_object_get_ex(json, name, &value))
        snprintf(text, sizeof text, "%s", json_object_get_string(value));
    json_object_put(json);
    return text;
}

static void expect(const struct service *s, const char *line, const char *fields, const char *body,
                   int status)
{
    struct answer a = client_request(s->api, line, fields, body);
    if (a.status != status)
        fail_msg("%s [%s]: %d instead of %d\n%s", line, fields, a.status, status, a.body);
    answer_finish(&a);
}

static void routes_and_decodes_once(void **state)
{
    const struct service *s = *state;
    struct answer a =
        client_request(s->api, "GET /things/a%2Eb%2520%C3%A4?q=x+y%26z&empty", "", NULL);
    assert_int_equal(a.status, 200);
    assert_string_equal(member(&a, "name"), "a.b%20\xc3\xa4");
    assert_string_equal(member(&a, "path"), "/things/a.b%20\xc3\xa4");
    assert_string_equal(member(&a, "q"), "x y&z");
    assert_string_equal(member(&a, "principal"), "token:admin");
    answer_finish(&a);
    expect(s, "GET /things", "", NULL, 405);
    expect(s, "GET /things/", "", NULL, 404);
    expect(s, "GET /things/a/", "", NULL, 404);
    expect(s, "GET //things/a", "", NULL, 404);
    expect(s, "GET /", "", NULL, 404);
    expect(s, "GET /Things/a", "", NULL, 404);
}

static void tells_what_a_path_takes(void **state)
{
    const struct service *s = *state;
    struct answer a = client_request(s->api, "OPTIONS /things/a", "", NULL);
    assert_int_equal(a.status, 204);
    assert_string_equal(field(a.head, "Allow"), "GET, PUT, PATCH, DELETE, HEAD, OPTIONS");
    answer_finish(&a);
    a = client_request(s->api, "POST /things/a", JSON, "{}");
    assert_int_equal(a.status, 405);
    assert_string_equal(field(a.head, "Allow"), "GET, PUT, PATCH, DELETE, HEAD, OPTIONS");
    assert_string_equal(member(&a, "code"), "method.not_allowed");
    answer_finish(&a);
    expect(s, "OPTIONS /nowhere", "", NULL, 404);
}

static void answers_head_as_get_without_a_body(void **state)
{
    const struct service *s = *state;
    struct answer get = client_request(s->api, "GET /things/a", "", NULL);
    struct answer head = client_request(s->api, "HEAD /things/a", "", NULL);
    char *length = strdup(field(get.head, "Content-Length"));
    char *etag = strdup(field(get.head, "ETag"));
    assert_int_equal(head.status, 200);
    assert_string_equal(field(head.head, "Content-Length"), length);
    assert_string_equal(field(head.head, "ETag"), etag);
    free(length);
    free(etag);
    answer_finish(&get);
    answer_finish(&head);
}

static void guards_every_answer(void **state)
{
    const struct service *s = *state;
    struct answer a = client_request(s->api, "GET /things/a", "", NULL);
    assert_string_equal(field(a.head, "Cache-Control"), "no-store");
    assert_string_equal(field(a.head, "X-Content-Type-Options"), "nosniff");
    assert_string_equal(field(a.head, "Content-Security-Policy"), "default-src 'none'");
    assert_non_null(field(a.head, "Date"));
    answer_finish(&a);
    a = client_request(s->api, "GET /pem", "", NULL);
    assert_string_equal(field(a.head, "Cache-Control"), "private");
    answer_finish(&a);
}

static void knows_what_the_caller_has(void **state)
{
    const struct service *s = *state;
    char fields[256];
    struct answer a = client_request(s->api, "GET /things/a", "", NULL);
    char *etag = strdup(field(a.head, "ETag"));
    answer_finish(&a);
    snprintf(fields, sizeof fields, "If-None-Match: \"other\", W/%s\r\n", etag);
    a = client_request(s->api, "GET /things/a", fields, NULL);
    assert_int_equal(a.status, 304);
    assert_string_equal(field(a.head, "ETag"), etag);
    assert_int_equal(a.body_size, 0);
    answer_finish(&a);
    free(etag);
    expect(s, "GET /things/b", fields, NULL, 200);
    expect(s, "GET /things/a", "If-None-Match: *\r\n", NULL, 304);
    expect(s, "DELETE /things/a", "", NULL, 204);
    expect(s, "DELETE /things/a", "If-Match: \"6\", \"7\"\r\n", NULL, 204);
    expect(s, "DELETE /things/a", "If-Match: *\r\n", NULL, 204);
    expect(s, "DELETE /things/a", "If-Match: \"6\"\r\n", NULL, 412);
    expect(s, "DELETE /things/a", "If-Match: W/\"7\"\r\n", NULL, 412);
}

static void makes_what_is_accepted(void **state)
{
    struct service *s = *state;
    expect(s, "GET /things/a", "Accept: */*\r\n", NULL, 200);
    expect(s, "GET /things/a", "Accept: text/html\r\n", NULL, 406);
    expect(s, "GET /pem", "Accept: application/json\r\n", NULL, 406);
    expect(s, "GET /pem", "Accept: application/pem-certificate-chain\r\n", NULL, 200);
    /* An error is told in any case. */
    expect(s, "GET /nowhere", "Accept: text/html\r\n", NULL, 404);
    s->acts = 0;
    expect(s, "POST /act", "Accept: text/html\r\n", NULL, 406);
    assert_int_equal(s->acts, 0);
    expect(s, "POST /act", "Accept: text/html\r\nAccept: application/*;q=0.1\r\n", NULL, 204);
    assert_int_equal(s->acts, 1);
}

static void takes_json_bodies_only(void **state)
{
    const struct service *s = *state;
    expect(s, "POST /things", JSON, "{}", 201);
    expect(s, "POST /things", "Content-Type: application/json; charset=\"UTF-8\"\r\n", "{}", 201);
    expect(s, "POST /things", "Content-Type: application/json; charset=latin1\r\n", "{}", 415);
    expect(s, "POST /things", "Content-Type: text/plain\r\n", "{}", 415);
    expect(s, "POST /things", "", "{}", 415);
    expect(s, "POST /things", JSON "Content-Encoding: gzip\r\n", "{}", 415);
    expect(s, "POST /things", JSON, NULL, 400);
    expect(s, "POST /act", "", NULL, 204);
    expect(s, "POST /act", "", "", 204);
    expect(s, "POST /act", JSON, "{}", 204);
    expect(s, "POST /act", "Content-Type: application/x-www-form-urlencoded\r\n", "a=b", 415);
    expect(s, "PATCH /things/a", "Content-Type: application/merge-patch+json\r\n", "{}", 201);
    expect(s, "PUT /things/a", "Content-Type: application/merge-patch+json\r\n", "{}", 415);
    expect(s, "DELETE /things/a", JSON, "{}", 400);
}

/* A request with a chunked body of that many pieces. */
static struct answer send_chunks(const struct service *s, size_t pieces, size_t piece_size)
{
    struct buf request = {0};
    char *piece = malloc(piece_size);
    assert_non_null(piece);
    memset(piece, ' ', piece_size);
    buf_printf(&request,
               "POST /things HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer good\r\n"
               "Connection: close\r\n" JSON "Transfer-Encoding: chunked\r\n\r\n");
    for (size_t i = 0; i < pieces; i++) {
        buf_printf(&request, "%zx\r\n", piece_size);
        buf_add(&request, piece, piece_size);
        buf_add_string(&request, "\r\n");
    }
    buf_add_string(&request, "0\r\n\r\n");
    struct answer a = client_ask(s->api, buf_string(&request));
    buf_finish(&request);
    free(piece);
    return a;
}

static void caps_bodies(void **state)
{
    (void)state;
    struct service s = {0};
    const struct http_server_options limits = {.max_body = 100000, .max_body_total = 150000};
    service_start(&s, &limits);
    struct answer a = send_chunks(&s, 10, 10000);
    assert_int_equal(a.status, 201);
    assert_string_equal(member(&a, "size"), "100000");
    answer_finish(&a);
    a = send_chunks(&s, 10, 10001);
    assert_int_equal(a.status, 413);
    assert_string_equal(field(a.head, "Connection"), "close");
    answer_finish(&a);
    /* Refused by its length alone: the body never comes. */
    a = client_ask(s.api,
                   "POST /things HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer good\r\n" JSON
                   "Content-Length: 100001\r\n\r\n");
    assert_int_equal(a.status, 413);
    assert_string_equal(member(&a, "code"), "request.too_large");
    answer_finish(&a);
    service_stop(&s);
}

/* Begins a request whose body takes two thirds of the budget, and leaves it there. */
static int send_half(const struct service *s)
{
    int fd = client_connect(s->api);
    client_send_text(fd, "POST /things HTTP/1.1\r\nHost: localhost\r\n"
                         "Authorization: Bearer good\r\n" JSON
                         "Expect: 100-continue\r\nContent-Length: 100000\r\n\r\n");
    return fd;
}

static void has_a_budget_for_all_bodies(void **state)
{
    (void)state;
    struct service s = {0};
    struct buf in = {0}, other = {0};
    const struct http_server_options limits = {.max_body = 100000, .max_body_total = 150000};
    service_start(&s, &limits);
    /* The interim answer tells that the first request has its share. */
    int first = send_half(&s);
    while (!strstr(buf_string(&in), "100 Continue"))
        assert_true(client_read(first, &in));
    int second = send_half(&s);
    struct answer a = client_take(second, &other, false);
    assert_int_equal(a.status, 503);
    assert_string_equal(member(&a, "code"), "busy");
    assert_string_equal(field(a.head, "Retry-After"), "1");
    answer_finish(&a);
    a = send_chunks(&s, 10, 10000);
    assert_int_equal(a.status, 503);
    answer_finish(&a);
    /* What the first one does not take up is there again once it has gone. */
    close(first);
    int status = 0;
    for (int i = 0; i < 2000 && status != 201; i++) {
        usleep(1000);
        a = send_chunks(&s, 10, 10000);
        status = a.status;
        answer_finish(&a);
    }
    assert_int_equal(status, 201);
    close(second);
    buf_finish(&in);
    buf_finish(&other);
    service_stop(&s);
}

static void wants_a_token(void **state)
{
    const struct service *s = *state;
    struct answer a = client_ask(s->api, "GET /things/a HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_int_equal(a.status, 401);
    assert_string_equal(field(a.head, "WWW-Authenticate"), "Bearer realm=\"certwright\"");
    assert_string_equal(member(&a, "code"), "auth.required");
    answer_finish(&a);
    static const char *const bad[] = {"Bearer bad", "Basic Z29vZA==", "good", "Bearer",
                                      "Bearer good x"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct buf request = {0};
        buf_printf(&request,
                   "GET /things/a HTTP/1.1\r\nHost: localhost\r\nAuthorization: %s\r\n\r\n",
                   bad[i]);
        a = client_ask(s->api, buf_string(&request));
        assert_int_equal(a.status, 401);
        answer_finish(&a);
        buf_finish(&request);
    }
    a = client_ask(
        s->api, "GET /things/a HTTP/1.1\r\nHost: localhost\r\nauthorization: bearer good\r\n\r\n");
    assert_int_equal(a.status, 200);
    answer_finish(&a);
    a = client_ask(s->api, "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_string_equal(member(&a, "text"), "open");
    answer_finish(&a);
    /* Before the body: it is announced and never sent. */
    a = client_ask(s->api, "POST /things HTTP/1.1\r\nHost: localhost\r\n" JSON
                           "Content-Length: 1000\r\n\r\n");
    assert_int_equal(a.status, 401);
    assert_string_equal(field(a.head, "Connection"), "close");
    answer_finish(&a);
}

static void wants_a_scope(void **state)
{
    struct service *s = *state;
    struct answer a = client_ask(s->api, "POST /act HTTP/1.1\r\nHost: localhost\r\n"
                                         "Authorization: Bearer weak\r\n\r\n");
    assert_int_equal(a.status, 403);
    assert_string_equal(member(&a, "code"), "auth.forbidden");
    assert_non_null(strstr(member(&a, "detail"), "token:admin has not: jobs:read"));
    assert_int_equal(s->acts, 0);
    answer_finish(&a);
    a = client_ask(s->api, "GET /livez HTTP/1.1\r\nHost: localhost\r\n"
                           "Authorization: Bearer weak\r\n\r\n");
    assert_int_equal(a.status, 200);
    answer_finish(&a);
}

static void knows_its_own_user_on_a_unix_socket(void **state)
{
    const struct service *s = *state;
    char principal[32];
    snprintf(principal, sizeof principal, "uid:%u", (unsigned)geteuid());
    struct answer a = client_ask(s->local, "GET /things/a HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_int_equal(a.status, 200);
    assert_string_equal(member(&a, "principal"), principal);
    answer_finish(&a);
    /* Who shows a token is judged by it. */
    a = client_ask(s->local, "GET /things/a HTTP/1.1\r\nHost: localhost\r\n"
                             "Authorization: Bearer bad\r\n\r\n");
    assert_int_equal(a.status, 401);
    answer_finish(&a);
}

static void serves_each_listener_its_part(void **state)
{
    const struct service *s = *state;
    static const struct {
        bool on_ops;
        const char *path;
        int status;
    } cases[] = {
        {true, "/livez", 200},
        {true, "/metrics", 200},
        {true, "/things/a", 404},
        {true, "/.well-known/acme-challenge/abc", 404},
        {false, "/.well-known/acme-challenge/abc", 200},
        {false, "/livez", 404},
        {false, "/things/a", 404},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf request = {0};
        buf_printf(&request, "GET %s HTTP/1.1\r\nHost: any.example\r\n\r\n", cases[i].path);
        struct answer a = client_ask(cases[i].on_ops ? s->ops : s->http01, buf_string(&request));
        if (a.status != cases[i].status)
            fail_msg("%s: %d", cases[i].path, a.status);
        answer_finish(&a);
        buf_finish(&request);
    }
    struct answer a = client_ask(s->api, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_int_equal(a.status, 401);
    answer_finish(&a);
}

static void tells_problems(void **state)
{
    const struct service *s = *state;
    struct answer a = client_request(s->api, "GET /refused", "", NULL);
    assert_int_equal(a.status, 422);
    assert_string_equal(field(a.head, "Content-Type"), "application/problem+json");
    assert_string_equal(field(a.head, "Retry-After"), "2");
    assert_string_equal(member(&a, "type"), "urn:certwright:problem:request.invalid");
    assert_string_equal(member(&a, "status"), "422");
    assert_string_equal(member(&a, "retryable"), "false");
    assert_non_null(strstr(member(&a, "errors"), "identifiers"));
    assert_non_null(strstr(member(&a, "acme"), "no such name"));
    answer_finish(&a);
    a = client_request(s->api, "GET /broken", "", NULL);
    assert_int_equal(a.status, 503);
    assert_null(strstr(a.body, "secret place"));
    assert_string_equal(member(&a, "code"), "store.failed");
    answer_finish(&a);
}

static void keeps_a_connection_for_the_next_request(void **state)
{
    struct service *s = *state;
    struct buf in = {0};
    int fd = client_connect(s->api);
    for (int i = 0; i < 3; i++) {
        client_send_text(fd, "GET /things/a HTTP/1.1\r\nHost: localhost\r\n\r\n");
        struct answer refused_one = client_take(fd, &in, false);
        assert_int_equal(refused_one.status, 401);
        answer_finish(&refused_one);
        client_send_text(fd, "POST /things HTTP/1.1\r\nHost: localhost\r\n"
                             "Authorization: Bearer good\r\n" JSON "Content-Length: 2\r\n\r\n{}");
        struct answer a = client_take(fd, &in, false);
        assert_int_equal(a.status, 201);
        answer_finish(&a);
    }
    assert_int_equal(in.size, 0);
    close(fd);
    buf_finish(&in);
}

static void answers_from_other_threads(void **state)
{
    const struct service *s = *state;
    struct buf in = {0};
    int fd = client_connect(s->api);
    for (int i = 0; i < 300; i++) {
        char request[256], name[16];
        snprintf(name, sizeof name, "n%d", i);
        snprintf(request, sizeof request,
                 "GET %s%s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer good\r\n\r\n",
                 i % 3 ? "/later/" : "/at-once", i % 3 ? name : "");
        client_send_text(fd, request);
        struct answer a = client_take(fd, &in, false);
        assert_int_equal(a.status, 200);
        assert_string_equal(member(&a, "text"), i % 3 ? name : "at once");
        answer_finish(&a);
    }
    close(fd);
    buf_finish(&in);
}

static void *ask_many(void *argument)
{
    answers_from_other_threads(&argument);
    return NULL;
}

static void answers_many_at_once(void **state)
{
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask_many, *state), 0);
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
}

/* Lets something happen on other threads, up to a bound that fails the test. */
static void until_equal(const atomic_int *value, int wanted)
{
    for (int i = 0; i < 20000 && *value != wanted; i++)
        usleep(1000);
    assert_int_equal(*value, wanted);
}

static void send_wait_as(int fd, const char *target, const char *token, int seconds)
{
    char request[256];
    snprintf(request, sizeof request,
             "%s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n"
             "Prefer: respond-async, wait=%d\r\n\r\n",
             target, token, seconds);
    client_send_text(fd, request);
}

static void send_wait(int fd, int seconds)
{
    send_wait_as(fd, "GET /wait", "good", seconds);
}

enum { WAITERS = 1000 };

static void answers_a_thousand_waiters(void **state)
{
    struct service *s = *state;
    static int fds[WAITERS];
    struct rlimit files;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
    files.rlim_cur = files.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
    service_stop(s);
    service_start(s, NULL); /* it counts its descriptors at the start */
    for (int i = 0; i < WAITERS; i++) {
        fds[i] = client_connect(s->api);
        assert_true(fds[i] >= 0);
        send_wait(fds[i], 30);
    }
    until_equal(&s->waiting, WAITERS);
    /* Others are served meanwhile, and a notice without a commit answers nobody. */
    http_server_notify(s->server, true);
    expect(s, "GET /things/a", "", NULL, 200);
    assert_int_equal(s->released, 0);
    s->commits = 1;
    http_server_notify(s->server, true);
    for (int i = 0; i < WAITERS; i++) {
        struct buf in = {0};
        struct answer a = client_take(fds[i], &in, false);
        assert_int_equal(a.status, 200);
        assert_string_equal(member(&a, "text"), "committed");
        answer_finish(&a);
        buf_finish(&in);
        close(fds[i]);
    }
    until_equal(&s->released, WAITERS);
    assert_int_equal(s->finals, 0);
}

static void ends_a_wait_at_its_deadline(void **state)
{
    const struct service *s = *state;
    static const int seconds[] = {0, 1};
    for (size_t i = 0; i < 2; i++) {
        struct buf in = {0};
        int fd = client_connect(s->api);
        send_wait(fd, seconds[i]);
        struct answer a = client_take(fd, &in, false);
        assert_string_equal(member(&a, "text"), "final");
        answer_finish(&a);
        buf_finish(&in);
        close(fd);
    }
}

static void does_not_let_too_many_wait(void **state)
{
    (void)state;
    struct service s = {0};
    const struct http_server_options limits = {.max_waiters = 1};
    struct buf in = {0};
    service_start(&s, &limits);
    int first = client_connect(s.api), second = client_connect(s.api);
    send_wait(first, 30);
    until_equal(&s.waiting, 1);
    send_wait(second, 30);
    struct answer a = client_take(second, &in, false);
    assert_string_equal(member(&a, "text"), "final");
    answer_finish(&a);
    until_equal(&s.released, 1);
    service_stop(&s);
    a = client_take(first, &in, false);
    assert_string_equal(member(&a, "text"), "final");
    answer_finish(&a);
    close(first);
    close(second);
    buf_finish(&in);
}

static void expect_status(int fd, struct buf *in, int status, const char *retry_after)
{
    struct answer a = client_take(fd, in, false);
    assert_int_equal(a.status, status);
    if (retry_after)
        assert_string_equal(field(a.head, "Retry-After"), retry_after);
    answer_finish(&a);
}

static void each_client_has_its_waits(void **state)
{
    (void)state;
    struct service s = {0};
    const struct http_server_options limits = {.client_waits = 2};
    struct buf in[4] = {0};
    int fds[4];
    service_start(&s, &limits);
    for (int i = 0; i < 4; i++)
        fds[i] = client_connect(s.api);
    send_wait(fds[0], 30);
    send_wait(fds[1], 30);
    until_equal(&s.waiting, 2);
    /* A write that is refused has done nothing; one that does not want to wait is none of them. */
    send_wait_as(fds[2], "POST /act", "good", 30);
    expect_status(fds[2], &in[2], 429, "10");
    send_wait_as(fds[2], "POST /act", "good", 0);
    expect_status(fds[2], &in[2], 204, NULL);
    assert_int_equal(s.acts, 1);
    send_wait_as(fds[3], "GET /wait", "other", 1);
    expect_status(fds[3], &in[3], 200, NULL);
    /* Those that were answered make room, without their connections' end. */
    s.commits = 1;
    http_server_notify(s.server, true);
    expect_status(fds[0], &in[0], 200, NULL);
    expect_status(fds[1], &in[1], 200, NULL);
    for (int i = 0; i < 3; i++) {
        send_wait_as(fds[0], "POST /act", "good", 30);
        expect_status(fds[0], &in[0], 204, NULL);
    }
    service_stop(&s);
    for (int i = 0; i < 4; i++) {
        buf_finish(&in[i]);
        close(fds[i]);
    }
}

static void stops_with_waiters(void **state)
{
    struct service *s = *state;
    int fds[20];
    for (int i = 0; i < 20; i++) {
        fds[i] = client_connect(s->api);
        send_wait(fds[i], 30);
    }
    until_equal(&s->waiting, 20);
    service_stop(s);
    assert_int_equal(s->released, 20);
    for (int i = 0; i < 20; i++) {
        struct buf in = {0};
        struct answer a = client_take(fds[i], &in, false);
        assert_int_equal(a.status, 200);
        assert_string_equal(member(&a, "text"), "final");
        assert_string_equal(field(a.head, "Connection"), "close");
        answer_finish(&a);
        buf_finish(&in);
        close(fds[i]);
    }
    assert_true(access(s->path + strlen("unix:"), F_OK) < 0);
}

static struct http_exchange *until_held(struct service *s)
{
    for (int i = 0; i < 20000 && !s->held; i++)
        usleep(1000);
    assert_non_null(s->held);
    return s->held;
}

static void *answer_soon(void *argument)
{
    usleep(100000);
    answer_text(argument, "just in time");
    return NULL;
}

static void waits_for_an_answer_that_is_under_way(void **state)
{
    struct service *s = *state;
    struct buf in = {0};
    pthread_t thread;
    int fd = client_connect(s->api);
    client_send_text(fd,
                     "GET /held HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer good\r\n\r\n");
    assert_int_equal(pthread_create(&thread, NULL, answer_soon, until_held(s)), 0);
    service_stop(s);
    pthread_join(thread, NULL);
    struct answer a = client_take(fd, &in, false);
    assert_int_equal(a.status, 200);
    assert_string_equal(member(&a, "text"), "just in time");
    answer_finish(&a);
    close(fd);
    buf_finish(&in);
}

static void abandons_an_answer_that_does_not_come(void **state)
{
    struct service *s = *state;
    struct buf in = {0};
    int fd = client_connect(s->api);
    client_send_text(fd,
                     "GET /held HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer good\r\n\r\n");
    struct http_exchange *x = until_held(s);
    service_stop(s);
    struct answer a = client_take(fd, &in, false);
    assert_int_equal(a.status, 503);
    assert_string_equal(member(&a, "code"), "shutdown");
    answer_finish(&a);
    close(fd);
    buf_finish(&in);
    /* It comes after all: what it was asked is still there, and the answer goes nowhere. */
    assert_string_equal(http_path(x), "/held");
    assert_string_equal(http_header(x, "Host"), "localhost");
    s->commits = 1;
    http_wait(x, 30, answer_commits, s, release_waiter);
    assert_int_equal(s->released, 1);
}

static void *keep_asking(void *argument)
{
    struct service *s = argument;
    char address[64];
    snprintf(address, sizeof address, "%s", s->api);
    for (int i = 0; i < 10000; i++) {
        struct buf in = {0};
        int fd = client_connect(address);
        if (fd < 0)
            break;
        for (int n = 0; n < 5; n++) {
            client_send_text(fd, "GET /later/x HTTP/1.1\r\nHost: localhost\r\n"
                                 "Authorization: Bearer good\r\n\r\n");
            struct answer a = client_take(fd, &in, false);
            assert_true(a.status == 200 || a.status == 503 || a.status == 0);
            answer_finish(&a);
        }
        close(fd);
        buf_finish(&in);
    }
    return NULL;
}

static void stops_under_load(void **state)
{
    (void)state;
    for (int round = 0; round < 5; round++) {
        struct service s = {0};
        pthread_t threads[3];
        service_start(&s, NULL);
        for (size_t i = 0; i < 3; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, keep_asking, &s), 0);
        for (int i = 0; i < 20000 && s.served < 50; i++)
            usleep(1000);
        assert_true(s.served >= 50);
        service_stop(&s);
        for (size_t i = 0; i < 3; i++)
            pthread_join(threads[i], NULL);
    }
}

static void counts_what_it_served(void **state)
{
    struct service *s = *state;
    expect(s, "GET /things/a", "", NULL, 200);
    until_equal(&s->served, 1);
    assert_int_equal(s->last_status, 200);
    expect(s, "GET /nowhere", "", NULL, 404);
    until_equal(&s->served, 2);
    assert_int_equal(s->last_status, 404);
}

static void refuses_addresses_it_should_not_serve(void **state)
{
    const struct service *s = *state;
    struct http_server *server = NULL;
    struct err e = {0};
    const char *const bad[] = {
        "127.0.0.1", "127.0.0.1:65536", ":80", "[::1:80", "unix:", s->api, s->local};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const struct http_listener_options listener = {.kind = HTTP_LISTENER_API,
                                                       .address = bad[i]};
        const struct http_server_options options = {
            .listeners = &listener, .listener_count = 1, .routes = service_tables};
        assert_int_equal(http_server_create(&options, &server, &e), -1);
        bool is_taken = bad[i] == s->api || bad[i] == s->local;
        assert_int_equal(e.code, is_taken ? ERR_IO : ERR_CONFIG);
        assert_null(server);
    }
    const struct http_listener_options all = {.kind = HTTP_LISTENER_API, .address = "0.0.0.0:0"};
    const struct http_server_options options = {
        .listeners = &all, .listener_count = 1, .routes = service_tables};
    int rc = http_server_create(&options, &server, &e);
    if (strtol(MHD_get_version(), NULL, 10) < 1) {
        assert_int_equal(rc, -1);
        assert_non_null(strstr(e.detail, "libmicrohttpd"));
    } else {
        assert_int_equal(rc, 0);
        http_server_destroy(server);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(routes_and_decodes_once, setup, teardown),
        cmocka_unit_test_setup_teardown(tells_what_a_path_takes, setup, teardown),
        cmocka_unit_test_setup_teardown(answers_head_as_get_without_a_body, setup, teardown),
        cmocka_unit_test_setup_teardown(guards_every_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(knows_what_the_caller_has, setup, teardown),
        cmocka_unit_test_setup_teardown(makes_what_is_accepted, setup, teardown),
        cmocka_unit_test_setup_teardown(takes_json_bodies_only, setup, teardown),
        cmocka_unit_test(caps_bodies),
        cmocka_unit_test(has_a_budget_for_all_bodies),
        cmocka_unit_test_setup_teardown(wants_a_token, setup, teardown),
        cmocka_unit_test_setup_teardown(wants_a_scope, setup, teardown),
        cmocka_unit_test_setup_teardown(knows_its_own_user_on_a_unix_socket, setup, teardown),
        cmocka_unit_test_setup_teardown(serves_each_listener_its_part, setup, teardown),
        cmocka_unit_test_setup_teardown(tells_problems, setup, teardown),
        cmocka_unit_test_setup_teardown(keeps_a_connection_for_the_next_request, setup, teardown),
        cmocka_unit_test_setup_teardown(answers_from_other_threads, setup, teardown),
        cmocka_unit_test_setup_teardown(answers_many_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(answers_a_thousand_waiters, setup, teardown),
        cmocka_unit_test_setup_teardown(ends_a_wait_at_its_deadline, setup, teardown),
        cmocka_unit_test(does_not_let_too_many_wait),
        cmocka_unit_test(each_client_has_its_waits),
        cmocka_unit_test_setup_teardown(stops_with_waiters, setup, teardown),
        cmocka_unit_test_setup_teardown(waits_for_an_answer_that_is_under_way, setup, teardown),
        cmocka_unit_test_setup_teardown(abandons_an_answer_that_does_not_come, setup, teardown),
        cmocka_unit_test(stops_under_load),
        cmocka_unit_test_setup_teardown(counts_what_it_served, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_addresses_it_should_not_serve, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Streams: many, silent, slow and gone ones, and the server's end under them. */
#include "acme/base/memory.h"
#include "server/access/scope.h"
#include "tests/unit/http_attendant.h"
#include "tests/unit/http_client.h"
#include "tests/unit/http_service.h"

#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>

enum { STREAMS = 2000, BULK_BYTES = 64 * 1024, NO_PING_MS = 60 * 60 * 1000 };

/* What has happened is a number; a stream tells all from one to that. */
static atomic_int happened;
static atomic_int destroyed;
static atomic_int asked; /* how often a source was asked for bytes */

struct counter {
    int told;
    bool odd;  /* concerned by odd numbers only */
    bool bulk; /* never without something to say */
    int last;  /* ends with it; 0: never */
};

static void fill(void *state, struct buf *out, bool *ended)
{
    struct counter *c = state;
    asked++;
    if (c->bulk) {
        char *bytes = mem_new(BULK_BYTES, 1);
        memset(bytes, 'x', BULK_BYTES);
        buf_add(out, bytes, BULK_BYTES);
        free(bytes);
        return;
    }
    if (c->last && c->told >= c->last) {
        *ended = true;
        return;
    }
    while (c->told < happened)
        buf_printf(out, "id: %d\n\n", ++c->told);
}

static bool concerns(const void *state, const void *news)
{
    const struct counter *c = state;
    return !c->odd || *(const int *)news % 2;
}

static void destroy(void *state)
{
    free(state);
    destroyed++;
}

static const struct http_stream_source source = {fill, concerns, destroy};

static void open_stream(struct http_exchange *x, void *context)
{
    (void)context;
    struct counter *c = mem_new(1, sizeof *c);
    c->odd = http_query(x, "odd");
    c->bulk = http_query(x, "bulk");
    c->last = http_query(x, "last") ? (int)strtol(http_query(x, "last"), NULL, 10) : 0;
    http_stream(x, &source, c);
}

static const void *news(void *context)
{
    static int number;
    (void)context;
    number = happened;
    return &number;
}

static const struct http_route routes[] = {
    {HTTP_GET, "/stream", open_stream, HTTP_ROUTE_QUERY, SCOPE_JOBS_READ},
    {HTTP_GET, "/things/{name}", show, 0, SCOPE_JOBS_READ},
    {0},
};
static const struct http_route *const tables[] = {routes, NULL};

static struct http_server *start(struct http_server_options options)
{
    static const struct http_listener_options listener = {.kind = HTTP_LISTENER_API,
                                                          .address = "127.0.0.1:0"};
    struct http_server *server = NULL;
    struct err e;
    happened = destroyed = asked = 0;
    options.listeners = &listener;
    options.listener_count = 1;
    options.routes = tables;
    options.authenticate = authenticate;
    options.news = news;
    options.ping_ms = options.ping_ms ? options.ping_ms : NO_PING_MS;
    if (attended_create(&options, &server, &e) < 0)
        fail_msg("%s", e.detail);
    return server;
}

/* In version "1.0" the answer comes without chunks, whose frames could split what is looked for. */
static int ask_as(const struct http_server *server, const char *target, const char *version,
                  const char *token)
{
    int fd = client_connect(http_server_address(server, 0));
    assert_true(fd >= 0);
    char *request = mem_printf("%s HTTP/%s\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n"
                               "Accept: */*\r\n\r\n",
                               target, version, token);
    client_send_text(fd, request);
    free(request);
    return fd;
}

static int ask(const struct http_server *server, const char *target)
{
    return ask_as(server, target, "1.1", "good");
}

/* Reads on until the text is there; false at the connection's end. */
static bool read_until(int fd, const char *text, struct buf *in)
{
    char bytes[4096];
    while (!strstr(buf_string(in), text)) {
        struct pollfd ready = {fd, POLLIN, 0};
        if (poll(&ready, 1, 60 * 1000) != 1)
            fail_msg("nothing more came after: %s", buf_string(in));
        ssize_t size = recv(fd, bytes, sizeof bytes, 0);
        if (size <= 0)
            return false;
        buf_add(in, bytes, (size_t)size);
    }
    return true;
}

static void expect_text(int fd, const char *text)
{
    struct buf in = {0};
    if (!read_until(fd, text, &in))
        fail_msg("it ended without %s: %s", text, buf_string(&in));
    buf_finish(&in);
}

static void happens(struct http_server *server)
{
    happened++;
    http_server_notify(server, false);
}

static void until_streams(const struct http_server *server, size_t wanted)
{
    for (int i = 0; i < 60000 && http_server_streams(server) != wanted; i++)
        usleep(1000);
    assert_int_equal(http_server_streams(server), wanted);
}

static void raise_limit(void)
{
    struct rlimit files;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
    files.rlim_cur = files.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
}

static void thousands_are_told(void **state)
{
    static int fds[STREAMS];
    (void)state;
    raise_limit();
    struct http_server *server = start((struct http_server_options){.threads = 2});
    for (int i = 0; i < STREAMS; i++) {
        fds[i] = ask(server, "GET /stream");
        expect_text(fds[i], "\r\n\r\n");
    }
    until_streams(server, STREAMS);
    happens(server);
    for (int i = 0; i < STREAMS; i++)
        expect_text(fds[i], "id: 1\n\n");
    /* Others are served while they rest. */
    int other = ask(server, "GET /things/a");
    expect_text(other, "HTTP/1.1 200");
    close(other);
    happens(server);
    for (int i = 0; i < STREAMS; i++) {
        expect_text(fds[i], "id: 2\n\n");
        if (i % 2)
            close(fds[i]);
    }
    attended_destroy(server);
    assert_int_equal(destroyed, STREAMS);
    for (int i = 0; i < STREAMS; i += 2) {
        expect_text(fds[i], ": the service is stopping\n\n\r\n0\r\n\r\n");
        close(fds[i]);
    }
}

static void who_has_left_is_noticed(void **state)
{
    (void)state;
    struct http_server *server = start((struct http_server_options){.ping_ms = 20});
    int fds[3];
    for (size_t i = 0; i < 3; i++) {
        fds[i] = ask(server, "GET /stream");
        expect_text(fds[i], ": ping\n\n");
    }
    assert_int_equal(http_server_streams(server), 3);
    close(fds[0]);
    close(fds[2]);
    until_streams(server, 1);
    close(fds[1]);
    until_streams(server, 0);
    attended_destroy(server);
}

static void there_is_a_cap(void **state)
{
    (void)state;
    struct http_server *server =
        start((struct http_server_options){.max_streams = 2, .ping_ms = 20});
    int first = ask(server, "GET /stream"), second = ask(server, "GET /stream");
    until_streams(server, 2);
    int third = ask(server, "GET /stream");
    struct buf in = {0};
    assert_true(read_until(third, "As many streams", &in));
    assert_non_null(strstr(buf_string(&in), "HTTP/1.1 503"));
    assert_non_null(strstr(buf_string(&in), "Retry-After: 10\r\n"));
    buf_finish(&in);
    assert_int_equal(destroyed, 1); /* what was not taken over is not kept either */
    close(third);
    close(first);
    until_streams(server, 1);
    third = ask(server, "GET /stream");
    expect_text(third, "HTTP/1.1 200");
    close(second);
    close(third);
    attended_destroy(server);
}

static int expect_refusal(const struct http_server *server, const char *token, const char *status,
                          const char *why)
{
    struct buf in = {0};
    int fd = ask_as(server, "GET /stream", "1.1", token);
    assert_true(read_until(fd, why, &in));
    assert_non_null(strstr(buf_string(&in), status));
    assert_non_null(strstr(buf_string(&in), "Retry-After: 10\r\n"));
    buf_finish(&in);
    return fd;
}

static void each_client_has_its_share(void **state)
{
    (void)state;
    struct http_server *server =
        start((struct http_server_options){.max_streams = 3, .client_streams = 2, .ping_ms = 20});
    int first = ask(server, "GET /stream"), second = ask(server, "GET /stream");
    until_streams(server, 2);
    close(expect_refusal(server, "good", "HTTP/1.1 429", "token:admin has as many streams open"));
    assert_int_equal(destroyed, 1);
    int other = ask_as(server, "GET /stream", "1.1", "other");
    expect_text(other, "HTTP/1.1 200");
    close(expect_refusal(server, "other", "HTTP/1.1 503", "As many streams"));
    /* One that is gone without a word is one less, and what was refused is none more. */
    close(first);
    until_streams(server, 2);
    first = ask(server, "GET /stream");
    expect_text(first, "HTTP/1.1 200");
    close(expect_refusal(server, "good", "HTTP/1.1 429", "token:admin has as many streams open"));
    close(other);
    until_streams(server, 2);
    other = ask_as(server, "GET /stream", "1.1", "other");
    expect_text(other, "HTTP/1.1 200");
    close(first);
    close(second);
    close(other);
    attended_destroy(server);
}

/* A stream that ends by itself is given back before its connection goes on. */
static void who_has_heard_all_may_ask_again(void **state)
{
    (void)state;
    struct http_server *server = start((struct http_server_options){.client_streams = 1});
    happened = 3;
    for (int i = 0; i < 5; i++) {
        int fd = ask(server, "GET /stream?last=3");
        expect_text(fd, "id: 3\n\n\r\n0\r\n\r\n");
        until_streams(server, 0);
        close(fd);
    }
    attended_destroy(server);
}

/* One that takes nothing holds nobody, and has no more than what its source gave at once. */
static void a_slow_client_holds_nobody(void **state)
{
    (void)state;
    struct http_server *server = start((struct http_server_options){.threads = 1});
    int slow[20];
    for (size_t i = 0; i < 20; i++)
        slow[i] = ask(server, "GET /stream?bulk");
    int quick = ask(server, "GET /stream");
    expect_text(quick, "\r\n\r\n");
    for (int i = 1; i <= 5; i++) {
        char text[32];
        snprintf(text, sizeof text, "id: %d\n\n", i);
        happens(server);
        expect_text(quick, text);
    }
    /* Their sources are left alone once the sockets are full. */
    int before = -1, seen = asked;
    for (int i = 0; i < 600 && before != seen; i++) {
        usleep(100000);
        before = seen;
        seen = asked;
    }
    assert_int_equal(before, seen);
    attended_destroy(server);
    assert_int_equal(destroyed, 21);
    for (size_t i = 0; i < 20; i++)
        close(slow[i]);
    close(quick);
}

static void who_is_not_concerned_misses_nothing(void **state)
{
    (void)state;
    struct http_server *server = start((struct http_server_options){0});
    int all = ask(server, "GET /stream"), odd = ask(server, "GET /stream?odd");
    expect_text(all, "\r\n\r\n");
    expect_text(odd, "\r\n\r\n");
    happens(server);
    expect_text(all, "id: 1\n\n");
    expect_text(odd, "id: 1\n\n");
    happens(server);
    expect_text(all, "id: 2\n\n");
    happens(server);
    expect_text(all, "id: 3\n\n");
    expect_text(odd, "id: 3\n\n");
    close(all);
    close(odd);
    attended_destroy(server);
}

static void an_end_is_one(void **state)
{
    (void)state;
    struct http_server *server = start((struct http_server_options){0});
    happened = 3;
    int fd = ask(server, "GET /stream?last=3");
    expect_text(fd, "id: 3\n\n\r\n0\r\n\r\n");
    until_streams(server, 0);
    /* The connection goes on. */
    client_send_text(fd, "GET /things/a HTTP/1.1\r\nHost: localhost\r\n"
                         "Authorization: Bearer good\r\n\r\n");
    expect_text(fd, "HTTP/1.1 200");
    client_send_text(fd, "HEAD /stream HTTP/1.1\r\nHost: localhost\r\n"
                         "Authorization: Bearer good\r\nConnection: close\r\n\r\n");
    struct buf in = {0};
    assert_false(read_until(fd, "id:", &in));
    assert_non_null(strstr(buf_string(&in), "text/event-stream"));
    buf_finish(&in);
    until_streams(server, 0);
    close(fd);
    attended_destroy(server);
}

/* Whether it brought each number once and in order, from 1 to the last. */
static void expect_numbers(int fd, int last)
{
    struct buf in = {0}, wanted = {0};
    for (int i = 1; i <= last; i++)
        buf_printf(&wanted, "id: %d\n\n", i);
    char *end = mem_printf("id: %d\n\n", last);
    assert_true(read_until(fd, end, &in));
    assert_string_equal(buf_string(&in), buf_string(&wanted));
    free(end);
    buf_finish(&in);
    buf_finish(&wanted);
}

/* What happens between a look that finds nothing and the rest that follows it is not missed. */
static void nothing_is_missed_at_any_pace(void **state)
{
    enum { TIMES = 3000 };
    (void)state;
    struct http_server *server = start((struct http_server_options){.threads = 2});
    int fds[4];
    for (size_t i = 0; i < 4; i++) {
        fds[i] = ask_as(server, "GET /stream", "1.0", "good");
        expect_text(fds[i], "\r\n\r\n");
    }
    for (int i = 0; i < TIMES; i++) {
        happens(server);
        if (i % 7 == 0)
            usleep((useconds_t)(i % 100));
    }
    for (size_t i = 0; i < 4; i++) {
        expect_numbers(fds[i], TIMES);
        close(fds[i]);
    }
    attended_destroy(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(thousands_are_told),
        cmocka_unit_test(who_has_left_is_noticed),
        cmocka_unit_test(there_is_a_cap),
        cmocka_unit_test(each_client_has_its_share),
        cmocka_unit_test(who_has_heard_all_may_ask_again),
        cmocka_unit_test(a_slow_client_holds_nobody),
        cmocka_unit_test(who_is_not_concerned_misses_nothing),
        cmocka_unit_test(an_end_is_one),
        cmocka_unit_test(nothing_is_missed_at_any_pace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Raw bytes in, a status out: the shapes of requests that two parsers may read in two ways. Where
 * libmicrohttpd before 1.0 reads a shape in a way that no handler can see, the table says so.
 */
#include "tests/unit/http_client.h"
#include "tests/unit/http_service.h"

#include <microhttpd.h>

/* A second request, which must not run when it is hidden in the first one's body. */
#define HIDDEN                                                                                     \
    "POST /act HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer good\r\n"                      \
    "Content-Length: 0\r\n\r\n"
#define USUAL "Host: localhost\r\nAuthorization: Bearer good\r\n"
#define JSON  "Content-Type: application/json\r\n"

enum { HUNG_UP = -1 }; /* without an answer */

struct shape {
    const char *name;
    const char *bytes;
    size_t size; /* 0: up to the NUL */
    int status;
    int old_status; /* with libmicrohttpd before 1.0; 0: the same */
};

static const struct shape shapes[] = {
    {"plain", "GET /things/a HTTP/1.1\r\n" USUAL "Connection: close\r\n\r\n", 0, 200, 0},
    {"plain HTTP/1.0", "GET /things/a HTTP/1.0\r\n" USUAL "\r\n", 0, 200, 0},

    {"two Content-Length",
     "POST /things HTTP/1.1\r\n" USUAL JSON
     "Content-Length: 2\r\nContent-Length: 100\r\n\r\n{}" HIDDEN,
     0, 400, 0},
    {"two equal Content-Length",
     "POST /things HTTP/1.1\r\n" USUAL JSON "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", 0,
     400, 0},
    {"Content-Length as a list",
     "POST /things HTTP/1.1\r\n" USUAL JSON "Content-Length: 2, 2\r\n\r\n{}", 0, 400, 0},
    {"Content-Length with a sign",
     "POST /things HTTP/1.1\r\n" USUAL JSON "Content-Length: +2\r\n\r\n{}", 0, 400, 0},
    {"a space before the colon", "POST /act HTTP/1.1\r\n" USUAL "Content-Length : 5\r\n\r\n" HIDDEN,
     0, 400, 0},
    {"both lengths",
     "POST /things HTTP/1.1\r\n" USUAL JSON
     "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" HIDDEN,
     0, 400, 0},
    {"another transfer coding",
     "POST /things HTTP/1.1\r\n" USUAL JSON "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 0,
     400, 0},
    {"two transfer codings",
     "POST /things HTTP/1.1\r\n" USUAL JSON
     "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     0, 400, 0},
    {"identity as a transfer coding",
     "POST /things HTTP/1.1\r\n" USUAL JSON
     "Transfer-Encoding: identity\r\nContent-Length: 2\r\n\r\n{}",
     0, 400, 0},
    {"chunked in HTTP/1.0",
     "POST /things HTTP/1.0\r\n" USUAL JSON "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0, 400,
     0},
    {"a body for a GET", "GET /things/a HTTP/1.1\r\n" USUAL "Content-Length: 5\r\n\r\nGET /", 0,
     400, 0},

    {"no Host", "GET /things/a HTTP/1.1\r\nAuthorization: Bearer good\r\n\r\n", 0, 400, 0},
    {"no Host in HTTP/1.0", "GET /things/a HTTP/1.0\r\nAuthorization: Bearer good\r\n\r\n", 0, 400,
     0},
    {"two Hosts", "GET /things/a HTTP/1.1\r\n" USUAL "Host: evil.example\r\n\r\n", 0, 400, 0},
    {"two Authorizations", "GET /things/a HTTP/1.1\r\n" USUAL "Authorization: Bearer bad\r\n\r\n",
     0, 400, 0},
    {"two Content-Types",
     "POST /things HTTP/1.1\r\n" USUAL JSON "Content-Type: text/plain\r\nContent-Length: 2\r\n"
     "\r\n{}",
     0, 400, 0},

    {"encoded NUL", "GET /things/a%00b HTTP/1.1\r\n" USUAL "\r\n", 0, 400, 0},
    {"NUL in the target", "GET /things/a\0b HTTP/1.1\r\n" USUAL "\r\n",
     sizeof "GET /things/a\0b HTTP/1.1\r\n" USUAL "\r\n" - 1, HUNG_UP, 400},
    {"encoded dots", "GET /things/%2e%2e HTTP/1.1\r\n" USUAL "\r\n", 0, 400, 0},
    {"dots", "GET /things/../act HTTP/1.1\r\n" USUAL "\r\n", 0, 400, 0},
    {"a single dot", "GET /./things/a HTTP/1.1\r\n" USUAL "\r\n", 0, 400, 0},
    {"encoded slash", "GET /things%2fa HTTP/1.1\r\n" USUAL "\r\n", 0, 400, 0},
    {"encoded backslash", "GET /things%5ca HTTP/1.1\r\n" USUAL "\r\n", 0, 400, 0},
    {"backslash", "GET /things\\a HTTP/1.1\r\n" USUAL "\r\n", 0, 400, 0},
    {"encoded line feed", "GET /things/a%0ab HTTP/1.1\r\n" USUAL "\r\n", 0, 400, 0},
    {"no hexadecimal digits", "GET /things/%zz HTTP/1.1\r\n" USUAL "\r\n", 0, 400, 0},
    {"a cut percent sign", "GET /things/a%2 HTTP/1.1\r\n" USUAL "\r\n", 0, 400, 0},
    {"no UTF-8", "GET /things/%ff HTTP/1.1\r\n" USUAL "\r\n", 0, 400, 0},
    {"an overlong slash", "GET /things/%c0%af HTTP/1.1\r\n" USUAL "\r\n", 0, 400, 0},
    {"raw bytes above ASCII", "GET /things/\xc3\xa4 HTTP/1.1\r\n" USUAL "\r\n", 0, 400, 0},
    {"fragment", "GET /things/a#b HTTP/1.1\r\n" USUAL "\r\n", 0, 400, 0},
    {"absolute-form", "GET http://localhost/things/a HTTP/1.1\r\n" USUAL "\r\n", 0, 400, 0},
    {"asterisk-form", "OPTIONS * HTTP/1.1\r\n" USUAL "\r\n", 0, 400, 0},
    {"authority-form", "CONNECT localhost:80 HTTP/1.1\r\n" USUAL "\r\n", 0, 400, 0},
    {"no slash", "GET things/a HTTP/1.1\r\n" USUAL "\r\n", 0, 400, 0},
    {"two spaces before the target", "GET  /things/a HTTP/1.1\r\n" USUAL "\r\n", 0, 400, 0},
    {"two spaces after the target", "GET /things/a  HTTP/1.1\r\n" USUAL "\r\n", 0, 400, HUNG_UP},
    {"a parameter twice", "GET /things/a?q=1&q=2 HTTP/1.1\r\n" USUAL "\r\n", 0, 400, 0},

    {"an unknown method", "BREW /things/a HTTP/1.1\r\n" USUAL "\r\n", 0, 501, 0},
    {"a method in lower case", "get /things/a HTTP/1.1\r\n" USUAL "\r\n", 0, 501, 0},
    {"TRACE", "TRACE /things/a HTTP/1.1\r\n" USUAL "\r\n", 0, 405, 0},
    {"CONNECT with a path", "CONNECT /things/a HTTP/1.1\r\n" USUAL "\r\n", 0, 405, 0},
    {"HTTP/1.2", "GET /things/a HTTP/1.2\r\n" USUAL "\r\n", 0, 400, 0},
    {"HTTP/2.0", "GET /things/a HTTP/2.0\r\n" USUAL "\r\n", 0, 505, 0},

    /* What the handler of an old library cannot see; it is why that one serves loopback alone. */
    {"bare line feeds", "GET /things/a HTTP/1.1\nHost: localhost\nAuthorization: Bearer good\n\n",
     0, 400, 200},
    {"NUL in a header", "GET /things/a HTTP/1.1\r\n" USUAL "X-A: a\0b\r\n\r\n",
     sizeof "GET /things/a HTTP/1.1\r\n" USUAL "X-A: a\0b\r\n\r\n" - 1, 400, 200},
    {"a folded field", "GET /things/a HTTP/1.1\r\n" USUAL "X-A: 1\r\n 2\r\n\r\n", 0, 400, 200},
};

static bool is_old(void)
{
    return strtol(MHD_get_version(), NULL, 10) < 1;
}

static void judges_one(struct service *s, const struct shape *shape)
{
    struct buf rest = {0};
    size_t size = shape->size ? shape->size : strlen(shape->bytes);
    int wanted = is_old() && shape->old_status ? shape->old_status : shape->status;
    s->acts = 0;
    struct answer a = client_raw(s->api, shape->bytes, size, &rest);
    if ((a.status ? a.status : HUNG_UP) != wanted)
        fail_msg("%s: %d instead of %d\n%s", shape->name, a.status, wanted,
                 a.head ? a.head : "no answer");
    if (s->acts != 0)
        fail_msg("%s: the hidden request ran %d times", shape->name, (int)s->acts);
    /* An old library may say twice that it is lost, but it must not go on. */
    if (strstr(buf_string(&rest), "HTTP/1.1 2"))
        fail_msg("%s: there is a second answer\n%s", shape->name, buf_string(&rest));
    answer_finish(&a);
    buf_finish(&rest);
}

static void judges_each_shape(void **state)
{
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        judges_one(*state, &shapes[i]);
}

static void refuses_with_a_problem_and_hangs_up(void **state)
{
    struct service *s = *state;
    struct answer a =
        client_ask(s->api, "GET /things/a HTTP/1.1\r\n" USUAL "Authorization: Bearer bad\r\n\r\n");
    assert_int_equal(a.status, 400);
    assert_string_equal(field(a.head, "Content-Type"), "application/problem+json");
    assert_string_equal(field(a.head, "Connection"), "close");
    struct json_object *problem = json_tokener_parse(a.body);
    assert_string_equal(json_object_get_string(json_object_object_get(problem, "code")),
                        "request.malformed");
    assert_int_equal(json_object_get_int(json_object_object_get(problem, "status")), 400);
    json_object_put(problem);
    answer_finish(&a);
}

struct browsing {
    const char *line;
    const char *fields;
    int status;
};

static const struct browsing browsings[] = {
    {"GET /things/a", "Host: localhost\r\n", 200},
    {"GET /things/a", "Host: LOCALHOST.:1\r\n", 200},
    {"GET /things/a", "Host: 127.0.0.1:8555\r\n", 200},
    {"GET /things/a", "Host: [::1]\r\n", 200},
    {"GET /things/a", "Host: [0:0:0:0:0:0:0:1]:80\r\n", 200},
    {"GET /things/a", "Host: certs.example.com\r\n", 200},
    {"GET /things/a", "Host: evil.example\r\n", 421},
    {"GET /things/a", "Host: certs.example.com.evil.example\r\n", 421},
    {"GET /things/a", "Host: localhost:x\r\n", 421},
    {"GET /things/a", "Host: localhost@evil.example\r\n", 421},
    {"GET /things/a", "Host: [::1\r\n", 421},
    {"GET /things/a", "Host: \r\n", 421},
    {"GET /nowhere", "Host: evil.example\r\n", 421},
    {"GET /livez", "Host: evil.example\r\n", 421},
    {"GET /.well-known/acme-challenge/abc", "Host: evil.example\r\n", 200},
    {"GET /things/a", "Host: localhost\r\nSec-Fetch-Mode: cors\r\n", 200},
    {"GET /things/a", "Host: localhost\r\nSec-Fetch-Mode: no-cors\r\n", 403},
    {"GET /things/a",
     "Host: localhost\r\nSec-Fetch-Mode: no-cors\r\nSec-Fetch-Site: cross-site\r\n", 403},
    {"GET /things/a",
     "Host: localhost\r\nSec-Fetch-Mode: no-cors\r\nSec-Fetch-Site: same-origin\r\n", 200},
    {"GET /things/a", "Host: localhost\r\nOrigin: null\r\n", 403},
    {"POST /act", "Host: localhost\r\nOrigin: https://evil.example\r\n", 403},
    {"POST /act", "Host: localhost:8555\r\nOrigin: http://localhost:8556\r\n", 403},
    {"POST /act", "Host: localhost:8555\r\nOrigin: http://localhost:8555\r\n", 204},
};

static void keeps_other_pages_out(void **state)
{
    struct service *s = *state;
    for (size_t i = 0; i < sizeof browsings / sizeof browsings[0]; i++) {
        const struct browsing *b = &browsings[i];
        struct buf request = {0};
        buf_printf(&request, "%s HTTP/1.1\r\n%sAuthorization: Bearer good\r\n\r\n", b->line,
                   b->fields);
        struct answer a = client_ask(s->api, buf_string(&request));
        if (a.status != b->status)
            fail_msg("%s %s: %d instead of %d", b->line, b->fields, a.status, b->status);
        answer_finish(&a);
        buf_finish(&request);
    }
}

static void cuts_slow_clients_off(void **state)
{
    (void)state;
    struct service s = {0};
    const struct http_server_options limits = {.header_timeout_ms = 300, .body_timeout_ms = 300};
    service_start(&s, &limits);
    static const char *const beginnings[] = {
        "",
        "GET /things/a HTTP/1.1\r\nHost: localhost\r\nX-A: ",
        "POST /things HTTP/1.1\r\n" USUAL JSON "Content-Length: 100000\r\n\r\n{",
    };
    for (size_t i = 0; i < sizeof beginnings / sizeof beginnings[0]; i++) {
        char byte;
        bool is_cut = false;
        int fd = client_connect(s.api);
        client_send_text(fd, beginnings[i]);
        /* A byte every 20 ms: never idle for long, never done. */
        for (int n = 0; n < 1000 && !is_cut; n++) {
            if (*beginnings[i])
                client_send(fd, "a", 1);
            usleep(20000);
            ssize_t got = recv(fd, &byte, 1, MSG_DONTWAIT);
            is_cut = got == 0 || (got < 0 && errno != EAGAIN);
        }
        assert_true(is_cut);
        close(fd);
    }
    service_stop(&s);
}

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
    service_stop(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(judges_each_shape, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_with_a_problem_and_hangs_up, setup, teardown),
        cmocka_unit_test_setup_teardown(keeps_other_pages_out, setup, teardown),
        cmocka_unit_test(cuts_slow_clients_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

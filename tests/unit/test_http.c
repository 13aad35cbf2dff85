/* The HTTP client against a server that answers with given bytes; headers, Link and Retry-After. */
#include "acme/base/clock.h"
#include "acme/http.h"
#include "tests/unit/fixture.h"
#include "tests/unit/unit.h"
#include "tests/unit/wire.h"

#include <limits.h>

struct script {
    const char *answer;  /* to every request */
    struct buf requests; /* what came in */
    atomic_bool *raise;  /* set by the server once it has the request */
};

static char *play(const char *request, void *context)
{
    struct script *script = context;
    buf_add_string(&script->requests, request);
    if (script->raise)
        atomic_store(script->raise, true);
    return mem_strdup(script->answer);
}

struct setup {
    struct wire wire;
    struct script script;
    struct acme_http *http;
    char url[64];
};

static void start(struct setup *s, const char *answer, struct acme_http_options options)
{
    *s = (struct setup){.script.answer = answer};
    s->wire.answer = play;
    s->wire.context = &s->script;
    wire_start(&s->wire);
    snprintf(s->url, sizeof s->url, "http://127.0.0.1:%d/path?q=1", s->wire.port);
    if (!options.user_agent)
        options.user_agent = "unit/1";
    s->http = acme_http_create(&options);
}

static void stop(struct setup *s)
{
    acme_http_destroy(s->http);
    wire_stop(&s->wire);
    buf_finish(&s->script.requests);
}

static const struct acme_http_options plain = {.allow_http = true};

static int get(struct setup *s, struct acme_http_response *response, struct err *e)
{
    struct acme_http_request request = {.method = "GET", .url = s->url};
    return acme_http_send(s->http, &request, response, e);
}

static void sends_what_it_is_told(void **state)
{
    (void)state;
    struct setup s;
    struct acme_http_options options = plain;
    options.user_agent = "certwright/9 (unit)";
    options.accept_language = "de, en;q=0.5";
    start(&s, "HTTP/1.1 201 Created\r\nX-One:  a \r\nx-ONE: b\r\nContent-Length: 5\r\n\r\nhello",
          options);
    static const char *const headers[] = {"Content-Type: application/jose+json", NULL};
    struct acme_http_request request = {.method = "POST",
                                        .url = s.url,
                                        .headers = headers,
                                        .body = "{}",
                                        .body_size = 2,
                                        .username = "me",
                                        .password = "pass:word"};
    struct acme_http_response response = {0};
    struct err e;
    assert_int_equal(acme_http_send(s.http, &request, &response, &e), 0);
    assert_int_equal(response.status, 201);
    assert_string_equal(response.body.data, "hello");
    assert_string_equal(response.headers.data, "x-one:  a \nx-one: b\ncontent-length: 5\n");
    char *one = acme_http_header(&response, "x-one");
    assert_string_equal(one, "a");
    free(one);
    assert_null(acme_http_header(&response, "x-two"));
    acme_http_response_finish(&response);

    const char *sent = s.script.requests.data;
    assert_memory_equal(sent, "POST /path?q=1 HTTP/1.1\r\n", 25);
    assert_non_null(strstr(sent, "\r\nUser-Agent: certwright/9 (unit)\r\n"));
    assert_non_null(strstr(sent, "\r\nAccept-Language: de, en;q=0.5\r\n"));
    assert_non_null(strstr(sent, "\r\nContent-Type: application/jose+json\r\n"));
    assert_null(strstr(sent, "x-www-form-urlencoded"));
    assert_null(strstr(sent, "Expect"));
    assert_non_null(strstr(sent, "\r\nAuthorization: Basic bWU6cGFzczp3b3Jk\r\n"));
    assert_string_equal(sent + strlen(sent) - 6, "\r\n\r\n{}");
    stop(&s);
}

/* Options of one request must not leak into the next on the same handle. */
static void asks_no_proxy_for_this_machine(void **state)
{
    (void)state;
    struct setup s;
    struct acme_http_response response = {0};
    struct err e;
    /* Nobody listens on port 1. */
    assert_int_equal(setenv("http_proxy", "http://127.0.0.1:1", 1), 0);
    start(&s, "HTTP/1.1 204 No Content\r\n\r\n", plain);
    assert_int_equal(get(&s, &response, &e), 0);
    assert_int_equal(response.status, 204);
    acme_http_response_finish(&response);

    struct acme_http_request beyond = {.method = "GET", .url = "http://192.0.2.1/"};
    assert_int_equal(acme_http_send(s.http, &beyond, &response, &e), -1);
    assert_int_equal(e.code, ERR_CA_UNREACHABLE);
    assert_non_null(strstr(e.detail, "127.0.0.1 port 1"));
    stop(&s);
    unsetenv("http_proxy");
}

static void forgets_the_request_before(void **state)
{
    (void)state;
    struct setup s;
    start(&s, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", plain);
    static const char *const headers[] = {"X-Secret: 1", NULL};
    struct acme_http_request post = {.method = "POST",
                                     .url = s.url,
                                     .headers = headers,
                                     .body = "body",
                                     .body_size = 4,
                                     .username = "me",
                                     .password = "p"};
    struct acme_http_request head = {.method = "HEAD", .url = s.url};
    struct acme_http_request delete = {.method = "DELETE", .url = s.url};
    struct acme_http_response response = {0};
    struct err e;
    assert_int_equal(acme_http_send(s.http, &post, &response, &e), 0);
    acme_http_response_finish(&response);
    const struct acme_http_request *const later[] = {&head, &delete, &head};
    for (size_t i = 0; i < 3; i++) {
        buf_clear(&s.script.requests);
        assert_int_equal(acme_http_send(s.http, later[i], &response, &e), 0);
        acme_http_response_finish(&response);
        const char *sent = s.script.requests.data;
        assert_memory_equal(sent, later[i]->method, strlen(later[i]->method));
        assert_null(strstr(sent, "X-Secret"));
        assert_null(strstr(sent, "Authorization"));
        assert_null(strstr(sent, "body"));
    }
    assert_int_equal(atomic_load(&s.wire.requests), 4);
    assert_int_equal(atomic_load(&s.wire.connections), 1);
    stop(&s);
}

static void takes_any_status_and_no_redirect(void **state)
{
    (void)state;
    struct setup s;
    start(&s, "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
          plain);
    struct acme_http_response response = {0};
    struct err e;
    assert_int_equal(get(&s, &response, &e), 0);
    assert_int_equal(response.status, 302);
    acme_http_response_finish(&response);
    s.script.answer = "HTTP/1.1 503 Gone fishing\r\nContent-Length: 0\r\n\r\n";
    assert_int_equal(get(&s, &response, &e), 0);
    assert_int_equal(response.status, 503);
    acme_http_response_finish(&response);
    assert_int_equal(atomic_load(&s.wire.connections), 1);
    stop(&s);
}

static void keeps_the_last_answers_headers(void **state)
{
    (void)state;
    struct setup s;
    start(&s,
          "HTTP/1.1 103 Early Hints\r\nX-A: early\r\n\r\n"
          "HTTP/1.1 200 OK\r\nX-B: one\r\n two\r\nX-Empty:\r\nContent-Length: 0\r\n\r\n",
          plain);
    struct acme_http_response response = {0};
    struct err e;
    assert_int_equal(get(&s, &response, &e), 0);
    assert_null(acme_http_header(&response, "x-a"));
    char *b = acme_http_header(&response, "x-b"), *empty = acme_http_header(&response, "x-empty");
    assert_memory_equal(b, "one", 3);
    assert_memory_equal(b + strlen(b) - 3, "two", 4);
    assert_string_equal(empty, "");
    free(b);
    free(empty);
    acme_http_response_finish(&response);
    stop(&s);
}

static void assert_fails(const char *answer, enum err_code code, const char *word)
{
    struct setup s;
    struct acme_http_options options = plain;
    options.max_body = 1000;
    start(&s, answer, options);
    struct acme_http_response response = {.status = 42};
    struct err e = {0};
    if (get(&s, &response, &e) == 0)
        fail_msg("taken: %.60s", answer);
    assert_int_equal(e.code, code);
    if (!strstr(e.detail, word))
        fail_msg("\"%s\" does not speak of \"%s\"", e.detail, word);
    assert_int_equal(response.status, 42);
    stop(&s);
}

static void refuses_garbage_and_floods(void **state)
{
    (void)state;
    assert_fails("SSH-2.0-OpenSSH_9.2\r\n\r\n", ERR_CA_PROTOCOL, "127.0.0.1");
    assert_fails("HTTP/9.9 what\r\n\r\n", ERR_CA_PROTOCOL, "127.0.0.1");
    assert_fails("HTTP/1.1 200 OK\r\nContent-Length: 10\r\nConnection: close\r\n\r\nshort",
                 ERR_CA_UNREACHABLE, "127.0.0.1");
    assert_fails(NULL, ERR_CA_UNREACHABLE, "127.0.0.1");

    struct buf flood = {0};
    buf_add_string(&flood, "HTTP/1.1 200 OK\r\nContent-Length: 1001\r\nConnection: close\r\n\r\n");
    for (int i = 0; i < 1001; i++)
        buf_add_char(&flood, 'x');
    assert_fails(flood.data, ERR_CA_PROTOCOL, "body is too large");

    buf_clear(&flood);
    buf_add_string(&flood, "HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < 3000; i++)
        buf_printf(&flood, "X-Header-%d: 0123456789\r\n", i);
    buf_add_string(&flood, "Connection: close\r\n\r\n");
    assert_fails(flood.data, ERR_CA_PROTOCOL, "header block is too large");

    /* interim answers have headers too, and no end */
    buf_clear(&flood);
    for (int i = 0; i < 3000; i++)
        buf_printf(&flood, "HTTP/1.1 103 Early Hints\r\nX-Hint: %d\r\n\r\n", i);
    buf_add_string(&flood, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
    assert_fails(flood.data, ERR_CA_PROTOCOL, "header block is too large");
    assert_fails("HTTP/1.1 200 OK\r\nX-Half: there\r\nConnection: close\r\n", ERR_CA_UNREACHABLE,
                 "127.0.0.1");

    /* one line beyond curl's own cap */
    buf_clear(&flood);
    buf_add_string(&flood, "HTTP/1.1 200 OK\r\nX-Long: ");
    for (int i = 0; i < 400000; i++)
        buf_add_char(&flood, 'x');
    buf_add_string(&flood, "\r\nConnection: close\r\n\r\n");
    assert_fails(flood.data, ERR_CA_PROTOCOL, "127.0.0.1");
    buf_finish(&flood);
}

static void takes_a_body_up_to_the_cap(void **state)
{
    (void)state;
    struct setup s;
    struct acme_http_options options = plain;
    options.max_body = 5;
    start(&s, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", options);
    struct acme_http_response response = {0};
    struct err e;
    assert_int_equal(get(&s, &response, &e), 0);
    assert_int_equal(response.body.size, 5);
    acme_http_response_finish(&response);
    stop(&s);
}

static void reconnects_after_a_close(void **state)
{
    (void)state;
    struct setup s;
    start(&s, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", plain);
    struct acme_http_response response = {0};
    struct err e;
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(get(&s, &response, &e), 0);
        acme_http_response_finish(&response);
        assert_int_equal(atomic_load(&s.wire.connections), i);
    }
    stop(&s);
}

/* Answers the first request of the test and hangs up on the second. */
static char *answer_once(const char *request, void *context)
{
    struct script *script = context;
    bool first = script->requests.size == 0;
    buf_add_string(&script->requests, request);
    return first ? mem_strdup(script->answer) : NULL;
}

/* What was signed for one use is not sent twice, though the connection broke without an answer. */
static void sends_a_body_once(void **state)
{
    (void)state;
    struct setup s;
    start(&s, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", plain);
    s.wire.answer = answer_once;
    struct acme_http_request post = {
        .method = "POST", .url = s.url, .body = "signed", .body_size = 6};
    struct acme_http_response response = {0};
    struct err e = {0};
    assert_int_equal(acme_http_send(s.http, &post, &response, &e), 0);
    acme_http_response_finish(&response);
    assert_int_equal(acme_http_send(s.http, &post, &response, &e), -1);
    assert_int_equal(e.code, ERR_CA_UNREACHABLE);
    assert_int_equal(atomic_load(&s.wire.requests), 2);
    stop(&s);
}

static void tells_who_cannot_be_reached(void **state)
{
    (void)state;
    struct setup s;
    start(&s, "", plain);
    wire_stop(&s.wire);
    struct acme_http_response response = {0};
    struct err e = {0};
    assert_int_equal(get(&s, &response, &e), -1);
    assert_int_equal(e.code, ERR_CA_UNREACHABLE);
    assert_non_null(strstr(e.detail, "127.0.0.1"));
    assert_null(strstr(e.detail, "q=1"));
    acme_http_destroy(s.http);
    buf_finish(&s.script.requests);
}

static void gives_up_in_time_and_at_shutdown(void **state)
{
    (void)state;
    struct setup s;
    struct acme_http_options options = plain;
    atomic_bool aborted = false;
    options.timeout_ms = 200;
    options.abort = &aborted;
    /* the body never comes */
    start(&s, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", options);
    struct acme_http_response response = {0};
    struct err e = {0};
    assert_int_equal(get(&s, &response, &e), -1);
    assert_int_equal(e.code, ERR_CA_TIMEOUT);
    stop(&s);

    options.timeout_ms = 30000;
    start(&s, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", options);
    s.script.raise = &aborted;
    assert_int_equal(get(&s, &response, &e), -1);
    assert_int_equal(e.code, ERR_SHUTDOWN);
    assert_int_equal(get(&s, &response, &e), -1);
    assert_int_equal(e.code, ERR_SHUTDOWN);
    assert_int_equal(atomic_load(&s.wire.requests), 1);
    stop(&s);
}

static void speaks_https_alone_unless_allowed(void **state)
{
    (void)state;
    struct setup s;
    start(&s, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", (struct acme_http_options){0});
    struct acme_http_response response = {0};
    struct err e = {0};
    static const char *const urls[] = {"", "ftp://127.0.0.1/", "file:///etc/passwd",
                                       "https://user:pass@127.0.0.1/", "no url at all"};
    assert_int_equal(get(&s, &response, &e), -1);
    assert_int_equal(e.code, ERR_CA_PROTOCOL);
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        struct acme_http_request request = {.method = "GET", .url = urls[i]};
        assert_int_equal(acme_http_send(s.http, &request, &response, &e), -1);
        assert_true(e.code == ERR_CA_PROTOCOL || e.code == ERR_CA_UNREACHABLE);
    }
    assert_int_equal(atomic_load(&s.wire.connections), 0);
    stop(&s);
}

static int get_tls(const char *host, int port, struct acme_trust *trust, struct err *e)
{
    struct acme_http_response response = {0};
    struct acme_http_options options = {.user_agent = "unit/1", .trust = trust};
    char url[64];
    snprintf(url, sizeof url, "https://%s:%d/", host, port);
    struct acme_http_request request = {.method = "GET", .url = url};
    struct acme_http *http = acme_http_create(&options);
    int rc = acme_http_send(http, &request, &response, e);
    acme_http_response_finish(&response);
    acme_http_destroy(http);
    return rc;
}

static void verifies_peer_and_host(void **state)
{
    (void)state;
    struct script script = {.answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"};
    struct wire wire = {.answer = play,
                        .context = &script,
                        .tls_pem = "tests/unit/data/certs/loopback-with-key.pem"};
    struct buf right = fixture("certs/loopback-with-key.pem"), wrong = fixture("certs/chain.pem");
    struct acme_trust *trust = NULL, *other = NULL;
    struct err e = {0};
    wire_start(&wire);
    assert_int_equal(acme_trust_from_pem(right.data, right.size, &trust, &e), 0);
    assert_int_equal(acme_trust_from_pem(wrong.data, wrong.size, &other, &e), 0);

    assert_int_equal(get_tls("127.0.0.1", wire.port, trust, &e), 0);
    assert_int_equal(get_tls("127.0.0.1", wire.port, other, &e), -1);
    assert_int_equal(e.code, ERR_CA_TLS);
    assert_non_null(strstr(e.detail, "127.0.0.1"));
    assert_int_equal(get_tls("127.0.0.1", wire.port, NULL, &e), -1);
    assert_int_equal(e.code, ERR_CA_TLS);
    /* the certificate names the address alone */
    assert_int_equal(get_tls("localhost", wire.port, trust, &e), -1);
    assert_int_equal(e.code, ERR_CA_TLS);
    assert_int_equal(atomic_load(&wire.requests), 1);

    acme_trust_release(trust);
    acme_trust_release(other);
    acme_trust_release(NULL);
    buf_finish(&right);
    buf_finish(&wrong);
    buf_finish(&script.requests);
    wire_stop(&wire);
}

static void trust_wants_certificates(void **state)
{
    (void)state;
    struct acme_trust *trust = NULL;
    struct err e = {0};
    struct buf key = fixture("keys/p256-pkcs8.pem"), leaf = fixture("certs/leaf.pem");
    assert_int_equal(acme_trust_from_pem("", 0, &trust, &e), -1);
    assert_int_equal(e.code, ERR_CERT_INVALID);
    assert_int_equal(acme_trust_from_pem("words", 5, &trust, &e), -1);
    assert_int_equal(acme_trust_from_pem(key.data, key.size, &trust, &e), -1);
    assert_int_equal(acme_trust_from_pem(leaf.data, leaf.size - 40, &trust, &e), -1);
    assert_int_equal(e.code, ERR_CERT_INVALID);
    assert_null(trust);
    buf_finish_secret(&key);
    buf_finish(&leaf);
}

struct traced {
    int count;
    int status;
    char method[8];
};

static void note(void *context, const struct acme_http_trace *trace)
{
    struct traced *traced = context;
    traced->count++;
    traced->status = trace->status;
    snprintf(traced->method, sizeof traced->method, "%s", trace->method);
    assert_true(trace->duration_ms >= 0);
}

static void traces_every_request(void **state)
{
    (void)state;
    struct setup s;
    struct traced traced = {0};
    struct acme_http_options options = plain;
    options.traced = note;
    options.trace_context = &traced;
    start(&s, "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", options);
    struct acme_http_response response = {0};
    struct err e;
    assert_int_equal(get(&s, &response, &e), 0);
    acme_http_response_finish(&response);
    assert_int_equal(traced.count, 1);
    assert_int_equal(traced.status, 404);
    assert_string_equal(traced.method, "GET");
    wire_stop(&s.wire);
    assert_int_equal(get(&s, &response, &e), -1);
    assert_int_equal(traced.count, 2);
    assert_int_equal(traced.status, 0);
    acme_http_destroy(s.http);
    buf_finish(&s.script.requests);
}

static struct acme_http_response answer_with(const char *headers)
{
    struct acme_http_response response = {.status = 200};
    buf_add_string(&response.headers, headers);
    return response;
}

static void follows_rfc8288(void **state)
{
    (void)state;
    static const struct {
        const char *headers;
        const char *relation;
        size_t index;
        const char *url;
    } rows[] = {
        {"link: <https://ca/a>;rel=\"alternate\"\n", "alternate", 0, "https://ca/a"},
        {"link: <https://ca/a>;rel=alternate\n", "alternate", 0, "https://ca/a"},
        {"link: <https://ca/a> ; REL = Alternate\n", "alternate", 0, "https://ca/a"},
        {"link: </a/b>; rel=\"next\"\n", "next", 0, "https://ca.example:14000/a/b"},
        {"link: <b?c=1>;rel=next\n", "next", 0, "https://ca.example:14000/dir/b?c=1"},
        {"link: <https://CA/%7ea/?x=<y>;rel=next\n", "next", 0, "https://CA/%7ea/?x=<y"},
        {"link: <https://ca/a/../b>;rel=next\n", "next", 0, "https://ca/a/../b"},
        {"link: <x:1>;rel=a, <https://ca/b>;rel=b\n", "b", 0, "https://ca/b"},
        {"link: <https://ca/a>;rel=\"index up\"\n", "up", 0, "https://ca/a"},
        {"link: <https://ca/a>;rel=\"index up\"\n", "inde", 0, NULL},
        {"link: <https://ca/1>;rel=alternate,<https://ca/2>;rel=alternate\n", "alternate", 1,
         "https://ca/2"},
        {"link: <https://ca/1>;rel=alternate\nx: y\nlink: <https://ca/2>;rel=alternate\n",
         "alternate", 1, "https://ca/2"},
        {"link: <https://ca/1>;rel=alternate\n", "alternate", 1, NULL},
        {"link: <https://ca/1>;title=\"a, <https://ca/x>;rel=next; \\\"q\\\"\";rel=up\n", "next", 0,
         NULL},
        {"link: <https://ca/1>;title=\"a, <https://ca/x>;rel=next; \\\"q\\\"\";rel=up\n", "up", 0,
         "https://ca/1"},
        {"link: <https://ca/1>;rel=up;rel=next\n", "next", 0, NULL},
        {"link: <https://ca/1>;crossorigin;rel=up\n", "up", 0, "https://ca/1"},
        {"link: <https://ca/1>\n", "up", 0, NULL},
        {"link: <https://ca/1;rel=up\n", "up", 0, NULL},
        {"link: https://ca/1;rel=up\n", "up", 0, NULL},
        {"link: \n", "up", 0, NULL},
        {"link: <https://ca/1>;rel=\"up\n", "up", 0, "https://ca/1"},
        {"link: ,, <https://ca/1>;rel=up\n", "up", 0, "https://ca/1"},
        {"xlink: <https://ca/1>;rel=up\n", "up", 0, NULL},
        {"", "up", 0, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct acme_http_response response = answer_with(rows[i].headers);
        char *url = acme_http_link(&response, rows[i].relation, rows[i].index,
                                   "https://ca.example:14000/dir/x");
        if (rows[i].url && !url)
            fail_msg("no link in %s", rows[i].headers);
        else if (rows[i].url)
            assert_string_equal(url, rows[i].url);
        else if (url)
            fail_msg("%s in %s", url, rows[i].headers);
        free(url);
        acme_http_response_finish(&response);
    }
}

static void reads_retry_after_in_both_forms(void **state)
{
    (void)state;
    const int64_t now = 1795254110000; /* Sat, 21 Nov 2026 09:41:50 GMT */
    static const struct {
        const char *headers;
        int64_t ms;
    } rows[] = {
        {"", 0},
        {"retry-after: 0\n", 0},
        {"retry-after: 7\n", 7000},
        {"retry-after: 86400\n", 86400000},
        {"retry-after: 99999999999999999999\n", (int64_t)INT_MAX * 1000},
        {"retry-after: -1\n", 0},
        {"retry-after: 1.5\n", 0},
        {"retry-after: soon\n", 0},
        {"retry-after:\n", 0},
        {"retry-after: Sat, 21 Nov 2026 09:42:00 GMT\n", 10000},
        {"retry-after: Sat, 21 Nov 2026 09:41:40 GMT\n", 0},
        /* a server whose clock is an hour off means its own */
        {"date: Sat, 21 Nov 2026 10:41:50 GMT\nretry-after: Sat, 21 Nov 2026 10:42:00 GMT\n",
         10000},
        {"date: rubbish\nretry-after: Sat, 21 Nov 2026 09:42:00 GMT\n", 10000},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct acme_http_response response = answer_with(rows[i].headers);
        assert_int_equal(acme_http_retry_after_ms(&response, now), rows[i].ms);
        acme_http_response_finish(&response);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sends_what_it_is_told),
        cmocka_unit_test(asks_no_proxy_for_this_machine),
        cmocka_unit_test(forgets_the_request_before),
        cmocka_unit_test(takes_any_status_and_no_redirect),
        cmocka_unit_test(keeps_the_last_answers_headers),
        cmocka_unit_test(refuses_garbage_and_floods),
        cmocka_unit_test(takes_a_body_up_to_the_cap),
        cmocka_unit_test(reconnects_after_a_close),
        cmocka_unit_test(sends_a_body_once),
        cmocka_unit_test(tells_who_cannot_be_reached),
        cmocka_unit_test(gives_up_in_time_and_at_shutdown),
        cmocka_unit_test(speaks_https_alone_unless_allowed),
        cmocka_unit_test(verifies_peer_and_host),
        cmocka_unit_test(trust_wants_certificates),
        cmocka_unit_test(traces_every_request),
        cmocka_unit_test(follows_rfc8288),
        cmocka_unit_test(reads_retry_after_in_both_forms),
    };
    struct err e;
    if (acme_http_library_init(&e) < 0)
        return 1;
    return cmocka_run_group_tests_name("http", tests, NULL, NULL);
}

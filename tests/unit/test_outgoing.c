/*
 * Where requests may go: the kinds of addresses, the rule, and the HTTP client that keeps to it
 * when a name is resolved. The name server's part is played here: curl calls the getaddrinfo below.
 */
#include "acme/http.h"
#include "acme/outgoing.h"
#include "acme/proxy.h"
#include "server/config/config.h"
#include "tests/unit/fixture.h"
#include "tests/unit/unit.h"
#include "tests/unit/wire.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>

/* ---- a name server ---- */

enum { ANSWERS_MAX = 4 };

/* What the next look-ups find, each a list of addresses. */
static const char *answers[ANSWERS_MAX][ANSWERS_MAX];
static atomic_int looked_up;

static struct addrinfo *entry(const char *text, int port)
{
    struct sockaddr_storage *address = mem_new(1, sizeof *address);
    struct addrinfo *found = mem_new(1, sizeof *found);
    assert_true(outgoing_literal(text, address));
    bool v6 = address->ss_family == AF_INET6;
    if (v6)
        ((struct sockaddr_in6 *)address)->sin6_port = htons((uint16_t)port);
    else
        ((struct sockaddr_in *)address)->sin_port = htons((uint16_t)port);
    found->ai_family = address->ss_family;
    found->ai_socktype = SOCK_STREAM;
    found->ai_protocol = IPPROTO_TCP;
    found->ai_addr = (struct sockaddr *)address;
    found->ai_addrlen = v6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    return found;
}

int getaddrinfo(const char *restrict name, const char *restrict service,
                const struct addrinfo *restrict hints, struct addrinfo **restrict out)
{
    (void)hints;
    struct addrinfo *list = NULL, **end = &list;
    int port = service ? atoi(service) : 0;
    const char *only[] = {name, NULL};
    struct sockaddr_storage literal;
    const char *const *texts = only;
    if (!outgoing_literal(name, &literal))
        texts = answers[atomic_fetch_add(&looked_up, 1)];
    for (; *texts; texts++) {
        *end = entry(*texts, port);
        end = &(*end)->ai_next;
    }
    *out = list;
    return list ? 0 : EAI_NONAME;
}

void freeaddrinfo(struct addrinfo *list)
{
    while (list) {
        struct addrinfo *next = list->ai_next;
        free(list->ai_addr);
        free(list);
        list = next;
    }
}

static void forget_names(void)
{
    memset(answers, 0, sizeof answers);
    atomic_store(&looked_up, 0);
}

/* ---- kinds ---- */

static struct sockaddr_storage address_of(const char *text)
{
    struct sockaddr_storage address;
    char *host = strchr(text, ':') ? mem_printf("[%s]", text) : mem_strdup(text);
    assert_true(outgoing_literal(host, &address));
    free(host);
    return address;
}

static void knows_the_kinds(void **state)
{
    (void)state;
    static const struct {
        enum outgoing_kind kind;
        const char *addresses[40];
    } cases[] = {
        {OUTGOING_PUBLIC,
         {"1.1.1.1",         "9.255.255.255",    "11.0.0.0",       "100.63.255.255",
          "100.128.0.0",     "126.255.255.255",  "128.0.0.0",      "169.253.255.255",
          "169.255.0.0",     "172.15.255.255",   "172.32.0.0",     "192.0.1.0",
          "192.167.255.255", "192.169.0.0",      "198.17.255.255", "198.20.0.0",
          "223.255.255.255", "2606:4700::1111",  "2a00::1",        "2001:200::1",
          "::ffff:8.8.8.8",  "64:ff9b::808:808", "2002:808:808::1"}},
        {OUTGOING_PRIVATE,
         {"10.0.0.0", "10.255.255.255", "172.16.0.0", "172.31.255.255", "192.168.0.0",
          "192.168.255.255", "100.64.0.0", "100.127.255.255", "fc00::1", "fdff::1",
          "::ffff:10.1.2.3", "64:ff9b::a01:203", "2002:c0a8:101::1", "::ffff:0:10.0.0.1"}},
        {OUTGOING_LOOPBACK,
         {"127.0.0.0", "127.0.0.1", "127.255.255.255", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1",
          "2002:7f00:1::", "::ffff:0:127.0.0.1"}},
        {OUTGOING_SPECIAL,
         {"0.0.0.0",
          "0.255.255.255",
          "169.254.0.0",
          "169.254.169.254",
          "169.254.255.255",
          "100.100.100.200",
          "168.63.129.16",
          "192.0.0.192",
          "192.0.2.1",
          "192.88.99.1",
          "198.18.0.1",
          "198.51.100.1",
          "203.0.113.1",
          "224.0.0.1",
          "239.255.255.250",
          "240.0.0.1",
          "255.255.255.255",
          "::",
          "::127.0.0.1",
          "::ffff:169.254.169.254",
          "::ffff:0.0.0.0",
          "64:ff9b::a9fe:a9fe",
          "64:ff9b:1::7f00:1",
          "2002:a9fe:a9fe::1",
          "2001::1",
          "2001:db8::1",
          "3fff::1",
          "fe80::1",
          "febf::1",
          "fec0::1",
          "ff02::1",
          "fd00:ec2::254",
          "fd20:ce::254",
          "fd00:42::42",
          "100::1",
          "4000::1"}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t j = 0; j < 40 && cases[i].addresses[j]; j++) {
            struct sockaddr_storage address = address_of(cases[i].addresses[j]);
            if (outgoing_kind_of((struct sockaddr *)&address) != cases[i].kind)
                fail_msg("%s is of kind %d", cases[i].addresses[j],
                         (int)outgoing_kind_of((struct sockaddr *)&address));
        }
    struct sockaddr other = {.sa_family = AF_UNIX};
    assert_int_equal(outgoing_kind_of(&other), OUTGOING_SPECIAL);
}

static void reads_ranges(void **state)
{
    (void)state;
    static const char *const good[] = {"10.0.0.0/8", "127.0.0.1",          "0.0.0.0/0",
                                       "::/0",       "fd00::/8",           "192.0.2.1/32",
                                       "::1/128",    "::ffff:10.0.0.0/104"};
    static const char *const bad[] = {
        "",           "10/8",      "10.0.0.0/33", "10.0.0.0/",   "10.0.0.0/-1",  "::/129",
        "10.0.0.1/8", "fd00::1/8", "localhost",   "10.0.0.0/8 ", "10.0.0.0/08x", "[::1]"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (outgoing_range_fault(good[i]))
            fail_msg("%s: %s", good[i], outgoing_range_fault(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (!outgoing_range_fault(bad[i]))
            fail_msg("%s is taken for a range", bad[i]);
}

static bool permits(const struct outgoing *rule, const char *url, const char *text)
{
    struct sockaddr_storage address = address_of(text);
    return outgoing_permits(rule, outgoing_kinds(rule, url), (struct sockaddr *)&address);
}

static void permits_what_is_listed(void **state)
{
    (void)state;
    struct outgoing *rule = outgoing_create();
    const char *url = "https://ca.example/dir";
    assert_true(permits(rule, url, "1.1.1.1"));
    assert_false(permits(rule, url, "10.1.2.3"));
    outgoing_allow(rule, "10.1.0.0/16");
    outgoing_allow(rule, "172.16.0.0/13");
    outgoing_allow(rule, "::1");
    assert_true(permits(rule, url, "10.1.2.3"));
    assert_true(permits(rule, url, "::ffff:10.1.2.3"));
    assert_true(permits(rule, url, "64:ff9b::a01:203"));
    assert_false(permits(rule, url, "10.2.0.0"));
    assert_true(permits(rule, url, "172.23.255.255"));
    assert_false(permits(rule, url, "172.24.0.0"));
    assert_true(permits(rule, url, "::1"));
    assert_false(permits(rule, url, "127.0.0.1"));
    outgoing_destroy(rule);
    assert_true(permits(NULL, url, "127.0.0.1"));
}

static void trusts_what_the_config_names(void **state)
{
    (void)state;
    struct outgoing *rule = outgoing_create();
    outgoing_trust(rule, "https://CA.internal/dir?x=1");
    outgoing_trust(rule, "http://127.0.0.1:8080/hook");
    outgoing_trust(rule, "http://localhost:8081/");
    outgoing_trust(rule, "https://[fd00:ec2::254]/");
    outgoing_trust(rule, "no URL");
    assert_true(permits(rule, "https://ca.internal:443/acme/order/1", "192.168.1.1"));
    assert_false(permits(rule, "https://ca.internal/dir", "127.0.0.1"));
    assert_false(permits(rule, "https://ca.internal/dir", "169.254.169.254"));
    assert_false(permits(rule, "https://ca.internal:444/dir", "192.168.1.1"));
    assert_false(permits(rule, "http://ca.internal/dir", "192.168.1.1"));
    assert_true(permits(rule, "http://127.0.0.1:8080/", "127.0.0.1"));
    assert_false(permits(rule, "http://127.0.0.1/", "127.0.0.1"));
    assert_true(permits(rule, "http://localhost:8081/x", "::1"));
    assert_false(permits(rule, "http://localhost:8081/x", "10.0.0.1"));
    assert_true(permits(rule, "https://[fd00:ec2::254]/x", "fd00:ec2::254"));
    outgoing_destroy(rule);
}

static void judges_urls_before_they_are_used(void **state)
{
    (void)state;
    static const char *const bad[] = {"https://127.0.0.1/",
                                      "https://2130706433/",
                                      "https://0x7f.1/",
                                      "https://0177.0.0.1/",
                                      "https://127.1/",
                                      "https://[::1]/",
                                      "https://LOCALHOST:8/",
                                      "https://[::ffff:127.0.0.1]/",
                                      "https://169.254.169.254/latest",
                                      "https://[fe80::1%25eth0]/",
                                      "https://0/",
                                      "https://10.0.0.1/",
                                      "https://[64:ff9b::a9fe:a9fe]/"};
    struct outgoing *rule = outgoing_create();
    struct err e;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (outgoing_check_url(rule, bad[i], &e) == 0)
            fail_msg("%s is let through", bad[i]);
        assert_int_equal(e.code, ERR_OUTGOING_REFUSED);
    }
    assert_int_equal(outgoing_check_url(rule, "https://127.0.0.1:9/", &e), -1);
    assert_non_null(strstr(e.detail, "\"outgoing\": {\"allow\": [\"127.0.0.1/32\"]}"));
    assert_int_equal(outgoing_check_url(rule, "https://[fd00::7]/", &e), -1);
    assert_non_null(strstr(e.detail, "[fd00::7] leads to fd00::7, which is a private address"));
    assert_non_null(strstr(e.detail, "[\"fd00::7/128\"]"));
    assert_int_equal(outgoing_check_url(rule, "https://name.example/", &e), 0);
    assert_int_equal(outgoing_check_url(rule, "https://9.9.9.9/", &e), 0);
    assert_int_equal(outgoing_check_url(NULL, "https://127.0.0.1/", &e), 0);
    outgoing_destroy(rule);
}

/* ---- the client ---- */

static char *answer(const char *request, void *context)
{
    (void)request;
    atomic_fetch_add((atomic_int *)context, 1);
    return mem_strdup("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
}

/* A GET by a client of its own, which remembers no name: 0, or the error's code. */
static enum err_code get(const struct outgoing *rule, const char *url, struct err *e)
{
    struct acme_http_options options = {.user_agent = "unit", .allow_http = true, .outgoing = rule};
    struct acme_http_request request = {.method = "GET", .url = url};
    struct acme_http_response response = {0};
    struct acme_http *http;
    http = acme_http_create(&options);
    int rc = acme_http_send(http, &request, &response, e);
    acme_http_response_finish(&response);
    acme_http_destroy(http);
    return rc < 0 ? e->code : ERR_NONE;
}

static void asks_nobody_whom_a_name_leads_astray(void **state)
{
    (void)state;
    atomic_int served = 0;
    struct wire wire = {.answer = answer, .context = &served};
    struct outgoing *rule = outgoing_create();
    struct err e;
    char url[64];
    wire_start(&wire);
    snprintf(url, sizeof url, "http://name.example:%d/", wire.port);

    forget_names();
    answers[0][0] = "127.0.0.1";
    assert_int_equal(get(rule, url, &e), ERR_OUTGOING_REFUSED);
    assert_non_null(strstr(e.detail, "name.example"));
    assert_non_null(strstr(e.detail, "127.0.0.1/32"));
    assert_int_equal(served, 0);

    /* Rebinding: the same name, good at first, leads elsewhere a moment later. */
    outgoing_allow(rule, "127.0.0.1");
    forget_names();
    answers[0][0] = "127.0.0.1";
    answers[1][0] = "127.0.0.2";
    answers[2][0] = "::ffff:127.0.0.2";
    assert_int_equal(get(rule, url, &e), ERR_NONE);
    assert_int_equal(get(rule, url, &e), ERR_OUTGOING_REFUSED);
    assert_int_equal(get(rule, url, &e), ERR_OUTGOING_REFUSED);
    assert_int_equal(looked_up, 3);
    assert_int_equal(served, 1);

    /* Of several addresses it takes one that is permitted; where that fails, this is told. */
    forget_names();
    answers[0][0] = "127.0.0.2";
    answers[0][1] = "127.0.0.1";
    assert_int_equal(get(rule, url, &e), ERR_NONE);
    assert_int_equal(served, 2);
    answers[1][0] = "127.0.0.2";
    answers[1][1] = "127.0.0.1";
    assert_int_equal(get(rule, "http://name.example:1/", &e), ERR_CA_UNREACHABLE);
    wire_stop(&wire);
    outgoing_destroy(rule);
}

static void leaves_names_to_a_proxy_but_no_addresses(void **state)
{
    (void)state;
    atomic_int served = 0;
    struct wire wire = {.answer = answer, .context = &served};
    struct outgoing *rule = outgoing_create();
    struct err e;
    char proxy[64];
    wire_start(&wire);
    snprintf(proxy, sizeof proxy, "http://127.0.0.1:%d", wire.port);
    assert_int_equal(setenv("http_proxy", proxy, 1), 0);
    forget_names();
    assert_int_equal(get(rule, "http://name.example/", &e), ERR_NONE);
    assert_int_equal(served, 1);
    assert_int_equal(looked_up, 0);
    assert_int_equal(get(rule, "http://169.254.169.254/", &e), ERR_OUTGOING_REFUSED);
    assert_int_equal(served, 1);

    assert_int_equal(setenv("no_proxy", ".example", 1), 0);
    answers[0][0] = "127.0.0.1";
    assert_int_equal(get(rule, "http://name.example/", &e), ERR_OUTGOING_REFUSED);
    assert_int_equal(served, 1);
    unsetenv("no_proxy");
    unsetenv("http_proxy");
    wire_stop(&wire);
    outgoing_destroy(rule);
}

static void chooses_the_proxy_of_the_environment(void **state)
{
    (void)state;
    static const struct {
        const char *no_proxy, *url;
        bool proxied;
    } cases[] = {
        {"", "https://a.example/", true},
        {"*", "https://a.example/", false},
        {"example", "https://a.example/", false},
        {"b.example,a.example.", "https://A.EXAMPLE/", false},
        {"b.example .example", "https://a.example/", false},
        {"ple, xample", "https://a.example/", true},
        {"x.a.example", "https://a.example/", true},
        {".", "https://a.example/", true},
        {"10.0.0.0/8", "https://10.1.2.3/", false},
        {"10.0.0.0/8", "https://11.1.2.3/", true},
        {"192.0.2.1", "https://192.0.2.1/", false},
        {"fd00::/8", "https://[fd00::1]/", false},
        {"2.1", "https://192.0.2.1/", true},
        {"", "https://127.0.0.1/", false},
        {"", "https://localhost/", false},
        {"", "https://[::1]:8/", false},
    };
    assert_int_equal(setenv("https_proxy", "http://p:1", 1), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        setenv("no_proxy", cases[i].no_proxy, 1);
        if (!!proxy_for(cases[i].url) != cases[i].proxied)
            fail_msg("%s with no_proxy=%s", cases[i].url, cases[i].no_proxy);
    }
    unsetenv("no_proxy");
    unsetenv("https_proxy");
    setenv("HTTP_PROXY", "http://p:2", 1);
    assert_null(proxy_for("http://a.example/"));
    setenv("ALL_PROXY", "http://p:3", 1);
    assert_string_equal(proxy_for("http://a.example/"), "http://p:3");
    setenv("HTTPS_PROXY", "http://p:4", 1);
    assert_string_equal(proxy_for("https://a.example/"), "http://p:4");
    unsetenv("HTTP_PROXY");
    unsetenv("ALL_PROXY");
    unsetenv("HTTPS_PROXY");
    assert_null(proxy_for("https://a.example/"));
}

/* ---- the config ---- */

static void reads_the_config(void **state)
{
    (void)state;
    char folder[] = "/tmp/certwright-outgoing-XXXXXX", path[64];
    struct config_flags flags = {.config = path};
    struct config *config;
    struct buf complaints = {0};
    struct err e;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/config", folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("{\"outgoing\": {\"allow\": [\"10.0.0.0/8\"]}, \"resources\": {"
          "\"authorities\": {\"a\": {\"directory_url\": \"https://ca.internal/dir\"}},"
          "\"solvers\": {\"s\": {\"endpoint\": \"https://s.internal/\"}},"
          "\"targets\": {\"t\": {\"url\": \"https://t.internal/\"},"
          "  \"u\": {\"endpoint\": \"https://u.internal/\"},"
          "  \"f\": {\"reload\": {\"webhook\": \"http://127.0.0.1:9/\"}}}}}",
          file);
    fclose(file);
    assert_int_equal(config_load(&flags, &config, NULL, &e), 0);
    assert_true(permits(config->outgoing, "https://any.example/", "10.1.1.1"));
    assert_false(permits(config->outgoing, "https://any.example/", "192.168.1.1"));
    for (const char *host = "catsu"; *host; host++) {
        char url[32];
        snprintf(url, sizeof url, "https://%c%s.internal/", *host, *host == 'c' ? "a" : "");
        if (*host != 'a' && !permits(config->outgoing, url, "192.168.1.1"))
            fail_msg("%s is not trusted", url);
    }
    assert_true(permits(config->outgoing, "http://127.0.0.1:9/x", "127.0.0.1"));
    config_destroy(config);

    file = fopen(path, "w");
    assert_non_null(file);
    fputs("{\"outgoing\": {\"allow\": [\"10.0.0.0/8\", \"ten\", 1, \"10.0.0.1/8\"], \"deny\": []}}",
          file);
    fclose(file);
    assert_int_equal(config_load(&flags, &config, &complaints, &e), -1);
    assert_non_null(strstr(buf_string(&complaints), "/outgoing/allow/1: "));
    assert_non_null(strstr(buf_string(&complaints), "/outgoing/allow/2: "));
    assert_non_null(strstr(buf_string(&complaints), "/outgoing/allow/3: "));
    assert_non_null(strstr(buf_string(&complaints), "/outgoing/deny: "));
    buf_finish(&complaints);
    unlink(path);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_the_kinds),
        cmocka_unit_test(reads_ranges),
        cmocka_unit_test(permits_what_is_listed),
        cmocka_unit_test(trusts_what_the_config_names),
        cmocka_unit_test(judges_urls_before_they_are_used),
        cmocka_unit_test(asks_nobody_whom_a_name_leads_astray),
        cmocka_unit_test(leaves_names_to_a_proxy_but_no_addresses),
        cmocka_unit_test(chooses_the_proxy_of_the_environment),
        cmocka_unit_test(reads_the_config),
    };
    struct err e;
    if (acme_http_library_init(&e) < 0)
        return 1;
    return cmocka_run_group_tests_name("outgoing", tests, NULL, NULL);
}

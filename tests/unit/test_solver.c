/* The dns-01 providers: what they ask of a service, and what they make of its answers. */
#include "acme/http.h"
#include "server/outside/commands.h"
#include "server/outside/outside.h"
#include "server/solver/solver.h"
#include "tests/unit/unit.h"
#include "tests/unit/wire.h"

#include <json.h>
#include <stdio.h>
#include <string.h>

enum { ANSWERS_MAX = 8 };

static const char *const hook_argv[] = {"sh", "-c", "echo \"$0 $1 $2\"; [ \"$1\" != bad.example. ]",
                                        NULL};
static const struct command commands_list[] = {{"hook", hook_argv}};
static struct commands *commands;

/* A service that plays a list of answers and remembers what it was asked. */
struct service {
    struct wire wire;
    const char *answers[ANSWERS_MAX]; /* "200 {…}"; "" hangs up */
    char *requests[ANSWERS_MAX];
    size_t count;
    struct acme_http *http;
    struct json_object *settings, *credential;
    struct solver_context context;
};

static char *service_answer(const char *request, void *context)
{
    struct service *service = context;
    size_t i = service->count;
    if (i == ANSWERS_MAX || !service->answers[i])
        return NULL;
    service->requests[service->count++] = mem_strdup(request);
    if (!*service->answers[i])
        return NULL;
    const char *body = service->answers[i] + 4;
    return mem_printf("HTTP/1.1 %.3s X\r\nContent-Length: %zu\r\n"
                      "Date: Sat, 21 Nov 2020 10:00:00 GMT\r\nRetry-After: 7\r\n\r\n%s",
                      service->answers[i], strlen(body), body);
}

static int service_start(void **state)
{
    struct service *service = mem_new(1, sizeof *service);
    const struct acme_http_options options = {
        .user_agent = "test", .allow_http = true, .timeout_ms = 10000};
    service->wire.answer = service_answer;
    service->wire.context = service;
    wire_start(&service->wire);
    service->http = acme_http_create(&options);
    char *text = mem_printf("{\"endpoint\": \"http://127.0.0.1:%d\", \"command\": \"hook\","
                            "\"region\": \"cn-hangzhou\"}",
                            service->wire.port);
    service->settings = json_tokener_parse(text);
    service->credential = json_tokener_parse(
        "{\"access_key_id\": \"LTAI-test\", \"access_key_secret\": \"do-not-tell\","
        "\"username\": \"user\", \"password\": \"pass\"}");
    free(text);
    service->context.http = service->http;
    service->context.commands = commands;
    service->context.settings = service->settings;
    service->context.credential = service->credential;
    *state = service;
    return 0;
}

static int service_stop(void **state)
{
    struct service *service = *state;
    acme_http_destroy(service->http);
    wire_stop(&service->wire);
    json_object_put(service->settings);
    json_object_put(service->credential);
    for (size_t i = 0; i < service->count; i++)
        free(service->requests[i]);
    free(service);
    return 0;
}

static const struct solver_record record = {
    .zone = "example.org",
    .fqdn = "_acme-challenge.www.example.org",
    .value = "LHDhK3oGRvkiefQnx7OOczTY5Tic_xZ6HcMOc_gmtoM",
};

static int present(struct service *service, const char *provider, struct buf *state, struct err *e)
{
    return solver_present(solver_provider_by_name(provider), &service->context, &record, state, e);
}

static int cleanup(struct service *service, const char *provider, const char *state, struct err *e)
{
    return solver_cleanup(solver_provider_by_name(provider), &service->context, &record, state, e);
}

static void asked(const struct service *service, size_t i, const char *text)
{
    assert_true(i < service->count);
    if (!strstr(service->requests[i], text))
        fail_msg("%s is not in\n%s", text, service->requests[i]);
}

/* ---- alidns ---- */

static void alidns_adds_and_deletes_by_id(void **state)
{
    struct service *service = *state;
    struct buf kept = {0};
    struct err e = {0};
    service->answers[0] = "200 {\"RequestId\": \"R\", \"RecordId\": \"4711\"}";
    service->answers[1] = "200 {\"RequestId\": \"R\", \"RecordId\": \"4711\"}";
    assert_int_equal(present(service, "alidns", &kept, &e), 0);
    assert_string_equal(buf_string(&kept), "4711");
    asked(service, 0,
          "POST /?DomainName=example.org&RR=_acme-challenge.www&RegionId=cn-hangzhou&TTL=600"
          "&Type=TXT&Value=LHDhK3oGRvkiefQnx7OOczTY5Tic_xZ6HcMOc_gmtoM HTTP/1.1\r\n");
    asked(service, 0, "x-acs-action: AddDomainRecord\r\n");
    asked(service, 0, "x-acs-version: 2015-01-09\r\n");
    asked(service, 0, "Authorization: ACS3-HMAC-SHA256 Credential=LTAI-test,SignedHeaders=host;");
    asked(service, 0, "Content-Length: 0\r\n");
    assert_null(strcasestr(service->requests[0], "content-type"));

    assert_int_equal(cleanup(service, "alidns", "4711", &e), 0);
    asked(service, 1, "POST /?RecordId=4711&RegionId=cn-hangzhou HTTP/1.1\r\n");
    asked(service, 1, "x-acs-action: DeleteDomainRecord\r\n");
    assert_int_equal(service->count, 2);
    buf_finish(&kept);
}

#define RECORD(id, rr, type, value)                                                                \
    "{\"RecordId\": \"" id "\", \"RR\": \"" rr "\", \"Type\": \"" type "\", \"Value\": \"" value   \
    "\"}"
#define VALUE "LHDhK3oGRvkiefQnx7OOczTY5Tic_xZ6HcMOc_gmtoM"

static const char a_page[] = "200 {\"TotalCount\": 4, \"DomainRecords\": {\"Record\": [" RECORD(
    "1", "_acme-challenge.www", "TXT",
    "another") "," RECORD("2", "x._acme-challenge.www", "TXT",
                          VALUE) "," RECORD("3", "_acme-challenge.www", "CNAME",
                                            VALUE) "," RECORD("4", "_acme-challenge.www", "TXT",
                                                              VALUE) "]}}";

static const char duplicate[] =
    "400 {\"Code\": \"DomainRecordDuplicate\", \"Message\": \"The DNS record already exists.\"}";

static void alidns_finds_its_own_record_again(void **state)
{
    struct service *service = *state;
    struct buf kept = {0};
    struct err e = {0};
    service->answers[0] = duplicate;
    service->answers[1] = a_page;
    assert_int_equal(present(service, "alidns", &kept, &e), 0);
    assert_string_equal(buf_string(&kept), "4");
    asked(service, 1, "x-acs-action: DescribeSubDomainRecords\r\n");
    asked(service, 1, "SubDomain=_acme-challenge.www.example.org&Type=TXT");
    buf_finish(&kept);
}

static void alidns_cleans_up_without_an_id(void **state)
{
    struct service *service = *state;
    struct err e = {0};
    service->answers[0] = a_page;
    service->answers[1] = "200 {\"RecordId\": \"4\"}";
    service->answers[2] = "200 {\"DomainRecords\": {\"Record\": []}}";
    assert_int_equal(cleanup(service, "alidns", "", &e), 0);
    asked(service, 1, "RecordId=4&");
    assert_int_equal(cleanup(service, "alidns", "", &e), 0); /* it is gone */
    assert_int_equal(service->count, 3);
}

static void alidns_cleans_up_what_is_gone(void **state)
{
    struct service *service = *state;
    struct err e = {0};
    service->answers[0] = "400 {\"Code\": \"DomainRecordNotBelongToUser\", \"Message\": "
                          "\"The DNS record does not exist in your account.\"}";
    assert_int_equal(cleanup(service, "alidns", "4", &e), 0);
}

static void alidns_knows_the_zone_itself(void **state)
{
    struct service *service = *state;
    const struct solver_record apex = {
        .zone = "example.org", .fqdn = "example.org", .value = "v", .ttl_seconds = 1200};
    struct buf kept = {0};
    struct err e = {0};
    service->answers[0] = "200 {\"RecordId\": \"9\"}";
    assert_int_equal(
        solver_present(solver_provider_by_name("alidns"), &service->context, &apex, &kept, &e), 0);
    asked(service, 0, "RR=%40&RegionId=cn-hangzhou&TTL=1200&");
    buf_finish(&kept);
}

static void alidns_tests_a_zone(void **state)
{
    struct service *service = *state;
    const struct solver_provider *alidns = solver_provider_by_name("alidns");
    struct err e = {0};
    service->answers[0] = "200 {\"TotalCount\": 0}";
    service->answers[1] = "400 {\"Code\": \"IncorrectDomainUser\", \"Message\": \"Not yours.\"}";
    assert_int_equal(alidns->test(&service->context, "example.org", &e), 0);
    asked(service, 0, "x-acs-action: DescribeDomainRecords\r\n");
    assert_int_equal(alidns->test(&service->context, "example.net", &e), -1);
    assert_int_equal(e.code, ERR_PROVIDER_REFUSED);
}

static void alidns_tells_errors_apart(void **state)
{
    struct service *service = *state;
    static const struct {
        const char *answer;
        enum err_code code;
        const char *words;
    } cases[] = {
        {"404 {\"RequestId\": \"R-1\", \"Code\": \"InvalidAccessKeyId.NotFound\", "
         "\"Message\": \"Specified access key is not found.\"}",
         ERR_PROVIDER_REFUSED,
         "InvalidAccessKeyId.NotFound: Specified access key is not found. (request R-1)"},
        {"400 {\"Code\": \"SignatureDoesNotMatch\", \"Message\": \"a\\nb\\u0007\"}",
         ERR_PROVIDER_REFUSED, "SignatureDoesNotMatch: a b"},
        {"403 {\"Code\": \"Forbidden.RAM\", \"Message\": \"m\"}", ERR_PROVIDER_REFUSED,
         "Forbidden"},
        {"400 {\"Code\": \"QuotaExceeded.Record\", \"Message\": \"m\"}", ERR_PROVIDER_REFUSED,
         "QuotaExceeded.Record: m"},
        {"400 {\"Code\": \"Throttling.User\", \"Message\": \"m\"}", ERR_PROVIDER_UNREACHABLE,
         "Throttling.User"},
        {"503 {\"Code\": \"ServiceUnavailable\", \"Message\": \"m\"}", ERR_PROVIDER_UNREACHABLE,
         "answered 503 to AddDomainRecord: ServiceUnavailable: m"},
        {"400 {\"Code\": \"InvalidTimeStamp.Expired\", \"Message\": \"m\"}", ERR_PROVIDER_REFUSED,
         " s ahead of the service's"},
        {"502 <html>", ERR_PROVIDER_UNREACHABLE, "answered 502"},
        {"200 <html>", ERR_PROVIDER_UNREACHABLE, "answered 200"},
    };
    assert_true(sizeof cases / sizeof *cases > ANSWERS_MAX);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf kept = {0};
        struct err e = {0};
        for (size_t k = 0; k < service->count; k++)
            free(service->requests[k]);
        service->count = 0;
        service->answers[0] = cases[i].answer;
        assert_int_equal(present(service, "alidns", &kept, &e), -1);
        assert_int_equal(e.code, cases[i].code);
        assert_int_equal(e.http_status, atoi(cases[i].answer));
        assert_int_equal(e.retry_after_ms, 7000);
        if (!strstr(e.detail, cases[i].words))
            fail_msg("%s is not in: %s", cases[i].words, e.detail);
        assert_null(strstr(e.detail, "do-not-tell"));
        assert_int_equal(kept.size, 0);
        buf_finish(&kept);
    }
}

static void alidns_survives_a_lost_answer(void **state)
{
    struct service *service = *state;
    struct buf kept = {0};
    struct err e = {0};
    service->answers[0] = "";
    service->answers[1] = duplicate;
    service->answers[2] = a_page;
    assert_int_equal(present(service, "alidns", &kept, &e), -1);
    assert_int_equal(e.code, ERR_PROVIDER_UNREACHABLE);
    assert_int_equal(present(service, "alidns", &kept, &e), 0);
    assert_string_equal(buf_string(&kept), "4");
    buf_finish(&kept);
}

static void alidns_needs_credential_and_zone(void **state)
{
    struct service *service = *state;
    const struct solver_provider *alidns = solver_provider_by_name("alidns");
    const struct solver_record no_zone = {.zone = "", .fqdn = record.fqdn, .value = "v"};
    const struct solver_record foreign = {.zone = "ample.org", .fqdn = record.fqdn, .value = "v"};
    struct buf kept = {0};
    struct err e = {0};
    assert_int_equal(solver_present(alidns, &service->context, &no_zone, &kept, &e), -1);
    assert_int_equal(e.code, ERR_DNS_NO_ZONE);
    assert_int_equal(solver_present(alidns, &service->context, &foreign, &kept, &e), -1);
    assert_int_equal(e.code, ERR_DNS_NO_ZONE);
    service->context.credential = NULL;
    assert_int_equal(solver_present(alidns, &service->context, &record, &kept, &e), -1);
    assert_int_equal(e.code, ERR_INVALID);
    assert_int_equal(service->count, 0);
    buf_finish(&kept);
}

/* ---- httpreq ---- */

static void httpreq_posts_name_and_value(void **state)
{
    struct service *service = *state;
    struct buf kept = {0};
    struct err e = {0};
    service->answers[0] = "204 ";
    service->answers[1] = "200 ok";
    assert_int_equal(present(service, "httpreq", &kept, &e), 0);
    asked(service, 0, "POST /present HTTP/1.1\r\n");
    asked(service, 0, "Authorization: Basic dXNlcjpwYXNz\r\n");
    asked(service, 0, "Content-Type: application/json\r\n");
    asked(service, 0,
          "\r\n\r\n{\"fqdn\":\"_acme-challenge.www.example.org.\",\"value\":\"" VALUE "\"}");
    service->context.credential = NULL;
    assert_int_equal(cleanup(service, "httpreq", "", &e), 0);
    asked(service, 1, "POST /cleanup HTTP/1.1\r\n");
    assert_null(strcasestr(service->requests[1], "authorization"));
    assert_int_equal(kept.size, 0);
}

static void httpreq_tells_errors_apart(void **state)
{
    struct service *service = *state;
    struct buf kept = {0};
    struct err e = {0};
    service->answers[0] = "401 who\r\n are you";
    service->answers[1] = "500 ";
    assert_int_equal(present(service, "httpreq", &kept, &e), -1);
    assert_int_equal(e.code, ERR_PROVIDER_REFUSED);
    assert_string_equal(e.detail, "the endpoint answered 401 to /present: who   are you");
    assert_int_equal(present(service, "httpreq", &kept, &e), -1);
    assert_int_equal(e.code, ERR_PROVIDER_UNREACHABLE);
    assert_int_equal(e.http_status, 500);
    wire_stop(&service->wire);
    wire_start(&service->wire); /* with another port: the old one is closed */
    assert_int_equal(present(service, "httpreq", &kept, &e), -1);
    assert_int_equal(e.code, ERR_PROVIDER_UNREACHABLE);
}

/* ---- exec and manual ---- */

static void exec_calls_as_lego_does(void **state)
{
    struct service *service = *state;
    const struct solver_record bad = {.zone = "", .fqdn = "bad.example", .value = "-v"};
    struct buf kept = {0};
    struct err e = {0};
    assert_int_equal(present(service, "exec", &kept, &e), 0);
    assert_int_equal(cleanup(service, "exec", "", &e), 0);
    assert_int_equal(
        solver_present(solver_provider_by_name("exec"), &service->context, &bad, &kept, &e), -1);
    assert_int_equal(e.code, ERR_COMMAND_FAILED);
    assert_string_equal(e.detail, "the command hook exited with 1: present bad.example. -v");
    assert_int_equal(solver_provider_by_name("exec")->test(&service->context, "example.org", &e),
                     0);
    json_object_object_add(service->settings, "command", json_object_new_string("rm"));
    assert_int_equal(present(service, "exec", &kept, &e), -1);
    assert_int_equal(e.code, ERR_NOT_FOUND);
}

static void refuses_names_and_values_that_are_none(void **state)
{
    struct service *service = *state;
    static const struct solver_record bad[] = {
        {.zone = "", .fqdn = "a b.example", .value = "v"},
        {.zone = "", .fqdn = "$(id).example", .value = "v"},
        {.zone = "", .fqdn = "A.example", .value = "v"},
        {.zone = "", .fqdn = "a.example.", .value = "v"},
        {.zone = "", .fqdn = "", .value = "v"},
        {.zone = "", .fqdn = "a.example", .value = ""},
        {.zone = "", .fqdn = "a.example", .value = "v;id"},
        {.zone = "", .fqdn = "a.example", .value = "\"v\""},
        {.zone = "", .fqdn = "a.example", .value = "ca; accounturi=https://ca.example/$(id)"},
        {.zone = "", .fqdn = "a.example", .value = "ca; accounturi=https://ca.example/\""},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct buf kept = {0};
        struct err e = {0};
        const struct solver_provider *exec = solver_provider_by_name("exec");
        assert_int_equal(solver_present(exec, &service->context, &bad[i], &kept, &e), -1);
        assert_int_equal(e.code, ERR_INVALID);
        assert_int_equal(solver_cleanup(exec, &service->context, &bad[i], "", &e), -1);
    }
}

static void manual_leaves_it_to_a_person(void **state)
{
    struct service *service = *state;
    struct buf kept = {0};
    struct err e = {0};
    assert_true(solver_provider_by_name("manual")->manual);
    assert_int_equal(present(service, "manual", &kept, &e), 0);
    assert_int_equal(cleanup(service, "manual", "", &e), 0);
    assert_int_equal(kept.size, 0);
    assert_int_equal(service->count, 0);
}

/* ---- registry and settings ---- */

static void lists_the_providers(void **state)
{
    (void)state;
    size_t count = 0;
    for (const struct solver_provider *p; (p = solver_provider_at(count)); count++)
        assert_ptr_equal(solver_provider_by_name(p->name), p);
    assert_int_equal(count, 4);
    assert_null(solver_provider_by_name("http-01"));
}

static void chooses_the_longest_zone(void **state)
{
    (void)state;
    struct json_object *settings = json_tokener_parse(
        "{\"zones\": [\"example.org\", \".\", \"A.Example.org.\", \"b.example.org\"]}");
    assert_string_equal(solver_zone_for(settings, "x.a.example.org"), "A.Example.org.");
    assert_string_equal(solver_zone_for(settings, "a.example.org"), "A.Example.org.");
    assert_string_equal(solver_zone_for(settings, "xa.example.org"), "example.org");
    assert_null(solver_zone_for(settings, "anexample.org"));
    json_object_put(settings);
    settings = json_tokener_parse("{}");
    assert_null(solver_zone_for(settings, "example.org"));
    json_object_put(settings);
}

static void endpoints_are_https_or_local(void **state)
{
    (void)state;
    static const char *const good[] = {
        "https://dns.example.org",    "https://dns.example.org:444/x",
        "http://127.0.0.1:8080/hook", "http://localhost",
        "http://[::1]:8080",          "http://127.9.9.9"};
    static const char *const bad[] = {"http://dns.example.org",
                                      "http://localhost.example.org",
                                      "http://127.0.0.1.example.org",
                                      "file:///etc/passwd",
                                      "https://user:pass@dns.example.org",
                                      "dns.example.org:x",
                                      "https://dns.example.org/?a=b",
                                      "https://dns.example.org#f",
                                      "https://",
                                      "",
                                      "http://[::2]"};
    struct err e = {0};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (outside_endpoint_check(good[i], &e))
            fail_msg("%s: %s", good[i], e.detail);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (outside_endpoint_check(bad[i], &e) == 0)
            fail_msg("%s is taken", bad[i]);
}

#define WITH_SERVICE(test) cmocka_unit_test_setup_teardown(test, service_start, service_stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVICE(alidns_adds_and_deletes_by_id),
        WITH_SERVICE(alidns_finds_its_own_record_again),
        WITH_SERVICE(alidns_cleans_up_without_an_id),
        WITH_SERVICE(alidns_cleans_up_what_is_gone),
        WITH_SERVICE(alidns_knows_the_zone_itself),
        WITH_SERVICE(alidns_tests_a_zone),
        WITH_SERVICE(alidns_tells_errors_apart),
        WITH_SERVICE(alidns_survives_a_lost_answer),
        WITH_SERVICE(alidns_needs_credential_and_zone),
        WITH_SERVICE(httpreq_posts_name_and_value),
        WITH_SERVICE(httpreq_tells_errors_apart),
        WITH_SERVICE(exec_calls_as_lego_does),
        WITH_SERVICE(refuses_names_and_values_that_are_none),
        WITH_SERVICE(manual_leaves_it_to_a_person),
        cmocka_unit_test(lists_the_providers),
        cmocka_unit_test(chooses_the_longest_zone),
        cmocka_unit_test(endpoints_are_https_or_local),
    };
    struct err e = {0};
    if (commands_create(commands_list, 1, &commands, &e) || acme_http_library_init(&e)) {
        fprintf(stderr, "%s\n", e.detail);
        return 1;
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    commands_destroy(commands);
    return failed;
}

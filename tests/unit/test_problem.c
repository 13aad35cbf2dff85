/* Problem documents: every type of the table, and what is no problem at all. */
#include "acme/base/memory.h"
#include "acme/problem.h"
#include "tests/unit/unit.h"

#include <json-c/json.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static void every_type_has_its_code(void **state)
{
    (void)state;
    /* the type, our code's name, whether doing the same again later may help */
    static const struct {
        const char *type;
        const char *code;
        bool retryable;
    } rows[] = {
        {"badNonce", "ca.bad_nonce", true},
        {"serverInternal", "ca.server_internal", true},
        {"rateLimited", "ca.rate_limited", true},
        {"orderNotReady", "ca.order_not_ready", true},
        {"alreadyReplaced", "ca.already_replaced", true},
        {"badSignatureAlgorithm", "ca.bad_signature_algorithm", false},
        {"badCSR", "ca.bad_csr", false},
        {"accountDoesNotExist", "ca.account_does_not_exist", false},
        {"alreadyRevoked", "ca.already_revoked", false},
        {"userActionRequired", "ca.user_action_required", true},
        {"connection", "ca.connection", false},
        {"dns", "ca.dns", false},
        {"tls", "ca.tls", false},
        {"incorrectResponse", "ca.incorrect_response", false},
        {"unauthorized", "ca.unauthorized", false},
        {"caa", "ca.caa", false},
        {"compound", "ca.compound", false},
        {"rejectedIdentifier", "ca.rejected_identifier", false},
        {"unsupportedIdentifier", "ca.unsupported_identifier", false},
        {"invalidProfile", "ca.invalid_profile", false},
        {"malformed", "ca.malformed", false},
        {"badPublicKey", "ca.bad_public_key", false},
        {"invalidContact", "ca.invalid_contact", false},
        {"unsupportedContact", "ca.unsupported_contact", false},
        {"externalAccountRequired", "ca.external_account_required", false},
        {"badRevocationReason", "ca.bad_revocation_reason", false},
        {"conflict", "ca.conflict", false},
        {"somethingNew", "ca.error", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *body = mem_printf(
            "{\"type\":\"urn:ietf:params:acme:error:%s\",\"detail\":\"because\"}", rows[i].type);
        struct acme_problem problem = {0};
        struct err e = {0};
        assert_int_equal(acme_problem_read(body, strlen(body), 400, &problem, &e), -1);
        const struct err_info *info = err_info(e.code);
        assert_string_equal(info->name, rows[i].code);
        assert_int_equal(info->retryable, rows[i].retryable);
        assert_string_equal(e.detail, "because");
        assert_int_equal(e.http_status, 400);
        assert_string_equal(problem.document, body);
        assert_int_equal(problem.status, 400);
        acme_problem_finish(&problem);
        free(body);
    }
}

static void only_the_urn_of_acme_counts(void **state)
{
    (void)state;
    assert_int_equal(acme_problem_code("urn:ietf:params:acme:error:dns"), ERR_CA_DNS);
    assert_int_equal(acme_problem_code("urn:ietf:params:acme:error:DNS"), ERR_CA_OTHER);
    assert_int_equal(acme_problem_code("urn:acme:error:dns"), ERR_CA_OTHER);
    assert_int_equal(acme_problem_code("dns"), ERR_CA_OTHER);
    assert_int_equal(acme_problem_code("about:blank"), ERR_CA_OTHER);
    assert_int_equal(acme_problem_code(""), ERR_CA_OTHER);
}

static void tells_the_subproblems(void **state)
{
    (void)state;
    static const char body[] =
        "{\"type\":\"urn:ietf:params:acme:error:compound\",\"detail\":\"2 names failed\","
        "\"status\":403,\"instance\":\"https://ca.example/why\",\"unknown\":[{}],\"subproblems\":["
        "{\"type\":\"urn:ietf:params:acme:error:caa\",\"detail\":\"CAA forbids\","
        "\"identifier\":{\"type\":\"dns\",\"value\":\"a.example\"}},"
        "{\"type\":\"urn:ietf:params:acme:error:dns\","
        "\"identifier\":{\"type\":\"dns\",\"value\":\"b.example\"}},"
        "{},7,{\"detail\":\"no name\"}]}\n";
    struct acme_problem problem = {0};
    struct err e = {0};
    acme_problem_read(body, sizeof body - 1, 400, &problem, &e);
    assert_int_equal(e.code, ERR_CA_COMPOUND);
    assert_string_equal(e.detail, "2 names failed (a.example: CAA forbids; b.example: "
                                  "urn:ietf:params:acme:error:dns; no name)");
    assert_int_equal(problem.status, 403);
    assert_int_equal(e.http_status, 400);
    assert_string_equal(problem.instance, "https://ca.example/why");
    assert_string_equal(problem.document, body);

    acme_problem_finish(&problem);
    acme_problem_finish(&problem);
}

static void status_alone_decides_without_a_document(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        int status;
        enum err_code code;
    } rows[] = {
        {"", 500, ERR_CA_SERVER_INTERNAL},
        {"<html>502 Bad Gateway</html>", 502, ERR_CA_SERVER_INTERNAL},
        {"", 503, ERR_CA_SERVER_INTERNAL},
        {"error code: 1015", 429, ERR_CA_RATE_LIMITED},
        {"", 408, ERR_CA_TIMEOUT},
        {"<html>", 403, ERR_CA_PROTOCOL},
        {"[]", 400, ERR_CA_PROTOCOL},
        {"\"text\"", 400, ERR_CA_PROTOCOL},
        {"{}", 404, ERR_CA_PROTOCOL},
        {"{\"message\":\"no\"}", 401, ERR_CA_PROTOCOL},
        {"{\"type\":", 400, ERR_CA_PROTOCOL},
        {"{\"type\":\"x\"} trailing", 400, ERR_CA_PROTOCOL},
        {"{\"detail\":\"\xff\"}", 400, ERR_CA_PROTOCOL},
        {"{\"type\":7,\"detail\":[]}", 400, ERR_CA_PROTOCOL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct acme_problem problem = {0};
        struct err e = {0};
        assert_int_equal(
            acme_problem_read(rows[i].body, strlen(rows[i].body), rows[i].status, &problem, &e),
            -1);
        assert_int_equal(e.code, rows[i].code);
        assert_int_equal(e.http_status, rows[i].status);
        assert_int_equal(problem.status, rows[i].status);
        assert_null(problem.document);
        assert_null(problem.type);
        acme_problem_finish(&problem);
    }
}

static void status_helps_unknown_types(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        int http_status;
        enum err_code code;
    } rows[] = {
        {"{\"type\":\"about:blank\",\"title\":\"slow down\"}", 429, ERR_CA_RATE_LIMITED},
        {"{\"type\":\"about:blank\",\"status\":429}", 400, ERR_CA_RATE_LIMITED},
        {"{\"title\":\"oops\"}", 500, ERR_CA_SERVER_INTERNAL},
        {"{\"detail\":\"hm\",\"status\":\"503\"}", 400, ERR_CA_OTHER},
        {"{\"detail\":\"hm\",\"status\":99999}", 400, ERR_CA_OTHER},
        {"{\"type\":\"urn:ietf:params:acme:error:dns\"}", 500, ERR_CA_DNS},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct acme_problem problem = {0};
        struct err e = {0};
        acme_problem_read(rows[i].body, strlen(rows[i].body), rows[i].http_status, &problem, &e);
        assert_int_equal(e.code, rows[i].code);
        assert_true(*e.detail);
        acme_problem_finish(&problem);
    }
}

/* An order's or challenge's error member has no HTTP status of its own. */
static void reads_a_member(void **state)
{
    (void)state;
    struct json_object *json = json_tokener_parse(
        "{\"type\":\"urn:ietf:params:acme:error:unauthorized\",\"detail\":\"wrong TXT\","
        "\"status\":403}");
    struct acme_problem problem = {0};
    struct err e = {0};
    assert_int_equal(acme_problem_from_json(json, 0, &problem, &e), -1);
    assert_int_equal(e.code, ERR_CA_UNAUTHORIZED);
    assert_int_equal(e.http_status, 403);
    assert_string_equal(problem.detail, "wrong TXT");
    assert_string_equal(problem.document, "{\"type\":\"urn:ietf:params:acme:error:unauthorized\","
                                          "\"detail\":\"wrong TXT\",\"status\":403}");
    acme_problem_finish(&problem);
    json_object_put(json);
}

static void drops_documents_that_are_too_big(void **state)
{
    (void)state;
    struct buf body = {0};
    buf_add_string(&body, "{\"type\":\"urn:ietf:params:acme:error:dns\",\"detail\":\"");
    for (int i = 0; i < ACME_PROBLEM_MAX_BYTES; i++)
        buf_add_char(&body, 'x');
    buf_add_string(&body, "\"}");
    struct acme_problem problem = {0};
    struct err e = {0};
    acme_problem_read(body.data, body.size, 400, &problem, &e);
    assert_int_equal(e.code, ERR_CA_DNS);
    assert_null(problem.document);
    acme_problem_finish(&problem);
    buf_finish(&body);
}

static void a_pause_is_told_from_a_limit(void **state)
{
    (void)state;
    const char *const words[] = {
        "Your account is paused. Please visit: https://ca.test/sfe/v1/unpause?jwt=a.b.c.",
        "Please visit <https://ca.test/sfe/v1/unpause?jwt=a.b.c> (see https://ca.test/help).",
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        char *body = mem_printf(
            "{\"type\":\"urn:ietf:params:acme:error:rateLimited\",\"detail\":\"%s\"}", words[i]);
        struct acme_problem problem = {0};
        struct err e = {0};
        acme_problem_read(body, strlen(body), 429, &problem, &e);
        e.retry_after_ms = 1000;
        acme_problem_see_pause(&problem, &e);
        assert_int_equal(e.code, ERR_CA_RATE_LIMITED);
        assert_null(problem.unpause);
        e.retry_after_ms = 0;
        acme_problem_see_pause(&problem, &e);
        assert_int_equal(e.code, ERR_CA_PAUSED);
        assert_string_equal(problem.unpause, "https://ca.test/sfe/v1/unpause?jwt=a.b.c");
        acme_problem_finish(&problem);
        free(body);
    }
}

static void algorithms_are_those_of_the_document(void **state)
{
    (void)state;
    const char *body = "{\"type\":\"urn:ietf:params:acme:error:badSignatureAlgorithm\","
                       "\"detail\":\"no\",\"algorithms\":[1,\"ES384\",null]}";
    struct acme_problem problem = {0};
    struct err e = {0};
    assert_false(acme_problem_takes_algorithm(&problem, "ES384"));
    acme_problem_read(body, strlen(body), 400, &problem, &e);
    assert_true(acme_problem_takes_algorithm(&problem, "ES384"));
    assert_false(acme_problem_takes_algorithm(&problem, "ES256"));
    acme_problem_finish(&problem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_has_its_code),
        cmocka_unit_test(only_the_urn_of_acme_counts),
        cmocka_unit_test(tells_the_subproblems),
        cmocka_unit_test(status_alone_decides_without_a_document),
        cmocka_unit_test(status_helps_unknown_types),
        cmocka_unit_test(reads_a_member),
        cmocka_unit_test(drops_documents_that_are_too_big),
        cmocka_unit_test(a_pause_is_told_from_a_limit),
        cmocka_unit_test(algorithms_are_those_of_the_document),
    };
    return cmocka_run_group_tests_name("problem", tests, NULL, NULL);
}

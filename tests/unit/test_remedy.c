/* The table of errors: a row for all that a CA says, and none that no job could follow. */
#include "server/engine/remedy.h"
#include "tests/unit/unit.h"

#include <string.h>

static bool is_of_a_ca(enum err_code code)
{
    const char *name = err_info(code)->name;
    return !strncmp(name, "ca.", 3) || !strncmp(name, "order.", 6);
}

static bool all_can(enum remedy remedy)
{
    return remedy == REMEDY_FAIL || remedy == REMEDY_BACK_OFF || remedy == REMEDY_WAIT ||
           remedy == REMEDY_ASK_PERSON;
}

static void every_error_of_a_ca_has_a_row(void **state)
{
    (void)state;
    for (int code = ERR_NONE + 1; code < ERR_COUNT; code++) {
        const struct remedy_row *row = remedy_row((enum err_code)code);
        if (is_of_a_ca((enum err_code)code) != (row != NULL))
            fail_msg("%s", err_info((enum err_code)code)->name);
        if (row)
            assert_true(all_can(row->otherwise));
    }
}

/* What the API calls retryable is what is tried again, if only by the job's kind. */
static void it_agrees_with_retryable(void **state)
{
    (void)state;
    for (int code = ERR_NONE + 1; code < ERR_COUNT; code++) {
        const struct remedy_row *row = remedy_row((enum err_code)code);
        if (row && all_can(row->first))
            assert_int_equal(row->first != REMEDY_FAIL, err_info((enum err_code)code)->retryable);
    }
}

static void what_is_gone_wants_a_new_order(void **state)
{
    (void)state;
    struct err e;
    err_set(&e, ERR_CA_MALFORMED, "no such order");
    e.http_status = 404;
    assert_int_equal(remedy_for(&e).first, REMEDY_NEW_ORDER);
    assert_int_equal(remedy_for(&e).otherwise, REMEDY_FAIL);
    e.http_status = 400;
    assert_int_equal(remedy_for(&e).first, REMEDY_FAIL);
    err_set(&e, ERR_CA_UNAUTHORIZED, "not yours");
    e.http_status = 404;
    assert_int_equal(remedy_for(&e).first, REMEDY_FAIL);
}

static void others_follow_their_code(void **state)
{
    (void)state;
    struct err e;
    err_set(&e, ERR_PROVIDER_UNREACHABLE, "silence");
    assert_int_equal(remedy_for(&e).otherwise, REMEDY_BACK_OFF);
    err_set(&e, ERR_PROVIDER_REFUSED, "no");
    assert_int_equal(remedy_for(&e).otherwise, REMEDY_FAIL);
}

/* Boulder's words. */
static void limits_of_an_account_are_told_from_those_of_names(void **state)
{
    (void)state;
    static const struct {
        const char *detail;
        bool account;
    } rows[] = {
        {"too many new orders (300) from this account in the last 3h0m0s, retry after", true},
        {"too many new registrations (10) from this IP address in the last 3h0m0s", true},
        {"too many new registrations (500) from this /48 subnet of IPv6 addresses", true},
        {"too many failed authorizations (5) for \"a.example\" in the last 1h0m0s: see "
         "https://x/#authorization-failures-per-identifier-per-account",
         false},
        {"too many certificates (50) already issued for \"example.com\" in the last 168h", false},
        {"too many certificates (5) already issued for this exact set of identifiers", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct err e;
        err_set(&e, ERR_CA_RATE_LIMITED, "%s", rows[i].detail);
        assert_int_equal(remedy_is_account_wide(&e), rows[i].account);
        e.code = ERR_CA_MALFORMED;
        assert_false(remedy_is_account_wide(&e));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_error_of_a_ca_has_a_row),
        cmocka_unit_test(it_agrees_with_retryable),
        cmocka_unit_test(what_is_gone_wants_a_new_order),
        cmocka_unit_test(others_follow_their_code),
        cmocka_unit_test(limits_of_an_account_are_told_from_those_of_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

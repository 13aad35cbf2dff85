/* CAA records: whom they let issue (RFC 8659, RFC 8657). */
#include "acme/caa.h"
#include "tests/unit/unit.h"

#include <string.h>

static const char *const identities[] = {"ca.example", "ca.test"};

struct row {
    const char *records[4];
    bool is_wildcard;
    enum caa_verdict verdict;
    const char *why;
};

static const char allows[] = "allow this CA";
static const char other_account[] = "allow this CA for another account only";
static const char other_method[] = "allow this CA by another method of validation only";
static const char unreadable[] = "name this CA with parameters that cannot be read";

static const struct row rows[] = {
    {{"0 issue ca.example"}, false, CAA_ALLOWS, allows},
    {{"0 ISSUE CA.Test"}, false, CAA_ALLOWS, allows},
    {{"0 issue other", "0 issue  ca.test ; a=b"}, false, CAA_ALLOWS, allows},
    {{"0 issue other", "0 issue third; x=y"}, false, CAA_FORBIDS, "allow only other, third"},
    {{"0 issue ;"}, false, CAA_FORBIDS, "allow nobody"},
    {{"0 issue "}, false, CAA_FORBIDS, "allow nobody"},
    {{"0 issue ca.test.evil"}, false, CAA_FORBIDS, "allow only ca.test.evil"},
    {{"0 iodef mailto:a@b"}, false, CAA_FREE, "restrict nobody"},
    {{"0 issuewild other"}, false, CAA_FREE, "restrict nobody"},
    {{"0 issuewild other"}, true, CAA_FORBIDS, "allow only other"},
    {{"0 issue other", "0 issuewild ca.test"}, true, CAA_ALLOWS, allows},
    {{"0 issue ca.test", "0 issuewild other"}, true, CAA_FORBIDS, "allow only other"},
    {{"0 issue ca.test", "0 issuewild other"}, false, CAA_ALLOWS, allows},
    {{"0 issue ca.test"}, true, CAA_ALLOWS, allows},
    {{"0 unknown x", "0 issue ca.test"}, false, CAA_ALLOWS, allows},
    {{"0 issue ca.test", "128 unknown x"},
     false,
     CAA_FORBIDS,
     "hold a critical \"unknown\", which no CA may pass over"},
    {{"128 issue ca.test"}, false, CAA_ALLOWS, allows},
    {{"0 issue ca.test; accounturi=https://ca/1"}, false, CAA_ALLOWS, allows},
    {{"0 issue ca.test; accounturi=https://ca/11"}, false, CAA_FORBIDS, other_account},
    {{"0 issue ca.test; accounturi=https://ca/1; accounturi=https://ca/1"},
     false,
     CAA_FORBIDS,
     unreadable},
    {{"0 issue ca.test; accounturi=https://ca/2", "0 issue ca.test; accounturi=https://ca/1"},
     false,
     CAA_ALLOWS,
     allows},
    {{"0 issue ca.test; validationmethods=http-01,dns-01"}, false, CAA_ALLOWS, allows},
    {{"0 issue ca.test; validationmethods = dns-01 ;x=y"}, false, CAA_ALLOWS, allows},
    {{"0 issue ca.test; validationmethods=dns-0"}, false, CAA_FORBIDS, other_method},
    {{"0 issue ca.test; validationmethods=dns-01; accounturi=x"},
     false,
     CAA_FORBIDS,
     other_account},
    {{"0 issue ca.test; nonsense"}, false, CAA_FORBIDS, unreadable},
};

static enum caa_verdict judge(const struct row *row, struct caa_question question, struct buf *why)
{
    size_t count = 0;
    while (count < 4 && row->records[count])
        count++;
    question.identities = identities;
    question.identity_count = 2;
    question.is_wildcard = row->is_wildcard;
    return caa_judge(row->records, count, &question, why);
}

static void records_are_judged(void **state)
{
    (void)state;
    const struct caa_question question = {.account_url = "https://ca/1",
                                          .challenge_type = "dns-01"};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf why = {0};
        enum caa_verdict verdict = judge(&rows[i], question, &why);
        if (verdict != rows[i].verdict || strcmp(buf_string(&why), rows[i].why) != 0)
            fail_msg("row %zu: %d, %s", i, (int)verdict, buf_string(&why));
        buf_finish(&why);
    }
}

/* What is not known yet speaks against nothing. */
static void nothing_is_known_of_the_account(void **state)
{
    (void)state;
    const struct row row = {.records = {"0 issue ca.test; accounturi=x; validationmethods=y"}};
    struct buf why = {0};
    assert_int_equal(judge(&row, (struct caa_question){0}, &why), CAA_ALLOWS);
    buf_finish(&why);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_are_judged),
        cmocka_unit_test(nothing_is_known_of_the_account),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

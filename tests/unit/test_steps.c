/* The step table is sound: every step it names exists, and every job can end. */
#include "server/engine/step.h"
#include "tests/unit/unit.h"

#include <string.h>

static const char *const kinds[] = {
    "account.create",    "account.update",     "account.refresh",   "authority.refresh",
    "certificate.issue", "certificate.revoke", "challenge.cleanup", "certificate.renew",
};

static void every_kind_is_known(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const struct job_kind *kind = job_kind_by_name(kinds[i]);
        assert_non_null(kind);
        assert_string_equal(kind->name, kinds[i]);
        assert_true(kind->step_count > 0);
        assert_non_null(kind->load);
        assert_non_null(kind->end);
    }
    assert_null(job_kind_by_name("certificate.invent"));
}

static void every_next_step_exists(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        const struct job_kind *kind = job_kind_by_name(kinds[k]);
        for (size_t s = 0; s < kind->step_count; s++) {
            const struct step *step = &kind->steps[s];
            assert_non_null(step->run);
            assert_non_null(step->lane);
            assert_true(step_may_follow(step, step->name));
            for (size_t n = 0; n < STEP_NEXT_MAX && step->next[n]; n++)
                assert_non_null(job_kind_step(kind, step->next[n]));
        }
    }
}

static void steps_are_reached_from_the_first(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        const struct job_kind *kind = job_kind_by_name(kinds[k]);
        bool reached[16] = {true};
        for (size_t round = 0; round < kind->step_count; round++)
            for (size_t a = 0; a < kind->step_count; a++)
                for (size_t b = 0; b < kind->step_count; b++)
                    if (reached[a] && step_may_follow(&kind->steps[a], kind->steps[b].name))
                        reached[b] = true;
        for (size_t s = 0; s < kind->step_count; s++)
            assert_true(reached[s]);
    }
}

/* But to another order, where this one is dead: then no certificate will come of it. */
static void no_step_leads_back_before_the_point_of_no_return(void **state)
{
    (void)state;
    const struct job_kind *kind = job_kind_by_name("certificate.issue");
    for (size_t a = 0; a < kind->step_count; a++)
        for (size_t b = 0; b < kind->step_count; b++)
            if (kind->steps[a].committed && !kind->steps[b].committed &&
                strcmp(kind->steps[b].name, "order") != 0)
                assert_false(step_may_follow(&kind->steps[a], kind->steps[b].name));
    assert_false(job_kind_step(kind, "validate")->committed);
    assert_true(job_kind_step(kind, "finalize")->committed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_is_known),
        cmocka_unit_test(every_next_step_exists),
        cmocka_unit_test(steps_are_reached_from_the_first),
        cmocka_unit_test(no_step_leads_back_before_the_point_of_no_return),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "acme/base/pool.h"
#include "tests/unit/unit.h"

#include <string.h>

enum { MANY = 1000 };

struct thing {
    int number;
    char text[45];
};

static void objects_do_not_overlap(void **state)
{
    (void)state;
    static struct thing *things[MANY];
    struct pool pool = {.size = sizeof(struct thing)};
    for (int i = 0; i < MANY; i++) {
        things[i] = pool_take(&pool);
        assert_int_equal(things[i]->number, 0);
        assert_int_equal((uintptr_t)things[i] % sizeof(void *), 0);
        things[i]->number = i + 1;
        memset(things[i]->text, 'x', sizeof things[i]->text);
    }
    for (int i = 0; i < MANY; i++)
        assert_int_equal(things[i]->number, i + 1);
    pool_finish(&pool);
}

static void what_was_given_back_is_taken_again_as_zeros(void **state)
{
    (void)state;
    static const struct thing none;
    struct pool pool = {.size = sizeof(struct thing)};
    struct thing *thing = pool_take(&pool);
    memset(thing, 'x', sizeof *thing);
    pool_give(&pool, thing);
    struct thing *again = pool_take(&pool);
    assert_ptr_equal(again, thing);
    assert_memory_equal(again, &none, sizeof none);
    pool_finish(&pool);
    pool_finish(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_do_not_overlap),
        cmocka_unit_test(what_was_given_back_is_taken_again_as_zeros),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

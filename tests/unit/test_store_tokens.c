/* Tokens that make others, and end with them. */
#include "acme/base/memory.h"
#include "store/token.h"
#include "tests/unit/store_fixture.h"

struct family_member {
    const char *name;
    const char *maker; /* NULL: none */
};

static int insert(struct store_tx *tx, void *arg, struct err *e)
{
    const struct family_member *member = arg;
    char scopes[] = "[\"admin\"]", restrictions[] = "{}";
    struct token token = {
        .name = (char *)member->name,
        .scopes = scopes,
        .restrictions = restrictions,
        .made_by = (char *)member->maker,
    };
    memcpy(token.hash, member->name, strlen(member->name));
    return token_insert(tx, &token, e);
}

struct ending {
    const char *name;
    char **names;
    size_t count;
};

static int end(struct store_tx *tx, void *arg, struct err *e)
{
    struct ending *ending = arg;
    return token_delete(tx, ending->name, &ending->names, &ending->count, e);
}

static bool is_there(struct fixture *f, const char *name)
{
    struct token token;
    struct err e;
    if (token_load(f->db, name, &token, &e) < 0) {
        assert_int_equal(e.code, ERR_NOT_FOUND);
        return false;
    }
    token_finish(&token);
    return true;
}

static void test_a_family_ends_with_its_first(void **state)
{
    struct fixture *f = *state;
    struct family_member members[] = {{"root", NULL}, {"z", "root"}, {"a", "z"},
                                      {"b", "a"},     {"c", "z"},    {"other", "root"}};
    struct ending ending = {.name = "z"};
    struct token token;
    struct err e;
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        must(f, insert, &members[i]);
    assert_ok(token_load(f->db, "b", &token, &e), e);
    assert_string_equal(token.made_by, "a");
    token_finish(&token);
    must(f, end, &ending);
    assert_int_equal(ending.count, 4);
    assert_string_equal(ending.names[0], "z");
    assert_string_equal(ending.names[3], "b");
    token_names_finish(ending.names, ending.count);
    for (size_t i = 1; i < 5; i++)
        assert_false(is_there(f, members[i].name));
    assert_true(is_there(f, "root") && is_there(f, "other"));
    assert_fails(store_write_wait(f->store, end, &ending, &e), e, ERR_NOT_FOUND);
}

enum { GENERATIONS = 3000 };

static int insert_line(struct store_tx *tx, void *arg, struct err *e)
{
    char names[2][16] = {"", "t"};
    struct family_member first = {"t", NULL};
    (void)arg;
    int rc = insert(tx, &first, e);
    for (int i = 0; i < GENERATIONS && rc == 0; i++) {
        struct family_member member = {names[i % 2], names[(i + 1) % 2]};
        snprintf(names[i % 2], sizeof names[0], "t%d", i);
        rc = insert(tx, &member, e);
    }
    return rc;
}

/* A line is as long as whoever makes it likes. */
static void test_a_long_line_ends_at_once(void **state)
{
    struct fixture *f = *state;
    struct ending ending = {.name = "t"};
    must(f, insert_line, NULL);
    must(f, end, &ending);
    assert_int_equal(ending.count, GENERATIONS + 1);
    assert_string_equal(ending.names[GENERATIONS], "t2999");
    token_names_finish(ending.names, ending.count);
    assert_int_equal(fixture_token_count(f), 0);
}

static void test_there_is_none_of_a_maker_that_is_gone(void **state)
{
    struct fixture *f = *state;
    struct family_member orphan = {"orphan", "nobody"};
    struct err e;
    assert_true(store_write_wait(f->store, insert, &orphan, &e) < 0);
    assert_false(is_there(f, "orphan"));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_a_family_ends_with_its_first),
        CASE(test_a_long_line_ends_at_once),
        CASE(test_there_is_none_of_a_maker_that_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

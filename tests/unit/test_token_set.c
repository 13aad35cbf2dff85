/* How often the use of a token is written down, by a clock that the test sets. */
#include "acme/base/clock.h"
#include "server/access/grant.h"
#include "server/access/principal.h"
#include "server/access/secret.h"
#include "server/api/token_set.h"
#include "server/http/server.h"
#include "tests/unit/store_fixture.h"

#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>

static const char first[] = "the-first-token-0123456789";
static const char second[] = "the-second-token-0123456789";

/* It stands still, but for what the test adds. */
static atomic_llong now_ms = 1800000000000;

/* In the place of the C library's. */
int clock_gettime(clockid_t id, struct timespec *out)
{
    if (id != CLOCK_REALTIME && id != CLOCK_BOOTTIME)
        return (int)syscall(SYS_clock_gettime, id, out);
    long long now = atomic_load(&now_ms);
    *out = (struct timespec){now / 1000, now % 1000 * 1000000};
    return 0;
}

static void pass(int ms)
{
    atomic_fetch_add(&now_ms, ms);
}

static int put(struct store_tx *tx, void *arg, struct err *e)
{
    (void)arg;
    unsigned char hash[TOKEN_HASH_SIZE];
    secret_hash(first, hash);
    if (token_put(tx, "first", hash, e) < 0)
        return -1;
    secret_hash(second, hash);
    return token_put(tx, "second", hash, e);
}

static int nothing(struct store_tx *tx, void *arg, struct err *e)
{
    (void)tx, (void)arg, (void)e;
    return 0;
}

/* Comes with a token, from somewhere; the writes that this has brought about are done. */
static int use(const struct fixture *f, struct token_set *set, const char *token)
{
    const struct http_caller caller = {.token = token, .address = "127.0.0.1", .uid = -1};
    struct principal principal = {0};
    struct err e;
    int rc = token_set_admit(set, f->store, &caller, &principal, &e);
    grant_release(principal.grant);
    assert_ok(store_write_wait(f->store, nothing, NULL, &e), e);
    return rc;
}

static int64_t last_use(const struct fixture *f, const char *name)
{
    struct token token;
    struct err e;
    assert_ok(token_load(f->db, name, &token, &e), e);
    int64_t at = token.last_used_at;
    token_finish(&token);
    return at;
}

static struct token_set *two_tokens(const struct fixture *f)
{
    struct token_set *set;
    struct err e;
    assert_ok(store_write_wait(f->store, put, NULL, &e), e);
    assert_ok(token_set_create(f->db, &set, &e), e);
    assert_int_equal(last_use(f, "first"), 0);
    return set;
}

static void a_use_is_written_once_a_minute(void **state)
{
    const struct fixture *f = *state;
    struct token_set *set = two_tokens(f);
    for (int minute = 0; minute < 3; minute++) {
        int64_t begin = clock_engine_ms();
        assert_int_equal(use(f, set, first), 0);
        assert_int_equal(last_use(f, "first"), begin);
        /* Uses in between do not put the next one off either. */
        for (int i = 0; i < 3; i++) {
            pass(i < 2 ? 20 * CLOCK_SECOND_MS : 20 * CLOCK_SECOND_MS - 1);
            assert_int_equal(use(f, set, first), 0);
            assert_int_equal(last_use(f, "first"), begin);
        }
        pass(1);
    }
    token_set_destroy(set);
}

static void each_token_has_a_minute_of_its_own(void **state)
{
    const struct fixture *f = *state;
    struct token_set *set = two_tokens(f);
    int64_t begin = clock_engine_ms();
    assert_int_equal(use(f, set, first), 0);
    pass(30 * CLOCK_SECOND_MS);
    assert_int_equal(last_use(f, "second"), 0);
    assert_int_equal(use(f, set, second), 0);
    assert_int_equal(last_use(f, "first"), begin);
    assert_int_equal(last_use(f, "second"), begin + 30 * CLOCK_SECOND_MS);
    pass(30 * CLOCK_SECOND_MS);
    assert_int_equal(use(f, set, first), 0);
    assert_int_equal(use(f, set, second), 0);
    assert_int_equal(last_use(f, "first"), begin + CLOCK_MINUTE_MS);
    assert_int_equal(last_use(f, "second"), begin + 30 * CLOCK_SECOND_MS);
    token_set_destroy(set);
}

static void who_is_not_let_in_has_used_nothing(void **state)
{
    const struct fixture *f = *state;
    struct token_set *set = two_tokens(f);
    assert_int_equal(use(f, set, "another-token-0123456789"), -1);
    assert_int_equal(last_use(f, "first"), 0);
    assert_int_equal(last_use(f, "second"), 0);
    token_set_destroy(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_use_is_written_once_a_minute, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(each_token_has_a_minute_of_its_own, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(who_is_not_let_in_has_used_nothing, fixture_setup,
                                        fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Killing the process in the middle of its writes: what a done has told is there afterwards. The
 * kernel outlives the process here, so this shows that commits are whole and told only once they
 * are made; that they reach the disk is PRAGMA synchronous = FULL's part.
 */
#include "store/token.h"
#include "tests/unit/store_fixture.h"

#include <signal.h>
#include <sys/wait.h>

enum { ROUNDS = 5, QUEUED = 20000, TOLD_BEFORE_KILL = 700 };

struct numbered {
    int number;
    int pipe;
};

static int put_numbered(struct store_tx *tx, void *arg, struct err *e)
{
    const struct numbered *numbered = arg;
    unsigned char hash[TOKEN_HASH_SIZE] = {2};
    char name[16];
    snprintf(name, sizeof name, "t%06d", numbered->number);
    return token_put(tx, name, hash, e);
}

static void tell_parent(void *arg, const struct err *e)
{
    const struct numbered *numbered = arg;
    if (!e && write(numbered->pipe, &numbered->number, sizeof numbered->number) < 0)
        _exit(3);
}

/* The child: writes until it is killed. */
static void write_on(const struct store_options *options, int pipe)
{
    struct numbered *numbered = mem_new(QUEUED, sizeof *numbered);
    struct store *store;
    struct err e;
    if (store_open(options, &store, &e) < 0)
        _exit(2);
    for (int i = 0; i < QUEUED; i++) {
        numbered[i] = (struct numbered){i, pipe};
        store_write(store, put_numbered, &numbered[i], tell_parent);
    }
    pause();
    _exit(0);
}

/* Reads what was told, kills after some, and marks all that was told before the end. */
static size_t kill_in_mid_write(const struct store_options *options, bool *told)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(ends[0]);
        write_on(options, ends[1]);
    }
    close(ends[1]);
    size_t count = 0;
    int number;
    while (read(ends[0], &number, sizeof number) == (ssize_t)sizeof number) {
        told[number] = true;
        if (++count == TOLD_BEFORE_KILL)
            kill(child, SIGKILL);
    }
    close(ends[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    return count;
}

static void expect_told(struct fixture *f, const bool *told)
{
    struct token *tokens;
    size_t count;
    struct err e;
    bool *stored = mem_new(QUEUED, sizeof *stored);
    assert_ok(token_list(f->db, &tokens, &count, &e), e);
    for (size_t i = 0; i < count; i++) {
        stored[atoi(tokens[i].name + 1)] = true;
        token_finish(&tokens[i]);
    }
    free(tokens);
    for (size_t i = 0; i < QUEUED; i++)
        assert_true(stored[i] || !told[i]);
    free(stored);
}

static void test_what_was_told_survives_a_kill(void **state)
{
    struct fixture *f = *state;
    bool *told = mem_new(QUEUED, sizeof *told);
    struct err e;
    store_close(f->store);
    f->store = NULL;
    for (int round = 0; round < ROUNDS; round++) {
        assert_true(kill_in_mid_write(&f->options, told) >= TOLD_BEFORE_KILL);
        fixture_open(f);
        expect_told(f, told);
        assert_ok(store_check(f->store, &e), e);
        store_close(f->store);
        f->store = NULL;
    }
    free(told);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_was_told_survives_a_kill, fixture_setup,
                                        fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

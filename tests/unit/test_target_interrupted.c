/*
 * The target "files" in a process that is killed: at each of the calls that make something durable.
 * The next start finds what that has left, whether or not anything is deployed there again.
 */
#include "server/deploy/folder.h"
#include "server/deploy/scratch.h"
#include "tests/unit/target_files_fixture.h"

#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { CALLS_MAX = 100 };

static char scratch[96];
static int calls_left = -1; /* the last of them kills; -1: none does */

static void count_down(void)
{
    if (calls_left < 0)
        return;
    calls_left--;
    if (calls_left == 0)
        raise(SIGKILL);
}

int fsync(int fd)
{
    count_down();
    return (int)syscall(SYS_fsync, fd);
}

int renameat(int from, const char *name, int to, const char *target)
{
    count_down();
    return (int)syscall(SYS_renameat2, from, name, to, target, 0);
}

int unlinkat(int folder, const char *name, int flags)
{
    count_down();
    return (int)syscall(SYS_unlinkat, folder, name, flags);
}

static void deploy_noted(struct setting *s, const struct issued *issued)
{
    s->context.scratch = scratch;
    deploy_well(s, issued);
}

/* Whether a process was killed at that call while it deployed the version. */
static bool killed_at(int call, struct setting *s, const struct issued *issued)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        calls_left = call;
        deploy_noted(s, issued);
        _exit(0);
    }
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status))
        assert_int_equal(WEXITSTATUS(status), 0);
    return WIFSIGNALED(status);
}

static void start_again(void)
{
    struct err e = {0};
    assert_int_equal(target_scratch_clear(scratch, &e), 0);
    folder_sweep_noted(scratch, roots);
}

static void make_scratch(void)
{
    snprintf(scratch, sizeof scratch, "%s/scratch", root);
    start_again();
}

static int generations(void)
{
    return exists(root, "www") ? count_entries(www, "..20") : 0;
}

static void assert_no_leftovers(int most)
{
    assert_int_equal(count_entries(scratch, "writing."), 0);
    assert_true(generations() <= most);
    if (exists(root, "www")) {
        assert_false(exists(www, "..data_tmp"));
        assert_false(exists(www, "..link_tmp"));
    }
}

/* Whichever version is there, it is so as a whole. */
static bool stands(const struct issued *issued)
{
    char *text = mem_printf("%s/..data/cert.pem", www);
    FILE *file = fopen(text, "r");
    char line[8192] = "";
    free(text);
    if (!file)
        return false;
    size_t size = fread(line, 1, sizeof line - 1, file);
    line[size] = '\0';
    fclose(file);
    return !strcmp(line, issued->certificate.leaf);
}

static void a_first_deployment_is_killed(void **state)
{
    (void)state;
    int call = 1, unfinished = 0;
    for (bool killed = true; killed && call < CALLS_MAX; call++) {
        struct setting s;
        make_scratch();
        setting_init(&s, "");
        killed = killed_at(call, &s, &first);
        bool turned = exists(www, "..data");
        unfinished += !turned && generations() == 1;
        start_again();
        assert_no_leftovers(turned ? 1 : 0);
        remove_folder(www);
        setting_finish(&s);
    }
    assert_true(call < CALLS_MAX);
    assert_true(unfinished >= 4); /* in each of its files, at the least */
}

static void a_third_deployment_is_killed(void **state)
{
    (void)state;
    int call = 1, old = 0, fresh = 0;
    for (bool killed = true; killed && call < CALLS_MAX; call++) {
        struct setting s;
        make_scratch();
        setting_init(&s, "");
        deploy_noted(&s, &first);
        deploy_noted(&s, &second);
        killed = killed_at(call, &s, &third);
        start_again();
        assert_no_leftovers(2);
        assert_int_equal(generations(), 2);
        old += stands(&second);
        fresh += stands(&third);
        assert_pair(www, stands(&third) ? &third : &second);
        remove_folder(www);
        setting_finish(&s);
    }
    assert_true(call < CALLS_MAX);
    assert_true(old >= 4 && fresh >= 2);
    assert_int_equal(old + fresh, call - 1);
}

/* By what is noted alone: others may keep such folders, too. */
static void leaves_alone_what_is_not_noted(void **state)
{
    (void)state;
    static const char unfinished[] = "..2999-01-01T00_00_00.000Z.0123abcd";
    struct setting s;
    make_scratch();
    setting_init(&s, "");
    deploy_noted(&s, &first);
    run_line(mem_printf("mkdir %s/%s", www, unfinished));
    start_again();
    assert_true(exists(www, unfinished));
    setting_finish(&s);
}

/* Where nothing may be written any more nothing is removed; it is, once that is allowed again. */
static void keeps_to_the_roots(void **state)
{
    (void)state;
    static const char *const others[] = {"/nonexistent/root", NULL};
    struct setting s;
    make_scratch();
    setting_init(&s, "");
    for (int call = 1; generations() == 0 && call < CALLS_MAX; call++)
        assert_true(killed_at(call, &s, &first));
    folder_sweep_noted(scratch, others);
    assert_int_equal(generations(), 1);
    assert_int_equal(count_entries(scratch, "writing."), 1);
    start_again();
    assert_no_leftovers(0);
    setting_finish(&s);
}

static void a_torn_note_is_forgotten(void **state)
{
    (void)state;
    make_scratch();
    run_line(mem_printf("printf '/etc' > %s/writing.00", scratch));
    run_line(mem_printf("printf '%s\\0../etc\\0' > %s/writing.01", root, scratch));
    run_line(mem_printf(": > %s/writing.02", scratch));
    start_again();
    assert_no_leftovers(0);
}

/* No commands: nothing is told of the files. */
static int run(void)
{
    const struct CMUnitTest tests[] = {
        IN_ROOT(a_first_deployment_is_killed),   IN_ROOT(a_third_deployment_is_killed),
        IN_ROOT(leaves_alone_what_is_not_noted), IN_ROOT(keeps_to_the_roots),
        IN_ROOT(a_torn_note_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    return run_with_versions(NULL, 0, run);
}

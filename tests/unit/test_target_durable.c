/*
 * The target "files" and a power cut: what is synced before the names turn to the new files, and
 * who may read a key meanwhile. The calls of the C library are watched: this program's own stand
 * before them.
 */
#include "tests/unit/target_files_fixture.h"

#include <fcntl.h>
#include <sys/syscall.h>

enum { WATCHED_MAX = 64, WATCHED_SIZE = 256 };

/* "sync PATH", or "turn" where "..data" is replaced; in order. */
static char watched[WATCHED_MAX][WATCHED_SIZE];
static int watched_count;
static int modes_seen;

static void watch(const char *what, const char *path)
{
    if (watched_count < WATCHED_MAX)
        snprintf(watched[watched_count++], WATCHED_SIZE, "%s%s", what, path);
}

int fsync(int fd)
{
    char name[32], path[WATCHED_SIZE - 8];
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(name, path, sizeof path - 1);
    assert_true(size > 0);
    path[size] = '\0';
    watch("sync ", path);
    return (int)syscall(SYS_fsync, fd);
}

int renameat(int from, const char *name, int to, const char *target)
{
    if (!strcmp(target, "..data"))
        watch("turn", "");
    return (int)syscall(SYS_renameat2, from, name, to, target, 0);
}

/* Until a file has its owner and its mode, it is this process's alone. */
int fchmod(int fd, mode_t mode)
{
    struct stat seen;
    assert_int_equal(fstat(fd, &seen), 0);
    if (S_ISREG(seen.st_mode)) {
        assert_int_equal(seen.st_mode & 07777, 0600);
        modes_seen++;
    }
    return (int)syscall(SYS_fchmod, fd, mode);
}

/* Where the event is among those from `from` on, or -1. */
static int find(const char *event, int from)
{
    for (int i = from; i < watched_count; i++)
        if (!strcmp(watched[i], event))
            return i;
    return -1;
}

static void assert_synced_before(const char *path, int turn)
{
    char event[WATCHED_SIZE];
    snprintf(event, sizeof event, "sync %s", path);
    int at = find(event, 0);
    if (at < 0 || at > turn)
        fail_msg("%s is not synced before the turn", path);
}

static void syncs_before_it_turns(void **state)
{
    (void)state;
    static const char *const names[] = {"cert.pem", "chain.pem", "fullchain.pem", "privkey.pem"};
    struct setting s;
    char generation[256], path[512], parent[128];
    setting_init(&s, "");
    deploy_well(&s, &first);
    watched_count = modes_seen = 0;
    deploy_well(&s, &second);
    link_of(www, "..data", generation);
    int turn = find("turn", 0);
    assert_true(turn >= 0);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s/%s", www, generation, names[i]);
        assert_synced_before(path, turn);
    }
    snprintf(path, sizeof path, "%s/%s", www, generation);
    assert_synced_before(path, turn);
    assert_synced_before(www, turn);
    snprintf(parent, sizeof parent, "sync %s", www);
    assert_true(find(parent, turn) > turn);
    assert_int_equal(modes_seen, 4);
    assert_int_equal(find("turn", turn + 1), -1);
    setting_finish(&s);
}

/* No commands: nothing is told of the files. */
static int run(void)
{
    const struct CMUnitTest tests[] = {IN_ROOT(syncs_before_it_turns)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    return run_with_versions(NULL, 0, run);
}

/*
 * The sandbox: a child enters it and tries what it must not, and what it must still do. On a kernel
 * that lacks a part, the state has to say so, and what is required has to fail.
 */
#include "acme/base/log.h"
#include "server/start/sandbox.h"
#include "tests/unit/fixture.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
enum { UNDER_SANITIZER = 1 };
#else
enum { UNDER_SANITIZER = 0 };
#endif

static char home[64];
static char inside[96], outside[96], reading[96], sockets[96];

static int set_up(void **state)
{
    (void)state;
    snprintf(home, sizeof home, "/tmp/certwright-sandbox-XXXXXX");
    assert_non_null(mkdtemp(home));
    const struct {
        char *path;
        const char *name;
    } folders[] = {
        {inside, "inside"}, {outside, "outside"}, {reading, "reading"}, {sockets, "sockets"}};
    for (size_t i = 0; i < 4; i++) {
        char file[128];
        snprintf(folders[i].path, 96, "%s/%s", home, folders[i].name);
        assert_int_equal(mkdir(folders[i].path, 0700), 0);
        snprintf(file, sizeof file, "%s/file", folders[i].path);
        int fd = open(file, O_WRONLY | O_CREAT, 0600);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, "text", 4), 4);
        close(fd);
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", home);
    return system(command); /* NOLINT(cert-env33-c): a line of the test's own */
}

static int enter(bool required, struct sandbox_state *state, struct err *e)
{
    const struct sandbox_path paths[] = {
        {inside, SANDBOX_WRITE},  {reading, SANDBOX_READ},      {sockets, SANDBOX_SOCKET},
        {"/etc", SANDBOX_READ},   {"/usr", SANDBOX_READ},       {"/lib", SANDBOX_READ},
        {"/lib64", SANDBOX_READ}, {"/proc/self", SANDBOX_READ}, {"/nowhere/at/all", SANDBOX_READ},
    };
    return sandbox_enter(paths, sizeof paths / sizeof *paths, required, state, e);
}

/* What a child found wrong; the parent reads it from a pipe. */
static int complaints = -1;

static void expect(bool good, const char *what)
{
    if (!good)
        dprintf(complaints, "%s (errno %d)\n", what, errno);
}

/* Runs body in a child; fails with what it complains of. */
static void in_child(void (*body)(void))
{
    int pair[2];
    char text[4096];
    size_t size = 0;
    ssize_t n;
    assert_int_equal(pipe(pair), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(pair[0]);
        complaints = pair[1];
        body();
        _exit(0);
    }
    close(pair[1]);
    while (size < sizeof text - 1 && (n = read(pair[0], text + size, sizeof text - 1 - size)) > 0)
        size += (size_t)n;
    text[size] = '\0';
    close(pair[0]);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (size || status)
        fail_msg("status %d: %s", status, text);
}

static const char *in(const char *folder, const char *name)
{
    static char path[160];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static bool opens(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC, 0600);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static bool binds(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    bool bound = bind(fd, (struct sockaddr *)&address, sizeof address) == 0;
    close(fd);
    return bound;
}

/* ---- files ---- */

static void try_files(const struct sandbox_state *state)
{
    bool confined = state->landlock > 0;
    char from[160];
    expect(opens(in(inside, "new"), O_RDWR | O_CREAT | O_EXCL), "a file is made inside");
    expect(opens(in(inside, "new"), O_WRONLY | O_TRUNC), "a file is emptied inside");
    expect(mkdir(in(inside, "folder"), 0700) == 0, "a folder is made inside");
    expect(symlink("new", in(inside, "link")) == 0, "a link is made inside");
    if (state->landlock != 1) {
        snprintf(from, sizeof from, "%s/new", inside);
        expect(rename(from, in(inside, "folder/new")) == 0, "a file is moved inside");
        expect(unlink(in(inside, "folder/new")) == 0, "a file is deleted inside");
    }
    expect(opens(in(reading, "file"), O_RDONLY), "a file is read where that is allowed");
    expect(opens(reading, O_RDONLY | O_DIRECTORY), "a folder is read where that is allowed");
    expect(opens(in(reading, "file"), O_WRONLY) != confined, "nothing is written where one reads");
    expect(opens(in(reading, "new"), O_WRONLY | O_CREAT) != confined, "or made");
    expect(opens(in(outside, "file"), O_RDONLY) != confined, "nothing is read outside");
    expect(opens(outside, O_RDONLY | O_DIRECTORY) != confined, "no folder is read outside");
    expect(opens(in(outside, "new"), O_WRONLY | O_CREAT) != confined, "nothing is made outside");
    expect(symlink("../outside/file", in(inside, "way-out")) == 0, "a link out is made");
    expect(opens(in(inside, "way-out"), O_RDONLY) != confined, "no link leads out");
    expect(binds(in(sockets, "socket")), "a socket is made where that is allowed");
    expect(unlink(in(sockets, "socket")) == 0, "and removed");
    expect(binds(in(outside, "socket")) != confined, "but not outside");
    expect(opens(in(sockets, "file"), O_RDONLY) != confined, "sockets are no files");
    expect(access("/etc/passwd", R_OK) == 0 && opens("/etc/passwd", O_RDONLY), "/etc is read");
}

static void files_are_out_of_reach_child(void)
{
    struct sandbox_state state;
    struct err e;
    expect(enter(false, &state, &e) == 0, "it is entered");
    try_files(&state);
}

static void files_are_out_of_reach(void **state)
{
    (void)state;
    in_child(files_are_out_of_reach_child);
}

/* ---- calls ---- */

static void *nothing(void *context)
{
    return context;
}

static bool refused(long result)
{
    return result < 0 && errno == EPERM;
}

static void calls_are_denied_child(void)
{
    static char name[] = "true";
    char *const argv[] = {name, NULL};
    struct sandbox_state state;
    struct err e;
    pthread_t thread;
    int status;
    expect(enter(false, &state, &e) == 0, "it is entered");
    expect(prctl(PR_GET_NO_NEW_PRIVS, 0L, 0L, 0L, 0L) == 1, "there are no new privileges");
    if (!state.seccomp)
        return;
    if (!UNDER_SANITIZER) {
        expect(refused(execv("/bin/true", argv)), "no program is run");
        expect(refused(ptrace(PTRACE_TRACEME, 0, NULL, NULL)), "nobody is traced");
    }
    expect(refused(unshare(CLONE_NEWNS)), "no world of its own");
    expect(refused(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0)), "nor by clone");
    expect(syscall(SYS_clone3, NULL, 0) < 0 && errno == ENOSYS, "clone3 is not there");
    expect(refused(mount("none", inside, "tmpfs", 0, NULL)), "nothing is mounted");
    expect(refused(syscall(SYS_bpf, 0, NULL, 0)), "no bpf");
    expect(refused(syscall(SYS_io_uring_setup, 1, NULL)), "no io_uring");
    expect(refused(syscall(SYS_keyctl, 0, 0, 0, 0, 0)), "no keys of the kernel");
    expect(refused(syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0)), "no peeking");
    expect(refused(socket(AF_PACKET, SOCK_RAW, 0)), "no raw packets");
    expect(refused(socket(AF_ALG, SOCK_SEQPACKET, 0)), "no crypto of the kernel");
#if defined(__x86_64__)
    expect(refused(syscall(0x40000000L | SYS_getpid)), "no other ABI");
#endif
    for (int family = 0; family < 2; family++) {
        int fd = socket(family ? AF_INET6 : AF_INET, SOCK_STREAM, 0);
        expect(fd >= 0 || errno == EAFNOSUPPORT, "sockets are made");
        close(fd);
    }
    expect(kill(getppid(), 0) == 0, "others can be signalled");
    expect(pthread_create(&thread, NULL, nothing, NULL) == 0 && pthread_join(thread, NULL) == 0,
           "threads are made");
    pid_t pid = fork();
    if (pid == 0)
        _exit(refused(mount("none", inside, "tmpfs", 0, NULL)) ? 7 : 8);
    expect(pid > 0 && waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 7,
           "a child is within too");
}

static void calls_are_denied(void **state)
{
    (void)state;
    in_child(calls_are_denied_child);
}

/* ---- a kernel that lacks it ---- */

/* From now on the call is unknown to the kernel. */
static void forget_call(int number)
{
    struct sock_filter lines[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog filter = {4, lines};
    expect(prctl(PR_SET_NO_NEW_PRIVS, 1L, 0L, 0L, 0L) == 0 &&
               prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0L, 0L) == 0,
           "the kernel forgets a call");
}

static void without_landlock_child(void)
{
    struct sandbox_state state;
    struct err e;
    forget_call(SYS_landlock_create_ruleset);
    expect(enter(true, &state, &e) < 0 && e.code == ERR_IO && strstr(e.detail, "Landlock"),
           "what is required fails");
    expect(enter(false, &state, &e) == 0 && state.landlock == 0 && state.no_new_privs,
           "what is not required says so");
    try_files(&state);
}

static void says_what_the_kernel_lacks(void **state)
{
    (void)state;
    in_child(without_landlock_child);
}

static void required_child(void)
{
    struct sandbox_state state;
    struct err e;
    bool has_landlock = syscall(SYS_landlock_create_ruleset, NULL, 0, 1) > 0;
    int rc = enter(true, &state, &e);
    expect((rc == 0) == has_landlock, "what is required is there, or fails");
    if (rc == 0)
        expect(state.landlock > 0 && state.seccomp && state.no_new_privs, "all of it");
}

static void is_there_if_required(void **state)
{
    (void)state;
    in_child(required_child);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(files_are_out_of_reach, set_up, tear_down),
        cmocka_unit_test_setup_teardown(calls_are_denied, set_up, tear_down),
        cmocka_unit_test_setup_teardown(says_what_the_kernel_lacks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(is_there_if_required, set_up, tear_down),
    };
    log_set_level(LOG_LEVEL_ERROR);
    return cmocka_run_group_tests_name("sandbox", tests, NULL, NULL);
}

/* The target "files": the reload, the rehearsal, and whole pairs for readers. */
#include "acme/http.h"
#include "tests/unit/target_files_fixture.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/wait.h>

static char marks[] = "/tmp/certwright-marks-XXXXXX"; /* what the command "mark" wrote */

/* ---- the reload ---- */

/* A process that counts the signals it gets and writes one byte for each. */
static pid_t start_daemon(int *out)
{
    int ends[2];
    sigset_t hup;
    sigemptyset(&hup);
    sigaddset(&hup, SIGHUP);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        sigprocmask(SIG_BLOCK, &hup, NULL);
        ssize_t written = write(ends[1], "r", 1);
        for (int got; written == 1 && sigwait(&hup, &got) == 0;)
            written = write(ends[1], "h", 1);
        _exit(0);
    }
    char ready;
    close(ends[1]);
    assert_int_equal(read(ends[0], &ready, 1), 1);
    *out = ends[0];
    return pid;
}

/* How many signals came: one is waited for if wanted. */
static int count_signals(int fd, int wanted)
{
    int count = 0;
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    char byte;
    while (poll(&ready, 1, count < wanted ? 10000 : 100) == 1 && read(fd, &byte, 1) == 1)
        count++;
    return count;
}

static void end_daemon(pid_t pid, int fd)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    close(fd);
}

static void write_pid(pid_t pid)
{
    char text[32];
    snprintf(text, sizeof text, "%d\n", (int)pid);
    write_text(root, "daemon.pid", text);
}

static void signals_the_process_of_the_pidfile(void **state)
{
    (void)state;
    struct setting s;
    int one_fd, two_fd;
    pid_t one = start_daemon(&one_fd), two = start_daemon(&two_fd);
    setting_init(&s, ", \"reload\": {\"signal\": \"HUP\", \"pidfile\": \"daemon\"}");
    write_pid(one);
    deploy_well(&s, &first);
    assert_int_equal(count_signals(one_fd, 1), 1);
    deploy_well(&s, &first);
    assert_int_equal(count_signals(one_fd, 0), 0);
    /* restarted since */
    write_pid(two);
    deploy_well(&s, &second);
    assert_int_equal(count_signals(two_fd, 1), 1);
    assert_int_equal(count_signals(one_fd, 0), 0);
    end_daemon(one, one_fd);
    end_daemon(two, two_fd);
    /* gone: the files stay, and the next try reaches who runs then */
    deploy_fails(&s, &third, ERR_TARGET_RELOAD, "there is no process");
    assert_pair(www, &third);
    one = start_daemon(&one_fd);
    write_pid(one);
    deploy_well(&s, &third);
    assert_int_equal(count_signals(one_fd, 1), 1);
    end_daemon(one, one_fd);
    setting_finish(&s);
}

static void reads_a_pidfile_with_care(void **state)
{
    (void)state;
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"", "holds no process id"},
        {"1\n", "holds no process id"},
        {"0\n", "holds no process id"},
        {"-5\n", "holds no process id"},
        {"12 34\n", "holds no process id"},
        {"12x", "holds no process id"},
        {"99999999999999999999999999999999999999999999\n", "holds no process id"},
        {"999999999\n", "there is no process 999999999"},
    };
    struct setting s;
    setting_init(&s, ", \"reload\": {\"signal\": \"TERM\", \"pidfile\": \"daemon\"}");
    deploy_fails(&s, &first, ERR_TARGET_RELOAD, "No such file or directory");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_text(root, "daemon.pid", cases[i].text);
        deploy_fails(&s, &first, ERR_TARGET_RELOAD, cases[i].words);
    }
    write_pid(getpid());
    deploy_fails(&s, &first, ERR_TARGET_RELOAD, "this process itself");
    /* who may write it could have any process signalled */
    int fd;
    pid_t other = start_daemon(&fd);
    write_pid(other);
    assert_int_equal(chown(pidfile_path, 12345, (gid_t)-1), 0);
    deploy_fails(&s, &first, ERR_TARGET_RELOAD, "is not of the user who owns the pidfile");
    assert_int_equal(chown(pidfile_path, geteuid(), (gid_t)-1), 0);
    assert_int_equal(chmod(pidfile_path, 0666), 0);
    deploy_fails(&s, &first, ERR_TARGET_RELOAD, "everybody may write the pidfile");
    end_daemon(other, fd);
    assert_int_equal(unlink(pidfile_path), 0);
    assert_int_equal(mkfifo(pidfile_path, 0600), 0);
    deploy_fails(&s, &first, ERR_TARGET_RELOAD, "no plain file");
    setting_finish(&s);
}

static void runs_a_command_once_a_generation(void **state)
{
    (void)state;
    struct setting s;
    struct target_work work;
    struct err e = {0};
    setting_init(&s, ", \"reload\": {\"command\": \"mark\"}");
    write_text(marks, "marks", "");
    /* a kill between the write and the commit: the state of before comes again */
    assert_int_equal(step(&s, &first, &work, &e), 0);
    assert_int_equal(work.outcome, TARGET_AGAIN);
    json_object_put(s.state);
    s.state = parse("{}");
    assert_text(marks, "marks", "");
    deploy_well(&s, &first);
    assert_text(marks, "marks", "reload www 1\n");
    deploy_well(&s, &first);
    assert_text(marks, "marks", "reload www 1\n");
    deploy_well(&s, &second);
    assert_text(marks, "marks", "reload www 1\nreload www 2\n");
    /* told in another way: told anew */
    json_object_object_add(s.settings, "reload", parse("{\"command\": \"fail\"}"));
    deploy_fails(&s, &second, ERR_TARGET_RELOAD, "the command fail exited with 7: no nginx here");
    setting_finish(&s);
}

/* Answers one request with a status; keeps what it was sent. */
struct hook {
    int listener;
    int status;
    char seen[2048];
};

static void *answer_once(void *argument)
{
    struct hook *hook = argument;
    size_t size = 0;
    ssize_t got;
    char answer[80];
    int fd = accept4(hook->listener, NULL, NULL, SOCK_CLOEXEC);
    while (fd >= 0 && !strchr(hook->seen, '}') &&
           (got = read(fd, hook->seen + size, sizeof hook->seen - 1 - size)) > 0)
        size += (size_t)got;
    snprintf(answer, sizeof answer,
             "HTTP/1.1 %d x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", hook->status);
    got = write(fd, answer, strlen(answer));
    close(fd);
    return got > 0 ? NULL : argument;
}

/* Deploys while a hook of that status listens on a free port. */
static int deploy_with_hook(struct setting *s, struct hook *hook, struct err *e)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    pthread_t thread;
    void *failed;
    hook->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(hook->listener, (struct sockaddr *)&at, size), 0);
    assert_int_equal(listen(hook->listener, 1), 0);
    assert_int_equal(getsockname(hook->listener, (struct sockaddr *)&at, &size), 0);
    char *reload = mem_printf("{\"webhook\": \"http://127.0.0.1:%d/reload\"}", ntohs(at.sin_port));
    json_object_object_add(s->settings, "reload", parse(reload));
    free(reload);
    assert_int_equal(pthread_create(&thread, NULL, answer_once, hook), 0);
    int rc = deploy(s, &first, e);
    pthread_join(thread, &failed);
    assert_null(failed);
    close(hook->listener);
    return rc;
}

static void calls_a_webhook_on_this_machine(void **state)
{
    (void)state;
    struct setting s;
    struct err e = {0};
    struct hook good = {.status = 204}, bad = {.status = 503};
    struct acme_http_options options = {.user_agent = "test", .allow_http = true};
    assert_int_equal(acme_trust_system(&options.trust, &e), 0);
    setting_init(&s, "");
    s.context.http = acme_http_create(&options);
    if (deploy_with_hook(&s, &good, &e) < 0)
        fail_msg("%s", e.detail);
    assert_memory_equal(good.seen, "POST /reload HTTP/1.1\r\n", 23);
    assert_non_null(strstr(good.seen, "\r\n\r\n{\"certificate\":\"www\",\"version\":1}"));
    assert_int_equal(deploy_with_hook(&s, &bad, &e), -1);
    assert_int_equal(e.code, ERR_TARGET_RELOAD);
    assert_string_equal(e.detail, "the reload's webhook answered 503");
    /* a URL that leads elsewhere is not called, over TLS neither */
    static const char *const elsewhere[] = {"https://www.example.com/reload",
                                            "http://192.0.2.1/reload",
                                            "https://localhost.example.com/reload"};
    for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++) {
        struct setting far;
        char *more = mem_printf(", \"reload\": {\"webhook\": \"%s\"}", elsewhere[i]);
        setting_init(&far, more);
        deploy_fails(&far, &first, ERR_INVALID, "webhook");
        setting_finish(&far);
        free(more);
    }
    /* the last hook has gone */
    deploy_fails(&s, &first, ERR_TARGET_RELOAD, "");
    acme_http_destroy(s.context.http);
    acme_trust_release(options.trust);
    setting_finish(&s);
}

/* ---- a rehearsal ---- */

static void rehearses_without_a_trace(void **state)
{
    (void)state;
    struct setting s;
    char message[TARGET_MESSAGE_SIZE];
    struct err e = {0};
    int fd;
    setting_init(&s, ", \"reload\": {\"signal\": \"HUP\", \"pidfile\": \"daemon\"}");
    assert_int_equal(target_test(&target_files, &s.context, &first.certificate, message, &e), -1);
    assert_int_equal(e.code, ERR_TARGET_RELOAD);
    assert_non_null(strstr(e.detail, "does the process run?"));
    pid_t pid = start_daemon(&fd);
    write_pid(pid);
    assert_int_equal(target_test(&target_files, &s.context, &first.certificate, message, &e), 0);
    assert_int_equal(count_signals(fd, 0), 0);
    char *expected =
        mem_printf("would write cert.pem, chain.pem, fullchain.pem, privkey.pem in %s, "
                   "then send HUP to the process of the pidfile daemon",
                   www);
    assert_string_equal(message, expected);
    free(expected);
    assert_int_equal(count_entries(root, ""), 1); /* the pidfile */
    assert_int_equal(target_test(&target_files, &s.context, NULL, message, &e), 0);
    struct target_certificate without = first.certificate;
    without.key = NULL;
    assert_int_equal(target_test(&target_files, &s.context, &without, message, &e), -1);
    assert_int_equal(e.code, ERR_CONFLICT);
    write_text(root, "www", "a file");
    assert_int_equal(target_test(&target_files, &s.context, &first.certificate, message, &e), -1);
    assert_int_equal(e.code, ERR_TARGET_FILES);
    assert_non_null(strstr(e.detail, "/www is there and is no folder"));
    end_daemon(pid, fd);
    setting_finish(&s);
}

/* ---- readers ---- */

struct reading {
    const char *leaves[2];
    char *keys[2];
    long wanted;
    atomic_long done;
    long torn, missing, by_name;
};

static int read_at(int folder, const char *name, char *out, size_t size)
{
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t got = read(fd, out, size - 1);
    close(fd);
    out[got > 0 ? got : 0] = '\0';
    return got > 0 ? 0 : -1;
}

static void read_pair(struct reading *reading, const char *data, int folder)
{
    char cert[4096], key[4096];
    int at = open(data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (at < 0 || read_at(at, "cert.pem", cert, sizeof cert) < 0 ||
        read_at(at, "privkey.pem", key, sizeof key) < 0)
        reading->missing++;
    else if ((strcmp(cert, reading->leaves[0]) != 0 || strcmp(key, reading->keys[0]) != 0) &&
             (strcmp(cert, reading->leaves[1]) != 0 || strcmp(key, reading->keys[1]) != 0))
        reading->torn++;
    if (at >= 0)
        close(at);
    /* a reader of single names sees a whole file at least */
    if (read_at(folder, "privkey.pem", key, sizeof key) < 0 ||
        (strcmp(key, reading->keys[0]) != 0 && strcmp(key, reading->keys[1]) != 0))
        reading->by_name++;
}

static void *read_on(void *argument)
{
    struct reading *reading = argument;
    char *data = mem_printf("%s/..data", www);
    int folder = open(www, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    while (atomic_load(&reading->done) < reading->wanted) {
        read_pair(reading, data, folder);
        atomic_fetch_add(&reading->done, 1);
    }
    close(folder);
    free(data);
    return NULL;
}

enum { READS = 20000 };

/* A writer as fast as it can, but that a reading lasts across one deployment at most. */
static void readers_see_whole_pairs(void **state)
{
    (void)state;
    const char *given = getenv("CERTWRIGHT_READS");
    struct reading reading = {
        .leaves = {first.leaf, second.leaf},
        .keys = {key_text(&first), key_text(&second)},
        .wanted = given ? atol(given) : READS,
    };
    struct setting s;
    pthread_t reader;
    long writes = 1;
    setting_init(&s, "");
    deploy_well(&s, &first);
    assert_int_equal(pthread_create(&reader, NULL, read_on, &reading), 0);
    while (atomic_load(&reading.done) < reading.wanted) {
        struct target_work work;
        struct err e;
        assert_int_equal(step(&s, writes % 2 ? &second : &first, &work, &e), 0);
        assert_int_equal(work.outcome, TARGET_AGAIN);
        writes++;
        long seen = atomic_load(&reading.done);
        while (atomic_load(&reading.done) == seen && seen < reading.wanted)
            sched_yield();
    }
    pthread_join(reader, NULL);
    print_message("%ld readings beside %ld writings: %ld torn, %ld missing\n", reading.wanted,
                  writes, reading.torn, reading.missing);
    assert_int_equal(reading.torn, 0);
    assert_int_equal(reading.missing, 0);
    assert_int_equal(reading.by_name, 0);
    assert_true(writes > 2);
    free(reading.keys[0]);
    free(reading.keys[1]);
    setting_finish(&s);
}

static char mark_script[160];
static const char *const mark_argv[] = {"sh", "-c", mark_script, NULL};
static const char *const fail_argv[] = {"sh", "-c", "echo no nginx here; exit 7", NULL};
static const struct command list[] = {{"mark", mark_argv}, {"fail", fail_argv}};

static int run(void)
{
    const struct CMUnitTest tests[] = {
        IN_ROOT(signals_the_process_of_the_pidfile), IN_ROOT(reads_a_pidfile_with_care),
        IN_ROOT(runs_a_command_once_a_generation),   IN_ROOT(calls_a_webhook_on_this_machine),
        IN_ROOT(rehearses_without_a_trace),          IN_ROOT(readers_see_whole_pairs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    if (!mkdtemp(marks))
        return 1;
    snprintf(mark_script, sizeof mark_script,
             "echo $CERTWRIGHT_EVENT $CERTWRIGHT_CERTIFICATE $CERTWRIGHT_VERSION >> %s/marks",
             marks);
    int failed = run_with_versions(list, sizeof list / sizeof *list, run);
    remove_folder(marks);
    return failed;
}

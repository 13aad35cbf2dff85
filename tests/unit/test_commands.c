/* The command helper: what runs, with what, for how long, and what is told of it. */
#include "acme/base/clock.h"
#include "acme/base/memory.h"
#include "server/outside/commands.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const echo_argv[] = {"/bin/echo", "-n", "fixed word", NULL};
static const char *const shell_argv[] = {"sh", "-c", NULL};
static const char *const env_argv[] = {"/usr/bin/env", NULL};
static const char *const missing_argv[] = {"/nonexistent/program", NULL};

static const struct command list[] = {
    {"echo", echo_argv}, {"shell", shell_argv}, {"env", env_argv}, {"missing", missing_argv}};

/* Forked once, before any test makes a thread. */
static struct commands *commands;

/* Runs a script by the "shell" command, which only a test's config would have. */
static int run_script(const char *script, int timeout_ms, struct command_result *out, struct err *e)
{
    const char *const arguments[] = {script, NULL};
    const struct command_call call = {
        .name = "shell", .arguments = arguments, .timeout_ms = timeout_ms};
    return commands_run(commands, &call, out, e);
}

static void appends_arguments_as_they_are(void **state)
{
    (void)state;
    const char *const arguments[] = {"$(id) ; `id`", "*", "_acme-challenge.example.org.", NULL};
    const struct command_call call = {.name = "echo", .arguments = arguments};
    struct command_result result;
    struct err e = {0};
    assert_int_equal(commands_run(commands, &call, &result, &e), 0);
    assert_int_equal(result.exit_status, 0);
    assert_int_equal(result.signal, 0);
    assert_string_equal(result.output, "fixed word $(id) ; `id` * _acme-challenge.example.org.");
    assert_int_equal(command_result_check("echo", &result, &e), 0);
}

static void gives_a_clean_environment(void **state)
{
    (void)state;
    const char *const environment[] = {"CERTWRIGHT_NAME=www.example.org", NULL};
    const struct command_call call = {.name = "env", .environment = environment};
    struct command_result result;
    struct err e = {0};
    assert_int_equal(commands_run(commands, &call, &result, &e), 0);
    assert_non_null(strstr(result.output, "PATH=/"));
    assert_non_null(strstr(result.output, "HOME="));
    assert_non_null(strstr(result.output, "CERTWRIGHT_NAME=www.example.org\n"));
    assert_null(strstr(result.output, "TEST_SECRET"));
    size_t lines = 0;
    for (const char *s = result.output; *s; s++)
        lines += *s == '\n';
    assert_int_equal(lines, 3);
}

static void inherits_no_descriptors_and_no_signals(void **state)
{
    (void)state;
    struct command_result result;
    struct err e = {0};
    assert_int_equal(
        run_script("ls /proc/self/fd | tr '\\n' ' '; grep -E 'Sig(Blk|Ign)' /proc/self/status", 0,
                   &result, &e),
        0);
    /* 3 is ls's own view of the directory */
    assert_memory_equal(result.output, "0 1 2 3 SigBlk", 14);
    assert_non_null(strstr(result.output, "SigBlk:\t0000000000000000"));
    assert_non_null(strstr(result.output, "SigIgn:\t0000000000000000"));
}

static void tells_status_and_signal(void **state)
{
    (void)state;
    struct command_result result;
    struct err e = {0};
    assert_int_equal(run_script("echo no such zone >&2; exit 3", 0, &result, &e), 0);
    assert_int_equal(result.exit_status, 3);
    assert_int_equal(command_result_check("shell", &result, &e), -1);
    assert_int_equal(e.code, ERR_COMMAND_FAILED);
    assert_string_equal(e.detail, "the command shell exited with 3: no such zone");

    assert_int_equal(run_script("kill -KILL $$", 0, &result, &e), 0);
    assert_int_equal(result.signal, SIGKILL);
    assert_int_equal(command_result_check("shell", &result, &e), -1);
    assert_string_equal(e.detail, "the command shell was ended by signal 9");
}

static void tells_why_a_program_does_not_start(void **state)
{
    (void)state;
    const struct command_call call = {.name = "missing"};
    struct command_result result;
    struct err e = {0};
    assert_int_equal(commands_run(commands, &call, &result, &e), 0);
    assert_int_equal(result.exit_status, 127);
    assert_string_equal(result.output,
                        "/nonexistent/program cannot be started: No such file or directory");
}

static void keeps_the_tail_of_the_output(void **state)
{
    (void)state;
    struct command_result result;
    struct err e = {0};
    assert_int_equal(run_script("seq 1 100000; printf end", 0, &result, &e), 0);
    assert_true(result.truncated);
    assert_int_equal(strlen(result.output), COMMANDS_OUTPUT_MAX);
    assert_string_equal(result.output + COMMANDS_OUTPUT_MAX - 9, "00000\nend");

    assert_int_equal(run_script("printf 'a\\0b'", 0, &result, &e), 0);
    assert_false(result.truncated);
    assert_string_equal(result.output, "a b");
}

static void quotes_only_clean_text(void **state)
{
    (void)state;
    struct command_result result;
    struct err e = {0};
    assert_int_equal(
        run_script("printf 'caf\\303\\251 \\377\\302 \\355\\240\\200 \\033[1mx\\n\\n'; exit 1", 0,
                   &result, &e),
        0);
    assert_int_equal(command_result_check("shell", &result, &e), -1);
    assert_string_equal(e.detail, "the command shell exited with 1: caf\303\251 ?? ???  [1mx");
}

/* Gone, or a zombie that some init is slow to bury. */
static bool process_ended(pid_t pid)
{
    char path[32], text[256] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return true;
    size_t got = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[got] = '\0';
    return got == 0 || strstr(text, ") Z ") != NULL;
}

static bool process_gone(pid_t pid)
{
    for (int i = 0; i < 500 && !process_ended(pid); i++)
        poll(NULL, 0, 10);
    return process_ended(pid);
}

static void kills_the_group_when_time_is_over(void **state)
{
    (void)state;
    struct command_result result;
    struct err e = {0};
    assert_int_equal(run_script("sleep 60 & echo $!; wait", 300, &result, &e), -1);
    assert_int_equal(e.code, ERR_COMMAND_FAILED);
    const char *words = strstr(e.detail, "killed after its time limit; its last words: ");
    assert_non_null(words);
    pid_t grandchild = (pid_t)atoi(strrchr(e.detail, ' '));
    assert_true(grandchild > 1);
    assert_true(process_gone(grandchild));
}

static void a_flood_does_not_outlive_the_limit(void **state)
{
    (void)state;
    struct command_result result;
    struct err e = {0};
    assert_int_equal(run_script("exec yes", 300, &result, &e), -1);
    assert_int_equal(e.code, ERR_COMMAND_FAILED);
}

static void ends_with_the_program_not_with_its_pipe(void **state)
{
    (void)state;
    struct command_result result;
    struct err e = {0};
    /* a reload that leaves a daemon behind with our pipe in its hands */
    assert_int_equal(run_script("sleep 50 & echo $!", 20000, &result, &e), 0);
    pid_t daemon = (pid_t)atoi(result.output);
    assert_true(daemon > 1);
    assert_int_equal(kill(daemon, SIGKILL), 0);
}

static void refuses_bad_calls(void **state)
{
    (void)state;
    const char *const line_break[] = {"a\nb", NULL};
    const struct command_call forged = {.name = "echo", .arguments = line_break};
    const struct command_call unknown = {.name = "rm"};
    char *text = mem_new(COMMANDS_REQUEST_MAX + 1, 1);
    memset(text, 'x', COMMANDS_REQUEST_MAX);
    const char *const too_long[] = {text, NULL};
    const struct command_call huge = {.name = "echo", .arguments = too_long};
    struct command_result result;
    struct err e = {0};
    assert_int_equal(commands_run(commands, &forged, &result, &e), -1);
    assert_int_equal(e.code, ERR_INVALID);
    assert_int_equal(commands_run(commands, &huge, &result, &e), -1);
    assert_int_equal(e.code, ERR_INVALID);
    assert_int_equal(commands_run(commands, &unknown, &result, &e), -1);
    assert_int_equal(e.code, ERR_NOT_FOUND);
    assert_true(commands_has(commands, "env"));
    assert_false(commands_has(commands, "rm"));
    free(text);
}

static void refuses_an_empty_command(void **state)
{
    (void)state;
    static const char *const nothing[] = {NULL};
    const struct command empty = {"void", nothing};
    struct commands *made = NULL;
    struct err e = {0};
    assert_int_equal(commands_create(&empty, 1, &made, &e), -1);
    assert_int_equal(e.code, ERR_CONFIG);
    assert_int_equal(commands_create(NULL, 0, &made, &e), 0);
    assert_false(commands_has(made, "void"));
    commands_destroy(made);
}

static atomic_bool stopping;

static void *run_until_stopped(void *argument)
{
    const char *const arguments[] = {"sleep 60", NULL};
    const struct command_call call = {.name = "shell", .arguments = arguments, .abort = &stopping};
    struct command_result result;
    return commands_run(commands, &call, &result, argument) ? argument : NULL;
}

static void abort_ends_a_call(void **state)
{
    (void)state;
    pthread_t thread;
    struct err e = {0};
    void *failed = NULL;
    atomic_store(&stopping, false);
    assert_int_equal(pthread_create(&thread, NULL, run_until_stopped, &e), 0);
    poll(NULL, 0, 50);
    atomic_store(&stopping, true);
    pthread_join(thread, &failed);
    assert_non_null(failed);
    assert_int_equal(e.code, ERR_SHUTDOWN);
}

/* Each of these ends only when all the others run too. */
enum { MEETING = 6 };
static char meeting_place[] = "/tmp/certwright-commands-XXXXXX";

static void *attend(void *argument)
{
    char *script = mem_printf("touch %s/$$; i=0; while [ $(ls %s | wc -l) -lt %d ]; do "
                              "i=$((i+1)); [ $i -lt 2000 ] || exit 1; sleep 0.01; done",
                              meeting_place, meeting_place, MEETING);
    struct command_result result;
    struct err e = {0};
    bool met = run_script(script, 0, &result, &e) == 0 && result.exit_status == 0;
    free(script);
    return met ? NULL : argument;
}

static void runs_several_at_a_time(void **state)
{
    (void)state;
    pthread_t threads[MEETING];
    assert_non_null(mkdtemp(meeting_place));
    for (int i = 0; i < MEETING; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, attend, meeting_place), 0);
    for (int i = 0; i < MEETING; i++) {
        void *failed = NULL;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    char *script = mem_printf("rm -r %s", meeting_place);
    struct command_result result;
    struct err e = {0};
    assert_int_equal(run_script(script, 0, &result, &e), 0);
    assert_int_equal(result.exit_status, 0);
    free(script);
}

/* A service of its own that dies in mid-call: what it ran must not stay. */
static void commands_die_with_the_service(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid_t service = fork();
    if (service == 0) {
        struct commands *own = NULL;
        struct err e = {0};
        struct command_result result;
        char script[64];
        snprintf(script, sizeof script, "echo $$ > /proc/%d/fd/%d; exec sleep 60", (int)getpid(),
                 ends[1]);
        const char *const arguments[] = {script, NULL};
        const struct command_call call = {.name = "shell", .arguments = arguments};
        if (commands_create(list, sizeof list / sizeof *list, &own, &e) == 0)
            commands_run(own, &call, &result, &e);
        _exit(1);
    }
    close(ends[1]);
    char text[32] = "";
    assert_true(read(ends[0], text, sizeof text - 1) > 0);
    close(ends[0]);
    pid_t command = (pid_t)atoi(text);
    assert_true(command > 1);
    assert_int_equal(kill(command, 0), 0);
    assert_int_equal(kill(service, SIGKILL), 0);
    assert_int_equal(waitpid(service, NULL, 0), service);
    assert_true(process_gone(command));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appends_arguments_as_they_are),
        cmocka_unit_test(gives_a_clean_environment),
        cmocka_unit_test(inherits_no_descriptors_and_no_signals),
        cmocka_unit_test(tells_status_and_signal),
        cmocka_unit_test(tells_why_a_program_does_not_start),
        cmocka_unit_test(keeps_the_tail_of_the_output),
        cmocka_unit_test(quotes_only_clean_text),
        cmocka_unit_test(kills_the_group_when_time_is_over),
        cmocka_unit_test(a_flood_does_not_outlive_the_limit),
        cmocka_unit_test(ends_with_the_program_not_with_its_pipe),
        cmocka_unit_test(refuses_bad_calls),
        cmocka_unit_test(refuses_an_empty_command),
        cmocka_unit_test(commands_die_with_the_service),
        cmocka_unit_test(abort_ends_a_call),
        cmocka_unit_test(runs_several_at_a_time),
    };
    struct err e = {0};
    setenv("TEST_SECRET", "must not leak", 1);
    if (commands_create(list, sizeof list / sizeof *list, &commands, &e)) {
        fprintf(stderr, "%s\n", e.detail);
        return 1;
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    commands_destroy(commands);
    return failed;
}

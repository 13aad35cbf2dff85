/* The target "exec": what its command finds, and that nothing of it stays. */
#include "server/deploy/scratch.h"
#include "tests/unit/target_fixture.h"

#include <dirent.h>
#include <signal.h>
#include <sys/stat.h>

static char scratch[64];
static char copies[] = "/tmp/certwright-copies-XXXXXX"; /* where the command "copy" puts them */
static struct issued issued;
static struct commands *commands;

struct setting {
    struct target_context context;
    struct json_object *state;
};

static void setting_init(struct setting *s, const char *settings)
{
    *s = (struct setting){.state = parse("{}")};
    s->context = (struct target_context){
        .commands = commands,
        .scratch = scratch,
        .target = "hook",
        .job = "01JD0000000000000000000000",
        .settings = parse(settings),
    };
}

static void setting_finish(struct setting *s)
{
    json_object_put((struct json_object *)(uintptr_t)s->context.settings);
    json_object_put(s->state);
}

static int step(struct setting *s, const struct target_certificate *certificate,
                struct target_work *work, struct err *e)
{
    *work = (struct target_work){.certificate = certificate, .state = s->state};
    return target_step(&target_exec, &s->context, work, e);
}

static int count_entries(void)
{
    DIR *dir = opendir(scratch);
    int count = 0;
    assert_non_null(dir);
    for (const struct dirent *entry; (entry = readdir(dir));)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(dir);
    return count;
}

static int make_scratch(void **state)
{
    (void)state;
    snprintf(scratch, sizeof scratch, "/tmp/certwright-exec-XXXXXX");
    assert_non_null(mkdtemp(scratch));
    return 0;
}

static int remove_scratch(void **state)
{
    (void)state;
    remove_folder(scratch);
    return 0;
}

/* The command copies what it was given beside the scratch folder, for the test to look at. */
static void hands_over_files_and_facts(void **state)
{
    (void)state;
    struct setting s;
    struct target_work work;
    struct err e = {0};
    setting_init(&s, "{\"command\": \"copy\"}");
    if (step(&s, &issued.certificate, &work, &e) < 0)
        fail_msg("%s", e.detail);
    assert_int_equal(work.outcome, TARGET_DONE);
    assert_string_equal(work.message, "ran the command copy");
    assert_int_equal(count_entries(), 0);
    assert_text(copies, "cert", issued.leaf);
    assert_text(copies, "chain", issued.certificate.chain);
    char *full = mem_printf("%s%s", issued.leaf, issued.certificate.chain);
    assert_text(copies, "full", full);
    struct buf key = {0};
    assert_int_equal(key_to_pem(issued.key, &key, &e), 0);
    assert_text(copies, "key", key.data);
    assert_text(copies, "modes", "700\n600\n600\n600\n600\n");
    char *facts = mem_printf("deploy www 4 www.example.com,example.com 0a1b %s "
                             "2027-02-19T08:59:59.000Z\n",
                             issued.certificate.fingerprint);
    assert_text(copies, "facts", facts);
    free(full);
    free(facts);
    buf_finish_secret(&key);
    setting_finish(&s);
}

static void gives_no_key_where_there_is_none(void **state)
{
    (void)state;
    struct setting s;
    struct target_work work;
    struct err e = {0};
    struct target_certificate without = issued.certificate;
    without.key = NULL;
    setting_init(&s, "{\"command\": \"keyless\"}");
    if (step(&s, &without, &work, &e) < 0)
        fail_msg("%s", e.detail);
    assert_int_equal(step(&s, &issued.certificate, &work, &e), -1);
    assert_non_null(strstr(e.detail, "exited with 3: there is a key"));
    setting_finish(&s);
}

static void a_failure_leaves_neither_files_nor_state(void **state)
{
    (void)state;
    struct setting s;
    struct target_work work;
    struct err e = {0};
    setting_init(&s, "{\"command\": \"fail\"}");
    assert_int_equal(step(&s, &issued.certificate, &work, &e), -1);
    assert_int_equal(e.code, ERR_COMMAND_FAILED);
    assert_string_equal(e.detail, "the command fail exited with 7: not today");
    assert_int_equal(count_entries(), 0);
    assert_int_equal(json_object_object_length(s.state), 0);
    setting_finish(&s);
}

static void removes_what_a_killed_try_left(void **state)
{
    (void)state;
    struct setting s;
    struct target_work work;
    struct err e = {0};
    setting_init(&s, "{\"command\": \"true\"}");
    char *folder = mem_printf("%s/%s", scratch, s.context.job);
    assert_int_equal(mkdir(folder, 0755), 0);
    write_text(folder, "privkey.pem", "left over");
    if (step(&s, &issued.certificate, &work, &e) < 0)
        fail_msg("%s", e.detail);
    assert_int_equal(count_entries(), 0);
    /* a link in the folder's place is removed, not followed */
    char *victim = mem_printf("%s/victim", scratch);
    assert_int_equal(mkdir(victim, 0700), 0);
    write_text(victim, "precious", "x");
    assert_int_equal(symlink(victim, folder), 0);
    assert_int_equal(step(&s, &issued.certificate, &work, &e), 0);
    assert_text(victim, "precious", "x");
    assert_int_equal(count_entries(), 1);
    free(victim);
    free(folder);
    setting_finish(&s);
}

static void clears_the_scratch_folder(void **state)
{
    (void)state;
    struct err e = {0};
    struct stat seen;
    char *deep = mem_printf("mkdir -p %s/a/b/c && touch %s/a/b/file && ln -s /etc %s/a/link",
                            scratch, scratch, scratch);
    run_line(deep);
    assert_int_equal(chmod(scratch, 0755), 0);
    assert_int_equal(target_scratch_clear(scratch, &e), 0);
    assert_int_equal(count_entries(), 0);
    assert_int_equal(stat(scratch, &seen), 0);
    assert_int_equal(seen.st_mode & 07777, 0700);
    assert_int_equal(stat("/etc/passwd", &seen), 0);
    assert_int_equal(rmdir(scratch), 0);
    assert_int_equal(target_scratch_clear(scratch, &e), 0);
    assert_int_equal(stat(scratch, &seen), 0);
    assert_int_equal(target_scratch_clear("/nonexistent/scratch", &e), -1);
    assert_int_equal(e.code, ERR_IO);
}

static void refuses_unknown_commands(void **state)
{
    (void)state;
    struct setting s;
    struct target_work work;
    struct err e = {0};
    char message[TARGET_MESSAGE_SIZE];
    setting_init(&s, "{\"command\": \"rm\"}");
    assert_int_equal(step(&s, &issued.certificate, &work, &e), -1);
    assert_int_equal(e.code, ERR_INVALID);
    assert_string_equal(e.detail, "the config has no command \"rm\"");
    assert_int_equal(target_test(&target_exec, &s.context, NULL, message, &e), -1);
    assert_int_equal(e.code, ERR_INVALID);
    setting_finish(&s);
    setting_init(&s, "{}");
    assert_int_equal(step(&s, &issued.certificate, &work, &e), -1);
    assert_string_equal(e.detail, "the target names no command");
    setting_finish(&s);
    setting_init(&s, "{\"command\": \"fail\"}");
    assert_int_equal(target_test(&target_exec, &s.context, NULL, message, &e), 0);
    assert_string_equal(message, "would run the command fail");
    setting_finish(&s);
}

static const char copy_format[] =
    "to=%s; cp $CERTWRIGHT_CERT_FILE $to/cert; "
    "cp $CERTWRIGHT_CHAIN_FILE $to/chain; cp $CERTWRIGHT_FULLCHAIN_FILE $to/full; "
    "cp $CERTWRIGHT_KEY_FILE $to/key; cd ${CERTWRIGHT_KEY_FILE%%/*}; "
    "stat -c %%a . cert.pem chain.pem fullchain.pem privkey.pem > $to/modes; "
    "echo $CERTWRIGHT_EVENT $CERTWRIGHT_CERTIFICATE $CERTWRIGHT_VERSION $CERTWRIGHT_IDENTIFIERS "
    "$CERTWRIGHT_SERIAL $CERTWRIGHT_FINGERPRINT $CERTWRIGHT_NOT_AFTER > $to/facts";
static char copy_script[sizeof copy_format + sizeof copies];
static const char *const copy_argv[] = {"sh", "-c", copy_script, NULL};
static const char *const keyless_argv[] = {
    "sh", "-c",
    "test -r $CERTWRIGHT_CERT_FILE || exit 2; cd ${CERTWRIGHT_CERT_FILE%/*}; "
    "if [ -n \"$CERTWRIGHT_KEY_FILE\" ] || grep -q PRIVATE *.pem; then echo there is a key; exit "
    "3; "
    "fi",
    NULL};
static const char *const fail_argv[] = {"sh", "-c", "echo not today; exit 7", NULL};
static const char *const true_argv[] = {"true", NULL};
static const struct command list[] = {
    {"copy", copy_argv}, {"keyless", keyless_argv}, {"fail", fail_argv}, {"true", true_argv}};

#define IN_SCRATCH(test) cmocka_unit_test_setup_teardown(test, make_scratch, remove_scratch)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_SCRATCH(hands_over_files_and_facts),
        IN_SCRATCH(gives_no_key_where_there_is_none),
        IN_SCRATCH(a_failure_leaves_neither_files_nor_state),
        IN_SCRATCH(removes_what_a_killed_try_left),
        IN_SCRATCH(clears_the_scratch_folder),
        IN_SCRATCH(refuses_unknown_commands),
    };
    struct err e = {0};
    if (!mkdtemp(copies))
        return 1;
    snprintf(copy_script, sizeof copy_script, copy_format, copies);
    if (commands_create(list, sizeof list / sizeof *list, &commands, &e)) {
        fprintf(stderr, "%s\n", e.detail);
        return 1;
    }
    issue(&issued, 4);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    issued_finish(&issued);
    commands_destroy(commands);
    remove_folder(copies);
    return failed;
}

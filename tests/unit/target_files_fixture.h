/* Deployments of the target "files" in a folder of their own, for its tests. */
#ifndef CERTWRIGHT_TESTS_UNIT_TARGET_FILES_FIXTURE_H
#define CERTWRIGHT_TESTS_UNIT_TARGET_FILES_FIXTURE_H

#include "acme/http.h"
#include "tests/unit/target_fixture.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

static char root[64], www[96], pidfile_path[96];
static struct issued first, second, third;
static struct commands *commands;
static const char *roots[] = {"/nonexistent/root", root, NULL};
static const struct target_pidfile pidfiles[] = {{"daemon", pidfile_path}};

/* One deployment's surroundings. */
struct setting {
    struct target_context context;
    struct json_object *settings;
    struct json_object *credential;
    struct json_object *state;
};

/* `more` follows the directory: ", \"mode\": …". */
static inline void setting_init(struct setting *s, const char *more)
{
    char *text = mem_printf("{\"directory\": \"%s\"%s}", root, more);
    *s = (struct setting){.settings = parse(text), .state = parse("{}")};
    free(text);
    s->context = (struct target_context){
        .commands = commands,
        .file_roots = roots,
        .pidfiles = pidfiles,
        .pidfile_count = 1,
        .target = "files",
        .job = "01JD0000000000000000000000",
        .settings = s->settings,
    };
}

static inline void setting_finish(struct setting *s)
{
    json_object_put(s->settings);
    json_object_put(s->credential);
    json_object_put(s->state);
}

static inline void set_credential(struct setting *s, const char *text)
{
    json_object_put(s->credential);
    s->credential = s->context.credential = parse(text);
}

static inline int step(struct setting *s, const struct issued *issued, struct target_work *work,
                       struct err *e)
{
    *work = (struct target_work){.certificate = &issued->certificate, .state = s->state};
    return target_step(&target_files, &s->context, work, e);
}

/* Steps to the end; -1 is the failure of one of them. */
static inline int deploy(struct setting *s, const struct issued *issued, struct err *e)
{
    struct target_work work;
    for (int i = 0; i < 4; i++) {
        if (step(s, issued, &work, e) < 0)
            return -1;
        if (work.outcome == TARGET_DONE)
            return 0;
    }
    fail_msg("a deployment without an end");
    return -1;
}

static inline void deploy_well(struct setting *s, const struct issued *issued)
{
    struct err e = {0};
    if (deploy(s, issued, &e) < 0)
        fail_msg("%s", e.detail);
}

static inline void deploy_fails(struct setting *s, const struct issued *issued, enum err_code code,
                                const char *words)
{
    struct err e = {0};
    char *before = json_write(s->state);
    assert_int_equal(deploy(s, issued, &e), -1);
    if (e.code != code || !strstr(e.detail, words))
        fail_msg("%d, %s; not %d, %s", (int)e.code, e.detail, (int)code, words);
    char *after = json_write(s->state);
    assert_true(code == ERR_TARGET_RELOAD || !strcmp(before, after));
    free(before);
    free(after);
}

static inline char *key_text(const struct issued *issued)
{
    struct buf pem = {0};
    struct err e;
    assert_int_equal(key_to_pem(issued->key, &pem, &e), 0);
    return buf_take(&pem);
}

static inline void assert_pair(const char *folder, const struct issued *issued)
{
    char *key = key_text(issued);
    assert_text(folder, "cert.pem", issued->leaf);
    assert_text(folder, "privkey.pem", key);
    free(key);
}

static inline struct stat look(const char *folder, const char *name)
{
    struct stat seen = {0};
    char *path = mem_printf("%s/%s", folder, name);
    if (lstat(path, &seen) < 0)
        fail_msg("%s: %s", path, strerror(errno));
    free(path);
    return seen;
}

static inline bool exists(const char *folder, const char *name)
{
    struct stat seen;
    char *path = mem_printf("%s/%s", folder, name);
    bool there = lstat(path, &seen) == 0;
    free(path);
    return there;
}

static inline void link_of(const char *folder, const char *name, char out[256])
{
    char *path = mem_printf("%s/%s", folder, name);
    ssize_t size = readlink(path, out, 255);
    if (size < 0)
        fail_msg("%s is no link", path);
    out[size] = '\0';
    free(path);
}

static inline int count_entries(const char *folder, const char *prefix)
{
    DIR *dir = opendir(folder);
    int count = 0;
    assert_non_null(dir);
    for (const struct dirent *entry; (entry = readdir(dir));)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
                 !strncmp(entry->d_name, prefix, strlen(prefix));
    closedir(dir);
    return count;
}

static inline int make_root(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "/tmp/certwright-files-XXXXXX");
    assert_non_null(mkdtemp(root));
    snprintf(www, sizeof www, "%s/www", root);
    snprintf(pidfile_path, sizeof pidfile_path, "%s/daemon.pid", root);
    return 0;
}

static inline int remove_root(void **state)
{
    (void)state;
    remove_folder(root);
    return 0;
}

/* Runs the tests with the commands, and with three versions of a certificate. */
static inline int run_with_versions(const struct command *list, size_t count, int (*run)(void))
{
    struct err e = {0};
    if (commands_create(list, count, &commands, &e) < 0 || acme_http_library_init(&e) < 0) {
        fprintf(stderr, "%s\n", e.detail);
        return 1;
    }
    issue(&first, 1);
    issue(&second, 2);
    issue(&third, 3);
    int failed = run();
    issued_finish(&first);
    issued_finish(&second);
    issued_finish(&third);
    commands_destroy(commands);
    return failed;
}

#define IN_ROOT(test) cmocka_unit_test_setup_teardown(test, make_root, remove_root)

#endif

/* The target "files": the layout, its guards, whole pairs for readers, and the reload. */
#include "acme/http.h"
#include "server/deploy/folder.h"
#include "server/deploy/material.h"
#include "tests/unit/target_fixture.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

static char root[64], www[96], pidfile_path[96];
static struct issued first, second, third;
static struct commands *commands;
static char marks[] = "/tmp/certwright-marks-XXXXXX"; /* what the command "mark" wrote */
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
static void setting_init(struct setting *s, const char *more)
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

static void setting_finish(struct setting *s)
{
    json_object_put(s->settings);
    json_object_put(s->credential);
    json_object_put(s->state);
}

static void set_credential(struct setting *s, const char *text)
{
    json_object_put(s->credential);
    s->credential = s->context.credential = parse(text);
}

static int step(struct setting *s, const struct issued *issued, struct target_work *work,
                struct err *e)
{
    *work = (struct target_work){.certificate = &issued->certificate, .state = s->state};
    return target_step(&target_files, &s->context, work, e);
}

/* Steps to the end; -1 is the failure of one of them. */
static int deploy(struct setting *s, const struct issued *issued, struct err *e)
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

static void deploy_well(struct setting *s, const struct issued *issued)
{
    struct err e = {0};
    if (deploy(s, issued, &e) < 0)
        fail_msg("%s", e.detail);
}

static void deploy_fails(struct setting *s, const struct issued *issued, enum err_code code,
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

static char *key_text(const struct issued *issued)
{
    struct buf pem = {0};
    struct err e;
    assert_int_equal(key_to_pem(issued->key, &pem, &e), 0);
    return buf_take(&pem);
}

static void assert_pair(const char *folder, const struct issued *issued)
{
    char *key = key_text(issued);
    assert_text(folder, "cert.pem", issued->leaf);
    assert_text(folder, "privkey.pem", key);
    free(key);
}

static struct stat look(const char *folder, const char *name)
{
    struct stat seen = {0};
    char *path = mem_printf("%s/%s", folder, name);
    if (lstat(path, &seen) < 0)
        fail_msg("%s: %s", path, strerror(errno));
    free(path);
    return seen;
}

static bool exists(const char *folder, const char *name)
{
    struct stat seen;
    char *path = mem_printf("%s/%s", folder, name);
    bool there = lstat(path, &seen) == 0;
    free(path);
    return there;
}

static void link_of(const char *folder, const char *name, char out[256])
{
    char *path = mem_printf("%s/%s", folder, name);
    ssize_t size = readlink(path, out, 255);
    if (size < 0)
        fail_msg("%s is no link", path);
    out[size] = '\0';
    free(path);
}

static int count_entries(const char *folder, const char *prefix)
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

static int make_root(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "/tmp/certwright-files-XXXXXX");
    assert_non_null(mkdtemp(root));
    snprintf(www, sizeof www, "%s/www", root);
    snprintf(pidfile_path, sizeof pidfile_path, "%s/daemon.pid", root);
    return 0;
}

static int remove_root(void **state)
{
    (void)state;
    remove_folder(root);
    return 0;
}

/* ---- the layout ---- */

static void writes_the_layout(void **state)
{
    (void)state;
    struct setting s;
    char link[256];
    setting_init(&s, "");
    mode_t former = umask(077);
    deploy_well(&s, &first);
    umask(former);
    assert_pair(www, &first);
    assert_text(www, "chain.pem", first.certificate.chain);
    char *full = mem_printf("%s%s", first.leaf, first.certificate.chain);
    assert_text(www, "fullchain.pem", full);
    free(full);
    link_of(www, "cert.pem", link);
    assert_string_equal(link, "..data/cert.pem");
    link_of(www, "..data", link);
    assert_memory_equal(link, "..20", 4);
    assert_null(strchr(link, '/'));
    assert_true(S_ISDIR(look(www, link).st_mode));
    assert_int_equal(look(www, link).st_mode & 07777, 0755);
    assert_int_equal(look(www, ".").st_mode & 07777, 0755);
    assert_int_equal(look(www, "..data/cert.pem").st_mode & 07777, 0644);
    assert_int_equal(look(www, "..data/privkey.pem").st_mode & 07777, 0600);
    assert_int_equal(count_entries(www, ""), 6); /* four names, ..data, a generation */
    setting_finish(&s);
}

static void gives_mode_owner_and_place(void **state)
{
    (void)state;
    struct setting s;
    char folder[128];
    setting_init(&s,
                 ", \"path\": \"a/b\", \"mode\": \"0640\", \"owner\": 12345, \"group\": \"root\", "
                 "\"files\": [\"combined.pem\", \"cert.pem\"]");
    deploy_well(&s, &first);
    snprintf(folder, sizeof folder, "%s/a/b", root);
    char *key = key_text(&first);
    char *all = mem_printf("%s%s%s", key, first.leaf, first.certificate.chain);
    assert_text(folder, "combined.pem", all);
    struct stat seen = look(folder, "..data/combined.pem");
    assert_int_equal(seen.st_mode & 07777, 0640);
    assert_int_equal(seen.st_uid, 12345);
    assert_int_equal(seen.st_gid, 0);
    assert_false(exists(folder, "privkey.pem"));
    free(key);
    free(all);
    setting_finish(&s);
}

static void writes_into_the_root_itself(void **state)
{
    (void)state;
    struct setting s;
    setting_init(&s, ", \"path\": \".\"");
    deploy_well(&s, &first);
    assert_pair(root, &first);
    setting_finish(&s);
}

static void writes_nothing_twice(void **state)
{
    (void)state;
    struct setting s;
    struct target_work work;
    struct err e;
    setting_init(&s, "");
    deploy_well(&s, &first);
    struct stat folder = look(www, "."), file = look(www, "..data/cert.pem"),
                link = look(www, "cert.pem");
    assert_int_equal(step(&s, &first, &work, &e), 0);
    assert_int_equal(work.outcome, TARGET_DONE);
    /* nor does a state that is lost make a difference */
    json_object_put(s.state);
    s.state = parse("{}");
    deploy_well(&s, &first);
    struct stat folder2 = look(www, "."), file2 = look(www, "..data/cert.pem"),
                link2 = look(www, "cert.pem");
    assert_int_equal(file.st_ino, file2.st_ino);
    assert_int_equal(link.st_ino, link2.st_ino);
    assert_memory_equal(&file.st_mtim, &file2.st_mtim, sizeof file.st_mtim);
    assert_memory_equal(&file.st_ctim, &file2.st_ctim, sizeof file.st_ctim);
    assert_memory_equal(&folder.st_mtim, &folder2.st_mtim, sizeof folder.st_mtim);
    setting_finish(&s);
}

static void writes_again_what_was_changed_by_hand(void **state)
{
    (void)state;
    struct setting s;
    char before[256], after[256];
    char *path = mem_printf("%s/..data/privkey.pem", www);
    setting_init(&s, "");
    deploy_well(&s, &first);
    link_of(www, "..data", before);
    assert_int_equal(chmod(path, 0644), 0);
    deploy_well(&s, &first);
    link_of(www, "..data", after);
    assert_string_not_equal(before, after);
    assert_int_equal(look(www, "..data/privkey.pem").st_mode & 07777, 0600);
    write_text(www, "..data/privkey.pem", "torn");
    deploy_well(&s, &first);
    assert_pair(www, &first);
    free(path);
    setting_finish(&s);
}

static void keeps_two_generations(void **state)
{
    (void)state;
    struct setting s;
    char one[256], two[256], three[256];
    setting_init(&s, "");
    deploy_well(&s, &first);
    link_of(www, "..data", one);
    deploy_well(&s, &second);
    link_of(www, "..data", two);
    assert_int_equal(count_entries(www, "..20"), 2);
    char *former = mem_printf("%s/%s", www, one);
    assert_pair(former, &first);
    deploy_well(&s, &third);
    link_of(www, "..data", three);
    assert_true(strcmp(one, two) < 0 && strcmp(two, three) < 0);
    assert_int_equal(count_entries(www, "..20"), 2);
    assert_true(exists(www, two));
    assert_false(exists(www, one));
    assert_pair(www, &third);
    free(former);
    setting_finish(&s);
}

/* What a kill leaves at each of its moments. */
static void cleans_up_after_a_kill(void **state)
{
    (void)state;
    struct setting s;
    char current[256];
    static const char unfinished[] = "..2999-01-01T00_00_00.000Z.0123abcd";
    setting_init(&s, "");
    deploy_well(&s, &first);
    link_of(www, "..data", current);
    char *line =
        mem_printf("cd %s && mkdir %s && echo torn > %s/cert.pem && ln -s %s ..data_tmp && "
                   "ln -s x ..link_tmp && mkdir ..foreign && ln -s ..data/old.pem old.pem "
                   "&& ln -s ..data/cert.pem mine.pem && rm chain.pem",
                   www, unfinished, unfinished, unfinished);
    run_line(line);
    deploy_well(&s, &second);
    assert_pair(www, &second);
    assert_text(www, "chain.pem", second.certificate.chain);
    assert_false(exists(www, unfinished));
    assert_false(exists(www, "..data_tmp"));
    assert_false(exists(www, "..link_tmp"));
    assert_false(exists(www, "old.pem"));
    assert_true(exists(www, "..foreign")); /* not ours */
    assert_true(exists(www, "mine.pem"));  /* an alias that somebody made */
    assert_true(exists(www, current));     /* the former one, not what was younger */
    setting_finish(&s);
}

static void removes_names_that_are_not_wanted(void **state)
{
    (void)state;
    struct setting s, less;
    setting_init(&s, "");
    setting_init(&less, ", \"files\": [\"fullchain.pem\", \"privkey.pem\"]");
    deploy_well(&s, &first);
    write_text(www, "README", "by hand");
    deploy_well(&less, &first);
    assert_false(exists(www, "cert.pem"));
    assert_false(exists(www, "chain.pem"));
    assert_true(exists(www, "fullchain.pem"));
    assert_text(www, "README", "by hand");
    setting_finish(&s);
    setting_finish(&less);
}

static void replaces_plain_files(void **state)
{
    (void)state;
    struct setting s;
    setting_init(&s, "");
    assert_int_equal(mkdir(www, 0755), 0);
    write_text(www, "cert.pem", "by hand");
    write_text(www, "privkey.pem", "by hand");
    deploy_well(&s, &first);
    assert_pair(www, &first);
    assert_true(S_ISLNK(look(www, "cert.pem").st_mode));
    setting_finish(&s);
}

/* ---- bad settings and places ---- */

static void refuses_bad_settings(void **state)
{
    (void)state;
    static const struct {
        const char *more, *words;
    } cases[] = {
        {", \"path\": \"../x\"", "has a part \"..\""},
        {", \"path\": \"a/../../x\"", "has a part \"..\""},
        {", \"path\": \"a/./x\"", "has a part \".\""},
        {", \"path\": \"/etc\"", "begins with /"},
        {", \"path\": \"a//b\"", "empty part"},
        {", \"path\": \"a/\"", "empty part"},
        {", \"path\": \"\"", "empty part"},
        {", \"path\": \"..data\"", "has a part \"..data\""},
        {", \"path\": \"a\\nb\"", "control character"},
        {", \"path\": 1", "has to be a text"},
        {", \"files\": [\"shadow\"]", "a file is one of"},
        {", \"files\": []", "at least one"},
        {", \"mode\": \"0666\"", "everybody could write"},
        {", \"mode\": \"4755\"", "has to be octal"},
        {", \"mode\": \"0689\"", "has to be octal"},
        {", \"mode\": 640", "has to be a text"},
        {", \"owner\": \"no-such-user\"", "there is no owner \"no-such-user\""},
        {", \"group\": -1", "has to be a name or a number"},
        {", \"group\": 4294967295", "has to be a name or a number"},
        {", \"files\": [\"certificate.p12\"]", "needs a credential of type password"},
        {", \"pkcs12\": {\"encryption\": \"rot13\"}", "\"aes\" or \"legacy\""},
        {", \"pkcs12\": \"aes\"", "has to be an object"},
        {", \"reload\": {}", "exactly one of"},
        {", \"reload\": \"nginx\"", "exactly one of"},
        {", \"reload\": {\"command\": \"mark\", \"webhook\": \"http://127.0.0.1/\"}",
         "exactly one"},
        {", \"reload\": {\"command\": \"rm\"}", "no command \"rm\""},
        {", \"reload\": {\"signal\": \"KILL\", \"pidfile\": \"daemon\"}", "one of HUP"},
        {", \"reload\": {\"signal\": \"HUP\"}", "needs the name of a pidfile"},
        {", \"reload\": {\"signal\": \"HUP\", \"pidfile\": \"/run/x.pid\"}", "no pidfile"},
        {", \"reload\": {\"webhook\": \"https://example.com/\"}", "on this machine"},
        {", \"reload\": {\"webhook\": \"http://example.com/\"}", "https URL"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct setting s;
        setting_init(&s, cases[i].more);
        deploy_fails(&s, &first, ERR_INVALID, cases[i].words);
        setting_finish(&s);
    }
    assert_int_equal(count_entries(root, ""), 0);
}

static void refuse_directory(const char *directory, const char *words)
{
    struct setting s;
    setting_init(&s, "");
    json_object_object_add(s.settings, "directory", json_object_new_string(directory));
    deploy_fails(&s, &first, ERR_INVALID, words);
    setting_finish(&s);
}

static void refuses_what_is_outside_of_the_roots(void **state)
{
    (void)state;
    char *beside = mem_printf("%s-beside", root), *out = mem_printf("%s/../x", root);
    refuse_directory("/etc", "not below one of the config's file roots");
    refuse_directory("/", "not below one of the config's file roots");
    refuse_directory("etc", "absolute path");
    refuse_directory(beside, "not below one of the config's file roots");
    refuse_directory(out, "has a part \"..\"");
    free(beside);
    free(out);
    struct setting s;
    setting_init(&s, "");
    s.context.file_roots = NULL;
    deploy_fails(&s, &first, ERR_INVALID, "not below");
    setting_finish(&s);
}

static void follows_no_link_below_the_root(void **state)
{
    (void)state;
    struct setting s, deep;
    char *elsewhere = mem_printf("%s-elsewhere", root), *data = mem_printf("%s/..data", www);
    assert_int_equal(mkdir(elsewhere, 0755), 0);
    assert_int_equal(symlink(elsewhere, www), 0);
    setting_init(&s, "");
    setting_init(&deep, ", \"path\": \"www/deep\"");
    deploy_fails(&s, &first, ERR_TARGET_FILES, "/www is a symbolic link, which is not followed");
    deploy_fails(&deep, &first, ERR_TARGET_FILES, "/www is a symbolic link");
    assert_int_equal(count_entries(elsewhere, ""), 0);
    /* "..data" that leads away is replaced, not followed */
    assert_int_equal(unlink(www), 0);
    assert_int_equal(mkdir(www, 0755), 0);
    assert_int_equal(symlink(elsewhere, data), 0);
    deploy_well(&s, &first);
    assert_pair(www, &first);
    assert_int_equal(count_entries(elsewhere, ""), 0);
    remove_folder(elsewhere);
    free(elsewhere);
    free(data);
    setting_finish(&s);
    setting_finish(&deep);
}

static void the_root_itself_may_be_a_link(void **state)
{
    (void)state;
    struct setting s;
    char *link = mem_printf("%s-link", root);
    const char *linked[] = {link, NULL};
    assert_int_equal(symlink(root, link), 0);
    setting_init(&s, "");
    json_object_object_add(s.settings, "directory", json_object_new_string(link));
    s.context.file_roots = linked;
    deploy_well(&s, &first);
    assert_pair(www, &first);
    assert_int_equal(unlink(link), 0);
    free(link);
    setting_finish(&s);
}

static void tells_what_is_in_the_way(void **state)
{
    (void)state;
    struct setting s;
    char *folder = mem_printf("%s/cert.pem", www);
    setting_init(&s, "");
    write_text(root, "www", "a file");
    deploy_fails(&s, &first, ERR_TARGET_FILES, "/www is there and is no folder");
    assert_int_equal(unlink(www), 0);
    assert_int_equal(mkdir(www, 0755), 0);
    assert_int_equal(mkdir(folder, 0755), 0);
    deploy_fails(&s, &first, ERR_TARGET_FILES, "/www/cert.pem is a folder");
    assert_int_equal(count_entries(www, ""), 1);
    assert_int_equal(rmdir(folder), 0);
    int held = open(www, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(flock(held, LOCK_EX), 0);
    deploy_fails(&s, &first, ERR_TARGET_FILES, "is being written by another");
    close(held);
    deploy_well(&s, &first);
    free(folder);
    setting_finish(&s);
    roots[1] = "/nonexistent/other";
    setting_init(&s, "");
    json_object_object_add(s.settings, "directory", json_object_new_string(roots[1]));
    deploy_fails(&s, &first, ERR_TARGET_FILES, "/nonexistent/other cannot be opened: No such file");
    roots[1] = root;
    setting_finish(&s);
}

/* The pair that stood stays whole when writing fails half-way. */
static void a_failed_write_leaves_the_former_files(void **state)
{
    (void)state;
    struct setting s;
    setting_init(&s, "");
    deploy_well(&s, &first);
    const struct folder where = {root, "www"};
    const struct tree_file files[] = {
        {"cert.pem", "new", 3, 0644, (uid_t)-1, (gid_t)-1},
        {"no/such/place", "new", 3, 0600, (uid_t)-1, (gid_t)-1},
    };
    struct folder_result result;
    struct err e = {0};
    assert_int_equal(folder_write(&where, files, 2, &result, &e), -1);
    assert_int_equal(e.code, ERR_TARGET_FILES);
    assert_non_null(strstr(e.detail, "no/such/place cannot be made: No such file or directory"));
    assert_pair(www, &first);
    assert_int_equal(count_entries(www, "..20"), 1);
    setting_finish(&s);
}

static void needs_the_key_only_for_what_holds_it(void **state)
{
    (void)state;
    struct issued without = first;
    struct setting s, public;
    without.certificate.key = NULL;
    setting_init(&s, "");
    setting_init(&public, ", \"files\": [\"cert.pem\", \"chain.pem\"]");
    deploy_fails(&s, &without, ERR_CONFLICT, "privkey.pem cannot be made without");
    assert_int_equal(count_entries(root, ""), 0);
    deploy_well(&public, &without);
    assert_text(www, "cert.pem", without.leaf);
    setting_finish(&s);
    setting_finish(&public);
}

/* ---- PKCS#12 ---- */

static void pkcs12_is_made_once(void **state)
{
    (void)state;
    struct setting s;
    struct buf bytes = {0};
    const struct folder where = {root, "www"};
    setting_init(&s, ", \"files\": [\"certificate.p12\"], \"pkcs12\": {\"name\": \"IIS\"}");
    first.certificate.chain = "";
    set_credential(&s, "{\"password\": \"one\"}");
    deploy_well(&s, &first);
    struct stat one = look(www, "..data/certificate.p12");
    assert_int_equal(one.st_mode & 07777, 0600);
    assert_true(folder_read(&where, "certificate.p12", &bytes));
    assert_true(material_opens(&bytes, "one"));
    assert_false(material_opens(&bytes, "two"));
    deploy_well(&s, &first);
    assert_int_equal(look(www, "..data/certificate.p12").st_ino, one.st_ino);
    assert_null(strstr(json_object_to_json_string(s.state), "one"));
    /* another password, another encryption: another file */
    set_credential(&s, "{\"password\": \"two\"}");
    deploy_well(&s, &first);
    struct stat two = look(www, "..data/certificate.p12");
    assert_int_not_equal(two.st_ino, one.st_ino);
    json_object_object_add(s.settings, "pkcs12", parse("{\"encryption\": \"legacy\"}"));
    deploy_well(&s, &first);
    assert_int_not_equal(look(www, "..data/certificate.p12").st_ino, two.st_ino);
    first.certificate.chain = second.certificate.chain;
    buf_finish_secret(&bytes);
    setting_finish(&s);
}

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
    assert_int_equal(acme_http_create(&options, &s.context.http, &e), 0);
    if (deploy_with_hook(&s, &good, &e) < 0)
        fail_msg("%s", e.detail);
    assert_memory_equal(good.seen, "POST /reload HTTP/1.1\r\n", 23);
    assert_non_null(strstr(good.seen, "\r\n\r\n{\"certificate\":\"www\",\"version\":1}"));
    assert_int_equal(deploy_with_hook(&s, &bad, &e), -1);
    assert_int_equal(e.code, ERR_TARGET_RELOAD);
    assert_string_equal(e.detail, "the reload's webhook answered 503");
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
    setting_init(&s, ", \"reload\": {\"signal\": \"HUP\", \"pidfile\": \"daemon\"}");
    assert_int_equal(target_test(&target_files, &s.context, &first.certificate, message, &e), 0);
    char *expected =
        mem_printf("would write cert.pem, chain.pem, fullchain.pem, privkey.pem in %s, "
                   "then send HUP to the process of the pidfile daemon",
                   www);
    assert_string_equal(message, expected);
    free(expected);
    assert_int_equal(count_entries(root, ""), 0);
    assert_int_equal(target_test(&target_files, &s.context, NULL, message, &e), 0);
    struct target_certificate without = first.certificate;
    without.key = NULL;
    assert_int_equal(target_test(&target_files, &s.context, &without, message, &e), -1);
    assert_int_equal(e.code, ERR_CONFLICT);
    write_text(root, "www", "a file");
    assert_int_equal(target_test(&target_files, &s.context, &first.certificate, message, &e), -1);
    assert_int_equal(e.code, ERR_TARGET_FILES);
    assert_non_null(strstr(e.detail, "/www is there and is no folder"));
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

#define IN_ROOT(test) cmocka_unit_test_setup_teardown(test, make_root, remove_root)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_ROOT(writes_the_layout),
        IN_ROOT(gives_mode_owner_and_place),
        IN_ROOT(writes_into_the_root_itself),
        IN_ROOT(writes_nothing_twice),
        IN_ROOT(writes_again_what_was_changed_by_hand),
        IN_ROOT(keeps_two_generations),
        IN_ROOT(cleans_up_after_a_kill),
        IN_ROOT(removes_names_that_are_not_wanted),
        IN_ROOT(replaces_plain_files),
        IN_ROOT(refuses_bad_settings),
        IN_ROOT(refuses_what_is_outside_of_the_roots),
        IN_ROOT(follows_no_link_below_the_root),
        IN_ROOT(the_root_itself_may_be_a_link),
        IN_ROOT(tells_what_is_in_the_way),
        IN_ROOT(a_failed_write_leaves_the_former_files),
        IN_ROOT(needs_the_key_only_for_what_holds_it),
        IN_ROOT(pkcs12_is_made_once),
        IN_ROOT(signals_the_process_of_the_pidfile),
        IN_ROOT(reads_a_pidfile_with_care),
        IN_ROOT(runs_a_command_once_a_generation),
        IN_ROOT(calls_a_webhook_on_this_machine),
        IN_ROOT(rehearses_without_a_trace),
        IN_ROOT(readers_see_whole_pairs),
    };
    struct err e = {0};
    if (!mkdtemp(marks))
        return 1;
    snprintf(mark_script, sizeof mark_script,
             "echo $CERTWRIGHT_EVENT $CERTWRIGHT_CERTIFICATE $CERTWRIGHT_VERSION >> %s/marks",
             marks);
    if (commands_create(list, sizeof list / sizeof *list, &commands, &e)) {
        fprintf(stderr, "%s\n", e.detail);
        return 1;
    }
    if (acme_http_library_init(&e))
        return 1;
    issue(&first, 1);
    issue(&second, 2);
    issue(&third, 3);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    issued_finish(&first);
    issued_finish(&second);
    issued_finish(&third);
    commands_destroy(commands);
    remove_folder(marks);
    return failed;
}

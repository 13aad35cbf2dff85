/* The target "files": the layout, its guards, and PKCS#12. */
#include "server/deploy/folder.h"
#include "server/deploy/material.h"
#include "tests/unit/target_files_fixture.h"

#include <fcntl.h>
#include <sys/file.h>

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

/* The same bytes, but whose they are to be has changed. */
static void gives_another_owner(void **state)
{
    (void)state;
    static const char *const given[] = {", \"owner\": 12345", ", \"owner\": 12346",
                                        ", \"owner\": 12346, \"group\": 54321"};
    for (size_t i = 0; i < sizeof given / sizeof *given; i++) {
        struct setting s;
        setting_init(&s, given[i]);
        deploy_well(&s, &first);
        struct stat seen = look(www, "..data/privkey.pem");
        assert_int_equal(seen.st_uid, i ? 12346 : 12345);
        assert_int_equal(seen.st_gid, i == 2 ? 54321 : 0);
        setting_finish(&s);
    }
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
    /* of the same moment: younger, if only by its random part */
    char twin[256];
    snprintf(twin, sizeof twin, "%.*sffffffff", (int)strlen(current) - 8, current);
    run_line(mem_printf("mkdir %s/%s", www, twin));
    deploy_well(&s, &second);
    assert_pair(www, &second);
    assert_text(www, "chain.pem", second.certificate.chain);
    assert_false(exists(www, unfinished));
    assert_false(exists(www, twin));
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

/* Who is missing may come: that is no fault of the settings. */
static void waits_for_an_owner(void **state)
{
    (void)state;
    struct setting s;
    setting_init(&s, ", \"owner\": \"no-such-user\"");
    deploy_fails(&s, &first, ERR_TARGET_FILES, "there is no owner \"no-such-user\"");
    setting_finish(&s);
    setting_init(&s, ", \"group\": \"no-such-group\"");
    deploy_fails(&s, &first, ERR_TARGET_FILES, "there is no group \"no-such-group\"");
    setting_finish(&s);
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
    /* It is there and could be written to: nothing else is in the way. */
    char *beside = mem_printf("%s-beside", root);
    char *out = mem_printf("%s/../%s", root, strrchr(beside, '/') + 1);
    assert_int_equal(mkdir(beside, 0755), 0);
    refuse_directory(beside, "not below one of the config's file roots");
    refuse_directory("/", "not below one of the config's file roots");
    refuse_directory(strrchr(beside, '/') + 1, "absolute path");
    refuse_directory(out, "has a part \"..\"");
    assert_int_equal(count_entries(beside, ""), 0);
    remove_folder(beside);
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
    const struct folder where = {.root = root, .path = "www"};
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
    const struct folder where = {.root = root, .path = "www"};
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

/* Settings name it; nothing here runs it. */
static const char *const mark_argv[] = {"true", NULL};
static const struct command list[] = {{"mark", mark_argv}};

static int run(void)
{
    const struct CMUnitTest tests[] = {
        IN_ROOT(writes_the_layout),
        IN_ROOT(gives_mode_owner_and_place),
        IN_ROOT(gives_another_owner),
        IN_ROOT(writes_into_the_root_itself),
        IN_ROOT(writes_nothing_twice),
        IN_ROOT(writes_again_what_was_changed_by_hand),
        IN_ROOT(keeps_two_generations),
        IN_ROOT(cleans_up_after_a_kill),
        IN_ROOT(removes_names_that_are_not_wanted),
        IN_ROOT(replaces_plain_files),
        IN_ROOT(refuses_bad_settings),
        IN_ROOT(waits_for_an_owner),
        IN_ROOT(refuses_what_is_outside_of_the_roots),
        IN_ROOT(follows_no_link_below_the_root),
        IN_ROOT(the_root_itself_may_be_a_link),
        IN_ROOT(tells_what_is_in_the_way),
        IN_ROOT(a_failed_write_leaves_the_former_files),
        IN_ROOT(needs_the_key_only_for_what_holds_it),
        IN_ROOT(pkcs12_is_made_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    return run_with_versions(list, sizeof list / sizeof *list, run);
}

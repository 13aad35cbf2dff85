/* The secrets of a data directory: made once, kept, and never replaced behind a database's back. */
#include "acme/base/memory.h"
#include "server/access/secret.h"
#include "server/start/secrets.h"
#include "store/token.h"
#include "tests/unit/unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct master_source no_source = {.fd = -1};

static int make_directory(void **state)
{
    char *directory = mem_strdup("/tmp/certwright-secrets-XXXXXX");
    *state = directory;
    return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
    char *directory = *state;
    DIR *list = opendir(directory);
    struct dirent *entry;
    while (list && (entry = readdir(list)))
        unlinkat(dirfd(list), entry->d_name, 0);
    if (list)
        closedir(list);
    int rc = rmdir(directory);
    free(directory);
    return rc;
}

static char *path_in(const char *directory, const char *name)
{
    return mem_printf("%s/%s", directory, name);
}

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static char *read_text(const char *path)
{
    char text[4096] = "";
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t n = fread(text, 1, sizeof text - 1, file);
    text[n] = '\0';
    fclose(file);
    return mem_strdup(text);
}

static mode_t mode_of(const char *path)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return st.st_mode & 0777;
}

static void the_master_key_is_made_once(void **state)
{
    unsigned char first[SEAL_KEY_SIZE], second[SEAL_KEY_SIZE], zero[SEAL_KEY_SIZE] = {0};
    struct err e;
    assert_int_equal(secrets_master(*state, &no_source, first, &e), 0);
    assert_int_equal(secrets_master(*state, &no_source, second, &e), 0);
    assert_memory_equal(first, second, sizeof first);
    assert_memory_not_equal(first, zero, sizeof first);
    char *path = path_in(*state, "master.key");
    assert_int_equal(mode_of(path), 0600);
    free(path);
}

static void a_database_without_its_key_gets_no_new_one(void **state)
{
    unsigned char key[SEAL_KEY_SIZE];
    struct err e;
    char *database = path_in(*state, "certwright.db");
    char *path = path_in(*state, "master.key");
    write_text(database, "not empty");
    assert_int_equal(secrets_master(*state, &no_source, key, &e), -1);
    assert_int_equal(e.code, ERR_SEAL);
    assert_non_null(strstr(e.detail, "master.key"));
    assert_int_equal(access(path, F_OK), -1);
    free(database);
    free(path);
}

static void a_given_key_is_hex_or_base64(void **state)
{
    static const char *const good[] = {
        "fbf0000102030405060708090a0b0c0d0e0f101112131415161718191A1B1CFF",
        "-_AAAQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHP8",
        "-_AAAQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHP8=",
        "+/AAAQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHP8=",
    };
    static const char *const bad[] = {
        "",
        "short",
        "zz0102030405060708090a0b0c0d0e0f10111213141516171819",
        "fbf0000102030405060708090a0b0c0d", /* cut off: as long as 32 raw bytes are */
        "fbf0000102030405060708090a0b0c0d0e0f101112131415161718191A1B1CF",
        "fbf0000102030405060708090a0b0c0d0e0f101112131415161718191A1B1Cgg",
        "+/AAAQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHP8==",
        "+/AAAQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRob!P8=",
    };
    unsigned char first[SEAL_KEY_SIZE], key[SEAL_KEY_SIZE];
    struct err e;
    struct master_source source = no_source;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        source.text = good[i];
        assert_int_equal(secrets_master(*state, &source, i ? key : first, &e), 0);
        assert_true(i == 0 || !memcmp(key, first, sizeof key));
    }
    assert_int_equal(first[0], 0xfb);
    assert_int_equal(first[31], 0xff);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        source.text = bad[i];
        assert_int_equal(secrets_master(*state, &source, key, &e), -1);
        assert_int_equal(e.code, ERR_CONFIG);
        assert_true(!*bad[i] || !strstr(e.detail, bad[i]));
    }
}

static void a_key_comes_from_a_file_or_a_descriptor(void **state)
{
    unsigned char from_file[SEAL_KEY_SIZE], from_fd[SEAL_KEY_SIZE];
    struct err e;
    char *path = path_in(*state, "given");
    write_text(path, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n");
    assert_int_equal(chmod(path, 0440), 0);
    struct master_source source = no_source;
    source.file = path;
    assert_int_equal(secrets_master(*state, &source, from_file, &e), 0);
    source.file = NULL;
    source.fd = open(path, O_RDONLY);
    assert_int_equal(secrets_master(*state, &source, from_fd, &e), 0);
    assert_memory_equal(from_file, from_fd, sizeof from_file);
    assert_int_equal(fcntl(source.fd, F_GETFD), -1);
    source.fd = -1;
    source.file = "/nonexistent/key";
    assert_int_equal(secrets_master(*state, &source, from_file, &e), -1);
    free(path);
}

static void a_key_file_is_private(void **state)
{
    static const mode_t bad[] = {0644, 0604, 0602, 0620, 0666};
    unsigned char key[SEAL_KEY_SIZE];
    struct err e;
    char *path = path_in(*state, "master.key");
    write_text(path, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(chmod(path, bad[i]), 0);
        assert_int_equal(secrets_master(*state, &no_source, key, &e), -1);
        assert_int_equal(e.code, ERR_CONFIG);
        assert_non_null(strstr(e.detail, "mode"));
    }
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(secrets_master(*state, &no_source, key, &e), 0);
    free(path);
}

/* ---- the admin token ---- */

static struct store *open_store(const char *directory)
{
    struct store_options options = {.directory = directory, .master = {7}};
    struct store *store;
    struct err e;
    assert_int_equal(store_open(&options, &store, &e), 0);
    return store;
}

static void expect_known(struct store *store, const char *text)
{
    unsigned char hash[TOKEN_HASH_SIZE];
    struct token *tokens;
    size_t count;
    struct db *db;
    struct err e;
    secret_hash(text, hash);
    assert_int_equal(store_reader(store, &db, &e), 0);
    assert_int_equal(token_list(db, &tokens, &count, &e), 0);
    assert_int_equal(count, 1);
    assert_string_equal(tokens[0].name, "admin");
    assert_memory_equal(tokens[0].hash, hash, sizeof hash);
    token_finish(&tokens[0]);
    free(tokens);
}

static void the_admin_token_is_made_once(void **state)
{
    struct store *store = open_store(*state);
    struct err e;
    char *path = path_in(*state, "admin.token");
    assert_int_equal(secrets_admin_token(store, *state, NULL, &e), 0);
    assert_int_equal(mode_of(path), 0600);
    char *first = read_text(path);
    assert_int_equal(strncmp(first, "cw_", 3), 0);
    assert_false(secret_is_damaged(first));
    expect_known(store, first);
    assert_int_equal(secrets_admin_token(store, *state, NULL, &e), 0);
    char *second = read_text(path);
    assert_string_equal(first, second);
    /* Taking the file away is what a careful person does: the token goes on to work. */
    assert_int_equal(unlink(path), 0);
    assert_int_equal(secrets_admin_token(store, *state, NULL, &e), 0);
    assert_int_equal(access(path, F_OK), -1);
    expect_known(store, first);
    free(first);
    free(second);
    free(path);
    store_close(store);
}

static void a_given_token_replaces_it(void **state)
{
    struct store *store = open_store(*state);
    struct err e;
    char *path = path_in(*state, "given");
    write_text(path, "a-token-of-the-operator\n");
    assert_int_equal(secrets_admin_token(store, *state, path, &e), 0);
    expect_known(store, "a-token-of-the-operator");
    write_text(path, "short");
    assert_int_equal(secrets_admin_token(store, *state, path, &e), -1);
    assert_int_equal(e.code, ERR_CONFIG);
    write_text(path, "a token with spaces in it");
    assert_int_equal(secrets_admin_token(store, *state, path, &e), -1);
    expect_known(store, "a-token-of-the-operator");
    free(path);
    store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_master_key_is_made_once, make_directory,
                                        remove_directory),
        cmocka_unit_test_setup_teardown(a_database_without_its_key_gets_no_new_one, make_directory,
                                        remove_directory),
        cmocka_unit_test_setup_teardown(a_given_key_is_hex_or_base64, make_directory,
                                        remove_directory),
        cmocka_unit_test_setup_teardown(a_key_file_is_private, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(a_key_comes_from_a_file_or_a_descriptor, make_directory,
                                        remove_directory),
        cmocka_unit_test_setup_teardown(the_admin_token_is_made_once, make_directory,
                                        remove_directory),
        cmocka_unit_test_setup_teardown(a_given_token_replaces_it, make_directory,
                                        remove_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

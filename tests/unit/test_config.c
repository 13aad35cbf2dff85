/* The configuration: file, environment, flags, their order, and mistakes with their places. */
#include "server/config/config.h"
#include "server/config/options.h"
#include "tests/unit/unit.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];
static char path[96];

static void write_file(const char *name, const char *text, size_t size)
{
    char place[160];
    snprintf(place, sizeof place, "%s/%s", folder, name);
    FILE *file = fopen(place, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static int setup(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/certwright-config-XXXXXX");
    snprintf(path, sizeof path, "%s/c.json", mkdtemp(folder));
    return 0;
}

static int teardown(void **state)
{
    static const char *const names[] = {"c.json", "token", "big", "binary"};
    static const char *const variables[] = {
        "CERTWRIGHT_CONFIG",     "CERTWRIGHT_DATA",          "CERTWRIGHT_LISTEN",
        "CERTWRIGHT_OPS_LISTEN", "CERTWRIGHT_WORKERS",       "CERTWRIGHT_LOG_LEVEL",
        "CERTWRIGHT_MASTER_KEY", "CERTWRIGHT_MASTER_KEY_FD", "CERTWRIGHT_TEST_SECRET"};
    (void)state;
    for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++)
        unsetenv(variables[i]);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char place[160];
        snprintf(place, sizeof place, "%s/%s", folder, names[i]);
        unlink(place);
    }
    return rmdir(folder);
}

/* The config from that file text; fails the test where it is not valid. */
static struct config *load(const char *text)
{
    const struct config_flags flags = {.config = path};
    struct config *config = NULL;
    struct buf complaints = {0};
    struct err e = {0};
    write_file("c.json", text, strlen(text));
    if (config_load(&flags, &config, &complaints, &e) < 0)
        fail_msg("%s\n%s", e.detail, buf_string(&complaints));
    assert_int_equal(complaints.size, 0);
    buf_finish(&complaints);
    return config;
}

/* What is wrong with it: all lines, to be freed. */
static char *complaints_of(const char *text)
{
    const struct config_flags flags = {.config = path};
    struct config *config = NULL;
    struct buf complaints = {0};
    struct err e = {0};
    write_file("c.json", text, strlen(text));
    assert_int_equal(config_load(&flags, &config, &complaints, &e), -1);
    assert_int_equal(e.code, ERR_CONFIG);
    assert_null(config);
    assert_non_null(strstr(e.detail, path));
    return buf_take(&complaints);
}

static void has_defaults(void **state)
{
    (void)state;
    const struct config_flags none = {0};
    struct config *config = NULL;
    struct err e = {0};
    assert_int_equal(config_load(&none, &config, NULL, &e), 0);
    assert_string_equal(config->data, "./data");
    assert_int_equal(config->listen.count, 1);
    assert_string_equal(config->listen.items[0].address, "127.0.0.1:8555");
    assert_null(config->ops_listen);
    assert_null(config->http01_listen);
    assert_int_equal(config->workers, 4);
    assert_int_equal(config->log_level, LOG_LEVEL_INFO);
    assert_int_equal(config->master_key_fd, -1);
    assert_null(config->file);
    assert_null(config->resources);
    config_destroy(config);
}

static void reads_the_file_with_comments(void **state)
{
    (void)state;
    struct config *config =
        load("// at the top\n"
             "{ /* here: \"{\" and * too **/ \"user_agent\": \"x // no comment\",\n"
             "  \"language\": null, \"listen\": [\"[::1]:1\", \"unix:/run/x\"],\n"
             "  \"ops_listen\": null, \"http01_listen\": \"0.0.0.0:80\",\n"
             "  \"workers\": 64, \"resolvers\": [\"9.9.9.9:53\"],\n"
             "  \"resolvers_only\": true, \"log_level\": \"debug\",\n"
             "  \"commands\": {\"hook\": [\"/bin/hook\", \"-x\"]},\n"
             "  \"pidfiles\": {\"nginx\": \"/run/nginx.pid\"},\n"
             "  \"file_roots\": [\"/certs\"], \"allowed_hosts\": [\"a.example\"],\n"
             "  \"defaults\": {\"account\": \"main\"} }\n"
             "// at the end");
    assert_string_equal(config->user_agent, "x // no comment");
    assert_string_equal(config->language, "en");
    assert_int_equal(config->listen.count, 2);
    assert_string_equal(config->listen.items[1].address, "unix:/run/x");
    assert_string_equal(config->http01_listen, "0.0.0.0:80");
    assert_int_equal(config->workers, 64);
    assert_string_equal(config->resolvers.items[0], "9.9.9.9:53");
    assert_true(config->resolvers_only);
    assert_int_equal(config->log_level, LOG_LEVEL_DEBUG);
    assert_int_equal(config->command_count, 1);
    assert_string_equal(config->commands[0].name, "hook");
    assert_string_equal(config->commands[0].argv[1], "-x");
    assert_null(config->commands[0].argv[2]);
    assert_int_equal(config->pidfile_count, 1);
    assert_string_equal(config->pidfiles[0].name, "nginx");
    assert_string_equal(config->pidfiles[0].path, "/run/nginx.pid");
    assert_string_equal(config->file_roots.items[0], "/certs");
    assert_string_equal(config->allowed_hosts.items[0], "a.example");
    assert_string_equal(json_object_get_string(json_object_object_get(config->defaults, "account")),
                        "main");
    config_destroy(config);
}

static void tells_all_mistakes_at_once(void **state)
{
    (void)state;
    static const char *const wanted[] = {
        "/colour: unknown member",
        "/user_agent: ",
        "/listen/0: ",
        "/listen/1: ",
        "/ops_listen: ",
        "/workers: this has to be a number from 1 to 64",
        "/resolvers: ",
        "/resolvers_only: ",
        "/log_level: ",
        "/commands/Bad: ",
        "/commands/empty: ",
        "/commands/relative: ",
        "/file_roots/0: ",
        "/defaults: ",
        "/pidfiles/nginx: ",
        "/pidfiles/Bad: ",
        "/resources/tokens: unknown member",
        "/resources/accounts/main: ",
        "/resources/solvers: ",
    };
    char *lines = complaints_of(
        "{\"colour\": 1, \"user_agent\": \"\\n\", \"listen\": [\"localhost\", 5], \"ops_listen\": "
        "\"x\","
        "\"workers\": 65, \"resolvers\": \"9.9.9.9\", \"resolvers_only\": 1, \"log_level\": "
        "\"loud\","
        "\"commands\": {\"Bad\": [\"/x\"], \"empty\": [], \"relative\": [\"x\"]},"
        "\"file_roots\": [\"x\"], \"defaults\": [],"
        "\"pidfiles\": {\"nginx\": \"run/x\", \"Bad\": \"/x\"},"
        "\"resources\": {\"tokens\": {}, \"accounts\": {\"main\": null}, \"solvers\": []}}");
    size_t count = 0;
    for (const char *p = lines; *p; p++)
        count += *p == '\n';
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
        if (!strstr(lines, wanted[i]))
            fail_msg("no \"%s\" in:\n%s", wanted[i], lines);
    assert_int_equal(count, sizeof wanted / sizeof wanted[0]);
    free(lines);
}

static void refuses_what_is_no_json(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *fault;
    } cases[] = {
        {"", "it ends in the middle"},
        {"{", "it ends in the middle"},
        {"[]", "a JSON object"},
        {"{}\n{}", "line 2"},
        {"{} x", "line 1"},
        {"{\n\n'workers': 3}", "line 3"},
        {"{\"workers\": 3,}", "line 1"},
        {"{\"workers\": NaN}", "line 1"},
        {"{\n\"workers\": 3.}", "line 2: this is no number"},
        {"{\"workers\": 3 /* }", "a comment that does not end"},
        {"/* \n */ {\"workers\": #}", "line 2"},
        {"{\"workers\": 3, \"workers\": 4}", "given twice"},
        {"{\"user_agent\": \"\xff\"}", "UTF-8"},
        {"{\"defaults\": "
         "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}",
         "deeper than 32"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *lines = complaints_of(cases[i].text);
        if (!strstr(lines, cases[i].fault))
            fail_msg("%s: no \"%s\" in %s", cases[i].text, cases[i].fault, lines);
        free(lines);
    }
}

static void replaces_references(void **state)
{
    (void)state;
    write_file("token", "s3cret\nwith two lines\n", 22);
    setenv("CERTWRIGHT_TEST_SECRET",
           "Gr\xc3\xbc\xc3\x9f"
           "e",
           1);
    char text[512];
    snprintf(
        text, sizeof text,
        "{\"resources\": {\"credentials\": {\"a\": {\"type\": \"x\", \"list\": [1, {\"$file\": "
        "\"%s/token\"}], \"deep\": {\"er\": {\"$env\": \"CERTWRIGHT_TEST_SECRET\"}}, "
        "\"near\": {\"$file\": \"token\"}}}}}",
        folder);
    struct config *config = load(text);
    struct json_object *a =
        json_object_object_get(json_object_object_get(config->resources, "credentials"), "a");
    struct json_object *list = json_object_object_get(a, "list");
    assert_int_equal(json_object_get_int(json_object_array_get_idx(list, 0)), 1);
    assert_string_equal(json_object_get_string(json_object_array_get_idx(list, 1)),
                        "s3cret\nwith two lines");
    assert_string_equal(json_object_get_string(json_object_object_get(a, "near")),
                        "s3cret\nwith two lines");
    assert_string_equal(
        json_object_get_string(json_object_object_get(json_object_object_get(a, "deep"), "er")),
        "Gr\xc3\xbc\xc3\x9f"
        "e");
    config_destroy(config);
}

static void tells_which_reference_is_wrong(void **state)
{
    (void)state;
    static char big[1024 * 1024 + 1];
    memset(big, 'x', sizeof big);
    write_file("big", big, sizeof big);
    write_file("binary", "a\0b", 3);
    char *lines =
        complaints_of("{\"resources\": {\"credentials\": {\"c\": {\"a\": {\"$file\": \"missing\"}, "
                      "\"b\": {\"$env\": \"CERTWRIGHT_TEST_SECRET\"}, \"c\": {\"$file\": 5}, "
                      "\"d~/\": [{\"$env\": \"X\", \"y\": 1}], \"e\": {\"$file\": \"big\"}, "
                      "\"f\": {\"$file\": \"binary\"}}}}}");
    static const char *const wanted[] = {
        "/resources/credentials/c/a: cannot read",
        "/resources/credentials/c/b: the environment has no CERTWRIGHT_TEST_SECRET",
        "/resources/credentials/c/c: $file wants a text",
        "/resources/credentials/c/d~0~1/0: $env wants a text",
        "is larger than 1048576 bytes",
        "/resources/credentials/c/f: what $file gives is no text",
    };
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
        if (!strstr(lines, wanted[i]))
            fail_msg("no \"%s\" in:\n%s", wanted[i], lines);
    free(lines);
}

static void flags_beat_the_environment_beats_the_file(void **state)
{
    (void)state;
    static const char *const listen[] = {"127.0.0.1:1", "127.0.0.1:2"};
    const struct config_flags flags = {
        .data = "from-flag", .listen = listen, .listen_count = 2, .log_level = "error"};
    static const char text[] = "{\"data\": \"from-file\", \"workers\": 7, \"log_level\": \"warn\","
                               "\"ops_listen\": \"127.0.0.1:3\", \"language\": \"de\"}";
    struct config *config = NULL;
    struct err e = {0};
    write_file("c.json", text, sizeof text - 1);
    setenv("CERTWRIGHT_CONFIG", path, 1);
    setenv("CERTWRIGHT_DATA", "from-environment", 1);
    setenv("CERTWRIGHT_LISTEN", "127.0.0.1:9", 1);
    setenv("CERTWRIGHT_WORKERS", "8", 1);
    setenv("CERTWRIGHT_OPS_LISTEN", "", 1);
    setenv("CERTWRIGHT_MASTER_KEY_FD", "5", 1);
    assert_int_equal(config_load(&flags, &config, NULL, &e), 0);
    assert_string_equal(config->file, path);
    assert_string_equal(config->data, "from-flag");
    assert_int_equal(config->listen.count, 2);
    assert_string_equal(config->listen.items[1].address, "127.0.0.1:2");
    assert_int_equal(config->workers, 8);
    assert_string_equal(config->ops_listen, "127.0.0.1:3");
    assert_string_equal(config->language, "de");
    assert_int_equal(config->log_level, LOG_LEVEL_ERROR);
    assert_int_equal(config->master_key_fd, 5);
    config_destroy(config);
    setenv("CERTWRIGHT_LISTEN", "127.0.0.1:9,unix:/x", 1);
    const struct config_flags none = {0};
    assert_int_equal(config_load(&none, &config, NULL, &e), 0);
    assert_int_equal(config->listen.count, 2);
    assert_string_equal(config->listen.items[1].address, "unix:/x");
    config_destroy(config);
}

static void names_the_flag_or_variable_that_is_wrong(void **state)
{
    (void)state;
    static const char *const listen[] = {"nonsense"};
    const struct config_flags flags = {
        .data = "", .listen = listen, .listen_count = 1, .workers = "many"};
    static const char *const wanted[] = {"--data: ",
                                         "--listen: ",
                                         "--workers: ",
                                         "CERTWRIGHT_LOG_LEVEL: ",
                                         "CERTWRIGHT_MASTER_KEY_FD: ",
                                         "CERTWRIGHT_WORKERS: "};
    struct config *config = NULL;
    struct buf lines = {0};
    struct err e = {0};
    setenv("CERTWRIGHT_LOG_LEVEL", "loud", 1);
    setenv("CERTWRIGHT_MASTER_KEY_FD", "-1", 1);
    setenv("CERTWRIGHT_WORKERS", "0", 1);
    assert_int_equal(config_load(&flags, &config, &lines, &e), -1);
    assert_int_equal(e.code, ERR_CONFIG);
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
        if (!strstr(buf_string(&lines), wanted[i]))
            fail_msg("no \"%s\" in:\n%s", wanted[i], buf_string(&lines));
    buf_finish(&lines);
    const struct config_flags missing = {.config = "/nowhere/at/all.json"};
    assert_int_equal(config_load(&missing, &config, NULL, &e), -1);
    assert_int_equal(e.code, ERR_IO);
    assert_null(config);
}

static int parse(const char *const *words, struct options *out, struct err *e)
{
    static char *argv[16];
    int argc = 0;
    for (; words[argc]; argc++)
        argv[argc] = (char *)(uintptr_t)words[argc];
    argv[argc] = NULL;
    return options_parse(argc, argv, out, e);
}

static void parses_the_command_line(void **state)
{
    (void)state;
    struct options o = {0};
    struct err e = {0};
    assert_int_equal(
        parse((const char *const[]){"certwright", "serve", "--config", "c", "--data=d", "--listen",
                                    "a", "--listen", "b", "--ops-listen", "o", "--workers", "3",
                                    "--log-level", "warn", NULL},
              &o, &e),
        0);
    assert_int_equal(o.verb, OPTIONS_SERVE);
    assert_string_equal(o.flags.config, "c");
    assert_string_equal(o.flags.data, "d");
    assert_int_equal(o.flags.listen_count, 2);
    assert_string_equal(o.flags.listen[1], "b");
    assert_string_equal(o.flags.ops_listen, "o");
    assert_string_equal(o.flags.workers, "3");
    assert_string_equal(o.flags.log_level, "warn");
    options_finish(&o);
    assert_int_equal(parse((const char *const[]){"certwright", "check-config", "f", NULL}, &o, &e),
                     0);
    assert_int_equal(o.verb, OPTIONS_CHECK_CONFIG);
    assert_string_equal(o.flags.config, "f");
    options_finish(&o);
    assert_int_equal(
        parse((const char *const[]){"certwright", "check-config", "--help", NULL}, &o, &e), 0);
    assert_int_equal(o.verb, OPTIONS_HELP);
    assert_int_equal(parse((const char *const[]){"certwright", "rekey", "--config", "c",
                                                 "--new-key=-", "--listen", "a", NULL},
                           &o, &e),
                     0);
    assert_int_equal(o.verb, OPTIONS_REKEY);
    assert_true(o.flags.is_for_keys);
    assert_string_equal(o.flags.config, "c");
    assert_string_equal(o.flags.listen[0], "a");
    assert_string_equal(o.new_key, "-");
    options_finish(&o);
    assert_int_equal(
        parse((const char *const[]){"certwright", "rekey", "--sandbox", "off", NULL}, &o, &e), -1);
    assert_string_equal(e.detail, "there is no flag --sandbox");
    assert_int_equal(parse((const char *const[]){"certwright", "--version", NULL}, &o, &e), 0);
    assert_int_equal(o.verb, OPTIONS_VERSION);
    assert_int_equal(parse((const char *const[]){"certwright", "serve", "-h", NULL}, &o, &e), 0);
    assert_int_equal(o.verb, OPTIONS_HELP);
}

static void refuses_a_wrong_command_line(void **state)
{
    (void)state;
    static const char *const lines[][5] = {
        {"certwright"},
        {"certwright", "dance"},
        {"certwright", "serve", "now"},
        {"certwright", "serve", "--nonsense"},
        {"certwright", "serve", "--data"},
        {"certwright", "check-config"},
        {"certwright", "check-config", "a", "b"},
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct options o = {.verb = OPTIONS_HELP};
        struct err e = {0};
        assert_int_equal(parse(lines[i], &o, &e), -1);
        assert_int_equal(e.code, ERR_INVALID);
        assert_int_equal(o.verb, OPTIONS_HELP);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(has_defaults, setup, teardown),
        cmocka_unit_test_setup_teardown(reads_the_file_with_comments, setup, teardown),
        cmocka_unit_test_setup_teardown(tells_all_mistakes_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_what_is_no_json, setup, teardown),
        cmocka_unit_test_setup_teardown(replaces_references, setup, teardown),
        cmocka_unit_test_setup_teardown(tells_which_reference_is_wrong, setup, teardown),
        cmocka_unit_test_setup_teardown(flags_beat_the_environment_beats_the_file, setup, teardown),
        cmocka_unit_test_setup_teardown(names_the_flag_or_variable_that_is_wrong, setup, teardown),
        cmocka_unit_test(parses_the_command_line),
        cmocka_unit_test(refuses_a_wrong_command_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

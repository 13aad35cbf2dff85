/* What a job has asked of its CA: folded, bounded, and without what is nobody's business. */
#include "acme/base/memory.h"
#include "server/engine/requests.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add(struct requests *log, const char *step, const char *url, int64_t at)
{
    char method[] = "POST", identifier[] = "a.example", name[64];
    snprintf(name, sizeof name, "%s", step);
    const struct request request = {.at = at,
                                    .last_at = at,
                                    .count = 1,
                                    .duration_ms = 3,
                                    .method = method,
                                    .status = 200,
                                    .step = name,
                                    .identifier = identifier};
    requests_add(log, &request, url);
}

static void test_requests_alike_are_one(void **state)
{
    struct requests log = {0}, again = {0}, read;
    (void)state;
    add(&log, "order", "https://ca.test/new-order", 10);
    for (int i = 0; i < 40; i++)
        add(&log, "validate", "https://ca.test:14000/authz/1", 20 + i);
    char *stored = requests_append(NULL, &log);
    add(&again, "validate", "https://ca.test:14000/authz/1", 99);
    char *more = requests_append(stored, &again);
    requests_read(more, &read);
    assert_int_equal(read.count, 2);
    assert_string_equal(read.items[0].path, "/new-order");
    assert_string_equal(read.items[0].method, "POST");
    assert_int_equal(read.items[0].status, 200);
    assert_string_equal(read.items[1].step, "validate");
    assert_string_equal(read.items[1].identifier, "a.example");
    assert_int_equal(read.items[1].count, 41);
    assert_int_equal(read.items[1].duration_ms, 123);
    assert_int_equal(read.items[1].at, 20);
    assert_int_equal(read.items[1].last_at, 99);
    assert_int_equal(read.omitted, 0);
    requests_finish(&read);
    requests_finish(&log);
    requests_finish(&again);
    free(stored);
    free(more);
}

static void test_the_oldest_are_dropped_and_counted(void **state)
{
    struct requests log = {0}, read;
    char url[64];
    (void)state;
    add(&log, "poll", "https://ca.test/first", 1);
    add(&log, "poll", "https://ca.test/first", 2);
    for (int i = 0; i < REQUESTS_MAX; i++) {
        snprintf(url, sizeof url, "https://ca.test/%d", i);
        add(&log, "poll", url, i + 3);
    }
    char *stored = requests_append(NULL, &log);
    requests_finish(&log);
    add(&log, "poll", "https://ca.test/last", 1000);
    char *more = requests_append(stored, &log);
    requests_read(more, &read);
    assert_int_equal(read.count, REQUESTS_MAX);
    assert_int_equal(read.omitted, 3); /* the two alike, and the one after them */
    assert_string_equal(read.items[0].path, "/1");
    assert_string_equal(read.items[REQUESTS_MAX - 1].path, "/last");
    requests_finish(&read);
    requests_finish(&log);
    free(stored);
    free(more);
}

static void test_only_the_path_is_kept(void **state)
{
    struct requests log = {0}, read;
    char longest[3000];
    (void)state;
    add(&log, "a", "https://ca.test/x?token=secret", 1);
    add(&log, "b", "https://ca.test/y#secret", 1);
    add(&log, "c", "https://ca.test", 1);
    add(&log, "d", "https://ca.test/a b\nc", 1);
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    memcpy(longest, "https://ca.test/", 16);
    add(&log, "e", longest, 1);
    char *stored = requests_append(NULL, &log);
    assert_null(strstr(stored, "secret"));
    requests_read(stored, &read);
    assert_int_equal(read.count, 5);
    assert_string_equal(read.items[0].path, "/x");
    assert_string_equal(read.items[1].path, "/y");
    assert_string_equal(read.items[2].path, "/");
    assert_string_equal(read.items[3].path, "/a?b?c");
    assert_int_equal(strlen(read.items[4].path), 200);
    requests_finish(&read);
    requests_finish(&log);
    free(stored);
}

static void test_nothing_new_is_nothing_to_write(void **state)
{
    struct requests log = {0}, read;
    (void)state;
    assert_null(requests_append("1 1 1 1 GET 200 fetch - /\n", &log));
    assert_null(requests_append(NULL, &log));
    requests_read("nonsense\n\n1 2 3\n+7\n1 1 1 1 GET 0 fetch - /dir\n", &read);
    assert_int_equal(read.count, 1);
    assert_int_equal(read.omitted, 7);
    assert_null(read.items[0].identifier);
    assert_int_equal(read.items[0].status, 0);
    requests_finish(&read);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests_alike_are_one),
        cmocka_unit_test(test_the_oldest_are_dropped_and_counted),
        cmocka_unit_test(test_only_the_path_is_kept),
        cmocka_unit_test(test_nothing_new_is_nothing_to_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

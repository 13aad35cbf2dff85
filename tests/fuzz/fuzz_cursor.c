/* Cursors of lists, as callers send them back: the first line is one, the second an item's key. */
#include "server/api/cursor.h"
#include "tests/fuzz/fuzz.h"

static const char here[] = "0123456789abcdef", elsewhere[] = "0123456789abcdeg";

static void check_read(const char *cursor)
{
    char *key, *again;
    struct err e;
    if (cursor_read(cursor, here, &key, &e) < 0) {
        must(e.code == ERR_MALFORMED, "a bad cursor is malformed");
        return;
    }
    must(*key, "a cursor leads behind an item");
    again = cursor_make(here, key);
    must_equal(again, cursor, "a cursor has one spelling");
    must(cursor_read(cursor, elsewhere, &key, &e) < 0, "a cursor is of one list");
    free(again);
    free(key);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {(const char *)data, size};
    char *cursor = fuzz_line(&in), *key = fuzz_line(&in), *read;
    struct err e;
    check_read(cursor);
    if (*key) {
        char *made = cursor_make(here, key);
        must(cursor_read(made, here, &read, &e) == 0, "our own cursor can be read");
        must_equal(read, key, "a cursor holds its key");
        check_read(made);
        free(read);
        free(made);
    }
    free(cursor);
    free(key);
    return 0;
}

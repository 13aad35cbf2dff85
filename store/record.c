#include "store/record.h"

#include "acme/base/memory.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

int record_load(struct db_row *row, const struct record_type *type, void *out, struct err *e)
{
    void *item = mem_new(1, type->size);
    int found = db_next(row, e);
    int rc = found;
    if (found > 0) {
        type->read(row, item);
        rc = db_next(row, e); /* to the end: only there a RETURNING has passed its checks */
        assert(rc <= 0);
    }
    db_row_finish(row);
    if (found > 0 && rc == 0)
        memcpy(out, item, type->size);
    else if (found > 0)
        type->finish(item);
    free(item);
    return rc < 0 ? -1 : found;
}

int record_list(struct db_row *row, const struct record_type *type, void *out, size_t *count,
                struct err *e)
{
    char *items = NULL;
    size_t used = 0;
    size_t capacity = 0;
    int rc;
    while ((rc = db_next(row, e)) > 0) {
        if (used == capacity) {
            capacity = capacity ? 2 * capacity : 8;
            items = mem_grow(items, capacity, type->size);
        }
        char *item = items + used * type->size;
        memset(item, 0, type->size);
        type->read(row, item);
        used++;
    }
    db_row_finish(row);
    if (rc < 0) {
        while (used > 0)
            type->finish(items + --used * type->size);
        free(items);
        return -1;
    }
    memcpy(out, &items, sizeof items);
    *count = used;
    return 0;
}

static void read_int(const struct db_row *row, void *out)
{
    *(int64_t *)out = db_int(row, 0);
}

static void finish_nothing(void *out)
{
    (void)out;
}

int record_int(struct db_row *row, int64_t *out, struct err *e)
{
    static const struct record_type type = {sizeof *out, read_int, finish_nothing};
    return record_load(row, &type, out, e);
}

int record_exists(struct db *db, bool *exists, struct err *e, const char *sql, const char *name)
{
    struct db_row *row;
    int64_t any;
    if (db_query(db, &row, e, sql, "t", name) < 0)
        return -1;
    int found = record_int(row, &any, e);
    if (found < 0)
        return -1;
    *exists = found > 0;
    return 0;
}

int record_unused(struct db *db, struct err *e, const char *sql, const char *what, const char *name)
{
    enum { TOLD = 3, COUNTED = 1000 };
    struct db_row *row;
    struct buf users = {0};
    int found = 0, rc = 0;
    if (db_query(db, &row, e, sql, "t", name) < 0)
        return -1;
    while (found <= COUNTED && (rc = db_next(row, e)) > 0)
        if (++found <= TOLD)
            buf_printf(&users, "%s%s", found > 1 ? ", " : "", db_text(row, 0));
    db_row_finish(row);
    if (found > COUNTED)
        buf_printf(&users, " and more than %d more", COUNTED - TOLD);
    else if (found > TOLD)
        buf_printf(&users, " and %d more", found - TOLD);
    if (rc >= 0 && found > 0)
        rc = err_set(e, ERR_IN_USE, "%s \"%s\": %s.", what, name, buf_string(&users));
    buf_finish(&users);
    return rc;
}

int record_missing(struct err *e, const char *what, const char *name)
{
    return err_set(e, ERR_NOT_FOUND, "There is no %s \"%s\".", what, name);
}

int record_missing_id(struct err *e, const char *what, int64_t id)
{
    return err_set(e, ERR_NOT_FOUND, "There is no %s with the id %" PRId64 ".", what, id);
}

int record_expect(int64_t rows, struct err *e, const char *what, const char *name)
{
    return rows > 0 ? 0 : record_missing(e, what, name);
}

int record_expect_id(int64_t rows, struct err *e, const char *what, int64_t id)
{
    return rows > 0 ? 0 : record_missing_id(e, what, id);
}

int record_word(const char *word, const char *const words[], size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(words[i], word) == 0)
            return (int)i;
    return -1;
}

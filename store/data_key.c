#include "store/data_key.h"

#include "store/seal.h"

static bool opens(const struct db_row *row, int column, const unsigned char *master,
                  struct seal **seal, struct err *e)
{
    size_t size;
    const void *wrapped = db_blob(row, column, &size);
    return seal_open(master, wrapped, size, seal, e) == 0;
}

/* Which form a master key opens; e is filled if it is none. */
static enum store_form form_of(const struct db_row *row, const unsigned char *master,
                               struct seal **seal, struct err *e)
{
    if (opens(row, 0, master, seal, e))
        return STORE_FORM_CURRENT;
    return !db_is_null(row, 1) && opens(row, 1, master, seal, e) ? STORE_FORM_FORMER
                                                                 : STORE_FORM_NONE;
}

static int try_both(const struct db_row *row, const struct store_options *options,
                    struct seal **seal, struct store_opening *opening, struct err *e)
{
    struct seal *by_master = NULL, *by_next = NULL;
    struct err of_next;
    struct store_opening o = {.master = form_of(row, options->master, &by_master, e)};
    if (options->next)
        o.next = form_of(row, options->next, &by_next, &of_next);
    if (!by_master && !by_next)
        return -1;
    o.by_next = !by_master || (o.next == STORE_FORM_CURRENT && o.master == STORE_FORM_FORMER);
    seal_destroy(o.by_next ? by_master : by_next);
    *seal = o.by_next ? by_next : by_master;
    *opening = o;
    return 1;
}

int data_key_open(struct db *db, int version, const struct store_options *options,
                  struct seal **seal, struct store_opening *opening, struct err *e)
{
    struct db_row *row;
    int rc = version > 1 ? db_query(db, &row, e, "SELECT wrapped, former FROM data_key", "")
                         : db_query(db, &row, e, "SELECT wrapped, NULL FROM data_key", "");
    if (rc < 0)
        return -1;
    rc = db_next(row, e);
    if (rc > 0)
        rc = try_both(row, options, seal, opening, e);
    db_row_finish(row);
    return rc;
}

int data_key_has_former(struct db *db, bool *has, struct err *e)
{
    struct db_row *row;
    if (db_query(db, &row, e, "SELECT former IS NOT NULL FROM data_key", "") < 0)
        return -1;
    int rc = db_next(row, e);
    *has = rc > 0 && db_int(row, 0);
    db_row_finish(row);
    return rc < 0 ? -1 : 0;
}

/* The form that the key in place opens stays. */
static int replace(struct db *db, bool has_former, const struct buf *wrapped, struct err *e)
{
    if (has_former)
        return db_run(db, NULL, e, "UPDATE data_key SET wrapped = ?1", "b", wrapped->data,
                      wrapped->size);
    return db_run(db, NULL, e, "UPDATE data_key SET former = wrapped, wrapped = ?1", "b",
                  wrapped->data, wrapped->size);
}

int data_key_wrap_again(struct store *store, struct store_tx *tx,
                        const unsigned char master[SEAL_KEY_SIZE], struct err *e)
{
    struct db *db = store_tx_db(tx);
    struct buf wrapped = {0};
    bool has;
    if (data_key_has_former(db, &has, e) < 0)
        return -1;
    if (has && !store_opened_by_former(store))
        return err_set(e, ERR_CONFLICT,
                       "The master key was changed since the start: put the new one in place, and "
                       "restart first.");
    int rc = seal_wrap_again(db_seal(db), master, &wrapped, e);
    if (rc == 0)
        rc = replace(db, has, &wrapped, e);
    buf_finish(&wrapped);
    return rc;
}

int data_key_forget_former(struct store_tx *tx, void *unused, struct err *e)
{
    (void)unused;
    return db_run(store_tx_db(tx), NULL, e,
                  "UPDATE data_key SET former = NULL WHERE former IS NOT NULL", "");
}

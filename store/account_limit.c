#include "store/account_limit.h"

#include "store/record.h"

int account_limit_set(struct store_tx *tx, int64_t account_id, const char *step, int64_t until,
                      struct err *e)
{
    return db_run(store_tx_db(tx), NULL, e,
                  "INSERT INTO account_limit (account_id, step, until)"
                  " SELECT id, ?2, ?3 FROM account WHERE id = ?1"
                  " ON CONFLICT (account_id, step) DO UPDATE SET until = MAX (until, ?3)",
                  "iti", account_id, step, until);
}

int account_limit_load(struct db *db, int64_t account_id, const char *step, int64_t *until,
                       struct err *e)
{
    struct db_row *row;
    int64_t found = 0;
    if (db_query(db, &row, e, "SELECT until FROM account_limit WHERE account_id = ?1 AND step = ?2",
                 "it", account_id, step) < 0 ||
        record_int(row, &found, e) < 0)
        return -1;
    *until = found;
    return 0;
}

int account_limit_any(struct db *db, bool *any, struct err *e)
{
    struct db_row *row;
    int64_t one;
    if (db_query(db, &row, e, "SELECT 1 FROM account_limit LIMIT 1", "") < 0)
        return -1;
    int found = record_int(row, &one, e);
    if (found < 0)
        return -1;
    *any = found > 0;
    return 0;
}

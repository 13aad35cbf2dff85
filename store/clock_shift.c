#include "store/clock_shift.h"

#include "acme/base/clock.h"
#include "store/record.h"

/* Less than this may be two readings, or a clock that is steered. */
enum { FORGIVEN_MS = CLOCK_MINUTE_MS };

int clock_shift_note(struct store_tx *tx, int64_t since_ms, int64_t shifted_ms, struct err *e)
{
    return db_run(store_tx_db(tx), NULL, e,
                  "INSERT INTO clock (only, since, shifted) VALUES (1, ?1, ?2)"
                  " ON CONFLICT (only) DO UPDATE SET since = MIN (since, ?1), shifted = ?2",
                  "ii", since_ms, shifted_ms);
}

/*
 * What was written at or after since, by that clock; a deadline may be older than what was written
 * last, and of that clock only from alive_at on. The largest integer is no time, but never.
 */
static int move_all(struct db *db, int64_t since, int64_t alive_at, int64_t by, struct err *e)
{
    static const char *const statements[] = {
        "UPDATE job SET created_at = CASE WHEN created_at >= ?1 THEN created_at + ?2"
        "   ELSE created_at END,"
        " updated_at = updated_at + ?2,"
        " finished_at = CASE WHEN finished_at >= ?1 THEN finished_at + ?2 ELSE finished_at END,"
        " due_at = CASE due_at WHEN 9223372036854775807 THEN due_at ELSE due_at + ?2 END"
        " WHERE updated_at >= ?1",
        "UPDATE event SET at = at + ?2 WHERE at >= ?1",
        "UPDATE version SET issued_at = issued_at + ?2 WHERE issued_at >= ?1",
        "UPDATE authority SET parked_until = parked_until + ?2 WHERE parked_until >= ?1",
        /* in parentheses for clang, which misses a comma where there is none */
        ("UPDATE authority SET directory_fetched_at = directory_fetched_at + ?2"
         " WHERE directory_fetched_at >= ?1"),
        "UPDATE account_limit SET until = until + ?2 WHERE until >= ?1",
        "UPDATE idempotency SET at = at + ?2 WHERE at >= ?1",
    };
    if (db_run(db, NULL, e,
               "UPDATE job SET deadline_at = deadline_at + ?2 WHERE updated_at >= ?1"
               " AND deadline_at >= ?3 AND deadline_at < 9223372036854775807",
               "iii", since, by, alive_at) < 0)
        return -1;
    for (size_t i = 0; i < sizeof statements / sizeof *statements; i++)
        if (db_run(db, NULL, e, statements[i], "ii", since, by) < 0)
            return -1;
    return 0;
}

struct note {
    int64_t since, shifted, moved;
};

/*
 * What was moved back since the clock was behind is moved forward again when it is no longer: it
 * was wrong then. Until that can be told, the note stays.
 */
static int settle_note(struct db *db, int64_t now, int64_t *by, struct err *e)
{
    struct note note = {0};
    struct db_row *row;
    if (db_query(db, &row, e, "SELECT since, shifted, moved FROM clock", "") < 0)
        return -1;
    int rc = db_next(row, e);
    if (rc > 0)
        note = (struct note){db_int(row, 0), db_int(row, 1), db_int(row, 2)};
    db_row_finish(row);
    if (rc <= 0)
        return rc;
    if (!note.shifted && now < note.since - note.moved - FORGIVEN_MS)
        return 0;
    *by = note.shifted ? note.shifted : -note.moved;
    /* What was moved back lies before the start that did so. */
    int64_t since = note.shifted ? note.since : note.since + note.moved;
    return db_run(db, NULL, e, "DELETE FROM clock", "") < 0 ? -1
                                                            : move_all(db, since, since, *by, e);
}

/* The newest event tells what time it was: to look through all jobs would take long. 0: none. */
static int find_newest(struct db *db, int64_t *newest, struct err *e)
{
    struct db_row *row;
    int64_t found = 0;
    if (db_query(db, &row, e, "SELECT at FROM event ORDER BY seq DESC LIMIT 1", "") < 0 ||
        record_int(row, &found, e) < 0)
        return -1;
    *newest = found;
    return 0;
}

int clock_shift_rest(struct store_tx *tx, int64_t *rest_ms, struct err *e)
{
    int64_t newest, now = store_tx_now(tx);
    if (find_newest(store_tx_db(tx), &newest, e) < 0)
        return -1;
    *rest_ms = newest && newest < now ? now - newest : 0;
    return 0;
}

static int settle_future(struct db *db, int64_t now, int64_t *moved, struct err *e)
{
    int64_t newest;
    if (find_newest(db, &newest, e) < 0)
        return -1;
    if (newest <= now + FORGIVEN_MS)
        return 0;
    *moved = now - newest;
    return db_run(db, NULL, e,
                  "INSERT INTO clock (only, since, shifted, moved) VALUES (1, ?1, 0, ?2)"
                  " ON CONFLICT (only) DO UPDATE SET since = ?1, moved = ?2",
                  "ii", now, *moved) < 0
               ? -1
               : move_all(db, now, newest, *moved, e);
}

int clock_shift_settle(struct store_tx *tx, int64_t *moved_ms, struct err *e)
{
    struct db *db = store_tx_db(tx);
    int64_t noted = 0, back = 0;
    if (settle_note(db, store_tx_now(tx), &noted, e) < 0 ||
        settle_future(db, store_tx_now(tx), &back, e) < 0)
        return -1;
    *moved_ms = noted + back;
    return 0;
}

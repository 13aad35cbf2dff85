#include "store/job.h"
#include "store/record.h"

#include <stdlib.h>

void event_finish(struct event *event)
{
    free(event->job);
    free(event->step);
    free(event->message);
    *event = (struct event){0};
}

static void read_event(const struct db_row *row, void *out)
{
    struct event *event = out;
    event->seq = db_int(row, 0);
    event->at = db_int(row, 1);
    event->job = db_text_copy(row, 2);
    event->step = db_text_copy(row, 3);
    event->message = db_text_copy(row, 4);
}

static void finish_event(void *out)
{
    event_finish(out);
}

static const struct record_type event_type = {sizeof(struct event), read_event, finish_event};

int event_add(struct store_tx *tx, const char *job, const char *step, const char *message,
              struct err *e)
{
    struct db *db = store_tx_db(tx);
    if (db_run(db, NULL, e, "UPDATE feed SET seq = seq + 1", "") < 0)
        return -1;
    return db_run(db, NULL, e,
                  "INSERT INTO event (seq, at, job, step, message)"
                  " SELECT seq, ?1, ?2, ?3, ?4 FROM feed",
                  "ittt", store_tx_now(tx), job, step, message);
}

int event_list(struct db *db, const char *job, size_t limit, struct event **out, size_t *count,
               struct err *e)
{
    struct db_row *row;
    if (db_query(db, &row, e,
                 "SELECT seq, at, job, step, message FROM"
                 " (SELECT * FROM event WHERE job = ?1 ORDER BY seq DESC LIMIT ?2) newest"
                 " ORDER BY seq",
                 "ti", job, (int64_t)limit) < 0)
        return -1;
    return record_list(row, &event_type, out, count, e);
}

int event_last_seq(struct db *db, int64_t *seq, struct err *e)
{
    struct db_row *row;
    if (db_query(db, &row, e, "SELECT seq FROM feed", "") < 0)
        return -1;
    return record_int(row, seq, e) < 0 ? -1 : 0;
}

#include "store/event.h"

#include "store/record.h"

#include <stdlib.h>
#include <string.h>

/* Events that a call looks at: with a filter that is seldom met it must not take long either. */
enum { LOOK_MAX = 10000 };

void event_finish(struct event *event)
{
    free(event->job);
    free(event->step);
    free(event->message);
    free(event->identifier);
    free(event->kind);
    free(event->resource_type);
    free(event->resource_name);
    *event = (struct event){0};
}

#define COLUMNS                                                                                    \
    "e.seq, e.at, e.job, e.state, e.step, e.message, e.identifier,"                                \
    " j.kind, j.resource_type, j.resource_name, j.resource_id"

static void read_event(const struct db_row *row, void *out)
{
    struct event *event = out;
    event->seq = db_int(row, 0);
    event->at = db_int(row, 1);
    event->job = db_text_copy(row, 2);
    event->state = job_state_stored(db_text(row, 3));
    event->step = db_text_copy(row, 4);
    event->message = db_text_copy(row, 5);
    event->identifier = db_text_copy(row, 6);
    event->kind = db_text_copy(row, 7);
    event->resource_type = db_text_copy(row, 8);
    event->resource_name = db_text_copy(row, 9);
    event->resource_id = db_int(row, 10);
}

static void finish_event(void *out)
{
    event_finish(out);
}

static const struct record_type event_type = {sizeof(struct event), read_event, finish_event};

/* Of all that there ever were: swept is that of those that are gone, and feed.seq what a schema of
   before had counted to. */
#define LAST "max (seq, swept, (SELECT ifnull (max (e.seq), 0) FROM event e))"

int event_add(struct store_tx *tx, const struct event_new *event, struct err *e)
{
    struct db *db = store_tx_db(tx);
    return db_run(db, NULL, e,
                  "INSERT INTO event (seq, at, job, state, step, message, identifier)"
                  " SELECT " LAST " + 1, ?1, ?2, ?3, ?4, ?5, ?6 FROM feed",
                  "ittttt", store_tx_now(tx), event->job, job_state_name(event->state), event->step,
                  event->message, event->identifier);
}

int event_list(struct db *db, const char *job, size_t limit, struct event **out, size_t *count,
               struct err *e)
{
    struct db_row *row;
    if (db_query(db, &row, e,
                 "SELECT " COLUMNS " FROM"
                 " (SELECT * FROM event WHERE job = ?1 ORDER BY seq DESC LIMIT ?2) e"
                 " JOIN job j ON j.id = e.job ORDER BY e.seq",
                 "ti", job, (int64_t)limit) < 0)
        return -1;
    return record_list(row, &event_type, out, count, e);
}

static bool fits(const char *wanted, const char *value)
{
    return !wanted || !strcmp(wanted, value);
}

bool event_matches(const struct event *event, const struct event_filter *filter)
{
    return fits(filter->job, event->job) && fits(filter->kind, event->kind) &&
           fits(filter->certificate, event->resource_name) &&
           (!filter->certificate || !strcmp(event->resource_type, "certificate")) &&
           (filter->state < 0 || (enum job_state)filter->state == event->state);
}

#define FILTER " AND (?3 IS NULL OR e.state = ?3) AND (?4 IS NULL OR j.kind = ?4)"

/* Each way has a statement of its own, so that it goes by the index that serves it; to is the seq
   up to which the table is looked at where none does. */
static int query(struct db *db, const struct event_filter *filter, int64_t after, int64_t to,
                 size_t limit, struct db_row **row, struct err *e)
{
    const char *state = filter->state < 0 ? NULL : job_state_name((enum job_state)filter->state);
    if (filter->job)
        return db_query(db, row, e,
                        "SELECT " COLUMNS " FROM event e JOIN job j ON j.id = e.job"
                        " WHERE e.job = ?5 AND e.seq > ?1 AND e.seq <= ?2" FILTER
                        " AND (?6 IS NULL OR (j.resource_type = 'certificate'"
                        "  AND j.resource_name = ?6)) ORDER BY e.seq LIMIT ?7",
                        "iitttti", after, to, state, filter->kind, filter->job, filter->certificate,
                        (int64_t)limit);
    if (filter->certificate)
        return db_query(db, row, e,
                        "SELECT " COLUMNS " FROM job j JOIN event e ON e.job = j.id"
                        " WHERE j.resource_type = 'certificate' AND j.resource_name = ?5"
                        " AND e.seq > ?1 AND e.seq <= ?2" FILTER " ORDER BY e.seq LIMIT ?6",
                        "iittti", after, to, state, filter->kind, filter->certificate,
                        (int64_t)limit);
    return db_query(db, row, e,
                    "SELECT " COLUMNS " FROM event e CROSS JOIN job j ON j.id = e.job"
                    " WHERE e.seq > ?1 AND e.seq <= ?2" FILTER " ORDER BY e.seq LIMIT ?5",
                    "iitti", after, to, state, filter->kind, (int64_t)limit);
}

int event_find(struct db *db, const struct event_filter *filter, int64_t after, size_t limit,
               struct event **out, size_t *count, int64_t *reached, struct err *e)
{
    struct db_row *row;
    int64_t to;
    if (event_last_seq(db, &to, e) < 0)
        return -1;
    if (to < after)
        to = after;
    if (!filter->job && !filter->certificate && to > after + LOOK_MAX)
        to = after + LOOK_MAX;
    if (query(db, filter, after, to, limit, &row, e) < 0 ||
        record_list(row, &event_type, out, count, e) < 0)
        return -1;
    *reached = *count == limit ? (*out)[*count - 1].seq : to;
    return 0;
}

int event_bounds(struct db *db, struct event_bounds *out, struct err *e)
{
    struct db_row *row;
    if (db_query(db, &row, e, "SELECT " LAST ", swept FROM feed", "") < 0)
        return -1;
    int rc = db_next(row, e);
    if (rc > 0)
        *out = (struct event_bounds){.last = db_int(row, 0), .swept = db_int(row, 1)};
    db_row_finish(row);
    return rc < 0 ? -1 : 0;
}

int event_last_seq(struct db *db, int64_t *seq, struct err *e)
{
    struct db_row *row;
    if (db_query(db, &row, e, "SELECT " LAST " FROM feed", "") < 0)
        return -1;
    return record_int(row, seq, e) < 0 ? -1 : 0;
}

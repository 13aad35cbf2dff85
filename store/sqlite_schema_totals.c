/* The third migration: jobs are counted as they come, change and go. Counting a million of them
   took a fifth of a second at each look, and the index that it went by was the page that each step
   of each job changed most. */
#include "store/sqlite.h"

#include <stddef.h>

const char *const sqlite_totals_schema[] = {
    "CREATE TABLE job_total ("
    " kind TEXT NOT NULL,"
    " state TEXT NOT NULL,"
    " number INTEGER NOT NULL CHECK (number >= 0),"
    " PRIMARY KEY (kind, state)"
    ") STRICT, WITHOUT ROWID",
    "INSERT INTO job_total SELECT kind, state, count (*) FROM job GROUP BY kind, state",
    "CREATE TRIGGER job_is_counted AFTER INSERT ON job BEGIN"
    " INSERT INTO job_total VALUES (NEW.kind, NEW.state, 1)"
    "  ON CONFLICT DO UPDATE SET number = number + 1; END",
    "CREATE TRIGGER job_is_counted_no_more AFTER DELETE ON job BEGIN"
    " UPDATE job_total SET number = number - 1 WHERE kind = OLD.kind AND state = OLD.state; END",
    "CREATE TRIGGER job_counts_elsewhere AFTER UPDATE OF kind, state ON job"
    " WHEN NEW.state <> OLD.state OR NEW.kind <> OLD.kind BEGIN"
    " UPDATE job_total SET number = number - 1 WHERE kind = OLD.kind AND state = OLD.state;"
    " INSERT INTO job_total VALUES (NEW.kind, NEW.state, 1)"
    "  ON CONFLICT DO UPDATE SET number = number + 1; END",
    /* Those that the next start wakes (job_hasten_step), among a million that wait for their
       renewal. */
    "CREATE INDEX job_to_wake ON job (kind, step)"
    " WHERE finished_at = 0 AND step IN ('present', 'propagate', 'look')",
    "DROP INDEX job_by_kind",
    NULL,
};

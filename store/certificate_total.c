#include "store/certificate.h"

int certificate_total(struct db *db, int64_t now, struct certificate_totals *out, struct err *e)
{
    struct db_row *row;
    if (db_query(db, &row, e,
                 "SELECT count (*), count (ready_until), count (failing),"
                 " COALESCE (min (ready_until), 0)"
                 " FROM (SELECT CASE WHEN v.state <> 'revoked' AND v.not_after > ?1"
                 "   THEN v.not_after END AS ready_until,"
                 "  CASE WHEN c.last_error IS NOT NULL OR EXISTS (SELECT 1 FROM job j"
                 "    WHERE j.id = c.active_job AND j.state = 'waiting'"
                 "    AND j.due_at = 9223372036854775807) THEN 1 END AS failing"
                 "  FROM certificate c"
                 "  LEFT JOIN version v ON v.certificate_id = c.id AND v.n = c.version)",
                 "i", now) < 0)
        return -1;
    int rc = db_next(row, e);
    if (rc > 0)
        *out = (struct certificate_totals){
            .all = db_int(row, 0),
            .ready = db_int(row, 1),
            .failing = db_int(row, 2),
            .first_expiry = db_int(row, 3),
        };
    db_row_finish(row);
    return rc < 0 ? -1 : 0;
}

#include "store/certificate.h"

/*
 * Most certificates are ready and do not fail, so it is the others that are looked at: those
 * pending (their not_after is 0) or expired, those revoked, those that failed, and those whose job
 * waits for a person. CROSS JOIN keeps the few on the outside.
 */
#define IS_REVOKED                                                                                 \
    "EXISTS (SELECT 1 FROM version v WHERE v.certificate_id = c.id AND v.n = c.version"            \
    " AND v.state = 'revoked')"
#define TOTALS                                                                                     \
    "SELECT (SELECT count (*) FROM certificate),"                                                  \
    " (SELECT count (*) FROM certificate WHERE not_after <= ?1),"                                  \
    " (SELECT count (*) FROM version v CROSS JOIN certificate c ON c.id = v.certificate_id"        \
    "  AND c.version = v.n WHERE v.state = 'revoked' AND +c.not_after > ?1),"                      \
    " (SELECT count (*) FROM certificate WHERE last_error IS NOT NULL),"                           \
    " (SELECT count (*) FROM job j CROSS JOIN certificate c ON c.id = j.resource_id"               \
    "  AND c.active_job = j.id WHERE j.due_at = 9223372036854775807 AND j.finished_at = 0"         \
    "  AND j.state = 'waiting' AND c.last_error IS NULL),"                                         \
    " COALESCE ((SELECT c.not_after FROM certificate c WHERE c.not_after > ?1"                     \
    "  AND NOT " IS_REVOKED " ORDER BY c.not_after LIMIT 1), 0)"

int certificate_total(struct db *db, int64_t now, struct certificate_totals *out, struct err *e)
{
    struct db_row *row;
    if (db_query(db, &row, e, TOTALS, "i", now) < 0)
        return -1;
    int rc = db_next(row, e);
    if (rc > 0)
        *out = (struct certificate_totals){
            .all = db_int(row, 0),
            .ready = db_int(row, 0) - db_int(row, 1) - db_int(row, 2),
            .failing = db_int(row, 3) + db_int(row, 4),
            .first_expiry = db_int(row, 5),
        };
    db_row_finish(row);
    return rc < 0 ? -1 : 0;
}

#include "store/certificate_subject.h"

#include "store/record.h"

#include <stdlib.h>

void certificate_subject_finish(struct certificate_subject *subject)
{
    free(subject->identifiers);
    free(subject->labels);
    *subject = (struct certificate_subject){0};
}

static void read_subject(const struct db_row *row, void *out)
{
    struct certificate_subject *subject = out;
    subject->identifiers = db_text_copy(row, 0);
    subject->labels = db_text_copy(row, 1);
}

static void finish_subject(void *out)
{
    certificate_subject_finish(out);
}

int certificate_subject_load(struct db *db, int64_t id, struct certificate_subject *out,
                             struct err *e)
{
    static const struct record_type type = {sizeof *out, read_subject, finish_subject};
    struct db_row *row;
    if (db_query(db, &row, e,
                 "SELECT identifiers, labels FROM certificate WHERE id = ?1"
                 " UNION ALL SELECT identifiers, labels FROM deleted_certificate WHERE id = ?1"
                 " LIMIT 1",
                 "i", id) < 0)
        return -1;
    int found = record_load(row, &type, out, e);
    return found < 0 ? -1 : record_expect_id(found, e, "certificate", id);
}

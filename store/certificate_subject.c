#include "store/certificate_subject.h"

#include "store/record.h"

#include <stdlib.h>

void certificate_subject_finish(struct certificate_subject *subject)
{
    free(subject->identifiers);
    free(subject->labels);
    free(subject->former);
    *subject = (struct certificate_subject){0};
}

static void read_subject(const struct db_row *row, void *out)
{
    struct certificate_subject *subject = out;
    subject->identifiers = db_text_copy(row, 0);
    subject->labels = db_text_copy(row, 1);
    subject->former = db_text_copy(row, 2);
}

static void finish_subject(void *out)
{
    certificate_subject_finish(out);
}

static const struct record_type subject_type = {sizeof(struct certificate_subject), read_subject,
                                                finish_subject};

int certificate_subject_load(struct db *db, int64_t id, struct certificate_subject *out,
                             struct err *e)
{
    struct db_row *row;
    if (db_query(db, &row, e,
                 "SELECT identifiers, labels, NULL FROM certificate WHERE id = ?1 UNION ALL"
                 " SELECT identifiers, labels, NULL FROM deleted_certificate WHERE id = ?1"
                 " LIMIT 1",
                 "i", id) < 0)
        return -1;
    int found = record_load(row, &subject_type, out, e);
    return found < 0 ? -1 : record_expect_id(found, e, "certificate", id);
}

int certificate_subject_load_of_job(struct db *db, const char *job, struct certificate_subject *out,
                                    struct err *e)
{
    struct db_row *row;
    if (db_query(db, &row, e,
                 "SELECT s.identifiers, s.labels, j.identifiers FROM job j JOIN ("
                 " SELECT id, identifiers, labels FROM certificate UNION ALL"
                 " SELECT id, identifiers, labels FROM deleted_certificate) s"
                 " ON s.id = j.resource_id"
                 " WHERE j.id = ?1 AND j.resource_type = 'certificate' UNION ALL"
                 " SELECT json_extract (args, '$.identifiers'), json_extract (args, '$.labels'),"
                 " NULL FROM job WHERE id = ?1 AND kind = 'preflight' LIMIT 1",
                 "t", job) < 0)
        return -1;
    int found = record_load(row, &subject_type, out, e);
    return found < 0 ? -1 : record_expect(found, e, "certificate of the job", job);
}

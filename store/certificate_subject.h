/* What a certificate is for: all that decides who may see it and what is of it. */
#ifndef CERTWRIGHT_STORE_CERTIFICATE_SUBJECT_H
#define CERTWRIGHT_STORE_CERTIFICATE_SUBJECT_H

#include "store/store.h"

struct certificate_subject {
    char *identifiers; /* JSON array of normalized texts */
    char *labels;      /* JSON object of strings */
    char *former;      /* identifiers again, that a job was for: the certificate has had others
                          since; NULL: it has not, or no job is meant */
};
void certificate_subject_finish(struct certificate_subject *subject);

/* Also of one that is deleted, as it was at its end, while its jobs are kept. ERR_NOT_FOUND. */
int certificate_subject_load(struct db *db, int64_t id, struct certificate_subject *out,
                             struct err *e);

/* The same of the certificate that a job is for, by the job's id; a preflight is for one that need
   not be there. ERR_NOT_FOUND also if it is for something else. */
int certificate_subject_load_of_job(struct db *db, const char *job, struct certificate_subject *out,
                                    struct err *e);

#endif

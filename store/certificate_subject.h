/* What a certificate is for: all that decides who may see it and what is of it. */
#ifndef CERTWRIGHT_STORE_CERTIFICATE_SUBJECT_H
#define CERTWRIGHT_STORE_CERTIFICATE_SUBJECT_H

#include "store/store.h"

struct certificate_subject {
    char *identifiers; /* JSON array of normalized texts */
    char *labels;      /* JSON object of strings */
};
void certificate_subject_finish(struct certificate_subject *subject);

/* Also of one that is deleted, as it was at its end, while its jobs are kept. ERR_NOT_FOUND. */
int certificate_subject_load(struct db *db, int64_t id, struct certificate_subject *out,
                             struct err *e);

#endif

/* Jobs as the API shows them, with the identifiers that they prove and their events. */
#ifndef CERTWRIGHT_SERVER_API_JOB_VIEW_H
#define CERTWRIGHT_SERVER_API_JOB_VIEW_H

#include "store/job.h"

struct json_object;

struct job_view {
    struct json_object *json; /* owned */
    bool ended;
    int64_t retry_after_seconds; /* when to look again; 0 once it has ended */
};

/* ERR_NOT_FOUND. The caller ends view->json with json_object_put. */
int job_view_load(struct db *db, const char *id, struct job_view *view, struct err *e);
int job_view_make(struct db *db, const struct job *job, struct job_view *view, struct err *e);

#endif

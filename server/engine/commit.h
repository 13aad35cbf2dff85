/* What becomes durable of a step and of those it is joined to, in one transaction. */
#ifndef CERTWRIGHT_SERVER_ENGINE_COMMIT_H
#define CERTWRIGHT_SERVER_ENGINE_COMMIT_H

#include "server/engine/step.h"

/* What a step has left to be saved with a later one. */
struct earlier {
    const struct step *step;
    char *message;
    char *about; /* the identifier; NULL: the whole job */
    int (*save)(struct store_tx *tx, struct step_context *c, struct err *e);
    void *saved;
    void (*saved_free)(void *saved);
};

enum { EARLIER_MAX = 8 };

/* What the commit will do with the job. */
struct commit {
    struct step_context *c;
    struct earlier earlier[EARLIER_MAX];
    size_t earlier_count;
    struct job_change change;
    struct job_change written; /* what became of it in the transaction */
    char lane[LANE_NAME_SIZE];
    struct err failure;  /* the step's; message and park_reason may point into it */
    const char *message; /* for the timeline, under the step that ran; NULL: nothing */
    char *error;
    char
        *requests; /* the job's, with those of its steps since the last commit; NULL: as they are */
    int64_t limit_until; /* of all the account's jobs at this step; 0: no limit */
    int64_t park_until;  /* -1: as it is; 0: opens the authority; else parks it */
    const char *park_reason;
    int64_t epoch; /* after it */
};

/* Whether the database takes what a step comes to, as far as is known. */
bool commit_may_begin(struct step_context *c);

/* What the steps have asked of the CA, for the commit to write; once. */
void commit_take_requests(struct commit *commit);

/* A store_fn; arg is the struct commit, and only ->written and ->epoch of it change. */
int commit_write(struct store_tx *tx, void *arg, struct err *e);

/* Whether the step that has run may be committed with the next one: it may be joined by that, which
   comes at once or after a wait of 200 ms at most. */
bool commit_can_wait(const struct commit *commit);

void commit_forget_earlier(struct commit *commit);

#endif

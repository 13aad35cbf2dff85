/*
 * What is done about an error: one table of codes. retry.h knows the delays of it, and a job's kind
 * (step.h) what takes more than time.
 */
#ifndef CERTWRIGHT_SERVER_ENGINE_REMEDY_H
#define CERTWRIGHT_SERVER_ENGINE_REMEDY_H

#include "acme/base/error.h"

#include <stdbool.h>

enum remedy {
    REMEDY_UNKNOWN, /* no row has it */

    /* what every job can do */
    REMEDY_FAIL,       /* it ends */
    REMEDY_BACK_OFF,   /* the same step again, ever later; a Retry-After is the least */
    REMEDY_WAIT,       /* the same step again as the Retry-After says, else as Let's Encrypt does */
    REMEDY_ASK_PERSON, /* it waits until somebody says that it may go on */

    /* what some kinds of jobs can do, once or a few times (job_kind.remedy) */
    REMEDY_FOLLOW_ORDER,  /* fetch the order and go where its status says */
    REMEDY_NEW_ORDER,     /* this one is dead */
    REMEDY_NEW_CSR,       /* another key and CSR for the same order */
    REMEDY_NEW_KEY,       /* another key for the account that is to be registered */
    REMEDY_REGISTER,      /* find the account by its key, or register it again; then a new order */
    REMEDY_NO_REPLACES,   /* the same order without its predecessor (RFC 9773 section 5) */
    REMEDY_LIST_PROFILES, /* fetch the directory again, to tell what there is; then it ends */
    REMEDY_NAME_ISSUERS,  /* tell what a CAA record would have to say; then it ends */
    REMEDY_SUCCESS,       /* it is as it should be */
};

struct remedy_row {
    enum remedy first;
    /* Where a job's kind has no such thing to do, or has done it: one that every job can do. */
    enum remedy otherwise;
};

/* The code's row; NULL for those that are not a CA's, of which err_info's retryable decides. */
const struct remedy_row *remedy_row(enum err_code code);

/* What is done about this very error, whose HTTP status may tell more than its code. */
struct remedy_row remedy_for(const struct err *e);

/* Whether a rate limit is the account's or the address's, not that of a name: then it is no use to
   try the same step for another certificate of the account. */
bool remedy_is_account_wide(const struct err *e);

#endif

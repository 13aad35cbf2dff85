/*
 * What DNS says of names before anything is ordered for them: who may issue (CAA), where a CA would
 * connect to, where a challenge's record would go and who serves that zone. Asks the resolvers
 * alone; CNAMEs are followed.
 */
#ifndef CERTWRIGHT_SERVER_SOLVER_SURVEY_H
#define CERTWRIGHT_SERVER_SOLVER_SURVEY_H

#include "acme/base/error.h"

#include <stdbool.h>
#include <stddef.h>

struct propagation;

/* What is asked of one name; all borrowed. */
struct survey_subject {
    const char *name;     /* without "*." */
    const char *record;   /* the challenge's TXT; NULL: there is none */
    const char *hint;     /* the zone that its solver is configured for, or NULL */
    bool wants_addresses; /* the CA is going to connect to it */
};

struct survey_texts {
    char **items;
    size_t count;
};

/* What was found; each error has the code ERR_NONE, or tells why its part is not known. */
struct survey_finding {
    char *caa_at;            /* the domain that has CAA records (RFC 8659 section 3); NULL: none */
    struct survey_texts caa; /* as caa_judge takes them */
    struct err caa_error;

    struct survey_texts addresses;
    struct err address_error;

    char *fqdn;                  /* of the record, after CNAMEs; NULL: not asked, or not found */
    char *zone;                  /* "": none was found, with resolvers_only */
    struct survey_texts servers; /* of the zone, by name; none with resolvers_only */
    struct err zone_error;
};

struct survey {
    struct survey_finding *findings; /* in the order of the subjects */
    size_t count;
};

void survey_destroy(struct survey *survey);

/* On the propagation thread; the survey's ownership passes. */
typedef void survey_callback(void *context, const char *id, struct survey *survey);

/*
 * Queues it; the call-back comes once, when all is known that can be, unless p is destroyed before.
 * Names that are none have their errors. Any thread.
 */
void survey_submit(struct propagation *p, const char *id, const struct survey_subject *subjects,
                   size_t count, survey_callback *callback, void *context);

#endif

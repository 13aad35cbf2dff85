/*
 * "preflight": what would fail of an order, told without placing one. The steps (preflight_steps.c)
 * gather, the checks (preflight_checks.c, preflight_names.c) judge.
 */
#ifndef CERTWRIGHT_SERVER_ENGINE_PREFLIGHT_H
#define CERTWRIGHT_SERVER_ENGINE_PREFLIGHT_H

#include "acme/identifier.h"
#include "server/engine/step.h"
#include "server/solver/survey.h"

struct json_object;

enum preflight_status { PREFLIGHT_OK, PREFLIGHT_WARNING, PREFLIGHT_FAILED };

/* The checks so far, as the API shows them: {status, checks}. */
struct preflight_report {
    struct json_object *checks;
    size_t counts[PREFLIGHT_FAILED + 1]; /* by status */
};

/* Takes up what an earlier step has left in the job's result. */
void preflight_report_init(struct preflight_report *report, const char *result);
void preflight_report_finish(struct preflight_report *report);
/* For the job's row; the caller frees. */
char *preflight_report_write(const struct preflight_report *report);

/* identifier NULL: it is about all of them. hint NULL: there is nothing to do. */
void preflight_report_add(struct preflight_report *report, const char *identifier,
                          const char *check, enum preflight_status status, const char *hint,
                          const char *format, ...) __attribute__((format(printf, 6, 7)));

/* preflight_checks.c: what the database and the CA's directory tell, and nothing of DNS. */

/* The account, its terms, limits that are in force, a former job. */
int preflight_check_account(struct step_context *c, struct preflight_report *report, struct err *e);
/* The profile, against the directory that is there. */
void preflight_check_profile(const struct step_context *c, struct preflight_report *report);

/* preflight_names.c: each name of the certificate. */

/* How one is going to be proven. */
struct preflight_name {
    struct identifier id;
    const char *challenge_type; /* a constant; NULL: nobody can */
    char *solver;               /* NULL: this service, or a person */
    char *record;               /* of a dns-… challenge; NULL: none, or not known yet */
    char *hint;                 /* the zone that the solver has for it; NULL */
    bool needs_zone;
};

struct preflight_names {
    struct preflight_name *items;
    size_t count;
};

/* Chooses as an order would, and adds a check for each. */
int preflight_names_choose(struct step_context *c, struct preflight_report *report,
                           struct preflight_names *out, struct err *e);
void preflight_names_finish(struct preflight_names *names);

/* What is to be asked of DNS, in the order of the names; borrows from them. The caller frees. */
struct survey_subject *preflight_names_subjects(const struct preflight_names *names);

/* Adds what the answers say: CAA, addresses, the record's zone. */
void preflight_names_judge(const struct step_context *c, const struct preflight_names *names,
                           const struct survey *survey, struct preflight_report *report);

/* A failed or cancelled one is made again. */
int preflight_again(struct store_tx *tx, const struct job *job, char id[ULID_SIZE], struct err *e);

#endif

/*
 * What jobs wait for from DNS: zones looked up and records seen. The propagation thread leaves its
 * answers here and hastens the job; the step finds them when it runs again. Nothing here is
 * durable: after a restart the step asks anew.
 */
#ifndef CERTWRIGHT_SERVER_ENGINE_VERDICTS_H
#define CERTWRIGHT_SERVER_ENGINE_VERDICTS_H

#include "server/solver/propagation.h"
#include "server/solver/survey.h"
#include "store/store.h"

struct verdicts;

struct verdicts *verdicts_create(struct store *store, struct propagation *propagation);
/* After propagation_destroy. */
void verdicts_destroy(struct verdicts *verdicts);

enum verdict_state { VERDICT_PENDING, VERDICT_READY };

/*
 * Where the TXT for authorization `index` of the job goes. The first call asks, and answers
 * VERDICT_PENDING; when the answer is there the job is hastened and the next call fills out, or
 * error (code ERR_NONE on success), and forgets it.
 */
enum verdict_state verdicts_zone(struct verdicts *verdicts, const char *job, int64_t index,
                                 const char *name, const char *hint, struct propagation_zone *out,
                                 struct err *error);

/* Whether the record is at all name servers; likewise. check->id is filled in. */
enum verdict_state verdicts_record(struct verdicts *verdicts, const char *job, int64_t index,
                                   struct propagation_check *check,
                                   struct propagation_verdict *out);

/* What DNS says of names, all together; the caller destroys *out. The subjects of the first call
   count. Likewise. */
enum verdict_state verdicts_survey(struct verdicts *verdicts, const char *job,
                                   const struct survey_subject *subjects, size_t count,
                                   struct survey **out);

/* How far a pending record is; false if nothing is known yet. */
bool verdicts_progress(struct verdicts *verdicts, const char *job, int64_t index,
                       struct propagation_progress *out);

/* Whether an answer for the job is waiting to be read. */
bool verdicts_ready(struct verdicts *verdicts, const char *job);

/* Forgets everything of the job. */
void verdicts_forget(struct verdicts *verdicts, const char *job);

#endif

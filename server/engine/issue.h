/* The steps of "certificate.issue", by file. See issue.c for their diagram. */
#ifndef CERTWRIGHT_SERVER_ENGINE_ISSUE_H
#define CERTWRIGHT_SERVER_ENGINE_ISSUE_H

#include "server/engine/step.h"

/* issue_prepare.c: key and CSR */
int issue_prepare(struct step_context *c, struct err *e);
void issue_prepare_lane(const struct step_context *c, char out[LANE_NAME_SIZE]);

/* Makes another key and CSR for an order whose CSR was refused. */
int issue_rekey(struct step_context *c, struct err *e);
void issue_rekey_lane(const struct step_context *c, char out[LANE_NAME_SIZE]);
/* Whether the certificate's keys are made here, a new one each time. */
bool issue_makes_key(const struct step_context *c);

/* issue_order.c: the order */
int issue_order(struct step_context *c, struct err *e);

/* issue_authorize.c: what is to be proven, and by whom */
int issue_authorize(struct step_context *c, struct err *e);

/* Who is to prove a name, and how. */
struct issue_choice {
    const char *type; /* of the challenge; a constant */
    char *solver;     /* owned; NULL: a person is shown the record (dns-persist-01) */
};
/* By the certificate's wish, else by the solvers' zones. ERR_SOLVER_MISSING. */
int issue_choose(struct step_context *c, const struct acme_authorization *a,
                 struct issue_choice *choice, struct err *e);

/* issue_present.c: the challenges' responses are put in place */
int issue_present(struct step_context *c, struct err *e);
void issue_present_lane(const struct step_context *c, char out[LANE_NAME_SIZE]);
void issue_mark_visible(struct step_context *c, size_t i, const char *detail);
/* Whether the commit writes the authorization anew. */
bool issue_is_changed(const struct step_context *c, size_t i);
/* Whether an answer of DNS is waiting to be read: for step_context's ready. */
bool issue_is_answered(struct step_context *c);

/* issue_propagate.c: they are looked for */
int issue_propagate(struct step_context *c, struct err *e);

/* issue_validate.c: the CA looks */
int issue_respond(struct step_context *c, struct err *e);
int issue_validate(struct step_context *c, struct err *e);

/* issue_finish.c: from finalize to the certificate */
int issue_finalize(struct step_context *c, struct err *e);
int issue_collect(struct step_context *c, struct err *e);
int issue_download(struct step_context *c, struct err *e);
/* Asks the CA how the order stands, and follows. */
int issue_observe(struct step_context *c, struct err *e);

/* issue_remedy.c: when the CA refuses; see job_kind.remedy */
int issue_remedy(struct step_context *c, enum remedy remedy, struct err *e);
/* Goes on with another order for the same version, since the present one is of no use. */
int issue_order_again(struct step_context *c, const char *reason);

/* ---- shared by them ---- */

/* Takes what the CA said of the order into its row. */
void issue_take_order(struct step_context *c, const struct acme_order *order);

/* Goes where the order's status says, or fails with the order's own error. */
int issue_follow_order(struct step_context *c, const struct acme_order *order, struct err *e);

/* The first authorization at that step, from index `from`; -1 if there is none. */
ptrdiff_t issue_find(const struct step_context *c, enum authorization_step step, size_t from);
/* How many have come at least as far as that. */
size_t issue_count_from(const struct step_context *c, enum authorization_step step);

/* issue_persist.c: dns-persist-01, whose record stays */

/* Whether the authorization's challenge is that. */
bool issue_is_persist(const struct authorization *authorization);

/* Fills the record's name and value. ERR_CA_PROTOCOL if the challenge asks for what no record of
   this account may say. */
int issue_persist_choose(struct step_context *c, struct authorization *row,
                         const struct acme_authorization *a, const struct acme_challenge *challenge,
                         struct err *e);

/* Whether the certificate's persist_until has gone by: then no record is placed any more. */
bool issue_persist_is_over(const struct step_context *c);

/* What a fitting record has to say: the value for issue_persist_matches; the caller frees. */
char *issue_persist_wanted(const struct step_context *c, const struct authorization *row);

/* For struct propagation_check. */
bool issue_persist_matches(const char *record, const char *wanted);

/* Records the CA's failure of an authorization, and fills e with it; returns -1. */
int issue_authorization_failed(struct step_context *c, size_t i,
                               const struct acme_authorization *answer, struct err *e);

/* The certificate's active job has ended: another one that runs beside it is the active one now. */
int issue_hand_over(struct store_tx *tx, const struct step_context *c, const char *last_error,
                    struct err *e);

/* The identifiers of a certificate's row, sorted; the caller frees *out. */
int issue_read_identifiers(const char *json, struct identifier **out, size_t *count, struct err *e);

/* The CA's word. */
const char *issue_authorization_status_name(enum acme_authorization_status status);

/* Replaces an owned text by a copy of another. */
void issue_set(char **text, const char *value);

#endif

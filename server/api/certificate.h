/* Certificates, for the API and the config alike. */
#ifndef CERTWRIGHT_SERVER_API_CERTIFICATE_H
#define CERTWRIGHT_SERVER_API_CERTIFICATE_H

#include "server/api/api.h"
#include "server/api/applied.h"
#include "server/api/spec_certificate.h"
#include "store/certificate.h"

/*
 * Complains of what the body names and the database lacks: account, authority, solver, targets. The
 * body may be wrong otherwise, so that all is told at once.
 */
int certificate_check(struct db *db, const struct api_defaults *defaults, enum origin origin,
                      struct json_object *body, struct fields *errors, struct err *e);

/* Who asks for a certificate, and with what behind it. */
struct certificate_request {
    const char *name;
    const struct spec_certificate *spec;
    const struct api_defaults *defaults;
    enum origin origin;
    int64_t retry_for_ms; /* as intake.h */
    bool is_import;       /* it has no account unless the spec names one */
};

/* Changes the wish to renew it, and plans anew; nothing if it is the same. */
int certificate_set_renew(struct store_tx *tx, const struct certificate *row, bool enabled,
                          int64_t before_ms, bool use_ari, struct err *e);

/* ERR_CONFLICT if nobody is known who could revoke it: it has no account. */
int certificate_check_revocable(const struct certificate *certificate, struct err *e);

/* A new one. ERR_NAME_TAKEN, ERR_KEY_REUSED, ERR_INVALID if an account is missing. */
int certificate_insert_spec(struct store_tx *tx, const struct certificate_request *request,
                            struct applied *out, struct err *e);

/* A new one whose first version was issued elsewhere to that key. Errors as above. */
int certificate_import(struct store_tx *tx, const struct certificate_request *request,
                       const struct key *key, const struct version_issued *issued, struct err *e);

/*
 * A new one, or the existing one brought to the spec: a changed spec makes a new version, and
 * cancels a job that is under way for the former one (ERR_CONFLICT where it is too late for that).
 */
int certificate_apply(struct store_tx *tx, const struct certificate_request *request,
                      struct applied *out, struct err *e);

#endif

/* /certificates/{name}/renew, /revoke and /deploy */
#include "acme/base/clock.h"
#include "acme/base/memory.h"
#include "server/access/scope.h"
#include "server/api/account.h"
#include "server/api/body.h"
#include "server/api/call.h"
#include "server/api/canonical.h"
#include "server/api/certificate.h"
#include "server/api/certificate_targets.h"
#include "server/api/certificate_view.h"
#include "server/api/check.h"
#include "server/api/revocation.h"
#include "server/api/rights.h"
#include "server/api/spec_target.h"
#include "server/engine/intake.h"
#include "server/engine/renewal.h"
#include "store/certificate.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

/* ---- renew ---- */

struct renew {
    bool force;
    bool only_if_due;
};

/* A client in a loop must not use up the CA's limits. */
static int check_age(struct db *db, const struct certificate *row, const struct renew *renew,
                     struct err *e)
{
    struct version version;
    if (renew->force || row->active_job || !row->version || row->revoked)
        return 0;
    if (version_load(db, row->id, 0, &version, e) < 0)
        return -1;
    int64_t age = clock_engine_ms() - version.issued_at;
    version_finish(&version);
    if (age >= CLOCK_DAY_MS)
        return 0;
    return err_set(e, ERR_CONFLICT,
                   "Version %lld was issued less than 24 hours ago; force renews it nevertheless.",
                   (long long)row->version);
}

static int check_account(struct db *db, const struct certificate *row, struct err *e)
{
    struct account account;
    if (!row->account_id)
        return err_set(e, ERR_CONFLICT, "\"%s\" was imported without an account: PUT it with one.",
                       row->name);
    if (account_load_by_id(db, row->account_id, &account, e) < 0)
        return -1;
    int rc = account_check_usable(&account, e);
    account_finish(&account);
    return rc;
}

/* Whether or not it is renewed by itself. */
static bool is_due(const struct certificate *row)
{
    struct renewal_memory memory;
    if (!row->version || row->revoked || row->active_job)
        return true;
    renewal_memory_read(row->renewal, row->version, &memory);
    int64_t at = renewal_due_at(row, &memory);
    renewal_memory_finish(&memory);
    return at <= clock_wall_ms();
}

static int renew_row(struct call *call, struct store_tx *tx, const struct certificate *row,
                     struct err *e)
{
    const struct renew *renew = call->spec;
    bool existing;
    if (renew->only_if_due && !is_due(row))
        return certificate_answer(call, 200, store_tx_db(tx), row, e);
    if (check_account(store_tx_db(tx), row, e) < 0 ||
        (!renew->only_if_due && check_age(store_tx_db(tx), row, renew, e) < 0))
        return -1;
    return intake_certificate_issue(tx, row, row->retry_for_ms, call->out.job, &existing, e);
}

static int apply_renew(struct call *call, struct store_tx *tx, struct err *e)
{
    struct certificate row;
    if (certificate_load(store_tx_db(tx), http_param(call->x, "name"), &row, e) < 0)
        return -1;
    int rc = renew_row(call, tx, &row, e);
    certificate_finish(&row);
    return rc;
}

static void renew(struct http_exchange *x, void *context)
{
    static const char *const names[] = {"force", "only_if_due", NULL};
    struct fields errors = {0};
    struct json_object *body = call_body(x);
    if (!body)
        return;
    struct members m = members_of_body(body, &errors);
    struct renew *spec = mem_new(1, sizeof *spec);
    members_only(&m, names);
    spec->force = members_bool(&m, "force", false);
    spec->only_if_due = members_bool(&m, "only_if_due", false);
    if (spec->force && spec->only_if_due)
        members_wrong(&m, "only_if_due", "must not be given beside force");
    body_destroy(body);
    if (call_refused(x, &errors))
        free(spec);
    else
        call_post(context, x, apply_renew, spec, free);
}

/* ---- revoke ---- */

struct revoke {
    int reason;
    int64_t version; /* 0: the one in use */
    enum intake_signer by;
};

static int check_version(struct call *call, struct db *db, const struct certificate *row, int64_t n,
                         enum intake_signer by, struct err *e)
{
    struct version version;
    if (!row->version)
        return err_set(e, ERR_CONFLICT, "The certificate \"%s\" was not issued yet.", row->name);
    if (version_load(db, row->id, n, &version, e) < 0) {
        if (e->code != ERR_NOT_FOUND)
            return -1;
        fields_add(&call->errors, "/version", "there is no such version");
        return fields_verdict(&call->errors, e);
    }
    int rc = 0;
    if (!rights_see_version(call->x, &version))
        rc = err_set(e, ERR_FORBIDDEN, "Version %lld has names that are not for %s.",
                     (long long)version.n, http_principal(call->x));
    else if (version.state == VERSION_REVOKED)
        rc = err_set(e, ERR_CONFLICT, "Version %lld is revoked already.", (long long)version.n);
    else if (version.state != VERSION_VALID)
        rc = err_set(e, ERR_CONFLICT, "Version %lld was not issued.", (long long)version.n);
    else if (by == INTAKE_SIGNER_CERTIFICATE_KEY && !version.has_key)
        rc = err_set(e, ERR_CONFLICT, "The key of version %lld is not here.", (long long)version.n);
    version_finish(&version);
    return rc;
}

int certificate_check_revocable(const struct certificate *certificate, struct err *e)
{
    if (certificate->account_id)
        return 0;
    return err_set(e, ERR_CONFLICT,
                   "\"%s\" was imported without an account, so that its CA is not known: POST it"
                   " to /revocations.",
                   certificate->name);
}

static int apply_revoke(struct call *call, struct store_tx *tx, struct err *e)
{
    const struct revoke *revoke = call->spec;
    struct certificate row;
    bool existing;
    if (certificate_load(store_tx_db(tx), http_param(call->x, "name"), &row, e) < 0)
        return -1;
    int rc = certificate_check_revocable(&row, e);
    if (rc == 0)
        rc = check_version(call, store_tx_db(tx), &row, revoke->version, revoke->by, e);
    if (rc == 0)
        rc = intake_certificate_revoke(tx, &row, revoke->version, revoke->reason, revoke->by, false,
                                       call->out.job, &existing, e);
    certificate_finish(&row);
    return rc;
}

static void revoke(struct http_exchange *x, void *context)
{
    static const char *const names[] = {"reason", "version", "by", NULL};
    static const char *const signers[] = {"account", "certificate_key", NULL};
    struct fields errors = {0};
    struct json_object *body = call_body(x);
    if (!body)
        return;
    struct members m = members_of_body(body, &errors);
    struct revoke *spec = mem_new(1, sizeof *spec);
    members_only(&m, names);
    spec->reason = revocation_reason_read(&m);
    spec->version = members_int(&m, "version", 1, INT32_MAX, 0);
    int signer = members_choice(&m, "by", MEMBERS_OPTIONAL, signers);
    spec->by = signer < 0    ? INTAKE_SIGNER_ANY
               : signer == 0 ? INTAKE_SIGNER_ACCOUNT
                             : INTAKE_SIGNER_CERTIFICATE_KEY;
    body_destroy(body);
    if (call_refused(x, &errors))
        free(spec);
    else
        call_post(context, x, apply_revoke, spec, free);
}

/* ---- deploy ---- */

static int apply_deploy(struct call *call, struct store_tx *tx, struct err *e)
{
    struct certificate row;
    if (certificate_load(store_tx_db(tx), http_param(call->x, "name"), &row, e) < 0)
        return -1;
    int rc = certificate_targets_deploy(tx, &row, call->spec, call->out.job, &call->errors, e);
    certificate_finish(&row);
    return rc;
}

static void destroy_choice(void *spec)
{
    struct certificate_targets_choice *choice = spec;
    free(choice->target);
    free(choice->parameters);
    free(choice);
}

static void deploy(struct http_exchange *x, void *context)
{
    static const char *const names[] = {"target", "domains", "group_id", "path", NULL};
    struct fields errors = {0};
    struct json_object *body = call_body(x);
    if (!body)
        return;
    struct members m = members_of_body(body, &errors);
    members_only(&m, names);
    struct certificate_targets_choice *choice = mem_new(1, sizeof *choice);
    choice->target = mem_strdup(members_checked(&m, "target", MEMBERS_OPTIONAL, check_name));
    struct json_object *parameters = spec_target_parameters_read(&m);
    if (json_object_object_length(parameters) > 0)
        choice->parameters = canonical_json(parameters);
    json_object_put(parameters);
    body_destroy(body);
    if (call_refused(x, &errors))
        destroy_choice(choice);
    else
        call_post(context, x, apply_deploy, choice, destroy_choice);
}

const struct http_route certificate_actions_routes[] = {
    {HTTP_POST, "/certificates/{name}/renew", renew, HTTP_ROUTE_NO_BODY, SCOPE_CERTIFICATES_ISSUE},
    {HTTP_POST, "/certificates/{name}/revoke", revoke, HTTP_ROUTE_NO_BODY,
     SCOPE_CERTIFICATES_REVOKE},
    {HTTP_POST, "/certificates/{name}/deploy", deploy, HTTP_ROUTE_NO_BODY,
     SCOPE_CERTIFICATES_ISSUE},
    {0},
};

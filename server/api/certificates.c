/* /certificates and /certificates/{name} */
#include "acme/base/memory.h"
#include "server/access/scope.h"
#include "server/api/body.h"
#include "server/api/call.h"
#include "server/api/certificate.h"
#include "server/api/certificate_targets.h"
#include "server/api/certificate_view.h"
#include "server/api/certificates_list.h"
#include "server/api/page.h"
#include "server/api/rights.h"
#include "server/api/target_folders.h"
#include "server/engine/intake.h"
#include "server/engine/renewal.h"

#include <stdlib.h>
#include <string.h>

/* ---- reading ---- */

static void get(struct http_exchange *x, void *context)
{
    struct certificate certificate;
    struct err e;
    struct db *db = call_reader(context, x);
    if (!db)
        return;
    if (certificate_load(db, http_param(x, "name"), &certificate, &e) < 0) {
        http_respond_error(x, &e, NULL, NULL);
        return;
    }
    struct certificate_view view = {0};
    char etag[HTTP_ETAG_SIZE];
    if (certificate_view_load(db, &certificate, &view, &e) < 0) {
        http_respond_error(x, &e, NULL, NULL);
    } else {
        certificate_view_tag(&view, etag);
        if (!http_respond_unchanged(x, etag))
            http_respond_json(x, 200, certificate_view_show(&view));
    }
    certificate_view_finish(&view);
    certificate_finish(&certificate);
}

/* ---- POST and PUT ---- */

static void destroy_spec(void *spec)
{
    spec_certificate_finish(spec);
    free(spec);
}

/* The spec of the body, with every complaint; NULL: x is answered. name: of the path, or NULL. */
static struct spec_certificate *read_body(struct api *api, struct http_exchange *x,
                                          const char *name)
{
    struct fields errors = {0};
    struct err e;
    struct db *db;
    struct json_object *body = call_body_with_reader(api, x, &db);
    if (!body)
        return NULL;
    struct spec_certificate *spec = mem_new(1, sizeof *spec);
    if (name)
        call_check_name(name, &errors);
    spec_certificate_read(body, !name, &errors, spec);
    int rc = certificate_check(db, api->options.defaults, ORIGIN_API, body, &errors, &e);
    body_destroy(body);
    if (call_rejected(x, rc, &e, &errors)) {
        destroy_spec(spec);
        return NULL;
    }
    return spec;
}

static struct certificate_request request_of(const struct call *call, const char *name)
{
    const struct spec_certificate *spec = call->spec;
    return (struct certificate_request){
        .name = name,
        .spec = spec,
        .defaults = call->api->options.defaults,
        .origin = ORIGIN_API,
        .retry_for_ms = spec->retry_for_ms < 0 ? INTAKE_RETRY_DEFAULT_MS : spec->retry_for_ms,
    };
}

static int apply_post(struct call *call, struct store_tx *tx, struct err *e)
{
    const struct spec_certificate *spec = call->spec;
    struct certificate_request request = request_of(call, spec->name);
    struct applied applied = {0};
    if (rights_check_name(call, spec->name, e) < 0 ||
        certificate_insert_spec(tx, &request, &applied, e) < 0 ||
        target_folders_check(store_tx_db(tx), spec->name, !rights_are_narrow(call->x),
                             &call->errors, e) < 0)
        return -1;
    memcpy(call->out.job, applied.job, ULID_SIZE);
    return 0;
}

static void post(struct http_exchange *x, void *context)
{
    struct spec_certificate *spec = read_body(context, x, NULL);
    if (spec)
        call_post(context, x, apply_post, spec, destroy_spec);
}

/* Whether the call may change the certificate of its path; then *out is that. */
static int load_for_change(const struct call *call, struct db *db, struct certificate *out,
                           struct err *e)
{
    const char *name = http_param(call->x, "name");
    struct certificate row = {0};
    if (certificate_load(db, name, &row, e) < 0)
        return -1;
    if (call_check_origin(row.origin, "certificate", name, e) < 0 ||
        certificate_if_match(call, db, &row, e) < 0) {
        certificate_finish(&row);
        return -1;
    }
    *out = row;
    return 0;
}

static int answer_certificate(struct call *call, struct db *db, struct err *e)
{
    struct certificate row;
    if (certificate_load(db, http_param(call->x, "name"), &row, e) < 0)
        return -1;
    int rc = certificate_answer(call, 200, db, &row, e);
    certificate_finish(&row);
    return rc;
}

static int check_put(const struct call *call, struct db *db, struct err *e)
{
    struct certificate row;
    if (load_for_change(call, db, &row, e) == 0) {
        certificate_finish(&row);
        return 0;
    }
    if (e->code != ERR_NOT_FOUND || call_if_match(call, NULL, e) < 0)
        return -1;
    return rights_check_name(call, http_param(call->x, "name"), e);
}

static int apply_put(struct call *call, struct store_tx *tx, struct err *e)
{
    struct certificate_request request = request_of(call, http_param(call->x, "name"));
    struct applied applied = {0};
    if (check_put(call, store_tx_db(tx), e) < 0 ||
        certificate_apply(tx, &request, &applied, e) < 0 ||
        target_folders_check(store_tx_db(tx), request.name, !rights_are_narrow(call->x),
                             &call->errors, e) < 0)
        return -1;
    if (!applied.job[0])
        return answer_certificate(call, store_tx_db(tx), e);
    memcpy(call->out.job, applied.job, ULID_SIZE);
    return 0;
}

static void put(struct http_exchange *x, void *context)
{
    struct spec_certificate *spec = read_body(context, x, http_param(x, "name"));
    if (spec)
        call_write(context, x, apply_put, spec, destroy_spec);
}

/* ---- PATCH ---- */

static int patch_row(struct call *call, struct store_tx *tx, const struct certificate *row,
                     struct err *e)
{
    const struct spec_certificate_patch *patch = call->spec;
    if (patch->labels && certificate_update_labels(tx, row->id, patch->labels, row->spec, e) < 0)
        return -1;
    if (patch->keeps_key && certificate_keep_key(tx, row->name, e) < 0)
        return -1;
    const struct spec_renew *renew = &patch->renew;
    if (renew->given && renew->enabled && !row->account_id)
        return err_set(
            e, ERR_CONFLICT,
            "\"%s\" was imported without an account: PUT it with one to have it renewed.",
            row->name);
    if (renew->given &&
        certificate_set_renew(tx, row, renew->enabled, renew->before_ms, renew->use_ari, e) < 0)
        return -1;
    if (!patch->targets_given)
        return 0;
    if (certificate_targets_set(tx, row->name, &patch->targets, e) < 0)
        return -1;
    return target_folders_check(store_tx_db(tx), row->name, !rights_are_narrow(call->x),
                                &call->errors, e);
}

static int apply_patch(struct call *call, struct store_tx *tx, struct err *e)
{
    struct certificate row;
    if (load_for_change(call, store_tx_db(tx), &row, e) < 0)
        return -1;
    int rc = patch_row(call, tx, &row, e);
    certificate_finish(&row);
    return rc < 0 ? -1 : answer_certificate(call, store_tx_db(tx), e);
}

static void destroy_patch(void *spec)
{
    spec_certificate_patch_finish(spec);
    free(spec);
}

/* The body of a PATCH, with every complaint; NULL: x is answered. */
static struct spec_certificate_patch *read_patch(struct api *api, struct http_exchange *x)
{
    struct fields errors = {0};
    struct err e;
    struct db *db;
    struct json_object *body = call_body_with_reader(api, x, &db);
    if (!body)
        return NULL;
    struct spec_certificate_patch *spec = mem_new(1, sizeof *spec);
    spec_certificate_patch_read(body, &errors, spec);
    int rc = certificate_targets_check_patch(db, http_param(x, "name"), body, &errors, &e);
    body_destroy(body);
    if (call_rejected(x, rc, &e, &errors)) {
        destroy_patch(spec);
        return NULL;
    }
    return spec;
}

static void patch(struct http_exchange *x, void *context)
{
    struct spec_certificate_patch *spec = read_patch(context, x);
    if (spec)
        call_write(context, x, apply_patch, spec, destroy_patch);
}

/* ---- DELETE ---- */

/* Beyond finalize a job cannot be called back; it ends by itself once its certificate is gone. */
static int cancel_jobs(struct store_tx *tx, const struct certificate *row, struct err *e)
{
    if (certificate_targets_cancel(tx, row->id, e) < 0 || renewal_wake(tx, row, e) < 0)
        return -1;
    if (!row->active_job || intake_cancel(tx, row->active_job, e) == 0)
        return 0;
    return e->code == ERR_CONFLICT || e->code == ERR_NOT_FOUND ? 0 : -1;
}

static int delete_now(struct store_tx *tx, const struct certificate *row, struct err *e)
{
    return cancel_jobs(tx, row, e) < 0 ? -1 : certificate_delete(tx, row->id, e);
}

static int apply_delete(struct call *call, struct store_tx *tx, struct err *e)
{
    struct certificate row;
    if (load_for_change(call, store_tx_db(tx), &row, e) < 0)
        return -1;
    int rc = delete_now(tx, &row, e);
    certificate_finish(&row);
    return rc;
}

/* Revoked first, then deleted by the same job; what needs no revocation is deleted at once. */
static int apply_revoke_and_delete(struct call *call, struct store_tx *tx, struct err *e)
{
    enum { UNSPECIFIED = 0 };
    struct certificate row;
    bool existing = false;
    if (load_for_change(call, store_tx_db(tx), &row, e) < 0)
        return -1;
    int rc;
    if (!row.version || row.revoked)
        rc = delete_now(tx, &row, e);
    else if ((rc = certificate_check_revocable(&row, e)) == 0 &&
             (rc = cancel_jobs(tx, &row, e)) == 0)
        rc = intake_certificate_revoke(tx, &row, 0, UNSPECIFIED, INTAKE_SIGNER_ANY, true,
                                       call->out.job, &existing, e);
    /* A revocation that was asked for before would leave the certificate. */
    if (rc == 0 && call->out.job[0] && existing && (rc = intake_cancel(tx, call->out.job, e)) == 0)
        rc = intake_certificate_revoke(tx, &row, 0, UNSPECIFIED, INTAKE_SIGNER_ANY, true,
                                       call->out.job, &existing, e);
    certificate_finish(&row);
    return rc;
}

static void delete(struct http_exchange *x, void *context)
{
    static const char *const names[] = {"revoke", NULL};
    const char *revoke = http_query(x, "revoke");
    struct err e;
    int rc = page_check_query(x, names, &e);
    if (rc == 0 && revoke && strcmp(revoke, "true") != 0 && strcmp(revoke, "false") != 0)
        rc = err_set(&e, ERR_MALFORMED, "revoke has to be true or false.");
    bool revokes = revoke && !strcmp(revoke, "true");
    if (rc == 0 && revokes)
        rc = http_require(x, SCOPE_CERTIFICATES_REVOKE, &e);
    if (rc < 0)
        http_respond_error(x, &e, NULL, NULL);
    else if (revokes)
        call_write(context, x, apply_revoke_and_delete, NULL, NULL);
    else
        call_write(context, x, apply_delete, NULL, NULL);
}

const struct http_route certificates_routes[] = {
    {HTTP_GET, "/certificates", certificates_list, HTTP_ROUTE_QUERY, SCOPE_CERTIFICATES_READ},
    {HTTP_POST, "/certificates", post, 0, SCOPE_CERTIFICATES_ISSUE},
    {HTTP_GET, "/certificates/{name}", get, 0, SCOPE_CERTIFICATES_READ},
    {HTTP_PUT, "/certificates/{name}", put, 0, SCOPE_CERTIFICATES_ISSUE},
    {HTTP_PATCH, "/certificates/{name}", patch, 0, SCOPE_CERTIFICATES_ISSUE},
    {HTTP_DELETE, "/certificates/{name}", delete, HTTP_ROUTE_QUERY, SCOPE_CERTIFICATES_DELETE},
    {0},
};

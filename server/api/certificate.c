#include "server/api/certificate.h"

#include "acme/base/clock.h"
#include "acme/base/memory.h"
#include "server/api/certificate_targets.h"
#include "server/api/peek.h"
#include "server/api/references.h"
#include "server/api/show.h"
#include "server/engine/backoff.h"
#include "server/engine/intake.h"
#include "server/engine/renewal.h"
#include "store/account.h"
#include "store/owner.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- checking ---- */

/* Each given identifier, by the solvers' zones; what is wrong in itself was complained of. */
static int check_zones(struct db *db, struct json_object *body, bool needs_dns,
                       struct fields *errors, struct err *e)
{
    struct json_object *list = peek_array(body, "identifiers");
    size_t count = list ? json_object_array_length(list) : 0;
    for (size_t i = 0; i < count && i < IDENTIFIER_MAX_COUNT; i++) {
        struct json_object *item = json_object_array_get_idx(list, i);
        struct identifier id;
        struct err wrong;
        char pointer[40];
        if (!json_object_is_type(item, json_type_string) ||
            identifier_parse(json_object_get_string(item), &id, &wrong) < 0)
            continue;
        snprintf(pointer, sizeof pointer, "/identifiers/%zu", i);
        if (references_zone(db, &id, needs_dns, pointer, errors, e) < 0)
            return -1;
    }
    return 0;
}

/* What proves the names is to be there before a CA is troubled. */
static int check_solvers(struct db *db, const struct api_defaults *defaults,
                         struct json_object *body, struct fields *errors, struct err *e)
{
    struct json_object *challenge = peek_object(body, "challenge");
    const char *solver = challenge ? peek_name(challenge, "solver") : NULL;
    const char *type = challenge ? peek_text(challenge, "type") : NULL;
    if (solver)
        return references_solver(db, solver, type, defaults, errors, e);
    if (type && !strcmp(type, "dns-persist-01"))
        return 0; /* without a solver a person is shown the record */
    if (type)
        references_listener(type, defaults, "/challenge/type", errors);
    /* A type that is none was complained of already. */
    bool needs_dns = type && (!strcmp(type, "dns-01") || !strcmp(type, "dns-account-01"));
    return check_zones(db, body, needs_dns, errors, e);
}

int certificate_check(struct db *db, const struct api_defaults *defaults, enum origin origin,
                      struct json_object *body, struct fields *errors, struct err *e)
{
    const char *account = peek_name(body, "account");
    const char *authority = peek_name(body, "authority");
    char *name = NULL;
    /* What is there but wrong was complained of already. */
    bool known =
        account || authority || (!peek_has(body, "account") && !peek_has(body, "authority"));
    if (known && references_account(db, account, authority, defaults, origin, errors, &name, e) < 0)
        return -1;
    const char *profile = peek_text(body, "profile");
    int rc = certificate_targets_check(db, defaults, body, name, errors, e);
    if (rc == 0 && name && profile)
        rc = references_profile(db, name, profile, errors, e);
    free(name);
    return rc < 0 ? -1 : check_solvers(db, defaults, body, errors, e);
}

/* ---- a new certificate, or a changed one ---- */

static int set_targets(struct store_tx *tx, const char *name,
                       const struct certificate_request *request, struct err *e)
{
    const struct spec_certificate *spec = request->spec;
    return certificate_targets_set(
        tx, name, spec->targets_given ? &spec->targets : &request->defaults->targets, e);
}

/* The spec as a row, with the texts that are made for it. */
struct draft {
    struct certificate row; /* borrows */
    struct account account;
    char *normalized;
    char *identifiers;
    char *challenge;
};

static void draft_finish(struct draft *draft)
{
    account_finish(&draft->account);
    free(draft->normalized);
    free(draft->identifiers);
    free(draft->challenge);
}

static int find_account(struct db *db, const struct certificate_request *request,
                        struct account *out, struct err *e)
{
    struct fields errors = {0};
    const struct spec_certificate *spec = request->spec;
    char *name;
    int rc = references_account(db, spec->account, spec->authority, request->defaults,
                                request->origin, &errors, &name, e);
    if (rc == 0)
        rc = fields_verdict(&errors, e);
    if (rc == 0)
        rc = account_load(db, name, out, e);
    free(name);
    fields_finish(&errors);
    return rc;
}

static int draft_make(struct db *db, const struct certificate_request *request, struct draft *out,
                      struct err *e)
{
    const struct spec_certificate *spec = request->spec;
    const struct spec_renew *renew = spec->renew.given ? &spec->renew : &request->defaults->renew;
    bool type_given = spec->key.type_given || spec->key.key || spec->csr.size > 0;
    bool has_account = !request->is_import || spec->account || spec->authority;
    struct draft draft = {0};
    if (has_account && find_account(db, request, &draft.account, e) < 0)
        return -1;
    /* Whatever is put in its place is another wish: it comes with an account. */
    draft.normalized = has_account ? spec_certificate_normalized(spec) : mem_strdup("{}");
    draft.identifiers = spec_certificate_identifiers(spec);
    draft.challenge = spec_certificate_challenge(spec);
    draft.row = (struct certificate){
        .name = (char *)request->name,
        .spec = draft.normalized,
        .identifiers = draft.identifiers,
        .account_id = draft.account.id,
        .profile = spec->profile,
        .validity_ms = spec->validity_ms,
        .preferred_chain = spec->preferred_chain,
        .challenge = draft.challenge,
        .email = spec->email,
        .labels = spec->labels,
        .key_type = type_given || request->is_import ? spec->key.type : request->defaults->key_type,
        .key_reuse = spec->key_reuse,
        .retry_for_ms = request->retry_for_ms,
        .origin = request->origin,
        .renew = has_account && renew->enabled,
        .renew_before_ms = renew->before_ms,
        .renew_ari = renew->use_ari,
    };
    *out = draft;
    return 0;
}

static int issue(struct store_tx *tx, const char *name, int64_t retry_for_ms, struct applied *out,
                 struct err *e)
{
    struct certificate row;
    bool existing;
    if (certificate_load(store_tx_db(tx), name, &row, e) < 0)
        return -1;
    int rc = intake_certificate_issue(tx, &row, retry_for_ms, out->job, &existing, e);
    certificate_finish(&row);
    return rc;
}

static int insert(struct store_tx *tx, const struct certificate_request *request,
                  struct draft *draft, struct applied *out, struct err *e)
{
    const struct spec_certificate *spec = request->spec;
    bool has_csr = spec->csr.size > 0;
    if (certificate_insert(tx, &draft->row, spec->key.key, has_csr ? spec->csr.data : NULL,
                           spec->csr.size, has_csr ? spec->csr_spki_sha256 : NULL, e) < 0 ||
        set_targets(tx, request->name, request, e) < 0)
        return -1;
    return issue(tx, request->name, request->retry_for_ms, out, e);
}

/* Who could take it back could read the key. */
static int keep_key(struct store_tx *tx, const struct certificate_request *request, struct err *e)
{
    struct certificate row;
    if (!request->spec->key_exportable_given)
        return 0;
    if (!request->spec->key_exportable)
        return certificate_keep_key(tx, request->name, e);
    if (certificate_load(store_tx_db(tx), request->name, &row, e) < 0)
        return -1;
    bool is_kept = !row.key_exportable;
    certificate_finish(&row);
    if (!is_kept)
        return 0;
    return err_set(e, ERR_CONFLICT, "The keys of \"%s\" are not exportable, and stay so.",
                   request->name);
}

int certificate_insert_spec(struct store_tx *tx, const struct certificate_request *request,
                            struct applied *out, struct err *e)
{
    struct draft draft;
    if (draft_make(store_tx_db(tx), request, &draft, e) < 0)
        return -1;
    int rc = insert(tx, request, &draft, out, e);
    if (rc == 0)
        rc = keep_key(tx, request, e);
    draft_finish(&draft);
    return rc;
}

static int insert_imported(struct store_tx *tx, const struct certificate_request *request,
                           struct draft *draft, const struct key *key,
                           const struct version_issued *issued, struct err *e)
{
    struct certificate row;
    int64_t n;
    if (certificate_insert(tx, &draft->row, NULL, NULL, 0, NULL, e) < 0 ||
        version_import(tx, draft->row.id, key, issued, &n, e) < 0 ||
        set_targets(tx, request->name, request, e) < 0 ||
        certificate_load_by_id(store_tx_db(tx), draft->row.id, &row, e) < 0)
        return -1;
    int rc = renewal_plan(tx, &row, e);
    certificate_finish(&row);
    return rc;
}

int certificate_import(struct store_tx *tx, const struct certificate_request *request,
                       const struct key *key, const struct version_issued *issued, struct err *e)
{
    struct draft draft;
    if (draft_make(store_tx_db(tx), request, &draft, e) < 0)
        return -1;
    int rc = insert_imported(tx, request, &draft, key, issued, e);
    if (rc == 0)
        rc = keep_key(tx, request, e);
    draft_finish(&draft);
    return rc;
}

/* Whether the active job makes a version: it can be a revocation, or called back already. */
static int issues_now(struct db *db, const struct certificate *row, bool *issues, struct err *e)
{
    struct job job;
    *issues = false;
    if (!row->active_job)
        return 0;
    if (job_load(db, row->active_job, &job, e) < 0)
        return -1;
    *issues = !strcmp(job.kind, "certificate.issue") && !job.cancel_requested_at;
    job_finish(&job);
    return 0;
}

/* A job for the former spec would end in a certificate that nobody wants. */
static int cancel_former(struct store_tx *tx, const struct certificate *row, struct err *e)
{
    bool issues;
    if (issues_now(store_tx_db(tx), row, &issues, e) < 0)
        return -1;
    if (!issues)
        return 0;
    if (intake_cancel(tx, row->active_job, e) < 0) {
        if (e->code != ERR_CONFLICT)
            return -1;
        return err_set(e, ERR_CONFLICT,
                       "The job %s cannot be called back any more; ask again once it has ended.",
                       row->active_job);
    }
    return certificate_set_job(tx, row->id, NULL, row->last_error, e);
}

/* What is told of former names is not for whoever may read the certificate from now on. The active
   job is that of the new spec in a moment. */
static int forget_error(struct store_tx *tx, const struct certificate *row,
                        const struct certificate *changed, struct err *e)
{
    if (!row->last_error || !strcmp(row->identifiers, changed->identifiers))
        return 0;
    return certificate_set_job(tx, row->id, NULL, NULL, e);
}

static int change(struct store_tx *tx, const struct certificate *row,
                  const struct certificate_request *request, struct draft *draft,
                  struct applied *out, struct err *e)
{
    const struct spec_certificate *spec = request->spec;
    bool has_csr = spec->csr.size > 0;
    draft->row.id = row->id;
    if (cancel_former(tx, row, e) < 0 ||
        certificate_update_spec(tx, &draft->row, spec->key.key, has_csr ? spec->csr.data : NULL,
                                spec->csr.size, has_csr ? spec->csr_spki_sha256 : NULL, e) < 0 ||
        forget_error(tx, row, &draft->row, e) < 0 || set_targets(tx, request->name, request, e) < 0)
        return -1;
    return issue(tx, request->name, request->retry_for_ms, out, e);
}

int certificate_set_renew(struct store_tx *tx, const struct certificate *row, bool enabled,
                          int64_t before_ms, bool use_ari, struct err *e)
{
    struct certificate changed;
    if (row->renew == enabled && row->renew_before_ms == before_ms && row->renew_ari == use_ari)
        return 0;
    if (certificate_update_renew(tx, row->id, enabled, before_ms, use_ari, e) < 0 ||
        certificate_load_by_id(store_tx_db(tx), row->id, &changed, e) < 0)
        return -1;
    int rc = renewal_plan(tx, &changed, e);
    certificate_finish(&changed);
    return rc;
}

/* The same spec again: nothing to do, a job that is at it, or a new try. */
static int keep(struct store_tx *tx, const struct certificate *row,
                const struct certificate_request *request, const struct draft *draft,
                struct applied *out, struct err *e)
{
    if (row->origin != request->origin &&
        owner_set(tx, OWNED_CERTIFICATE, row->name, request->origin, e) < 0)
        return -1;
    if (strcmp(row->labels, request->spec->labels) != 0 &&
        certificate_update_labels(tx, row->id, request->spec->labels, row->spec, e) < 0)
        return -1;
    const struct certificate *wish = &draft->row;
    if (certificate_set_renew(tx, row, wish->renew, wish->renew_before_ms, wish->renew_ari, e) <
            0 ||
        set_targets(tx, row->name, request, e) < 0)
        return -1;
    bool issues;
    if (issues_now(store_tx_db(tx), row, &issues, e) < 0)
        return -1;
    if (issues) {
        memcpy(out->job, row->active_job, ULID_SIZE);
        return 0;
    }
    if (row->version && !row->outdated && (row->revoked || row->not_after >= clock_wall_ms()))
        return 0;
    int64_t until;
    if (backoff_until(store_tx_db(tx), "certificate.issue", "certificate", row->name, INT64_MAX,
                      &until, e) < 0)
        return -1;
    if (until > store_tx_now(tx)) {
        out->held_until = until;
        return 0;
    }
    return issue(tx, row->name, request->retry_for_ms, out, e);
}

int certificate_apply(struct store_tx *tx, const struct certificate_request *request,
                      struct applied *out, struct err *e)
{
    struct certificate row;
    struct draft draft;
    if (certificate_load(store_tx_db(tx), request->name, &row, e) < 0) {
        if (e->code != ERR_NOT_FOUND)
            return -1;
        return certificate_insert_spec(tx, request, out, e);
    }
    int rc = draft_make(store_tx_db(tx), request, &draft, e);
    if (rc == 0) {
        rc = strcmp(row.spec, draft.normalized) == 0 ? keep(tx, &row, request, &draft, out, e)
                                                     : change(tx, &row, request, &draft, out, e);
        draft_finish(&draft);
    }
    certificate_finish(&row);
    return rc < 0 ? -1 : keep_key(tx, request, e);
}

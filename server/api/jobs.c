/* /jobs */
#include "acme/base/buffer.h"
#include "acme/base/memory.h"
#include "server/access/scope.h"
#include "server/api/call.h"
#include "server/api/page.h"
#include "server/api/rights.h"
#include "server/api/show.h"
#include "server/engine/intake.h"
#include "server/engine/step.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

/* ---- reading ---- */

static int refuse_state(const char *state, struct err *e)
{
    struct buf names = {0};
    for (enum job_state known = JOB_QUEUED; known <= JOB_CANCELLED; known++)
        buf_printf(&names, "%s%s", names.size ? ", " : "", job_state_name(known));
    err_set(e, ERR_MALFORMED, "There is no job state \"%.40s\", but: %s.", state,
            buf_string(&names));
    buf_finish(&names);
    return -1;
}

static int read_filter(const struct http_exchange *x, struct job_filter *out, struct err *e)
{
    const char *state = http_query(x, "state");
    const char *certificate = http_query(x, "certificate");
    const char *account = http_query(x, "account");
    enum job_state found;
    *out = (struct job_filter){.kind = http_query(x, "kind"), .state = -1};
    if (out->kind && job_kind_check(out->kind, e) < 0)
        return -1;
    if (state) {
        if (job_state_by_name(state, &found) < 0)
            return refuse_state(state, e);
        out->state = (int)found;
    }
    if (certificate && account)
        return err_set(e, ERR_MALFORMED, "A job is for a certificate or an account, not for both.");
    if (certificate || account) {
        out->resource_type = certificate ? "certificate" : "account";
        out->resource_name = certificate ? certificate : account;
    }
    return 0;
}

static int load_page(const struct page *page, void *rows, size_t *count, struct err *e)
{
    struct job_filter filter;
    if (read_filter(page->x, &filter, e) < 0)
        return -1;
    return job_list(page->db, &filter, page->after, page->limit, rows, count, e);
}

static int sees_row(const struct page *page, const void *row, struct err *e)
{
    return rights_see_job(page->db, page->x, row, e);
}

static int show_row(const struct page *page, const void *row, struct json_object **out,
                    struct err *e)
{
    struct job_view view;
    if (job_view_make(page->db, row, &view, e) < 0)
        return -1;
    *out = view.json;
    return 0;
}

static char *key_of(const void *row)
{
    const struct job *job = row;
    return mem_strdup(job->id);
}

static void finish_row(void *row)
{
    job_finish(row);
}

static void list(struct http_exchange *x, void *context)
{
    static const char *const filters[] = {"state", "kind", "certificate", "account", NULL};
    static const struct page_source source = {
        .row_size = sizeof(struct job),
        .load = load_page,
        .sees = sees_row,
        .show = show_row,
        .key = key_of,
        .finish = finish_row,
        .filters = filters,
    };
    page_answer(context, x, &source);
}

static void get(struct http_exchange *x, void *context)
{
    const char *id = http_param(x, "id");
    struct err e;
    if (!ulid_is(id)) {
        err_set(&e, ERR_NOT_FOUND, "There is no job \"%.40s\".", id);
        http_respond_error(x, &e, NULL, NULL);
        return;
    }
    call_answer_job(context, x, 200, id);
}

/* ---- what can be done with one ---- */

static int apply_cancel(struct call *call, struct store_tx *tx, struct err *e)
{
    const char *id = http_param(call->x, "id");
    if (intake_cancel(tx, id, e) < 0)
        return -1;
    memcpy(call->out.job, id, ULID_SIZE);
    return 0;
}

/* What took a scope to be asked for. */
static uint32_t scopes_of(const struct job *job)
{
    static const struct {
        const char *kind;
        uint32_t scopes;
    } asked[] = {
        {"certificate.issue", SCOPE_CERTIFICATES_ISSUE},
        {"certificate.deploy", SCOPE_CERTIFICATES_ISSUE},
        {"certificate.revoke", SCOPE_CERTIFICATES_REVOKE},
        {"account.create", SCOPE_ACCOUNTS_WRITE},
        {"account.update", SCOPE_ACCOUNTS_WRITE},
        {"account.refresh", SCOPE_ACCOUNTS_WRITE},
        {"account.rollover", SCOPE_ACCOUNTS_WRITE},
        {"account.deactivate", SCOPE_ACCOUNTS_WRITE},
        {"authority.refresh", SCOPE_AUTHORITIES_WRITE},
        {"preflight", SCOPE_CERTIFICATES_ISSUE},
        {"solver.test", SCOPE_SOLVERS_WRITE},
        {"target.test", SCOPE_TARGETS_WRITE},
    };
    uint32_t scopes = 0;
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++)
        if (!strcmp(asked[i].kind, job->kind))
            scopes = asked[i].scopes;
    struct json_object *args = show_stored(job->args);
    if (json_object_get_int(json_object_object_get(args, "then_delete")))
        scopes |= SCOPE_CERTIFICATES_DELETE;
    json_object_put(args);
    return scopes;
}

/* One that has ended is asked for anew. */
static int check_retry(const struct call *call, struct db *db, struct err *e)
{
    struct job job;
    if (job_load(db, http_param(call->x, "id"), &job, e) < 0)
        return -1;
    int rc = job_state_is_final(job.state) ? http_require(call->x, scopes_of(&job), e) : 0;
    job_finish(&job);
    return rc;
}

static int apply_retry(struct call *call, struct store_tx *tx, struct err *e)
{
    if (check_retry(call, store_tx_db(tx), e) < 0)
        return -1;
    return intake_retry(tx, http_param(call->x, "id"), call->out.job, e);
}

static int apply_continue(struct call *call, struct store_tx *tx, struct err *e)
{
    const char *id = http_param(call->x, "id");
    if (intake_continue(tx, id, e) < 0)
        return -1;
    memcpy(call->out.job, id, ULID_SIZE);
    return 0;
}

static void act(struct http_exchange *x, struct api *api, call_apply_fn *apply)
{
    if (call_empty_body(x))
        call_post(api, x, apply, NULL, NULL);
}

static void cancel(struct http_exchange *x, void *context)
{
    act(x, context, apply_cancel);
}

static void retry(struct http_exchange *x, void *context)
{
    act(x, context, apply_retry);
}

static void go_on(struct http_exchange *x, void *context)
{
    act(x, context, apply_continue);
}

const struct http_route jobs_routes[] = {
    {HTTP_GET, "/jobs", list, HTTP_ROUTE_QUERY, SCOPE_JOBS_READ},
    {HTTP_GET, "/jobs/{id}", get, 0, SCOPE_JOBS_READ},
    {HTTP_POST, "/jobs/{id}/cancel", cancel, HTTP_ROUTE_NO_BODY, SCOPE_JOBS_WRITE},
    {HTTP_POST, "/jobs/{id}/retry", retry, HTTP_ROUTE_NO_BODY, SCOPE_JOBS_WRITE},
    {HTTP_POST, "/jobs/{id}/continue", go_on, HTTP_ROUTE_NO_BODY, SCOPE_JOBS_WRITE},
    {0},
};

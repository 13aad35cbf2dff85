/* /accounts */
#include "acme/base/memory.h"
#include "server/access/scope.h"
#include "server/api/account.h"
#include "server/api/audit.h"
#include "server/api/body.h"
#include "server/api/call.h"
#include "server/api/named.h"
#include "server/engine/intake.h"

#include <stdlib.h>
#include <string.h>

/* ---- reading ---- */

static int load_row(struct db *db, const char *name, void *row, struct err *e)
{
    return account_load(db, name, row, e);
}

static int list_rows(struct db *db, const char *after, size_t limit, void *rows, size_t *count,
                     struct err *e)
{
    return account_list(db, after, limit, rows, count, e);
}

static struct json_object *show_row(const void *row)
{
    return account_show(row);
}

static char *key_of(const void *row)
{
    const struct account *account = row;
    return mem_strdup(account->name);
}

static enum origin origin_of(const void *row)
{
    const struct account *account = row;
    return account->origin;
}

static void finish_row(void *row)
{
    account_finish(row);
}

static const struct named accounts = {
    .what = "account",
    .path = "/accounts",
    .row_size = sizeof(struct account),
    .load = load_row,
    .list = list_rows,
    .show = show_row,
    .key = key_of,
    .origin = origin_of,
    .finish = finish_row,
};

static void list(struct http_exchange *x, void *context)
{
    named_list(context, x, &accounts);
}

static void get(struct http_exchange *x, void *context)
{
    named_get(context, x, &accounts);
}

/* ---- POST and PUT ---- */

static void destroy_spec(void *spec)
{
    spec_account_finish(spec);
    free(spec);
}

/* The spec of the body, with every complaint; NULL: x is answered. */
static struct spec_account *read_body(struct api *api, struct http_exchange *x, const char *name)
{
    struct fields errors = {0};
    struct err e;
    struct db *db;
    struct json_object *body = call_body_with_reader(api, x, &db);
    if (!body)
        return NULL;
    struct spec_account *spec = mem_new(1, sizeof *spec);
    if (name)
        call_check_name(name, &errors);
    spec_account_read(body, !name, &errors, spec);
    int rc = account_check(db, body, &errors, &e);
    body_destroy(body);
    if (call_rejected(x, rc, &e, &errors)) {
        destroy_spec(spec);
        return NULL;
    }
    return spec;
}

static int64_t retry_for(const struct spec_account *spec)
{
    return spec->retry_for_ms < 0 ? INTAKE_RETRY_DEFAULT_MS : spec->retry_for_ms;
}

static int apply_post(struct call *call, struct store_tx *tx, struct err *e)
{
    const struct spec_account *spec = call->spec;
    const char *name = spec->name ? spec->name : spec->authority;
    struct applied applied = {0};
    if (account_insert_spec(tx, name, spec, ORIGIN_API, retry_for(spec), &applied, e) < 0)
        return -1;
    memcpy(call->out.job, applied.job, ULID_SIZE);
    return 0;
}

static void post(struct http_exchange *x, void *context)
{
    struct spec_account *spec = read_body(context, x, NULL);
    if (spec)
        call_post(context, x, apply_post, spec, destroy_spec);
}

static int answer_account(struct call *call, struct db *db, const char *job, struct err *e)
{
    if (!job[0])
        return named_answer(call, db, &accounts, false, e);
    memcpy(call->out.job, job, ULID_SIZE);
    return 0;
}

static int apply_put(struct call *call, struct store_tx *tx, struct err *e)
{
    const struct spec_account *spec = call->spec;
    struct applied applied = {0};
    if (named_check_change(call, store_tx_db(tx), &accounts, false, e) < 0 ||
        account_apply(tx, http_param(call->x, "name"), spec, ORIGIN_API, retry_for(spec), &applied,
                      e) < 0)
        return -1;
    return answer_account(call, store_tx_db(tx), applied.job, e);
}

static void put(struct http_exchange *x, void *context)
{
    struct spec_account *spec = read_body(context, x, http_param(x, "name"));
    if (spec)
        call_write(context, x, apply_put, spec, destroy_spec);
}

/* ---- PATCH ---- */

/* The contacts may be the config's; to agree to changed terms is a person's affair. */
static int check_patch(const struct call *call, struct db *db, struct err *e)
{
    const struct spec_account_patch *patch = call->spec;
    struct account row;
    if (patch->contacts)
        return named_check_change(call, db, &accounts, true, e);
    if (account_load(db, http_param(call->x, "name"), &row, e) < 0)
        return -1;
    int rc = call_if_match(call, account_show(&row), e);
    account_finish(&row);
    return rc;
}

static int apply_patch(struct call *call, struct store_tx *tx, struct err *e)
{
    struct applied applied = {0};
    if (check_patch(call, store_tx_db(tx), e) < 0 ||
        account_apply_patch(tx, http_param(call->x, "name"), call->spec, &applied, e) < 0)
        return -1;
    memcpy(call->out.job, applied.job, ULID_SIZE);
    return 0;
}

static void destroy_patch(void *patch)
{
    spec_account_patch_finish(patch);
    free(patch);
}

static void patch(struct http_exchange *x, void *context)
{
    struct fields errors = {0};
    struct json_object *body = call_body(x);
    if (!body)
        return;
    struct spec_account_patch *patch = mem_new(1, sizeof *patch);
    spec_account_patch_read(body, &errors, patch);
    body_destroy(body);
    if (call_refused(x, &errors))
        destroy_patch(patch);
    else
        call_write(context, x, apply_patch, patch, destroy_patch);
}

/* ---- DELETE ---- */

/* One that orders certificates, or may, is deactivated first: its key is all that could. */
static int apply_delete(struct call *call, struct store_tx *tx, struct err *e)
{
    const char *name = http_param(call->x, "name");
    struct account row;
    if (named_check_change(call, store_tx_db(tx), &accounts, true, e) < 0 ||
        account_load(store_tx_db(tx), name, &row, e) < 0)
        return -1;
    bool lives = row.url && !strcmp(row.status, "valid");
    int rc =
        lives ? err_set(e, ERR_CONFLICT,
                        "The account \"%s\" is valid at its authority; deactivate it first.", name)
              : account_delete(tx, row.id, e);
    account_finish(&row);
    return rc;
}

static void delete(struct http_exchange *x, void *context)
{
    call_write(context, x, apply_delete, NULL, NULL);
}

/* ---- its key ---- */

static int add_key(struct db *db, const char *name, struct buf *out, struct err *e)
{
    struct account account;
    struct key *key;
    if (account_load(db, name, &account, e) < 0)
        return -1;
    int rc = account_open_key(db, account.id, &key, e);
    account_finish(&account);
    if (rc < 0)
        return -1;
    rc = key_to_pem(key, out, e);
    key_destroy(key);
    return rc;
}

static void get_key(struct http_exchange *x, void *context)
{
    struct buf pem = {0};
    struct err e;
    struct db *db = call_reader(context, x);
    if (!db)
        return;
    if (add_key(db, http_param(x, "name"), &pem, &e) < 0) {
        buf_finish_secret(&pem);
        http_respond_error(x, &e, NULL, NULL);
        return;
    }
    http_add_header(x, "Cache-Control", "no-store");
    audit_disclose(context, x, "application/x-pem-file", &pem);
}

const struct http_route accounts_routes[] = {
    {HTTP_GET, "/accounts", list, HTTP_ROUTE_QUERY, SCOPE_ACCOUNTS_READ},
    {HTTP_POST, "/accounts", post, 0, SCOPE_ACCOUNTS_WRITE},
    {HTTP_GET, "/accounts/{name}", get, 0, SCOPE_ACCOUNTS_READ},
    {HTTP_GET, "/accounts/{name}/key", get_key, 0, SCOPE_ACCOUNTS_READ | SCOPE_KEYS_READ},
    {HTTP_PUT, "/accounts/{name}", put, 0, SCOPE_ACCOUNTS_WRITE},
    {HTTP_PATCH, "/accounts/{name}", patch, 0, SCOPE_ACCOUNTS_WRITE},
    {HTTP_DELETE, "/accounts/{name}", delete, 0, SCOPE_ACCOUNTS_WRITE},
    {0},
};

/* /accounts/{name}/refresh, /rollover and /deactivate */
#include "acme/base/memory.h"
#include "server/access/scope.h"
#include "server/api/account.h"
#include "server/api/body.h"
#include "server/api/call.h"
#include "server/engine/intake.h"

#include <stdlib.h>
#include <string.h>

static int load_registered(struct call *call, struct db *db, struct account *out, struct err *e)
{
    struct account row;
    if (account_load(db, http_param(call->x, "name"), &row, e) < 0)
        return -1;
    if (!row.url) {
        err_set(e, ERR_CONFLICT, "The account \"%s\" is not registered yet.", row.name);
        account_finish(&row);
        return -1;
    }
    *out = row;
    return 0;
}

/* ---- refresh ---- */

static int apply_refresh(struct call *call, struct store_tx *tx, struct err *e)
{
    struct account row;
    bool existing;
    if (load_registered(call, store_tx_db(tx), &row, e) < 0)
        return -1;
    int rc = intake_account_refresh(tx, &row, call->out.job, &existing, e);
    account_finish(&row);
    return rc;
}

static void refresh(struct http_exchange *x, void *context)
{
    if (call_empty_body(x))
        call_post(context, x, apply_refresh, NULL, NULL);
}

/* ---- rollover ---- */

/* ERR_CONFLICT while a job of that kind is under way. */
static int refuse_beside(struct db *db, const struct account *row, const char *kind, struct err *e)
{
    bool active;
    if (job_is_active(db, kind, "account", row->name, row->id, &active, e) < 0)
        return -1;
    return active ? err_set(e, ERR_CONFLICT, "A job %s of the account \"%s\" is under way.", kind,
                            row->name)
                  : 0;
}

/* What a change that is under way is asked for again is answered with it; another key is not. */
static int check_other_key(const struct account *row, const struct spec_key *key, struct err *e)
{
    char spki[KEY_SPKI_SHA256_SIZE];
    if (!key->key || !row->next_spki_sha256)
        return 0;
    if (key_spki_sha256(key->key, spki, e) < 0)
        return -1;
    return strcmp(spki, row->next_spki_sha256) == 0
               ? 0
               : err_set(e, ERR_CONFLICT, "The account \"%s\" is about to get another key.",
                         row->name);
}

/* The observing of the intake goes by the row of before: a key that is new is not out yet. */
static int begin_rollover(struct call *call, struct store_tx *tx, const struct account *row,
                          const struct spec_key *key, struct err *e)
{
    bool existing;
    enum key_type type = key->type_given || key->key ? key->type : row->key_type;
    if (intake_account_rollover(tx, row, type, key->key, call->out.job, &existing, e) < 0)
        return -1;
    if (!key->key || existing || row->next_spki_sha256)
        return 0;
    return account_set_next_key(tx, row->id, key->key, e);
}

static int apply_rollover(struct call *call, struct store_tx *tx, struct err *e)
{
    const struct spec_key *key = call->spec;
    struct db *db = store_tx_db(tx);
    struct account row;
    if (load_registered(call, db, &row, e) < 0)
        return -1;
    int rc = account_check_usable(&row, e);
    if (rc == 0)
        rc = refuse_beside(db, &row, "account.deactivate", e);
    if (rc == 0)
        rc = check_other_key(&row, key, e);
    if (rc == 0)
        rc = begin_rollover(call, tx, &row, key, e);
    account_finish(&row);
    return rc;
}

static void destroy_key(void *key)
{
    spec_key_finish(key);
    free(key);
}

static void rollover(struct http_exchange *x, void *context)
{
    static const char *const names[] = {"key", NULL};
    struct fields errors = {0};
    struct members members;
    struct json_object *body = call_body(x);
    if (!body)
        return;
    struct members m = members_of_body(body, &errors);
    struct spec_key *key = mem_new(1, sizeof *key);
    members_only(&m, names);
    spec_key_read(&m, NULL, key, &members);
    body_destroy(body);
    if (call_refused(x, &errors))
        destroy_key(key);
    else
        call_post(context, x, apply_rollover, key, destroy_key);
}

/* ---- deactivate ---- */

static int apply_deactivate(struct call *call, struct store_tx *tx, struct err *e)
{
    struct account row;
    bool existing;
    if (load_registered(call, store_tx_db(tx), &row, e) < 0)
        return -1;
    int rc = call_check_origin(row.origin, "account", row.name, e);
    if (rc == 0 && !strcmp(row.status, "deactivated")) {
        call_answer(call, 200, account_show(&row));
    } else if (rc == 0) {
        rc = refuse_beside(store_tx_db(tx), &row, "account.rollover", e);
        if (rc == 0)
            rc = intake_account_deactivate(tx, &row, call->out.job, &existing, e);
    }
    account_finish(&row);
    return rc;
}

static void deactivate(struct http_exchange *x, void *context)
{
    if (call_empty_body(x))
        call_post(context, x, apply_deactivate, NULL, NULL);
}

const struct http_route account_actions_routes[] = {
    {HTTP_POST, "/accounts/{name}/refresh", refresh, HTTP_ROUTE_NO_BODY, SCOPE_ACCOUNTS_WRITE},
    {HTTP_POST, "/accounts/{name}/rollover", rollover, HTTP_ROUTE_NO_BODY, SCOPE_ACCOUNTS_WRITE},
    {HTTP_POST, "/accounts/{name}/deactivate", deactivate, HTTP_ROUTE_NO_BODY,
     SCOPE_ACCOUNTS_WRITE},
    {0},
};

/*
 * /rekey: another master key, while the service runs.
 *
 *   the new key is durable ── committed: both open ── in its place ── committed: the new one opens
 *
 * A crash between any two of these leaves a database that the key in place opens, or the next one,
 * which the next start puts there (server/start/master.h).
 */
#include "acme/base/failpoint.h"
#include "acme/base/log.h"
#include "acme/base/memory.h"
#include "server/access/scope.h"
#include "server/api/body.h"
#include "server/api/call.h"
#include "server/api/show.h"
#include "store/data_key.h"

#include <json-c/json.h>
#include <openssl/crypto.h>
#include <stdatomic.h>

struct rekey {
    unsigned char key[SEAL_KEY_SIZE];
};

/* One at a time, since they share the file of the new key. */
static atomic_flag is_busy = ATOMIC_FLAG_INIT;

static void destroy_rekey(void *spec)
{
    OPENSSL_secure_clear_free(spec, sizeof(struct rekey));
    atomic_flag_clear(&is_busy);
}

static int apply(struct call *call, struct store_tx *tx, struct err *e)
{
    const struct rekey *rekey = call->spec;
    if (data_key_wrap_again(call->api->options.store, tx, rekey->key, e) < 0)
        return -1;
    struct json_object *json = json_object_new_object();
    show_add_time(json, "rewrapped_at", store_tx_now(tx));
    call_answer(call, 200, json);
    return 0;
}

/* The next start, with the new key, does it too. */
static void forgot_former(void *arg, const struct err *e)
{
    (void)arg;
    if (e)
        log_warn("the former master key opens the database until the next start", "detail",
                 e->detail, NULL);
}

/* On the writer thread, where a write can be queued but not waited for. */
static void settle(struct call *call)
{
    struct api *api = call->api;
    const struct api_master *master = &api->options.master;
    struct err e;
    bool settled = false;
    data_key_was_wrapped(api->options.store);
    failpoint("rekey settles", NULL);
    if (master->settle(master->context, &settled, &e) < 0)
        log_error("the new master key is not in its place; the former one still opens the database",
                  "detail", e.detail, NULL);
    failpoint("rekey settled", NULL);
    if (settled)
        store_write(api->options.store, data_key_forget_former, NULL, forgot_former);
    show_add_bool(call->out.json, "former_key_opens", !settled);
    log_info("the data key is wrapped by another master key", NULL);
}

/* The text is borrowed from the body. */
static const char *read_key(struct json_object *body, struct fields *errors)
{
    static const char *const names[] = {"master_key", NULL};
    struct members m = members_of_body(body, errors);
    members_only(&m, names);
    return members_text(&m, "master_key", MEMBERS_OPTIONAL, 128);
}

/* The new key; false: x is answered. */
static bool find_key(struct api *api, struct http_exchange *x, struct json_object *body,
                     struct rekey *out)
{
    const struct api_master *master = &api->options.master;
    struct fields errors = {0};
    struct err e;
    const char *given = read_key(body, &errors);
    if (!errors.count && master->next(master->context, given, out->key, &e) < 0) {
        if (e.code != ERR_CONFIG && e.code != ERR_INVALID) {
            http_respond_error(x, &e, NULL, NULL);
            return false;
        }
        fields_add(&errors, "/master_key", "%s", e.detail);
    }
    return !call_refused(x, &errors);
}

static void post(struct http_exchange *x, void *context)
{
    struct err e;
    struct json_object *body = call_body(x);
    if (!body)
        return;
    if (atomic_flag_test_and_set(&is_busy)) {
        err_set(&e, ERR_CONFLICT, "The master key is being changed already.");
        body_destroy(body);
        http_respond_error(x, &e, NULL, NULL);
        return;
    }
    struct rekey *rekey = OPENSSL_secure_zalloc(sizeof *rekey);
    if (!rekey)
        mem_exhausted();
    if (find_key(context, x, body, rekey))
        call_write_then(context, x, apply, settle, rekey, destroy_rekey);
    else
        destroy_rekey(rekey);
    body_destroy(body);
}

const struct http_route rekey_routes[] = {
    {HTTP_POST, "/rekey", post, HTTP_ROUTE_NO_BODY, SCOPE_ALL},
    {0},
};

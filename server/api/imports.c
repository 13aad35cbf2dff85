/* /imports: certificates that were issued elsewhere, with their keys. */
#include "acme/base/memory.h"
#include "server/access/scope.h"
#include "server/api/body.h"
#include "server/api/call.h"
#include "server/api/certificate.h"
#include "server/api/certificate_view.h"
#include "server/api/rights.h"
#include "server/api/spec_import.h"
#include "server/api/target_folders.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

static int answer(struct call *call, struct db *db, int status, const char *name, struct err *e)
{
    struct certificate row;
    if (certificate_load(db, name, &row, e) < 0)
        return -1;
    int rc = certificate_answer(call, status, db, &row, e);
    certificate_finish(&row);
    if (rc < 0)
        return -1;
    if (status == 201)
        call->out.location = mem_printf("/certificates/%s", name);
    return 0;
}

/* Whether one of its versions is that very certificate, be it in use or not any more. */
static int has_leaf(struct db *db, const struct certificate *row, const char *leaf, bool *has,
                    struct err *e)
{
    struct version *versions;
    size_t count;
    if (version_list(db, row->id, &versions, &count, e) < 0)
        return -1;
    *has = false;
    for (size_t i = 0; i < count; i++) {
        *has = *has || (versions[i].leaf && !strcmp(versions[i].leaf, leaf));
        version_finish(&versions[i]);
    }
    free(versions);
    return 0;
}

static int add(struct call *call, struct store_tx *tx, struct err *e)
{
    const struct spec_import *spec = call->spec;
    struct certificate_request request = {
        .name = spec->certificate.name,
        .spec = &spec->certificate,
        .defaults = call->api->options.defaults,
        .origin = ORIGIN_API,
        .is_import = true,
    };
    struct version_issued version = {
        .leaf = spec->leaf.data,
        .chain = buf_string(&spec->chain),
        .serial = spec->info.serial,
        .issuer = spec->info.issuer,
        .not_before = spec->info.not_before_ms,
        .not_after = spec->info.not_after_ms,
    };
    if (rights_check_name(call, request.name, e) < 0 ||
        certificate_import(tx, &request, spec->key, &version, e) < 0 ||
        target_folders_check(store_tx_db(tx), request.name, !rights_are_narrow(call->x),
                             &call->errors, e) < 0)
        return -1;
    return answer(call, store_tx_db(tx), 201, request.name, e);
}

/* Who asks for what it is not must not go away believing that it is so now. */
static int check_same(const struct spec_certificate *wanted, const struct certificate *row,
                      struct err *e)
{
    if (!row->account_id && (wanted->account || wanted->authority))
        return err_set(e, ERR_NAME_TAKEN,
                       "There is a certificate \"%s\" already, imported without an account: PUT it"
                       " with one.",
                       row->name);
    if (wanted->key_exportable_given && wanted->key_exportable != row->key_exportable)
        return err_set(e, ERR_NAME_TAKEN,
                       "There is a certificate \"%s\" already, and its keys are %s.", row->name,
                       row->key_exportable ? "exportable: PATCH it to have them kept"
                                           : "not exportable, and stay so");
    return 0;
}

static int apply(struct call *call, struct store_tx *tx, struct err *e)
{
    const struct spec_import *spec = call->spec;
    struct certificate row;
    bool has = false;
    if (certificate_load(store_tx_db(tx), spec->certificate.name, &row, e) < 0)
        return e->code == ERR_NOT_FOUND ? add(call, tx, e) : -1;
    int rc = has_leaf(store_tx_db(tx), &row, spec->leaf.data, &has, e);
    if (rc == 0 && !has)
        rc = err_set(e, ERR_NAME_TAKEN,
                     "There is a certificate \"%s\" already, and it never was this one.", row.name);
    if (rc == 0)
        rc = check_same(&spec->certificate, &row, e);
    certificate_finish(&row);
    if (rc < 0)
        return -1;
    return answer(call, store_tx_db(tx), 200, spec->certificate.name, e);
}

static void destroy_spec(void *spec)
{
    spec_import_finish(spec);
    free(spec);
}

static void post(struct http_exchange *x, void *context)
{
    struct api *api = context;
    struct fields errors = {0};
    struct err e;
    struct db *db;
    struct json_object *body = call_body_with_reader(api, x, &db);
    if (!body)
        return;
    struct spec_import *spec = mem_new(1, sizeof *spec);
    int rc = spec_import_read(db, api->options.defaults, body, &errors, spec, &e);
    body_destroy(body);
    if (call_rejected(x, rc, &e, &errors)) {
        destroy_spec(spec);
        return;
    }
    call_post_again(api, x, apply, spec, destroy_spec);
}

const struct http_route imports_routes[] = {
    {HTTP_POST, "/imports", post, 0, SCOPE_CERTIFICATES_ISSUE},
    {0},
};

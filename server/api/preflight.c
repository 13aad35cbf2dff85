/* /preflight */
#include "acme/base/memory.h"
#include "server/access/scope.h"
#include "server/api/body.h"
#include "server/api/call.h"
#include "server/api/certificate.h"
#include "server/api/check.h"
#include "server/api/peek.h"
#include "server/api/rights.h"
#include "server/api/target_folders.h"
#include "server/engine/intake.h"

#include <stdlib.h>
#include <string.h>

/* One of them. */
struct wish {
    char *certificate; /* the name of one that there is; NULL */
    struct spec_certificate spec;
};

static void destroy_wish(void *spec)
{
    struct wish *wish = spec;
    free(wish->certificate);
    spec_certificate_finish(&wish->spec);
    free(wish);
}

static void read_certificate(struct json_object *body, struct fields *errors, struct wish *out)
{
    static const char *const names[] = {"certificate", NULL};
    struct members m = members_of_body(body, errors);
    members_only(&m, names);
    out->certificate = mem_strdup(members_checked(&m, "certificate", MEMBERS_REQUIRED, check_name));
}

/* Every complaint that POST /certificates would have. */
static int read_wish(struct api *api, struct db *db, struct json_object *body,
                     struct fields *errors, struct wish *out, struct err *e)
{
    if (peek_has(body, "certificate")) {
        read_certificate(body, errors, out);
        return 0;
    }
    spec_certificate_read(body, true, errors, &out->spec);
    return certificate_check(db, api->options.defaults, ORIGIN_API, body, errors, e);
}

/* ---- the certificate that it is about ---- */

static int load_existing(struct call *call, struct db *db, struct certificate *out, struct err *e)
{
    const struct wish *wish = call->spec;
    struct err missing;
    struct certificate row;
    bool found = certificate_load(db, wish->certificate, &row, &missing) == 0;
    if (!found && missing.code != ERR_NOT_FOUND) {
        *e = missing;
        return -1;
    }
    if (found && rights_see_certificate(call->x, &row)) {
        *out = row;
        return 0;
    }
    if (found)
        certificate_finish(&row);
    fields_add(&call->errors, "/certificate", "there is no certificate \"%s\"", wish->certificate);
    return fields_verdict(&call->errors, e);
}

struct rehearsal {
    struct call *call;
    struct certificate certificate;
};

/* What POST /certificates does, up to the job; all of it is taken back. */
static int post_certificate(struct store_tx *tx, void *arg, struct err *e)
{
    struct rehearsal *rehearsal = arg;
    struct call *call = rehearsal->call;
    const struct wish *wish = call->spec;
    const char *name = wish->spec.name;
    const struct certificate_request request = {
        .name = name,
        .spec = &wish->spec,
        .defaults = call->api->options.defaults,
        .origin = ORIGIN_API,
        .retry_for_ms =
            wish->spec.retry_for_ms < 0 ? INTAKE_RETRY_DEFAULT_MS : wish->spec.retry_for_ms,
    };
    struct applied applied = {0};
    if (rights_check_name(call, name, e) < 0 ||
        certificate_insert_spec(tx, &request, &applied, e) < 0 ||
        target_folders_check(store_tx_db(tx), name, !rights_are_narrow(call->x), &call->errors, e) <
            0)
        return -1;
    return certificate_load(store_tx_db(tx), name, &rehearsal->certificate, e) < 0
               ? -1
               : rights_check_certificate(store_tx_db(tx), call, rehearsal->certificate.id, e);
}

static int apply(struct call *call, struct store_tx *tx, struct err *e)
{
    const struct wish *wish = call->spec;
    struct rehearsal rehearsal = {.call = call};
    int rc = wish->certificate ? load_existing(call, store_tx_db(tx), &rehearsal.certificate, e)
                               : store_tx_rehearse(tx, post_certificate, &rehearsal, e);
    if (rc == 0)
        rc = intake_preflight(tx, &rehearsal.certificate, call->out.job, e);
    certificate_finish(&rehearsal.certificate);
    return rc;
}

static void post(struct http_exchange *x, void *context)
{
    struct fields errors = {0};
    struct err e;
    struct db *db;
    struct json_object *body = call_body_with_reader(context, x, &db);
    if (!body)
        return;
    struct wish *wish = mem_new(1, sizeof *wish);
    int rc = read_wish(context, db, body, &errors, wish, &e);
    body_destroy(body);
    if (call_rejected(x, rc, &e, &errors)) {
        destroy_wish(wish);
        return;
    }
    call_post(context, x, apply, wish, destroy_wish);
}

const struct http_route preflight_routes[] = {
    {HTTP_POST, "/preflight", post, 0, SCOPE_CERTIFICATES_ISSUE},
    {0},
};

/* /revocations: certificates that are no resources here. */
#include "acme/base/memory.h"
#include "acme/cert.h"
#include "server/access/scope.h"
#include "server/api/account.h"
#include "server/api/body.h"
#include "server/api/call.h"
#include "server/api/check.h"
#include "server/api/revocation.h"
#include "server/engine/intake.h"
#include "store/authority.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

struct spec {
    char *authority; /* with the key; NULL: the account's */
    char *account;
    struct key *key;
    struct buf leaf; /* PEM */
    char fingerprint[CERT_FINGERPRINT_SIZE];
    int reason;
};

static void destroy_spec(void *data)
{
    struct spec *spec = data;
    free(spec->authority);
    free(spec->account);
    key_destroy(spec->key);
    buf_finish(&spec->leaf);
    free(spec);
}

/* ---- reading ---- */

/* Those who are to sign: the key at an authority, or an account, which has its own. */
static void read_signer(const struct members *m, struct spec *out)
{
    struct err e;
    bool by_account = members_has(m, "account");
    enum members_need need = by_account ? MEMBERS_OPTIONAL : MEMBERS_REQUIRED;
    if (by_account && members_has(m, "private_key"))
        members_wrong(m, "private_key", "must not be given beside account: one of them signs");
    if (by_account && members_has(m, "authority"))
        members_wrong(m, "authority", "must not be given beside account, which has its own");
    out->account = mem_strdup(members_checked(m, "account", MEMBERS_OPTIONAL, check_name));
    out->authority = mem_strdup(members_checked(m, "authority", need, check_name));
    const char *pem = members_block(m, "private_key", need, KEY_PEM_MAX);
    if (pem && key_from_pem(pem, strlen(pem), &out->key, &e) < 0)
        members_wrong(m, "private_key", "%s", e.detail);
}

/* The first certificate is the one; what follows it, as in a full chain, is passed over. */
static void read_certificate(const struct members *m, struct spec *out)
{
    struct buf chain = {0};
    struct cert_info info;
    char spki[KEY_SPKI_SHA256_SIZE];
    struct err e;
    const char *pem = members_block(m, "certificate", MEMBERS_REQUIRED, CERT_CHAIN_MAX_BYTES);
    if (!pem)
        return;
    if (cert_chain_read(pem, strlen(pem), &out->leaf, &chain, &info, &e) < 0) {
        members_wrong(m, "certificate", "%s", e.detail);
        return;
    }
    if (out->key && (key_spki_sha256(out->key, spki, &e) < 0 || strcmp(spki, info.spki_sha256)))
        members_wrong(m, "private_key", "is not that of the certificate");
    if (cert_fingerprint(out->leaf.data, out->leaf.size, out->fingerprint, &e) < 0)
        members_wrong(m, "certificate", "%s", e.detail);
    cert_info_finish(&info);
    buf_finish(&chain);
}

/* ---- what is named has to be there ---- */

static int check_authority(struct db *db, const char *name, struct fields *errors, struct err *e)
{
    struct authority row;
    if (authority_load(db, name, &row, e) == 0) {
        authority_finish(&row);
        return 0;
    }
    if (e->code != ERR_NOT_FOUND)
        return -1;
    fields_add(errors, "/authority", "there is no authority \"%s\"", name);
    return 0;
}

static int check_account(struct db *db, const char *name, struct fields *errors, struct err *e)
{
    struct account row;
    if (account_load(db, name, &row, e) < 0) {
        if (e->code != ERR_NOT_FOUND)
            return -1;
        fields_add(errors, "/account", "there is no account \"%s\"", name);
        return 0;
    }
    if (account_check_usable(&row, e) < 0)
        fields_add(errors, "/account", "the account \"%s\" is %s at its authority", name,
                   row.status);
    account_finish(&row);
    return 0;
}

static int read_body(struct db *db, struct json_object *body, struct fields *errors,
                     struct spec *out, struct err *e)
{
    static const char *const names[] = {"authority",   "account", "certificate",
                                        "private_key", "reason",  NULL};
    struct members m = members_of_body(body, errors);
    members_only(&m, names);
    read_signer(&m, out);
    read_certificate(&m, out);
    out->reason = revocation_reason_read(&m);
    if (out->authority && check_authority(db, out->authority, errors, e) < 0)
        return -1;
    return out->account ? check_account(db, out->account, errors, e) : 0;
}

/* ---- the job ---- */

static int apply(struct call *call, struct store_tx *tx, struct err *e)
{
    const struct spec *spec = call->spec;
    struct account account = {0};
    if (spec->account && account_load(store_tx_db(tx), spec->account, &account, e) < 0)
        return -1;
    struct revocation revocation = {
        .authority = spec->account ? account.authority : spec->authority,
        .account_id = account.id,
        .leaf = spec->leaf.data,
        .fingerprint = (char *)spec->fingerprint,
        .reason = spec->reason,
    };
    int rc = intake_revocation(tx, &revocation, spec->key, call->out.job, e);
    account_finish(&account);
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
    struct spec *spec = mem_new(1, sizeof *spec);
    int rc = read_body(db, body, &errors, spec, &e);
    body_destroy(body);
    if (call_rejected(x, rc, &e, &errors)) {
        destroy_spec(spec);
        return;
    }
    call_post(context, x, apply, spec, destroy_spec);
}

const struct http_route revocations_routes[] = {
    {HTTP_POST, "/revocations", post, 0, SCOPE_CERTIFICATES_REVOKE},
    {0},
};

#include "server/api/account.h"

#include "acme/base/clock.h"
#include "server/api/canonical.h"
#include "server/api/peek.h"
#include "server/api/show.h"
#include "server/engine/backoff.h"
#include "server/engine/intake.h"
#include "store/authority.h"
#include "store/owner.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

static bool is_final(const struct account *account)
{
    return !strcmp(account->status, "deactivated") || !strcmp(account->status, "revoked");
}

int account_check_usable(const struct account *account, struct err *e)
{
    if (!is_final(account))
        return 0;
    return err_set(e, ERR_ACCOUNT_UNUSABLE, "The account \"%s\" is %s at its authority.",
                   account->name, account->status);
}

static struct json_object *show_terms(const struct account *account)
{
    struct json_object *terms = json_object_new_object();
    show_add_text(terms, "agreed_url", account->terms_agreed_url);
    show_add_text(terms, "current_url", account->terms_current_url);
    return terms;
}

static struct json_object *show_key(const struct account *account)
{
    struct json_object *key = json_object_new_object();
    show_add_text(key, "type", key_type_name(account->key_type));
    show_add_text(key, "thumbprint", account->thumbprint);
    json_object_object_add(key, "jwk", show_stored(account->jwk));
    show_add_text(key, "public_pem", account->public_pem);
    show_add_bool(key, "changing", account->next_spki_sha256 != NULL);
    return key;
}

struct json_object *account_show(const struct account *account)
{
    struct json_object *json = json_object_new_object();
    int64_t created = 0;
    bool told =
        account->ca_created_at && clock_parse_rfc3339(account->ca_created_at, &created) == 0;
    show_add_text(json, "name", account->name);
    show_add_text(json, "url", account->url);
    show_add_text(json, "authority", account->authority);
    show_add_text(json, "status", account->status);
    json_object_object_add(json, "contacts", show_stored(account->contacts));
    show_add_bool(json, "terms_of_service_agreed", account->terms_of_service_agreed);
    json_object_object_add(json, "terms_of_service", show_terms(account));
    show_add_time(json, "created_at", told ? created : 0);
    show_add_text(json, "initial_ip", account->initial_ip);
    json_object_object_add(json, "key", show_key(account));
    json_object_object_add(json, "ca_object", show_stored(account->ca_object));
    json_object_object_add(json, "ca_orders", show_stored(account->ca_orders));
    json_object_object_add(json, "last_error",
                           account->job_error
                               ? show_failure(account->job_error)
                               : show_last_error(account->last_error, account->person_error));
    show_add_text(json, "active_job", account->active_job);
    show_add_text(json, "managed_by", origin_name(account->origin));
    show_add_time(json, "updated_at", account->updated_at);
    return json;
}

int account_check(struct db *db, struct json_object *body, struct fields *errors, struct err *e)
{
    struct authority authority;
    const char *name = peek_name(body, "authority");
    if (!name)
        return 0;
    if (authority_load(db, name, &authority, e) < 0) {
        if (e->code != ERR_NOT_FOUND)
            return -1;
        fields_add(errors, "/authority", "there is no authority of this name");
        return 0;
    }
    if (authority.eab_required && !peek_has(body, "eab") && !peek_true(body, "only_existing"))
        fields_add(errors, "/eab", "is required by this authority");
    authority_finish(&authority);
    return 0;
}

static void fingerprint(void *context, const void *data, size_t size,
                        char out[SPEC_FINGERPRINT_SIZE])
{
    _Static_assert((int)SPEC_FINGERPRINT_SIZE == (int)SEAL_FINGERPRINT_SIZE, "one fingerprint");
    seal_fingerprint(db_seal(context), data, size, out);
}

/* A row of what the spec says; borrowed from it and from normalized. */
static struct account row_of(const char *name, const struct spec_account *spec, char *normalized,
                             enum origin origin)
{
    return (struct account){
        .name = (char *)name,
        .authority = spec->authority,
        .spec = normalized,
        .contacts = spec->contacts,
        .terms_of_service_agreed = spec->terms_of_service_agreed,
        .only_existing = spec->only_existing,
        .eab_kid = spec->eab_kid,
        .eab_mac = spec->eab_mac,
        .origin = origin,
        .key_type = spec->key.type,
    };
}

static const void *eab_key(const struct spec_account *spec)
{
    return spec->eab_kid ? spec->eab_key.data : NULL;
}

int account_insert_spec(struct store_tx *tx, const char *name, const struct spec_account *spec,
                        enum origin origin, int64_t retry_for_ms, struct applied *out,
                        struct err *e)
{
    char *normalized = spec_account_normalized(spec, fingerprint, store_tx_db(tx));
    struct account row = row_of(name, spec, normalized, origin);
    int64_t id;
    bool existing;
    int rc = account_insert(tx, &row, spec->key.key, eab_key(spec), spec->eab_key.size, e);
    id = row.id;
    free(normalized);
    struct account made;
    if (rc < 0 || account_load_by_id(store_tx_db(tx), id, &made, e) < 0)
        return -1;
    rc = intake_account_create(tx, &made, retry_for_ms, out->job, &existing, e);
    account_finish(&made);
    return rc;
}

/* Whether the spec asks for another key than the account has or will have. */
static int check_key(const struct account *row, const struct spec_account *spec, struct err *e)
{
    char spki[KEY_SPKI_SHA256_SIZE];
    if (strcmp(row->authority, spec->authority) != 0)
        return err_set(e, ERR_CONFLICT,
                       "The account \"%s\" is at %s; make another one for another authority.",
                       row->name, row->authority);
    if (spec->key.key) {
        if (key_spki_sha256(spec->key.key, spki, e) < 0)
            return -1;
        if (row->spki_sha256 && !strcmp(row->spki_sha256, spki))
            return 0;
    } else if (!spec->key.type_given || spec->key.type == row->key_type) {
        return 0;
    }
    return err_set(e, ERR_CONFLICT,
                   "The account \"%s\" has another key; POST /accounts/%s/rollover changes it.",
                   row->name, row->name);
}

/* Registers it, or tells the CA of what has changed. */
static int tell_ca(struct store_tx *tx, const char *name, int64_t retry_for_ms, struct applied *out,
                   struct err *e)
{
    struct account row;
    bool existing;
    if (account_load(store_tx_db(tx), name, &row, e) < 0)
        return -1;
    bool known = row.url && strcmp(row.status, "pending") != 0;
    int rc = known ? intake_account_update(tx, &row, retry_for_ms, out->job, &existing, e)
                   : intake_account_create(tx, &row, retry_for_ms, out->job, &existing, e);
    /* What it waits for, a person even, may be in the new body. */
    if (rc == 0 && existing)
        rc = job_bring_forward(tx, out->job, e);
    account_finish(&row);
    return rc;
}

static int change(struct store_tx *tx, const struct account *row, const struct spec_account *spec,
                  char *normalized, enum origin origin, int64_t retry_for_ms, struct applied *out,
                  struct err *e)
{
    bool contacts_changed = strcmp(row->contacts, spec->contacts) != 0;
    bool agrees = spec->terms_of_service_agreed && !row->terms_of_service_agreed && row->url;
    struct account wanted = row_of(row->name, spec, normalized, origin);
    wanted.id = row->id;
    if ((origin == ORIGIN_API && account_check_usable(row, e) < 0) || check_key(row, spec, e) < 0 ||
        account_update_spec(tx, &wanted, eab_key(spec), spec->eab_key.size, e) < 0)
        return -1;
    if (agrees && account_ask_for_terms(tx, row->id, e) < 0)
        return -1;
    if (row->url && !contacts_changed && !agrees)
        return 0;
    return tell_ca(tx, row->name, retry_for_ms, out, e);
}

/*
 * Whether who asks agrees to terms that have changed since. The config does not ask: it says at
 * each start what it said of the former ones.
 */
static bool agrees_anew(const struct account *row, enum origin origin)
{
    return origin == ORIGIN_API && row->url && row->terms_of_service_agreed &&
           row->terms_current_url && row->terms_agreed_url &&
           strcmp(row->terms_current_url, row->terms_agreed_url) != 0;
}

/* The same spec again: nothing to do, a job that is at it, or a new try. */
static int keep(struct store_tx *tx, const struct account *row, enum origin origin,
                int64_t retry_for_ms, struct applied *out, struct err *e)
{
    if (row->origin != origin && owner_set(tx, OWNED_ACCOUNT, row->name, origin, e) < 0)
        return -1;
    if (row->active_job) {
        memcpy(out->job, row->active_job, ULID_SIZE);
        return 0;
    }
    if (is_final(row))
        return 0;
    if (agrees_anew(row, origin)) {
        if (account_ask_for_terms(tx, row->id, e) < 0)
            return -1;
        return tell_ca(tx, row->name, retry_for_ms, out, e);
    }
    if (row->url && !row->last_error)
        return 0;
    const char *kind = row->url ? "account.update" : "account.create";
    int64_t until;
    if (backoff_until(store_tx_db(tx), kind, "account", row->name, INT64_MAX, &until, e) < 0)
        return -1;
    if (until > store_tx_now(tx)) {
        out->held_until = until;
        return 0;
    }
    return tell_ca(tx, row->name, retry_for_ms, out, e);
}

int account_apply(struct store_tx *tx, const char *name, const struct spec_account *spec,
                  enum origin origin, int64_t retry_for_ms, struct applied *out, struct err *e)
{
    struct account row;
    if (account_load(store_tx_db(tx), name, &row, e) < 0) {
        if (e->code != ERR_NOT_FOUND)
            return -1;
        return account_insert_spec(tx, name, spec, origin, retry_for_ms, out, e);
    }
    char *normalized = spec_account_normalized(spec, fingerprint, store_tx_db(tx));
    int rc = strcmp(normalized, row.spec) == 0
                 ? keep(tx, &row, origin, retry_for_ms, out, e)
                 : change(tx, &row, spec, normalized, origin, retry_for_ms, out, e);
    free(normalized);
    account_finish(&row);
    return rc;
}

static int change_contacts(struct store_tx *tx, const struct account *row, char *contacts,
                           struct err *e)
{
    /* As if the body had held them, so that a PUT of it compares right. */
    struct json_object *spec = json_tokener_parse(row->spec);
    json_object_object_add(spec, "contacts", json_tokener_parse(contacts));
    char *normalized = canonical_json(spec);
    json_object_put(spec);
    struct account wanted = *row; /* borrows */
    wanted.spec = normalized;
    wanted.contacts = contacts;
    int rc = account_update_spec(tx, &wanted, NULL, 0, e);
    free(normalized);
    return rc;
}

int account_apply_patch(struct store_tx *tx, const char *name,
                        const struct spec_account_patch *patch, struct applied *out, struct err *e)
{
    struct account row;
    if (account_load(store_tx_db(tx), name, &row, e) < 0)
        return -1;
    int rc = account_check_usable(&row, e);
    if (rc == 0 && patch->contacts)
        rc = change_contacts(tx, &row, patch->contacts, e);
    if (rc == 0 && patch->terms_of_service_agreed)
        rc = account_ask_for_terms(tx, row.id, e);
    account_finish(&row);
    return rc < 0 ? -1 : tell_ca(tx, name, INTAKE_RETRY_DEFAULT_MS, out, e);
}

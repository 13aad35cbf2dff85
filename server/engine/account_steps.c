/*
 * Jobs of accounts (RFC 8555 section 7.3).
 *
 *   account.create      keygen ──► register   the key is durable before newAccount is sent; doing
 *                                             that again finds the account by its key
 *   account.update      update ──► agree      tells the CA the contacts, and of changed terms
 *   account.refresh     fetch                 what the CA holds now: the account, its orders
 *   account.deactivate  deactivate            the end of it
 */
#include "acme/base/clock.h"
#include "acme/base/log.h"
#include "acme/base/memory.h"
#include "server/engine/account_job.h"
#include "server/engine/account_recovery.h"
#include "server/engine/engine_private.h"
#include "server/engine/intake.h"
#include "store/failure.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONTACTS_MAX = 32 };

int account_job_load(struct step_context *c, struct err *e)
{
    struct err missing;
    if (account_load_by_id(c->db, c->job.resource_id, &c->account, &missing) < 0) {
        c->gone = missing.code == ERR_NOT_FOUND;
        return c->gone ? 0 : context_fail(e, &missing);
    }
    return authority_load(c->db, c->account.authority, &c->authority, e);
}

int account_job_end(struct store_tx *tx, struct step_context *c, enum job_state state,
                    const char *error, struct err *e)
{
    struct account now;
    struct err missing;
    if (c->gone)
        return 0;
    if (account_load_by_id(store_tx_db(tx), c->account.id, &now, &missing) < 0)
        return missing.code == ERR_NOT_FOUND ? 0 : context_fail(e, &missing);
    /* A cancelled job may have a successor already. */
    bool active = now.active_job && !strcmp(now.active_job, c->job.id);
    account_finish(&now);
    if (!active)
        return 0;
    const char *last_error = state == JOB_CANCELLED ? c->account.last_error : error;
    return account_set_job(tx, c->account.id, NULL, last_error, e);
}

/* ---- keygen ---- */

static void free_key(void *saved)
{
    key_destroy(saved);
}

static int save_key(struct store_tx *tx, struct step_context *c, struct err *e)
{
    return account_set_key(tx, c->account.id, c->saved, e);
}

static void keygen_lane(const struct step_context *c, char out[LANE_NAME_SIZE])
{
    snprintf(out, LANE_NAME_SIZE, "%s",
             c->account.has_key ? "local" : lane_name_for_key(c->account.key_type));
}

static int keygen(struct step_context *c, struct err *e)
{
    struct key *key;
    if (c->account.has_key)
        return step_next(c, "register", NULL);
    if (key_generate(c->account.key_type, &key, e) < 0)
        return -1;
    c->saved = key;
    c->saved_free = free_key;
    c->save = save_key;
    return step_next(c, "register", "the account's key is made");
}

/* ---- what the CA says of the account ---- */

struct registration {
    struct acme_account account;
    bool agreed;  /* to the terms, */
    char *terms;  /* which the CA calls so; NULL */
    bool asked;   /* for the list of orders, */
    char *orders; /* JSON; NULL: the CA keeps none */
};

static void free_registration(void *saved)
{
    struct registration *registration = saved;
    if (!registration)
        return;
    acme_account_finish(&registration->account);
    free(registration->terms);
    free(registration->orders);
    free(registration);
}

/* Whoever has ended the account: its certificates say why they are not renewed any more. */
static int stop_certificates(struct store_tx *tx, const struct step_context *c, const char *status,
                             struct err *e)
{
    struct err reason;
    err_set(&reason, ERR_ACCOUNT_UNUSABLE,
            "The account \"%s\" is %s: the certificate is not renewed any more.", c->account.name,
            status);
    char *text = failure_write(&reason, NULL);
    int rc = account_stop_certificates(tx, c->account.id, text, e);
    free(text);
    return rc;
}

static int save_registration(struct store_tx *tx, struct step_context *c, struct err *e)
{
    const struct registration *registration = c->saved;
    struct account_registration row = {
        .url = registration->account.url,
        .status = registration->account.status,
        .ca_object = registration->account.document,
        .initial_ip = registration->account.initial_ip,
        .ca_created_at = registration->account.created_at,
    };
    if (account_set_registration(tx, c->account.id, &row, e) < 0)
        return -1;
    if (strcmp(row.status, "valid") != 0 && !strcmp(c->account.status, "valid") &&
        stop_certificates(tx, c, row.status, e) < 0)
        return -1;
    if (registration->agreed && account_set_terms(tx, c->account.id, registration->terms, e) < 0)
        return -1;
    if (registration->asked && account_set_orders(tx, c->account.id, registration->orders, e) < 0)
        return -1;
    return 0;
}

static struct registration *expect_registration(struct step_context *c)
{
    struct registration *registration = mem_new(1, sizeof *registration);
    c->saved = registration;
    c->saved_free = free_registration;
    c->save = NULL;
    return registration;
}

/* The contacts of the row, borrowed from *json, which the caller puts. */
static size_t read_contacts(const struct step_context *c, struct json_object **json,
                            const char *out[CONTACTS_MAX])
{
    *json = c->account.contacts ? json_tokener_parse(c->account.contacts) : NULL;
    size_t n = *json ? json_object_array_length(*json) : 0;
    n = n > CONTACTS_MAX ? CONTACTS_MAX : n;
    for (size_t i = 0; i < n; i++)
        out[i] = json_object_get_string(json_object_array_get_idx(*json, i));
    return n;
}

/* ---- register ---- */

static int check_requirements(const struct step_context *c, struct err *e)
{
    if (c->authority.eab_required && !c->account.eab_kid && !c->account.only_existing)
        return err_set(e, ERR_CA_EAB_REQUIRED,
                       "The authority \"%s\" wants an external account binding.",
                       c->authority.name);
    return 0;
}

static int send_registration(struct step_context *c, struct acme_account *out, struct err *e)
{
    struct json_object *json;
    const char *contacts[CONTACTS_MAX];
    struct buf eab_key = {0};
    struct acme_account_request request = {
        .contacts = contacts,
        .contact_count = read_contacts(c, &json, contacts),
        .terms_of_service_agreed = c->account.terms_of_service_agreed,
        .only_existing = c->account.only_existing,
        .eab_kid = c->account.eab_kid,
        .eab_mac = c->account.eab_mac,
    };
    int rc = 0;
    if (c->account.eab_kid) {
        rc = account_open_eab_key(c->db, c->account.id, &eab_key, e);
        request.eab_key = eab_key.data;
        request.eab_key_size = eab_key.size;
    }
    if (rc == 0)
        rc = acme_account_new(&c->client, &request, out, e);
    buf_finish_secret(&eab_key);
    json_object_put(json);
    return rc;
}

/* RFC 8555 has no type for a CA that wants its terms agreed to; each has its own words for it. */
static int tell_terms(const struct step_context *c, struct err *e)
{
    bool may_be =
        e->code == ERR_CA_OTHER || e->code == ERR_CA_MALFORMED || e->code == ERR_CA_UNAUTHORIZED;
    if (!may_be || c->account.terms_of_service_agreed || c->account.only_existing)
        return -1;
    return err_prefix(e, "The CA may want its terms agreed to, and terms_of_service_agreed is not "
                         "true: ");
}

static int register_account(struct step_context *c, struct err *e)
{
    if (check_requirements(c, e) < 0 || context_client(c, e) < 0)
        return -1;
    struct registration *registration = expect_registration(c);
    c->client.kid = NULL; /* newAccount is signed with the key itself */
    if (send_registration(c, &registration->account, e) < 0)
        return tell_terms(c, e);
    registration->agreed = c->account.terms_of_service_agreed && !c->account.only_existing;
    registration->terms = context_terms(c);
    c->save = save_registration;
    return step_done(c, "%s: %s", registration->account.created ? "registered" : "found by its key",
                     registration->account.url);
}

/* ---- the CA takes no such signatures ---- */

enum { KEYS_TRIED_MAX = 3 };

/* A key that the caller gave is the one to be registered. */
static bool is_given(const struct account *account)
{
    struct json_object *spec = json_tokener_parse(account->spec), *key = NULL;
    bool given = spec && json_object_object_get_ex(spec, "key", &key) &&
                 json_object_object_get_ex(key, "pem", NULL);
    json_object_put(spec);
    return given;
}

/* Our best among those that the error names; false if that is what was refused, or there is none.
 */
static bool choose_taken(const struct step_context *c, enum key_type *out)
{
    static const struct {
        const char *algorithm;
        enum key_type type;
    } choices[] = {{"ES256", KEY_EC_P256}, {"ES384", KEY_EC_P384}, {"RS256", KEY_RSA_2048}};
    for (size_t i = 0; i < sizeof choices / sizeof *choices; i++)
        if (acme_problem_takes_algorithm(&c->client.problem, choices[i].algorithm)) {
            *out = choices[i].type;
            return choices[i].type != c->account.key_type;
        }
    return false;
}

static int save_other_key(struct store_tx *tx, struct step_context *c, struct err *e)
{
    return account_set_next_key(tx, c->account.id, c->saved, e) < 0 ||
                   account_take_next_key(tx, c->account.id, e) < 0
               ? -1
               : 0;
}

/* RFC 8555 section 6.2. Made here, not in the lane of the keys, for it is rare. */
static int register_remedy(struct step_context *c, enum remedy remedy, struct err *e)
{
    struct key *key;
    struct err trouble;
    enum key_type type;
    size_t tried;
    if (remedy != REMEDY_NEW_KEY || strcmp(c->step->name, "register") != 0 || c->account.url ||
        is_given(&c->account) || !choose_taken(c, &type))
        return -1;
    if (context_events(c, "register", &tried, &trouble) < 0)
        return context_fail(e, &trouble);
    if (tried >= KEYS_TRIED_MAX)
        return -1;
    if (key_generate(type, &key, &trouble) < 0)
        return context_fail(e, &trouble);
    context_discard(c);
    c->saved = key;
    c->saved_free = free_key;
    c->save = save_other_key;
    return step_next(c, "register", "%s: a key for %s is made", e->detail, key_type_name(type));
}

/* ---- update ---- */

int account_job_expect_registered(const struct step_context *c, struct err *e)
{
    if (c->account.url)
        return 0;
    return err_set(e, ERR_CA_ACCOUNT_MISSING, "The account \"%s\" is not registered yet.",
                   c->account.name);
}

/* Whether the account can be asked for now; 0 and *ready false: the outcome is a wait. */
static int open_client(struct step_context *c, bool *ready, struct err *e)
{
    if (account_expect_known(c, ready, e) < 0)
        return -1;
    return *ready ? context_client(c, e) : 0;
}

static int update(struct step_context *c, struct err *e)
{
    bool ready;
    if (open_client(c, &ready, e) < 0)
        return -1;
    if (!ready)
        return 0;
    struct json_object *json;
    const char *contacts[CONTACTS_MAX];
    size_t count = read_contacts(c, &json, contacts);
    struct registration *registration = expect_registration(c);
    int rc = acme_account_update_contacts(&c->client, contacts, count, &registration->account, e);
    json_object_put(json);
    if (rc < 0)
        return -1;
    c->save = save_registration;
    if (c->account.terms_due)
        return step_next(c, "agree", "the CA has the contacts");
    return step_done(c, "the CA has the contacts");
}

/*
 * A change of the account takes no termsOfServiceAgreed (RFC 8555 section 7.3.2), newAccount does;
 * with onlyReturnExisting it makes none. Whether the CA keeps it is the CA's affair.
 */
static int agree(struct step_context *c, struct err *e)
{
    struct acme_account_request request = {.terms_of_service_agreed = true, .only_existing = true};
    bool ready;
    if (open_client(c, &ready, e) < 0)
        return -1;
    if (!ready)
        return 0;
    struct registration *registration = expect_registration(c);
    c->client.kid = NULL;
    if (acme_account_new(&c->client, &request, &registration->account, e) < 0)
        return -1;
    registration->agreed = true;
    registration->terms = context_terms(c);
    c->save = save_registration;
    return step_done(c, "the terms of service are agreed to: %s",
                     registration->terms ? registration->terms : "the CA has none");
}

/* ---- fetch ---- */

static char *write_orders(const struct acme_order_list *list)
{
    struct json_object *json = json_object_new_object(), *urls = json_object_new_array();
    char at[CLOCK_RFC3339_SIZE];
    clock_rfc3339(clock_wall_ms(), at);
    for (size_t i = 0; i < list->count; i++)
        json_object_array_add(urls, json_object_new_string(list->urls[i]));
    json_object_object_add(json, "fetched_at", json_object_new_string(at));
    json_object_object_add(json, "urls", urls);
    json_object_object_add(json, "truncated", json_object_new_boolean(list->truncated));
    char *text = mem_strdup(json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN));
    json_object_put(json);
    return text;
}

/* The list is worth having, not worth failing for: then the one of before stays. */
static void list_orders(struct step_context *c, struct registration *registration)
{
    struct acme_order_list list;
    struct err error;
    const char *url = registration->account.orders_url;
    registration->asked = !url;
    if (!url)
        return;
    if (acme_account_list_orders(&c->client, url, &list, &error) < 0) {
        log_warn("the CA's list of orders cannot be read", "account", c->account.name, "detail",
                 error.detail, NULL);
        return;
    }
    registration->asked = true;
    registration->orders = write_orders(&list);
    acme_order_list_finish(&list);
}

static int fetch(struct step_context *c, struct err *e)
{
    bool ready;
    if (open_client(c, &ready, e) < 0)
        return -1;
    if (!ready)
        return 0;
    struct registration *registration = expect_registration(c);
    if (acme_account_get(&c->client, &registration->account, e) < 0)
        return -1;
    list_orders(c, registration);
    c->save = save_registration;
    return step_done(c, "the account is %s", registration->account.status);
}

/* ---- deactivate ---- */

/*
 * After a lost answer the account may be deactivated: then the CA lets it do nothing any more,
 * which it says as unauthorized (RFC 8555 section 7.3.6). An account that the CA has forgotten
 * would else be here for ever.
 */
static int deactivate(struct step_context *c, struct err *e)
{
    if (account_job_expect_registered(c, e) < 0 || context_client(c, e) < 0)
        return -1;
    struct registration *registration = expect_registration(c);
    bool known = true;
    if (acme_account_deactivate(&c->client, &registration->account, e) < 0) {
        known = e->code != ERR_CA_ACCOUNT_MISSING;
        if (known && (!c->resumed || e->code != ERR_CA_UNAUTHORIZED))
            return -1;
        registration->account.status = mem_strdup("deactivated");
        registration->account.document = mem_strdup(c->account.ca_object);
    }
    if (strcmp(registration->account.status, "deactivated") != 0)
        return err_set(e, ERR_CA_PROTOCOL, "The CA was to deactivate the account and calls it %s.",
                       registration->account.status);
    c->save = save_registration;
    return step_done(c,
                     known ? "the account is deactivated"
                           : "the CA does not know the account any more: it counts as deactivated");
}

static const struct step create_steps[] = {
    {"keygen", keygen, keygen_lane, false, {"register"}},
    {"register", register_account, lane_of_authority, false, {NULL}},
};

const struct job_kind account_create_kind = {
    .name = "account.create",
    .steps = create_steps,
    .step_count = 2,
    .load = account_job_load,
    .remedy = register_remedy,
    .end = account_job_end,
};

/* What was asked for while the CA was being told is told by another job. */
static int end_update(struct store_tx *tx, struct step_context *c, enum job_state state,
                      const char *error, struct err *e)
{
    struct account now;
    char id[ULID_SIZE];
    bool existing;
    if (account_job_end(tx, c, state, error, e) < 0)
        return -1;
    if (state != JOB_SUCCEEDED || c->gone)
        return 0;
    if (account_load_by_id(store_tx_db(tx), c->account.id, &now, e) < 0)
        return -1;
    int rc = 0;
    if (now.terms_due || strcmp(now.contacts, c->account.contacts) != 0)
        rc = intake_account_update(tx, &now, INTAKE_RETRY_DEFAULT_MS, id, &existing, e);
    account_finish(&now);
    return rc;
}

static const struct step update_steps[] = {
    {"update", update, lane_of_authority, false, {"agree"}},
    {"agree", agree, lane_of_authority, false, {NULL}},
};

const struct job_kind account_update_kind = {
    .name = "account.update",
    .steps = update_steps,
    .step_count = 2,
    .load = account_job_load,
    .remedy = account_recovery_remedy,
    .end = end_update,
};

static const struct step refresh_steps[] = {
    {"fetch", fetch, lane_of_authority, false, {NULL}},
};

const struct job_kind account_refresh_kind = {
    .name = "account.refresh",
    .steps = refresh_steps,
    .step_count = 1,
    .load = account_job_load,
    .remedy = account_recovery_remedy,
    .end = account_job_end,
};

static const struct step deactivate_steps[] = {
    {"deactivate", deactivate, lane_of_authority, true, {NULL}},
};

const struct job_kind account_deactivate_kind = {
    .name = "account.deactivate",
    .steps = deactivate_steps,
    .step_count = 1,
    .load = account_job_load,
    .end = account_job_end,
};

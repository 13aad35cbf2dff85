#include "server/api/converge.h"

#include "acme/base/clock.h"
#include "acme/base/log.h"
#include "acme/base/memory.h"
#include "server/api/account.h"
#include "server/api/allowed.h"
#include "server/api/authority.h"
#include "server/api/builtin.h"
#include "server/api/certificate.h"
#include "server/api/check.h"
#include "server/api/folder_claims.h"
#include "server/api/peek.h"
#include "server/api/references.h"
#include "server/api/resource.h"
#include "server/api/target_folders.h"
#include "server/config/config.h"
#include "server/engine/intake.h"
#include "store/owner.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A named object of the config. */
struct entry {
    const char *name;         /* borrowed */
    struct json_object *body; /* borrowed */
    void *spec;
};

/* One transaction's work. */
struct run {
    const struct converge_plan *plan;
    const struct api_options *options;
    int64_t again_at; /* 0: never */
    int64_t jobs;
};

/* A kind of resource; the plan's order is that of dependence. */
struct kind {
    const char *member;
    void *(*read)(struct json_object *body, struct fields *errors);
    void (*destroy)(void *spec);
    /* What the rest of the config says of the body; NULL: nothing. */
    void (*allow)(const struct config *config, struct json_object *body, struct fields *errors);
    /* What the database says of the body. */
    int (*check)(struct run *run, struct db *db, const struct entry *entry, struct fields *errors,
                 struct err *e);
    int (*apply)(struct run *run, struct store_tx *tx, const struct entry *entry, struct err *e);
};

enum { CERTIFICATES = 5, KINDS };

struct converge_plan {
    struct entry *entries[KINDS];
    size_t counts[KINDS];
};

static void note(struct run *run, const struct applied *applied)
{
    run->jobs += applied->job[0] != '\0';
    if (applied->held_until && (!run->again_at || applied->held_until < run->again_at))
        run->again_at = applied->held_until;
}

static int check_nothing(struct run *run, struct db *db, const struct entry *entry,
                         struct fields *errors, struct err *e)
{
    (void)run, (void)db, (void)entry, (void)errors, (void)e;
    return 0;
}

/* ---- authorities ---- */

static void *read_authority(struct json_object *body, struct fields *errors)
{
    struct spec_authority *spec = mem_new(1, sizeof *spec);
    spec_authority_read(body, errors, spec);
    return spec;
}

static void destroy_authority(void *spec)
{
    spec_authority_finish(spec);
    free(spec);
}

static int apply_authority(struct run *run, struct store_tx *tx, const struct entry *entry,
                           struct err *e)
{
    bool created;
    (void)run;
    return authority_apply(tx, entry->name, entry->spec, ORIGIN_CONFIG, &created, e);
}

/* ---- credentials ---- */

static void *read_credential(struct json_object *body, struct fields *errors)
{
    struct spec_credential *spec = mem_new(1, sizeof *spec);
    spec_credential_read(body, errors, spec);
    return spec;
}

static void destroy_credential(void *spec)
{
    spec_credential_finish(spec);
    free(spec);
}

static int apply_credential(struct run *run, struct store_tx *tx, const struct entry *entry,
                            struct err *e)
{
    bool created;
    (void)run;
    return credential_apply(tx, entry->name, entry->spec, ORIGIN_CONFIG, &created, e);
}

/* The type of a credential of the same config; whether others are there is the database's to say.
 */
static void allow_credential(const struct config *config, struct json_object *body,
                             const char *wanted, struct fields *errors)
{
    struct json_object *all = peek_object(config->resources, "credentials");
    const char *name = peek_name(body, "credential");
    struct json_object *credential = all && name ? peek_object(all, name) : NULL;
    const char *type = credential ? peek_text(credential, "type") : NULL;
    if (type && wanted && strcmp(type, wanted) != 0)
        fields_add(errors, "/credential", "is of type %s; %s is needed", type, wanted);
}

/* ---- solvers ---- */

static void allow_solver(const struct config *config, struct json_object *body,
                         struct fields *errors)
{
    const char *type = peek_text(body, "type");
    allowed_check_solver(config, body, errors);
    if (type)
        allow_credential(config, body, spec_solver_credential_type(type), errors);
}

static void *read_solver(struct json_object *body, struct fields *errors)
{
    struct spec_solver *spec = mem_new(1, sizeof *spec);
    spec_solver_read(body, errors, spec);
    return spec;
}

static void destroy_solver(void *spec)
{
    spec_solver_finish(spec);
    free(spec);
}

static int check_solver(struct run *run, struct db *db, const struct entry *entry,
                        struct fields *errors, struct err *e)
{
    (void)run;
    return solver_check(db, entry->body, errors, e);
}

static int apply_solver(struct run *run, struct store_tx *tx, const struct entry *entry,
                        struct err *e)
{
    bool created;
    (void)run;
    return solver_apply(tx, entry->name, entry->spec, ORIGIN_CONFIG, &created, e);
}

/* ---- targets ---- */

static void allow_target(const struct config *config, struct json_object *body,
                         struct fields *errors)
{
    const char *type = peek_text(body, "type");
    allowed_check_target(config, body, errors);
    if (type)
        allow_credential(config, body, spec_target_credential_type(type), errors);
}

static void *read_target(struct json_object *body, struct fields *errors)
{
    struct spec_target *spec = mem_new(1, sizeof *spec);
    spec_target_read(body, errors, spec);
    return spec;
}

static void destroy_target(void *spec)
{
    spec_target_finish(spec);
    free(spec);
}

static int check_target(struct run *run, struct db *db, const struct entry *entry,
                        struct fields *errors, struct err *e)
{
    (void)run;
    return target_check(db, entry->body, errors, e);
}

static int apply_target(struct run *run, struct store_tx *tx, const struct entry *entry,
                        struct err *e)
{
    bool created;
    (void)run;
    return target_apply(tx, entry->name, entry->spec, ORIGIN_CONFIG, &created, e);
}

/* ---- accounts ---- */

static void *read_account(struct json_object *body, struct fields *errors)
{
    struct spec_account *spec = mem_new(1, sizeof *spec);
    spec_account_read(body, false, errors, spec);
    return spec;
}

static void destroy_account(void *spec)
{
    spec_account_finish(spec);
    free(spec);
}

static int check_account(struct run *run, struct db *db, const struct entry *entry,
                         struct fields *errors, struct err *e)
{
    (void)run;
    return account_check(db, entry->body, errors, e);
}

static int apply_account(struct run *run, struct store_tx *tx, const struct entry *entry,
                         struct err *e)
{
    struct applied applied = {0};
    if (account_apply(tx, entry->name, entry->spec, ORIGIN_CONFIG, INTAKE_FOREVER, &applied, e) < 0)
        return -1;
    note(run, &applied);
    return 0;
}

/* ---- certificates ---- */

static void *read_certificate(struct json_object *body, struct fields *errors)
{
    struct spec_certificate *spec = mem_new(1, sizeof *spec);
    spec_certificate_read(body, false, errors, spec);
    return spec;
}

static void destroy_certificate(void *spec)
{
    spec_certificate_finish(spec);
    free(spec);
}

/* Which listeners there are, the config says as well. */
static void allow_certificate(const struct config *config, struct json_object *body,
                              struct fields *errors)
{
    struct api_defaults listeners = {.answers_tls_alpn01 = config->tls_alpn01_listen != NULL};
    struct json_object *challenge = peek_object(body, "challenge");
    const char *type = challenge ? peek_text(challenge, "type") : NULL;
    if (type)
        references_listener(type, &listeners, "/challenge/type", errors);
}

static int check_certificate(struct run *run, struct db *db, const struct entry *entry,
                             struct fields *errors, struct err *e)
{
    return certificate_check(db, run->options->defaults, ORIGIN_CONFIG, entry->body, errors, e);
}

static int apply_certificate(struct run *run, struct store_tx *tx, const struct entry *entry,
                             struct err *e)
{
    struct applied applied = {0};
    struct certificate_request request = {
        .name = entry->name,
        .spec = entry->spec,
        .defaults = run->options->defaults,
        .origin = ORIGIN_CONFIG,
        .retry_for_ms = INTAKE_FOREVER,
    };
    if (certificate_apply(tx, &request, &applied, e) < 0) {
        /* Its job cannot be called back: the change comes after that. Nothing was written. */
        if (e->code != ERR_CONFLICT)
            return -1;
        log_warn("a certificate's change waits for its job", "certificate", entry->name, "detail",
                 e->detail, NULL);
        applied.held_until = store_tx_now(tx) + CLOCK_MINUTE_MS;
    }
    note(run, &applied);
    return owner_set(tx, OWNED_CERTIFICATE, entry->name, ORIGIN_CONFIG, e);
}

static const struct kind kinds[KINDS] = {
    {"authorities", read_authority, destroy_authority, allowed_check_authority, check_nothing,
     apply_authority},
    {"credentials", read_credential, destroy_credential, NULL, check_nothing, apply_credential},
    {"solvers", read_solver, destroy_solver, allow_solver, check_solver, apply_solver},
    {"targets", read_target, destroy_target, allow_target, check_target, apply_target},
    {"accounts", read_account, destroy_account, NULL, check_account, apply_account},
    {"certificates", read_certificate, destroy_certificate, allow_certificate, check_certificate,
     apply_certificate},
};

/* ---- reading ---- */

/* Adds own's complaints under a place, and empties it. */
static void move_complaints(struct fields *own, const char *place, struct fields *errors)
{
    for (size_t i = 0; i < own->count; i++) {
        char *pointer = mem_printf("%s%s", place, own->items[i].pointer);
        fields_add(errors, pointer, "%s", own->items[i].detail);
        free(pointer);
    }
    fields_finish(own);
}

static void read_entry(const struct config *config, const struct kind *kind, struct entry *entry,
                       struct fields *errors)
{
    struct fields own = {0};
    char *place = mem_printf("/resources/%s/%.200s", kind->member, entry->name);
    const char *fault = check_name(entry->name);
    if (fault)
        fields_add(&own, "", "cannot have this name: it %s", fault);
    entry->spec = kind->read(entry->body, &own);
    if (kind->allow)
        kind->allow(config, entry->body, &own);
    move_complaints(&own, place, errors);
    free(place);
}

static void read_kind(const struct config *config, struct converge_plan *plan, size_t k,
                      const struct members *m)
{
    struct members entries;
    if (!members_object(m, kinds[k].member, MEMBERS_OPTIONAL, &entries))
        return;
    plan->entries[k] =
        mem_new((size_t)json_object_object_length(entries.object), sizeof *plan->entries[k]);
    json_object_object_foreach(entries.object, name, body)
    {
        struct entry *entry = &plan->entries[k][plan->counts[k]++];
        *entry = (struct entry){.name = name, .body = body};
        read_entry(config, &kinds[k], entry, m->errors);
    }
}

/* ---- folders ---- */

static void claim_folders(const struct entry *entry, const struct api_defaults *defaults,
                          struct json_object *targets, struct folder_claims *claims)
{
    const struct spec_certificate *spec = entry->spec;
    const struct target_items *items = spec->targets_given ? &spec->targets : &defaults->targets;
    for (size_t i = 0; i < items->count; i++) {
        const char *name = items->items[i].target;
        struct json_object *target = peek_object(targets, name);
        const char *type = target ? peek_text(target, "type") : NULL;
        if (!type || strcmp(type, "files") != 0 || !peek_text(target, "directory"))
            continue;
        struct json_object *parameters = json_tokener_parse(items->items[i].parameters);
        folder_claims_add(claims, target, parameters, name, entry->name);
        json_object_put(parameters);
    }
}

/* Of what the config alone leads into one folder. */
static void compare_folders(const struct config *config, const struct converge_plan *plan,
                            struct fields *errors)
{
    struct json_object *targets = peek_object(config->resources, "targets");
    struct folder_claims claims = {0};
    struct fields told_already = {0};
    struct api_defaults defaults = {0};
    api_defaults_read(config->defaults, &told_already, &defaults);
    for (size_t i = 0; targets && i < plan->counts[CERTIFICATES]; i++)
        claim_folders(&plan->entries[CERTIFICATES][i], &defaults, targets, &claims);
    api_defaults_finish(&defaults);
    fields_finish(&told_already);
    folder_claims_sort(&claims);
    for (size_t i = 1; i < claims.count; i++) {
        if (!folder_claims_clash(&claims, i))
            continue;
        char *place =
            mem_printf("/resources/certificates/%.200s/targets", claims.items[i].certificate);
        folder_claims_tell(&claims, i, place, errors);
        free(place);
    }
    folder_claims_finish(&claims);
}

int converge_read(const struct config *config, struct fields *errors, struct converge_plan **out)
{
    struct converge_plan *plan = mem_new(1, sizeof *plan);
    size_t before = errors->count;
    if (config->resources) {
        const char *names[KINDS + 1] = {0};
        struct members m = members_at(config->resources, "/resources", errors);
        for (size_t k = 0; k < KINDS; k++)
            names[k] = kinds[k].member;
        members_only(&m, names);
        for (size_t k = 0; k < KINDS; k++)
            read_kind(config, plan, k, &m);
        compare_folders(config, plan, errors);
    }
    if (errors->count > before) {
        converge_destroy(plan);
        return -1;
    }
    *out = plan;
    return 0;
}

void converge_destroy(struct converge_plan *plan)
{
    if (!plan)
        return;
    for (size_t k = 0; k < KINDS; k++) {
        for (size_t i = 0; i < plan->counts[k]; i++)
            kinds[k].destroy(plan->entries[k][i].spec);
        free(plan->entries[k]);
    }
    free(plan);
}

/* ---- applying ---- */

static int apply_entry(struct run *run, struct store_tx *tx, const struct kind *kind,
                       const struct entry *entry, struct err *e)
{
    struct fields errors = {0};
    int rc = kind->check(run, store_tx_db(tx), entry, &errors, e);
    if (rc == 0)
        rc = fields_verdict(&errors, e);
    if (rc == 0)
        rc = kind->apply(run, tx, entry, e);
    bool pointed = errors.count > 0;
    fields_finish(&errors);
    if (rc < 0)
        err_prefix(e, "/resources/%s/%s%s", kind->member, entry->name, pointed ? "" : ": ");
    return rc;
}

/* Once, at the end: a target may have moved, and so any of its certificates. */
static int check_folders(struct db *db, struct err *e)
{
    struct fields errors = {0};
    int rc = target_folders_check_target(db, NULL, &errors, e);
    if (rc < 0 && errors.count > 0)
        err_prefix(e, "/resources/targets: ");
    fields_finish(&errors);
    return rc;
}

static int apply(struct store_tx *tx, void *arg, struct err *e)
{
    struct run *run = arg;
    run->again_at = 0;
    run->jobs = 0;
    if (owner_release_config(tx, e) < 0 || builtin_apply(tx, e) < 0)
        return -1;
    for (size_t k = 0; k < KINDS; k++)
        for (size_t i = 0; i < run->plan->counts[k]; i++)
            if (apply_entry(run, tx, &kinds[k], &run->plan->entries[k][i], e) < 0)
                return -1;
    return check_folders(store_tx_db(tx), e);
}

int converge_apply(const struct converge_plan *plan, const struct api_options *options,
                   int64_t *again_at, struct err *e)
{
    struct run run = {.plan = plan, .options = options};
    if (store_write_wait(options->store, apply, &run, e) < 0) {
        /* what only the database could tell is a mistake of the config no less */
        if (e->code == ERR_INVALID || e->code == ERR_IN_USE)
            e->code = ERR_CONFIG;
        return -1;
    }
    char jobs[24];
    snprintf(jobs, sizeof jobs, "%lld", (long long)run.jobs);
    log_info("resources converged", "jobs", jobs, NULL);
    *again_at = run.again_at;
    return 0;
}

#include "server/api/certificate_targets.h"

#include "acme/base/memory.h"
#include "acme/csr.h"
#include "server/api/fields.h"
#include "server/api/peek.h"
#include "server/api/show.h"
#include "server/engine/intake.h"
#include "store/account.h"
#include "store/authority.h"
#include "store/deployment.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

/* ---- checking ---- */

/* The good ones of a JSON array of names; the caller frees *ids. */
static void take_names(struct json_object *array, struct identifier **ids, size_t *count)
{
    size_t most = array ? json_object_array_length(array) : 0;
    struct err ignored;
    if (most > IDENTIFIER_MAX_COUNT)
        most = IDENTIFIER_MAX_COUNT;
    *ids = mem_new(most + 1, sizeof **ids);
    *count = 0;
    for (size_t i = 0; i < most; i++) {
        struct json_object *item = json_object_array_get_idx(array, i);
        if (json_object_is_type(item, json_type_string) &&
            identifier_parse(json_object_get_string(item), &(*ids)[*count], &ignored) == 0)
            ++*count;
    }
}

/* The names of the body's CSR or identifiers; false where there is no telling. */
static bool names_of_body(struct json_object *body, struct identifier **ids, size_t *count)
{
    const char *csr = peek_text(body, "csr");
    struct json_object *array = peek_array(body, "identifiers");
    struct buf der = {0};
    struct csr_info info;
    struct err ignored;
    if (!csr) {
        if (array)
            take_names(array, ids, count);
        return array;
    }
    if (csr_from_pem(csr, strlen(csr), &der, &info, &ignored) < 0)
        return false;
    buf_finish(&der);
    *ids = info.ids;
    *count = info.count;
    info.ids = NULL;
    csr_info_finish(&info);
    return true;
}

static int find_test(struct db *db, const char *account, bool *test, struct err *e)
{
    struct account row;
    struct authority authority;
    if (account_load(db, account, &row, e) < 0)
        return -1;
    int rc = authority_load(db, row.authority, &authority, e);
    account_finish(&row);
    if (rc < 0)
        return -1;
    *test = authority.test;
    authority_finish(&authority);
    return 0;
}

int certificate_targets_check(struct db *db, const struct api_defaults *defaults,
                              struct json_object *body, const char *account, struct fields *errors,
                              struct err *e)
{
    struct fields told_already = {0};
    struct members m = members_of_body(body, &told_already);
    struct target_items own = {0};
    struct target_use use = {0};
    struct identifier *ids = NULL;
    bool given = members_has(&m, "targets");
    use.keyless = peek_text(body, "csr");
    target_items_read(&m, &own);
    if (names_of_body(body, &ids, &use.id_count))
        use.ids = ids;
    int rc = account ? find_test(db, account, &use.test, e) : 0;
    if (rc == 0)
        rc = target_items_check(db, given ? &own : &defaults->targets, &use, errors, e);
    free(ids);
    target_items_finish(&own);
    fields_finish(&told_already);
    return rc;
}

static int check_items(struct db *db, const struct certificate *certificate,
                       const struct target_items *items, struct fields *errors, struct err *e)
{
    struct json_object *names = show_stored(certificate->identifiers);
    struct identifier *ids;
    struct target_use use = {.test = !certificate->trusted, .keyless = certificate->has_given_csr};
    take_names(names, &ids, &use.id_count);
    use.ids = ids;
    int rc = target_items_check(db, items, &use, errors, e);
    free(ids);
    json_object_put(names);
    return rc;
}

int certificate_targets_check_patch(struct db *db, const char *name, struct json_object *body,
                                    struct fields *errors, struct err *e)
{
    struct certificate certificate;
    struct fields told_already = {0};
    struct members m = members_of_body(body, &told_already);
    struct target_items items;
    int rc = certificate_load(db, name, &certificate, e);
    target_items_read(&m, &items);
    if (rc == 0) {
        rc = check_items(db, &certificate, &items, errors, e);
        certificate_finish(&certificate);
    } else if (e->code == ERR_NOT_FOUND) {
        rc = 0;
    }
    target_items_finish(&items);
    fields_finish(&told_already);
    return rc;
}

/* ---- changing ---- */

/* What was there before has its version, or a job that failed and tells why. */
static int deploy_new(struct store_tx *tx, const struct certificate *certificate, struct err *e)
{
    struct deployment *list;
    size_t count;
    char job[ULID_SIZE];
    bool existing;
    if (!certificate->version || certificate->revoked)
        return 0;
    if (deployment_list(store_tx_db(tx), certificate->id, &list, &count, e) < 0)
        return -1;
    int rc = 0;
    for (size_t i = 0; i < count && rc == 0; i++)
        if (!list[i].version && !list[i].failures && !list[i].active_job)
            rc = intake_certificate_deploy(tx, certificate, &list[i], job, &existing, e);
    deployment_list_finish(list, count);
    return rc;
}

static int cancel_job(struct store_tx *tx, const struct deployment *deployment, struct err *e)
{
    if (!deployment->active_job || intake_cancel(tx, deployment->active_job, e) == 0)
        return 0;
    return e->code == ERR_CONFLICT || e->code == ERR_NOT_FOUND ? 0 : -1;
}

/* Those that are no longer on the list: each may wait for a day, for nothing. */
static int cancel_removed(struct store_tx *tx, const struct deployment *before, size_t count,
                          struct err *e)
{
    for (size_t i = 0; i < count; i++) {
        struct deployment now;
        if (deployment_load(store_tx_db(tx), before[i].id, &now, e) == 0)
            deployment_finish(&now);
        else if (e->code != ERR_NOT_FOUND || cancel_job(tx, &before[i], e) < 0)
            return -1;
    }
    return 0;
}

int certificate_targets_set(struct store_tx *tx, const char *name, const struct target_items *items,
                            struct err *e)
{
    struct certificate certificate;
    bool changed;
    if (certificate_load(store_tx_db(tx), name, &certificate, e) < 0)
        return -1;
    struct deployment_item *rows = mem_new(items->count + 1, sizeof *rows);
    for (size_t i = 0; i < items->count; i++)
        rows[i] = (struct deployment_item){items->items[i].target, items->items[i].parameters};
    struct deployment *before = NULL;
    size_t count = 0;
    int rc = deployment_list(store_tx_db(tx), certificate.id, &before, &count, e);
    if (rc == 0)
        rc = deployment_set(tx, certificate.id, rows, items->count, &changed, e);
    if (rc == 0 && changed && (rc = cancel_removed(tx, before, count, e)) == 0)
        rc = deploy_new(tx, &certificate, e);
    deployment_list_finish(before, count);
    free(rows);
    certificate_finish(&certificate);
    return rc;
}

int certificate_targets_cancel(struct store_tx *tx, int64_t certificate_id, struct err *e)
{
    struct deployment *list;
    size_t count;
    int rc = 0;
    if (deployment_list(store_tx_db(tx), certificate_id, &list, &count, e) < 0)
        return -1;
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = cancel_job(tx, &list[i], e);
    deployment_list_finish(list, count);
    return rc;
}

/* ---- deploying ---- */

static bool fits(const struct deployment *item, const struct certificate_targets_choice *choice,
                 bool exactly)
{
    const char *parameters = choice->parameters ? choice->parameters : exactly ? "{}" : NULL;
    return (!choice->target || !strcmp(item->target, choice->target)) &&
           (!parameters || !strcmp(item->parameters, parameters));
}

static size_t find(const struct deployment *list, size_t count,
                   const struct certificate_targets_choice *choice, bool exactly,
                   const struct deployment **out)
{
    size_t matches = 0;
    for (size_t i = 0; i < count; i++)
        if (fits(&list[i], choice, exactly)) {
            *out = &list[i];
            matches++;
        }
    return matches;
}

/* The only item that is meant; else complains and names those there are. A target's name alone is
   the item without parameters where there are several of that target. */
static const struct deployment *pick(const struct deployment *list, size_t count,
                                     const struct certificate_targets_choice *choice,
                                     struct fields *errors)
{
    const struct deployment *found = NULL;
    size_t matches = find(list, count, choice, false, &found);
    if (matches == 1 || (choice->target && find(list, count, choice, true, &found) == 1))
        return found;
    struct buf names = {0};
    for (size_t i = 0; i < count; i++) {
        bool plain = !strcmp(list[i].parameters, "{}");
        buf_printf(&names, "%s%s%s%s", i ? ", " : "", list[i].target, plain ? "" : " with ",
                   plain ? "" : list[i].parameters);
    }
    if (matches == 0)
        fields_add(errors, "/target", "is none of the certificate's targets: %s",
                   buf_string(&names));
    else
        fields_add(errors, "/target", "must tell one of the certificate's targets: %s",
                   buf_string(&names));
    buf_finish(&names);
    return NULL;
}

static int check_deployable(const struct certificate *certificate, size_t targets, struct err *e)
{
    if (targets == 0)
        return err_set(e, ERR_CONFLICT, "The certificate \"%s\" has no targets.",
                       certificate->name);
    if (!certificate->version)
        return err_set(e, ERR_CONFLICT, "The certificate \"%s\" was not issued yet.",
                       certificate->name);
    if (certificate->revoked)
        return err_set(e, ERR_CONFLICT, "Version %lld of \"%s\" is revoked.",
                       (long long)certificate->version, certificate->name);
    return 0;
}

int certificate_targets_deploy(struct store_tx *tx, const struct certificate *certificate,
                               const struct certificate_targets_choice *choice, char job[ULID_SIZE],
                               struct fields *errors, struct err *e)
{
    struct deployment *list;
    size_t count;
    bool existing;
    if (deployment_list(store_tx_db(tx), certificate->id, &list, &count, e) < 0)
        return -1;
    int rc = check_deployable(certificate, count, e);
    const struct deployment *one = rc == 0 ? pick(list, count, choice, errors) : NULL;
    if (rc == 0)
        rc = fields_verdict(errors, e);
    if (rc == 0)
        rc = intake_certificate_deploy(tx, certificate, one, job, &existing, e);
    deployment_list_finish(list, count);
    return rc;
}

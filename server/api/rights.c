#include "server/api/rights.h"

#include "acme/cert.h"
#include "acme/identifier.h"
#include "server/access/grant.h"
#include "server/access/principal.h"
#include "server/api/call.h"
#include "server/api/target_folders.h"
#include "server/config/config.h"
#include "store/certificate.h"
#include "store/certificate_subject.h"
#include "store/deployment.h"
#include "store/job.h"
#include "store/order.h"

#include <json-c/json.h>
#include <string.h>

static const struct grant *grant_of(const struct http_exchange *x)
{
    return http_rights(x)->grant;
}

bool rights_are_narrow(const struct http_exchange *x)
{
    return grant_is_narrow(grant_of(x));
}

/* ---- seeing ---- */

int rights_see_certificate(const struct http_exchange *x, const struct certificate *row)
{
    return grant_takes(grant_of(x), row->identifiers, row->labels);
}

/* A spec that was changed since leaves versions behind that are for other names. */
int rights_see_version(const struct http_exchange *x, const struct version *row)
{
    const struct grant *grant = grant_of(x);
    struct buf leaf = {0}, chain = {0};
    struct cert_info info;
    struct err ignored;
    if (!grant_is_narrow(grant))
        return 1;
    if (!row->leaf ||
        cert_chain_read(row->leaf, strlen(row->leaf), &leaf, &chain, &info, &ignored) < 0)
        return 0;
    bool sees = true;
    for (size_t i = 0; i < info.count && sees; i++)
        sees = grant_takes_identifier(grant, &info.ids[i]);
    cert_info_finish(&info);
    buf_finish(&leaf);
    buf_finish(&chain);
    return sees;
}

int rights_see_work(struct db *db, const struct grant *grant, const char *job, struct err *e)
{
    struct certificate_subject subject;
    if (!grant_is_narrow(grant))
        return 1;
    if (certificate_subject_load_of_job(db, job, &subject, e) < 0)
        return e->code == ERR_NOT_FOUND ? 0 : -1;
    bool sees = grant_takes(grant, subject.identifiers, subject.labels) &&
                (!subject.former || grant_takes(grant, subject.former, subject.labels));
    certificate_subject_finish(&subject);
    return sees;
}

int rights_see_job(struct db *db, const struct http_exchange *x, const struct job *job,
                   struct err *e)
{
    return rights_see_work(db, grant_of(x), job->id, e);
}

int rights_see_order(struct db *db, const struct http_exchange *x, const struct order *order,
                     struct err *e)
{
    return rights_see_work(db, grant_of(x), order->job, e);
}

/* ---- before ---- */

/* While the version in use is still one of former names, another target would get its key, and a
   revocation would be of these. */
static int permit_change(struct db *db, const struct http_exchange *x,
                         const struct certificate *row, struct err *e)
{
    struct version version;
    if (!row->version || http_is_read(x))
        return 0;
    if (version_load(db, row->id, 0, &version, e) < 0)
        return -1;
    int rc = 0;
    if (!rights_see_version(x, &version))
        rc = err_set(e, ERR_FORBIDDEN,
                     "Version %lld of \"%s\", which is in use, has names that are not for %s.",
                     (long long)version.n, row->name, http_principal(x));
    version_finish(&version);
    return rc;
}

/* What is not there is the handler's to tell. */
static int permit_certificate(struct db *db, const struct http_exchange *x, struct err *e)
{
    const char *name = http_param(x, "name");
    struct certificate row;
    if (certificate_load(db, name, &row, e) < 0)
        return e->code == ERR_NOT_FOUND ? 0 : -1;
    int sees = rights_see_certificate(x, &row);
    int rc = sees ? permit_change(db, x, &row, e) : 0;
    certificate_finish(&row);
    if (sees)
        return rc;
    if (!strcmp(http_method(x), "PUT"))
        return err_set(e, ERR_FORBIDDEN, "The certificate \"%s\" is not for %s to change.", name,
                       http_principal(x));
    return err_set(e, ERR_NOT_FOUND, "There is no certificate \"%s\".", name);
}

static int permit_job(struct db *db, const struct http_exchange *x, struct err *e)
{
    struct job job;
    if (job_load(db, http_param(x, "id"), &job, e) < 0)
        return e->code == ERR_NOT_FOUND ? 0 : -1;
    int sees = rights_see_job(db, x, &job, e);
    if (sees == 0)
        err_set(e, ERR_NOT_FOUND, "There is no job \"%s\".", job.id);
    job_finish(&job);
    return sees > 0 ? 0 : -1;
}

static int permit_order(struct db *db, const struct http_exchange *x, struct err *e)
{
    struct order order;
    if (order_load(db, http_param(x, "id"), &order, e) < 0)
        return e->code == ERR_NOT_FOUND ? 0 : -1;
    int sees = rights_see_order(db, x, &order, e);
    if (sees == 0)
        err_set(e, ERR_NOT_FOUND, "There is no order \"%s\".", order.id);
    order_finish(&order);
    return sees > 0 ? 0 : -1;
}

/* Lists leave out what is not to be seen; the result of a write is looked at. */
static int permit_all(struct db *db, const struct http_exchange *x, struct err *e)
{
    (void)db, (void)x, (void)e;
    return 0;
}

/* The paths that are for such callers at all, and those below. */
static const struct family {
    const char *path;
    bool with_below;
    int (*permit)(struct db *db, const struct http_exchange *x, struct err *e);
} families[] = {
    {"/certificates", false, permit_all}, {"/certificates/{name}", true, permit_certificate},
    {"/events", false, permit_all},       {"/imports", false, permit_all},
    {"/jobs", false, permit_all},         {"/jobs/{id}", true, permit_job},
    {"/orders", false, permit_all},       {"/orders/{id}", true, permit_order},
    {"/preflight", false, permit_all},
};

static bool is_of(const struct family *family, const char *path)
{
    size_t size = strlen(family->path);
    if (strncmp(path, family->path, size) != 0)
        return false;
    return !path[size] || (family->with_below && path[size] == '/');
}

int rights_permit(struct db *db, const struct http_exchange *x, struct err *e)
{
    if (!rights_are_narrow(x))
        return 0;
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        if (is_of(&families[i], http_route(x)))
            return families[i].permit(db, x, e);
    return err_set(e, ERR_FORBIDDEN, "%s is for some certificates only, and this is about others.",
                   http_principal(x));
}

int rights_check_name(const struct call *call, const char *name, struct err *e)
{
    const struct config_listeners *listen = &call->api->options.config->listen;
    if (!rights_are_narrow(call->x))
        return 0;
    for (size_t i = 0; i < listen->count; i++)
        if (listen->items[i].certificate && !strcmp(listen->items[i].certificate, name))
            return err_set(e, ERR_FORBIDDEN,
                           "The certificate \"%s\" is what the service itself shows: it is not for"
                           " %s to make.",
                           name, http_principal(call->x));
    return 0;
}

/* ---- after ---- */

static void complain_of_label(void *context, const char *key, const char *value)
{
    fields_add(context, "/labels", "must hold \"%s\": \"%s\"", key, value);
}

static void complain_of_identifiers(const struct grant *grant, const char *identifiers,
                                    struct fields *errors)
{
    struct json_object *array = json_tokener_parse(identifiers);
    for (size_t i = 0; i < json_object_array_length(array); i++) {
        const char *text = json_object_get_string(json_object_array_get_idx(array, i));
        struct identifier id;
        struct err e;
        if (identifier_parse(text, &id, &e) < 0 || !grant_takes_identifier(grant, &id))
            fields_add(errors, "/identifiers", "must not hold %s", text);
    }
    json_object_put(array);
}

int rights_note_before(struct db *db, const struct http_exchange *x, int64_t *before, struct err *e)
{
    return rights_are_narrow(x) && !http_is_read(x) ? deployment_last_id(db, before, e) : 0;
}

static int judge_subject(const struct http_exchange *x, const struct certificate_subject *subject,
                         struct fields *errors, struct err *e)
{
    const struct grant *grant = grant_of(x);
    if (grant_takes(grant, subject->identifiers, subject->labels))
        return 0;
    complain_of_identifiers(grant, subject->identifiers, errors);
    grant_compare_labels(grant, subject->labels, complain_of_label, errors);
    return err_set(e, ERR_FORBIDDEN, "Such a certificate is not for %s.", http_principal(x));
}

static int check_subject(struct db *db, const struct call *call, int64_t id, struct fields *errors,
                         struct err *e)
{
    struct certificate_subject subject;
    if (certificate_subject_load(db, id, &subject, e) < 0)
        return -1;
    int rc = judge_subject(call->x, &subject, errors, e);
    certificate_subject_finish(&subject);
    /* Nor may it take the folder that another service is about to have. */
    if (rc < 0 || target_folders_check_names(db, id, call->before, errors, e) < 0)
        return -1;
    if (errors->count == 0)
        return 0;
    return err_set(e, ERR_FORBIDDEN, "Such targets are not for %s.", http_principal(call->x));
}

int rights_check_certificate(struct db *db, struct call *call, int64_t id, struct err *e)
{
    return rights_are_narrow(call->x) ? check_subject(db, call, id, &call->errors, e) : 0;
}

static int check_preflight(struct db *db, const struct call *call, struct fields *errors,
                           struct err *e)
{
    struct certificate_subject subject;
    if (certificate_subject_load_of_job(db, call->out.job, &subject, e) < 0)
        return -1;
    int rc = judge_subject(call->x, &subject, errors, e);
    certificate_subject_finish(&subject);
    return rc;
}

static int check_job(struct db *db, const struct call *call, struct fields *errors, struct err *e)
{
    const char *id = call->out.job;
    struct job job;
    if (job_load(db, id, &job, e) < 0)
        return -1;
    bool is_certificate = !strcmp(job.resource_type, "certificate");
    bool is_preflight = !strcmp(job.kind, "preflight");
    int64_t resource = job.resource_id;
    job_finish(&job);
    if (is_preflight)
        return check_preflight(db, call, errors, e);
    if (is_certificate && check_subject(db, call, resource, errors, e) < 0)
        return -1;
    int sees = is_certificate ? rights_see_work(db, grant_of(call->x), id, e) : 0;
    if (sees == 0)
        err_set(e, ERR_FORBIDDEN, "Such a job is not for %s.", http_principal(call->x));
    return sees > 0 ? 0 : -1;
}

static int check_named(struct db *db, const struct call *call, const char *name,
                       struct fields *errors, struct err *e)
{
    struct certificate row;
    if (certificate_load(db, name, &row, e) < 0)
        return -1;
    int64_t id = row.id;
    certificate_finish(&row);
    return check_subject(db, call, id, errors, e);
}

int rights_check_result(struct db *db, const struct call *call, struct fields *errors,
                        struct err *e)
{
    if (!rights_are_narrow(call->x))
        return 0;
    if (call->out.job[0])
        return check_job(db, call, errors, e);
    /* Of the paths that such a caller gets to, those that answer with anything else answer with a
       certificate. */
    struct json_object *name = json_object_object_get(call->out.json, "name");
    return name ? check_named(db, call, json_object_get_string(name), errors, e) : 0;
}

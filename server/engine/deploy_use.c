#include "server/engine/deploy_use.h"

#include "acme/base/memory.h"
#include "acme/cert.h"
#include "server/engine/credential_use.h"
#include "server/engine/engine_private.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

/* The target's settings, with the item's parameters in their place. */
static struct json_object *merge(const char *settings, const char *parameters)
{
    struct json_object *all = json_tokener_parse(settings);
    struct json_object *own = parameters ? json_tokener_parse(parameters) : NULL;
    if (own) {
        json_object_object_foreach(own, name, value)
        {
            json_object_object_add(all, name, json_object_get(value));
        }
    }
    json_object_put(own);
    return all;
}

static int open_target(struct step_context *c, const char *parameters, struct deploy_use *use,
                       struct err *e)
{
    const struct engine_options *options = &c->engine->options;
    struct json_object *settings = merge(use->row.settings, parameters);
    struct json_object *allow;
    use->context = (struct target_context){
        .commands = options->commands,
        .file_roots = options->file_roots,
        .pidfiles = options->pidfiles,
        .pidfile_count = options->pidfile_count,
        .scratch = options->scratch,
        .target = use->row.name,
        .job = c->job.id,
        .settings = settings,
        .abort = &c->engine->abort,
    };
    use->allows_test =
        json_object_object_get_ex(settings, "allow_test", &allow) && json_object_get_boolean(allow);
    use->type = target_type_by_name(use->row.type);
    if (!use->type || !settings)
        return err_set(e, ERR_INTERNAL, "The target \"%s\" has the unknown type %s.", use->row.name,
                       use->row.type);
    if (worker_solver_http(c->worker, &use->context.http, e) < 0)
        return -1;
    return use->row.credential
               ? credential_use_open(c->db, use->row.credential, &use->context.credential, e)
               : 0;
}

static void take_info(struct deploy_use *use, const struct cert_info *info)
{
    use->names = mem_new(info->count + 1, sizeof *use->names);
    for (size_t i = 0; i < info->count; i++)
        use->names[i] = mem_strdup(info->ids[i].value);
    use->certificate.identifiers = (const char *const *)use->names;
    use->certificate.identifier_count = info->count;
}

/* What is installed speaks for itself: its names are its own, not those wanted by now. */
static int read_leaf(struct deploy_use *use, struct err *e)
{
    struct buf leaf = {0}, chain = {0};
    struct cert_info info;
    const char *pem = use->version.leaf;
    if (cert_fingerprint(pem, strlen(pem), use->certificate.fingerprint, e) < 0)
        return -1;
    int rc = cert_chain_read(pem, strlen(pem), &leaf, &chain, &info, e);
    buf_finish(&leaf);
    buf_finish(&chain);
    if (rc < 0)
        return -1;
    take_info(use, &info);
    cert_info_finish(&info);
    return 0;
}

static int open_certificate(struct step_context *c, struct deploy_use *use, struct err *e)
{
    const struct certificate *certificate = &c->certificate;
    if (!certificate->id || !certificate->version)
        return 0;
    if (version_load(c->db, certificate->id, certificate->version, &use->version, e) < 0)
        return -1;
    use->certificate = (struct target_certificate){
        .name = certificate->name,
        .version = use->version.n,
        .leaf = use->version.leaf,
        .chain = use->version.chain,
        .serial = use->version.serial,
        .not_before_ms = use->version.not_before,
        .not_after_ms = use->version.not_after,
    };
    if (use->version.has_key &&
        version_open_key(c->db, certificate->id, use->version.n, &use->key, e) < 0)
        return -1;
    use->certificate.key = use->key;
    use->has_certificate = true;
    return read_leaf(use, e);
}

int deploy_use_open(struct step_context *c, const char *target, const char *parameters,
                    struct deploy_use *out, struct err *e)
{
    struct deploy_use use = {0};
    if (target_load(c->db, target, &use.row, e) < 0)
        return -1;
    if (open_target(c, parameters, &use, e) < 0 || open_certificate(c, &use, e) < 0) {
        deploy_use_finish(&use);
        return -1;
    }
    *out = use;
    return 0;
}

void deploy_use_finish(struct deploy_use *use)
{
    credential_use_finish(use->context.credential);
    json_object_put((struct json_object *)use->context.settings);
    for (size_t i = 0; use->names && use->names[i]; i++)
        free(use->names[i]);
    free(use->names);
    key_destroy(use->key);
    version_finish(&use->version);
    target_finish(&use->row);
}

int deploy_use_check_trust(const struct step_context *c, const struct deploy_use *use,
                           struct err *e)
{
    if (!use->type->cloud || use->allows_test || c->certificate.trusted)
        return 0;
    return err_set(e, ERR_TARGET_UNTRUSTED,
                   "\"%s\" comes from the test authority \"%s\", and the target \"%s\" does not "
                   "allow such.",
                   c->certificate.name, c->certificate.authority, use->row.name);
}

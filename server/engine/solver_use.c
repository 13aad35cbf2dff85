#include "server/engine/solver_use.h"

#include "acme/base/clock.h"
#include "server/engine/credential_use.h"
#include "server/engine/engine_private.h"

#include <json-c/json.h>
#include <stdio.h>

static int prepare(struct step_context *c, struct solver_use *use, struct err *e)
{
    use->provider = solver_provider_by_name(use->row.type);
    use->context.settings = json_tokener_parse(use->row.settings);
    if (!use->provider) /* it was replaced by one of another kind while its records stood */
        return err_set(e, ERR_SOLVER_MISSING,
                       "The solver \"%s\" has become one of type %s, which handles no records.",
                       use->row.name, use->row.type);
    if (!use->context.settings)
        return err_set(e, ERR_INTERNAL, "The solver \"%s\" has unreadable settings.",
                       use->row.name);
    struct json_object *zones = json_tokener_parse(use->row.zones);
    if (zones)
        json_object_object_add(use->context.settings, "zones", zones);
    use->context.commands = c->engine->options.commands;
    use->context.abort = &c->engine->abort;
    if (worker_solver_http(c->worker, &use->context.http, e) < 0)
        return -1;
    return use->row.credential
               ? credential_use_open(c->db, use->row.credential, &use->context.credential, e)
               : 0;
}

int solver_use_open(struct step_context *c, const char *name, struct solver_use *out, struct err *e)
{
    struct solver_use use = {0};
    if (solver_load(c->db, name, &use.row, e) < 0) {
        if (e->code == ERR_NOT_FOUND)
            err_set(e, ERR_SOLVER_MISSING, "The solver \"%s\" does not exist any more.", name);
        return -1;
    }
    if (prepare(c, &use, e) < 0) {
        solver_use_finish(&use);
        return -1;
    }
    *out = use;
    return 0;
}

void solver_use_finish(struct solver_use *use)
{
    credential_use_finish(use->context.credential);
    json_object_put(use->context.settings);
    solver_finish(&use->row);
}

static struct json_object *setting(const struct solver_use *use, const char *name)
{
    struct json_object *value = NULL;
    json_object_object_get_ex(use->context.settings, name, &value);
    return value;
}

int solver_use_ttl_seconds(const struct solver_use *use)
{
    struct json_object *value = setting(use, "ttl_seconds");
    return value ? json_object_get_int(value) : 0;
}

int64_t solver_use_propagation_timeout_ms(const struct solver_use *use)
{
    struct json_object *value = setting(use, "propagation_timeout_seconds");
    int64_t seconds =
        value ? json_object_get_int64(value) : SOLVER_DEFAULT_PROPAGATION_TIMEOUT_SECONDS;
    return seconds * CLOCK_SECOND_MS;
}

bool solver_use_checks_propagation(const struct solver_use *use)
{
    struct json_object *value = setting(use, "propagation");
    return !value || json_object_get_boolean(value);
}

void solver_use_lane(const char *solver, const char *zone, char out[LANE_NAME_SIZE])
{
    snprintf(out, LANE_NAME_SIZE, "zone:%.200s/%.255s", solver, zone ? zone : "");
}

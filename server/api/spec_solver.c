#include "server/api/spec_solver.h"

#include "acme/base/memory.h"
#include "acme/identifier.h"
#include "server/api/canonical.h"
#include "server/api/check.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

enum { ZONES_MAX = 1000, ZONE_TEXT_MAX = 1024, DAY_SECONDS = 24 * 60 * 60, COMMAND_MAX = 200 };

/* What a type's body may hold beside type and zones. */
enum {
    HAS_COMMAND = 1,
    HAS_ENDPOINT = 2,
    NEEDS_ENDPOINT = 4,
    NEEDS_CREDENTIAL = 8,
    HAS_REGION_AND_TTL = 16,
    HAS_PROPAGATION = 32,
};

static const char *const types[] = {"http-01", "tls-alpn-01", "exec", "httpreq",
                                    "manual",  "alidns",      NULL};

static const struct type_rules {
    unsigned has;
    const char *credential_type; /* NULL: takes none */
} rules[] = {
    {0, NULL},
    {0, NULL},
    {HAS_COMMAND | HAS_PROPAGATION, NULL},
    {HAS_ENDPOINT | NEEDS_ENDPOINT | HAS_PROPAGATION, "basic"},
    {HAS_PROPAGATION, NULL},
    {HAS_ENDPOINT | NEEDS_CREDENTIAL | HAS_REGION_AND_TTL | HAS_PROPAGATION, "alibaba-cloud"},
};

const char *spec_solver_credential_type(const char *type)
{
    for (size_t i = 0; types[i]; i++)
        if (!strcmp(types[i], type))
            return rules[i].credential_type;
    return NULL;
}

static void check_members(const struct members *m, const struct type_rules *type)
{
    const char *names[10] = {"type", "zones"};
    size_t count = 2;
    if (type->has & HAS_COMMAND)
        names[count++] = "command";
    if (type->has & HAS_ENDPOINT)
        names[count++] = "endpoint";
    if (type->credential_type)
        names[count++] = "credential";
    if (type->has & HAS_REGION_AND_TTL) {
        names[count++] = "region";
        names[count++] = "ttl_seconds";
    }
    if (type->has & HAS_PROPAGATION) {
        names[count++] = "propagation";
        names[count++] = "propagation_timeout_seconds";
    }
    members_only(m, names);
}

static int parse_zone(const char *text, struct identifier *out, struct err *e)
{
    struct identifier id;
    if (identifier_parse(text, &id, e) < 0)
        return -1;
    if (id.type != IDENTIFIER_DNS || identifier_is_wildcard(&id))
        return err_set(e, ERR_INVALID, "must be a domain; its subdomains are meant with it");
    *out = id;
    return 0;
}

static char *read_zones(const struct members *m)
{
    struct texts texts = members_texts(m, "zones", MEMBERS_OPTIONAL, ZONES_MAX, ZONE_TEXT_MAX);
    struct identifier *zones = mem_new(texts.count, sizeof *zones);
    size_t count = 0;
    struct err e;
    for (size_t i = 0; i < texts.count; i++) {
        if (!texts.items[i])
            continue;
        if (parse_zone(texts.items[i], &zones[count], &e) < 0)
            members_item_wrong(m, "zones", i, "%s", e.detail);
        else
            count++;
    }
    count = identifiers_sort(zones, count);
    struct json_object *array = json_object_new_array();
    for (size_t i = 0; i < count; i++)
        json_object_array_add(array, json_object_new_string(zones[i].value));
    char *text = canonical_json(array);
    json_object_put(array);
    free(zones);
    free(texts.items);
    return text;
}

static void add_text(struct json_object *settings, const char *name, const char *text)
{
    if (text)
        json_object_object_add(settings, name, json_object_new_string(text));
}

static void add_seconds(const struct members *m, struct json_object *settings, const char *name)
{
    int64_t seconds = members_int(m, name, 1, DAY_SECONDS, -1);
    if (seconds > 0)
        json_object_object_add(settings, name, json_object_new_int64(seconds));
}

/* Only what was given: defaults may change, and then apply to old solvers too. */
static char *read_settings(const struct members *m, const struct type_rules *type,
                           const char *command)
{
    struct json_object *settings = json_object_new_object();
    if (type->has & HAS_ENDPOINT)
        add_text(settings, "endpoint",
                 members_checked(m, "endpoint",
                                 type->has & NEEDS_ENDPOINT ? MEMBERS_REQUIRED : MEMBERS_OPTIONAL,
                                 check_url));
    add_text(settings, "command", command);
    if (type->has & HAS_REGION_AND_TTL) {
        add_text(settings, "region", members_checked(m, "region", MEMBERS_OPTIONAL, check_region));
        add_seconds(m, settings, "ttl_seconds");
    }
    if (type->has & HAS_PROPAGATION) {
        if (members_has(m, "propagation"))
            json_object_object_add(settings, "propagation",
                                   json_object_new_boolean(members_bool(m, "propagation", true)));
        add_seconds(m, settings, "propagation_timeout_seconds");
    }
    char *text = canonical_json(settings);
    json_object_put(settings);
    return text;
}

int spec_solver_read(struct json_object *body, struct fields *errors, struct spec_solver *out)
{
    size_t before = errors->count;
    struct members m = members_of_body(body, errors);
    int type = members_choice(&m, "type", MEMBERS_REQUIRED, types);
    if (type < 0)
        return -1;
    check_members(&m, &rules[type]);
    const char *command = rules[type].has & HAS_COMMAND
                              ? members_text(&m, "command", MEMBERS_REQUIRED, COMMAND_MAX)
                              : NULL;
    struct spec_solver spec = {
        .type = mem_strdup(types[type]),
        .zones = read_zones(&m),
        .command = mem_strdup(command),
        .settings = read_settings(&m, &rules[type], command),
    };
    if (rules[type].credential_type)
        spec.credential = mem_strdup(members_checked(
            &m, "credential",
            rules[type].has & NEEDS_CREDENTIAL ? MEMBERS_REQUIRED : MEMBERS_OPTIONAL, check_name));
    if (errors->count > before) {
        spec_solver_finish(&spec);
        return -1;
    }
    *out = spec;
    return 0;
}

void spec_solver_finish(struct spec_solver *spec)
{
    free(spec->type);
    free(spec->zones);
    free(spec->credential);
    free(spec->command);
    free(spec->settings);
    *spec = (struct spec_solver){0};
}

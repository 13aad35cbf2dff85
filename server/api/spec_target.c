#include "server/api/spec_target.h"

#include "acme/base/memory.h"
#include "acme/identifier.h"
#include "server/api/canonical.h"
#include "server/api/check.h"
#include "server/deploy/folder.h"
#include "server/outside/outside.h"

#include <ctype.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

enum { DOMAINS_MAX = 100, DOMAIN_TEXT_MAX = 1024, COMMAND_MAX = 200, GROUP_ID_MAX = 64 };

/* What a type's body may hold beside type and credential. */
enum {
    HAS_CLOUD = 1,
    HAS_DOMAINS = 2,
    HAS_GROUP = 4, /* then region or endpoint is needed */
    HAS_FILES = 8,
    HAS_URL = 16,
    HAS_COMMAND = 32,
    NEEDS_CREDENTIAL = 64,
};

static const char *const types[] = {
    "aliyun-cas", "aliyun-cdn", "aliyun-dcdn", "aliyun-apigateway",
    "files",      "webhook",    "exec",        NULL,
};

static const struct type_rules {
    unsigned has;
    const char *credential_type; /* NULL: takes none */
} rules[] = {
    {HAS_CLOUD | NEEDS_CREDENTIAL, "alibaba-cloud"},
    {HAS_CLOUD | NEEDS_CREDENTIAL | HAS_DOMAINS, "alibaba-cloud"},
    {HAS_CLOUD | NEEDS_CREDENTIAL | HAS_DOMAINS, "alibaba-cloud"},
    {HAS_CLOUD | NEEDS_CREDENTIAL | HAS_DOMAINS | HAS_GROUP, "alibaba-cloud"},
    {HAS_FILES, "password"},
    {HAS_URL, "webhook-secret"},
    {HAS_COMMAND, NULL},
};

const char *const spec_target_parameters[] = {"domains", "group_id", "path", NULL};

/* NULL: there is no such type. */
static const struct type_rules *rules_of(const char *type)
{
    for (size_t i = 0; types[i]; i++)
        if (!strcmp(types[i], type))
            return &rules[i];
    return NULL;
}

const char *spec_target_credential_type(const char *type)
{
    const struct type_rules *found = rules_of(type);
    return found ? found->credential_type : NULL;
}

bool spec_target_is_cloud(const char *type)
{
    const struct type_rules *found = rules_of(type);
    return found && found->has & HAS_CLOUD;
}

bool spec_target_takes(const char *type, const char *parameter)
{
    const struct type_rules *found = rules_of(type);
    unsigned needed = !strcmp(parameter, "domains")    ? HAS_DOMAINS
                      : !strcmp(parameter, "group_id") ? HAS_GROUP
                                                       : HAS_FILES;
    return found && found->has & needed;
}

static void check_members(const struct members *m, const struct type_rules *type)
{
    static const struct {
        unsigned has;
        const char *names[8];
    } groups[] = {
        {HAS_CLOUD, {"endpoint", "region", "allow_test"}},
        {HAS_DOMAINS, {"domains"}},
        {HAS_GROUP, {"group_id"}},
        {HAS_FILES, {"directory", "path", "files", "mode", "owner", "group", "pkcs12", "reload"}},
        {HAS_URL, {"url"}},
        {HAS_COMMAND, {"command"}},
    };
    const char *names[16] = {"type"};
    size_t count = 1;
    if (type->credential_type)
        names[count++] = "credential";
    for (size_t g = 0; g < sizeof groups / sizeof *groups; g++)
        for (size_t i = 0; i < 8 && type->has & groups[g].has && groups[g].names[i]; i++)
            names[count++] = groups[g].names[i];
    members_only(m, names);
}

static void add_text(struct json_object *object, const char *name, const char *text)
{
    if (text)
        json_object_object_add(object, name, json_object_new_string(text));
}

/* ---- parameters ---- */

static int parse_domain(const char *text, struct identifier *out, struct err *e)
{
    struct identifier id;
    if (identifier_parse(text, &id, e) < 0)
        return -1;
    if (id.type != IDENTIFIER_DNS)
        return err_set(e, ERR_INVALID, "must be a DNS name");
    *out = id;
    return 0;
}

static void read_domains(const struct members *m, struct json_object *out)
{
    struct texts texts =
        members_texts(m, "domains", MEMBERS_OPTIONAL, DOMAINS_MAX, DOMAIN_TEXT_MAX);
    struct identifier *domains = mem_new(texts.count, sizeof *domains);
    size_t count = 0;
    struct err e;
    for (size_t i = 0; i < texts.count; i++) {
        if (!texts.items[i])
            continue;
        if (parse_domain(texts.items[i], &domains[count], &e) < 0)
            members_item_wrong(m, "domains", i, "%s", e.detail);
        else
            count++;
    }
    count = identifiers_sort(domains, count);
    struct json_object *array = json_object_new_array();
    for (size_t i = 0; i < count; i++)
        json_object_array_add(array, json_object_new_string(domains[i].value));
    if (count > 0)
        json_object_object_add(out, "domains", array);
    else
        json_object_put(array);
    free(domains);
    free(texts.items);
}

static const char *check_group_id(const char *text)
{
    for (const char *c = text; *c; c++)
        if (!isalnum((unsigned char)*c) && *c != '-' && *c != '_')
            return "must consist of letters, digits, '-' and '_'";
    return strlen(text) > GROUP_ID_MAX ? "must have at most 64 characters" : NULL;
}

static const char *check_path(const char *text)
{
    struct err ignored;
    if (!strcmp(text, ".") || folder_path_check(text, &ignored) == 0)
        return NULL;
    return "must be a relative path without empty parts, and without parts that are \".\" or begin "
           "with \"..\"; or \".\" for the directory itself";
}

static bool is_empty_array(const struct members *m, const char *name)
{
    struct json_object *value = m->object ? json_object_object_get(m->object, name) : NULL;
    return json_object_is_type(value, json_type_array) && json_object_array_length(value) == 0;
}

struct json_object *spec_target_parameters_read(const struct members *m)
{
    struct json_object *out = json_object_new_object();
    read_domains(m, out);
    if (is_empty_array(m, "domains"))
        members_wrong(m, "domains", "must hold at least one name");
    add_text(out, "group_id", members_checked(m, "group_id", MEMBERS_OPTIONAL, check_group_id));
    add_text(out, "path", members_checked(m, "path", MEMBERS_OPTIONAL, check_path));
    return out;
}

/* ---- the body ---- */

static void read_cloud(const struct members *m, struct json_object *settings)
{
    add_text(settings, "endpoint",
             members_checked(m, "endpoint", MEMBERS_OPTIONAL, check_safe_url));
    add_text(settings, "region", members_checked(m, "region", MEMBERS_OPTIONAL, check_region));
    if (members_has(m, "allow_test"))
        json_object_object_add(settings, "allow_test",
                               json_object_new_boolean(members_bool(m, "allow_test", false)));
}

/* What the type's step would refuse is refused here. */
static void read_url(const struct members *m, struct json_object *settings)
{
    struct err e;
    const char *url = members_checked(m, "url", MEMBERS_REQUIRED, check_safe_url);
    if (url && outside_url_check(url, &e) < 0)
        members_wrong(m, "url", "cannot be used: %s", e.detail);
    add_text(settings, "url", url);
}

static struct json_object *read_settings(const struct members *m, const struct type_rules *type,
                                         const char *credential)
{
    /* What is there and does not belong there was complained of by check_members. */
    struct json_object *settings = type->has & (HAS_DOMAINS | HAS_FILES)
                                       ? spec_target_parameters_read(m)
                                       : json_object_new_object();
    if (type->has & HAS_CLOUD)
        read_cloud(m, settings);
    if (type->has & HAS_GROUP && !members_has(m, "region") && !members_has(m, "endpoint"))
        members_wrong(m, "region", "is required (or endpoint)");
    if (type->has & HAS_FILES)
        spec_target_read_files(m, credential, settings);
    if (type->has & HAS_URL)
        read_url(m, settings);
    if (type->has & HAS_COMMAND)
        add_text(settings, "command", members_text(m, "command", MEMBERS_REQUIRED, COMMAND_MAX));
    return settings;
}

int spec_target_read(struct json_object *body, struct fields *errors, struct spec_target *out)
{
    size_t before = errors->count;
    struct members m = members_of_body(body, errors);
    int type = members_choice(&m, "type", MEMBERS_REQUIRED, types);
    if (type < 0)
        return -1;
    const char *credential = NULL;
    check_members(&m, &rules[type]);
    if (rules[type].credential_type)
        credential = members_checked(
            &m, "credential",
            rules[type].has & NEEDS_CREDENTIAL ? MEMBERS_REQUIRED : MEMBERS_OPTIONAL, check_name);
    struct json_object *settings = read_settings(&m, &rules[type], credential);
    if (errors->count == before)
        *out = (struct spec_target){
            .type = mem_strdup(types[type]),
            .credential = mem_strdup(credential),
            .settings = canonical_json(settings),
        };
    json_object_put(settings);
    return errors->count == before ? 0 : -1;
}

void spec_target_finish(struct spec_target *spec)
{
    free(spec->type);
    free(spec->credential);
    free(spec->settings);
    *spec = (struct spec_target){0};
}

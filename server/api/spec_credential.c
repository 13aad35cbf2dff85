#include "server/api/spec_credential.h"

#include "acme/base/memory.h"
#include "server/api/body.h"
#include "server/api/canonical.h"
#include "server/deploy/webhook_sign.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

struct member_rule {
    const char *name;
    enum members_need need;
    size_t max;
};

/* A type's members beside `type`; both lists end with a name of NULL. */
struct type_rules {
    struct member_rule settings[2];
    struct member_rule secrets[3];
    const char *secret_names[3];
};

static const char *const types[] = {"alibaba-cloud", "basic", "password", "webhook-secret", NULL};

static const struct type_rules rules[] = {
    {
        .settings = {{"access_key_id", MEMBERS_REQUIRED, 256}},
        .secrets = {{"access_key_secret", MEMBERS_REQUIRED, 1024},
                    {"security_token", MEMBERS_OPTIONAL, 8192}},
        .secret_names = {"access_key_secret", "security_token"},
    },
    {
        .settings = {{"username", MEMBERS_REQUIRED, 256}},
        .secrets = {{"password", MEMBERS_REQUIRED, 1024}},
        .secret_names = {"password"},
    },
    {
        .secrets = {{"password", MEMBERS_REQUIRED, 1024}},
        .secret_names = {"password"},
    },
    {
        .secrets = {{"secret", MEMBERS_REQUIRED, 1024}},
        .secret_names = {"secret"},
    },
};

const char *const *spec_credential_secrets_of(const char *type)
{
    for (size_t i = 0; types[i]; i++)
        if (!strcmp(types[i], type))
            return rules[i].secret_names;
    return NULL;
}

/* An object of the members that rules names. */
static struct json_object *read_members(const struct members *m, const struct member_rule *rule)
{
    struct json_object *object = json_object_new_object();
    for (; rule->name; rule++) {
        const char *text = members_text(m, rule->name, rule->need, rule->max);
        if (text)
            json_object_object_add(object, rule->name, json_object_new_string(text));
    }
    return object;
}

/* What the signing of webhooks would refuse is refused here. */
static void check_webhook_secret(const struct members *m, struct json_object *secrets)
{
    struct json_object *secret = json_object_object_get(secrets, "secret");
    struct err ignored;
    if (secret && webhook_secret_check(json_object_get_string(secret), &ignored) < 0)
        members_wrong(m, "secret",
                      "must be \"whsec_\" and the base64 of %d bytes or more, or any "
                      "other text that is as long",
                      WEBHOOK_SECRET_MIN);
}

static void check_members(const struct members *m, const struct type_rules *type)
{
    const char *names[8] = {"type"};
    size_t count = 1;
    for (const struct member_rule *r = type->settings; r->name; r++)
        names[count++] = r->name;
    for (const struct member_rule *r = type->secrets; r->name; r++)
        names[count++] = r->name;
    members_only(m, names);
}

static char *names_of(struct json_object *object)
{
    struct json_object *names = json_object_new_array();
    json_object_object_foreach(object, name, value)
    {
        (void)value;
        json_object_array_add(names, json_object_new_string(name));
    }
    char *text = canonical_json(names);
    json_object_put(names);
    return text;
}

/* Adds the settings to the secrets. */
static char *both(struct json_object *settings, struct json_object *secrets)
{
    json_object_object_foreach(settings, name, value)
    {
        json_object_object_add(secrets, name, json_object_get(value));
    }
    return canonical_json(secrets);
}

int spec_credential_read(struct json_object *body, struct fields *errors,
                         struct spec_credential *out)
{
    size_t before = errors->count;
    struct members m = members_of_body(body, errors);
    int type = members_choice(&m, "type", MEMBERS_REQUIRED, types);
    if (type < 0)
        return -1;
    check_members(&m, &rules[type]);
    struct json_object *settings = read_members(&m, rules[type].settings);
    struct json_object *secrets = read_members(&m, rules[type].secrets);
    struct json_object *username = json_object_object_get(settings, "username");
    if (username && strchr(json_object_get_string(username), ':'))
        members_wrong(&m, "username", "must not hold a colon (RFC 7617)");
    check_webhook_secret(&m, secrets);
    bool good = errors->count == before;
    if (good) {
        out->type = mem_strdup(types[type]);
        out->settings = canonical_json(settings);
        out->secrets_set = names_of(secrets);
        out->sealed = both(settings, secrets);
    }
    json_object_put(settings);
    body_destroy(secrets);
    return good ? 0 : -1;
}

void spec_credential_finish(struct spec_credential *spec)
{
    free(spec->type);
    free(spec->settings);
    mem_free_secret_string(spec->sealed);
    free(spec->secrets_set);
    *spec = (struct spec_credential){0};
}

#include "server/access/grant.h"

#include "acme/base/memory.h"
#include "server/access/network.h"
#include "server/access/pattern.h"

#include <assert.h>
#include <json-c/json.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct label {
    char *key;
    char *value;
};

struct grant {
    atomic_int holders;
    atomic_bool has_ended;
    int64_t not_before;
    int64_t expires_at;
    struct pattern *patterns;
    size_t pattern_count;
    struct network *networks;
    size_t network_count;
    struct label *labels;
    size_t label_count;
};

struct grant *grant_create(void)
{
    struct grant *grant = mem_new(1, sizeof *grant);
    grant->holders = 1;
    return grant;
}

struct grant *grant_hold(struct grant *grant)
{
    atomic_fetch_add(&grant->holders, 1);
    return grant;
}

void grant_release(struct grant *grant)
{
    if (!grant || atomic_fetch_sub(&grant->holders, 1) > 1)
        return;
    for (size_t i = 0; i < grant->label_count; i++) {
        free(grant->labels[i].key);
        free(grant->labels[i].value);
    }
    free(grant->labels);
    free(grant->networks);
    free(grant->patterns);
    free(grant);
}

/* ---- filling ---- */

int grant_add_identifier(struct grant *grant, const char *text, struct err *e)
{
    struct pattern pattern;
    if (pattern_parse(text, &pattern, e) < 0)
        return -1;
    grant->patterns = mem_grow(grant->patterns, grant->pattern_count + 1, sizeof pattern);
    grant->patterns[grant->pattern_count++] = pattern;
    return 0;
}

int grant_add_address(struct grant *grant, const char *text, struct err *e)
{
    struct network network;
    const char *fault = network_parse(text, &network);
    if (fault)
        return err_set(e, ERR_INVALID, "%s", fault);
    grant->networks = mem_grow(grant->networks, grant->network_count + 1, sizeof network);
    grant->networks[grant->network_count++] = network;
    return 0;
}

void grant_add_label(struct grant *grant, const char *key, const char *value)
{
    grant->labels = mem_grow(grant->labels, grant->label_count + 1, sizeof *grant->labels);
    grant->labels[grant->label_count++] =
        (struct label){.key = mem_strdup(key), .value = mem_strdup(value)};
}

void grant_set_times(struct grant *grant, int64_t not_before, int64_t expires_at)
{
    grant->not_before = not_before;
    grant->expires_at = expires_at;
}

void grant_end(struct grant *grant)
{
    atomic_store(&grant->has_ended, true);
}

/* ---- asking ---- */

int grant_check_time(const struct grant *grant, int64_t now, struct err *e)
{
    if (atomic_load(&grant->has_ended))
        return err_set(e, ERR_UNAUTHENTICATED, "This token was revoked.");
    if (grant->not_before > now)
        return err_set(e, ERR_UNAUTHENTICATED, "This token is not good yet.");
    if (grant->expires_at && grant->expires_at <= now)
        return err_set(e, ERR_UNAUTHENTICATED, "This token has expired.");
    return 0;
}

static bool is_in(const struct grant *grant, const struct network *wanted)
{
    for (size_t i = 0; i < grant->network_count; i++)
        if (network_contains(&grant->networks[i], wanted))
            return true;
    return grant->network_count == 0;
}

bool grant_takes_address(const struct grant *grant, const char *address)
{
    struct network from = {0};
    if (grant->network_count == 0)
        return true;
    return !network_parse(address ? address : "unix", &from) && is_in(grant, &from);
}

bool grant_is_narrow(const struct grant *grant)
{
    return grant && (grant->pattern_count > 0 || grant->label_count > 0);
}

bool grant_takes_identifier(const struct grant *grant, const struct identifier *id)
{
    if (!grant || grant->pattern_count == 0)
        return true;
    for (size_t i = 0; i < grant->pattern_count; i++)
        if (pattern_matches(&grant->patterns[i], id))
            return true;
    return false;
}

void grant_compare_labels(const struct grant *grant, const char *labels,
                          void (*missing)(void *context, const char *key, const char *value),
                          void *context)
{
    if (!grant || grant->label_count == 0)
        return;
    struct json_object *json = json_tokener_parse(labels);
    for (size_t i = 0; i < grant->label_count; i++) {
        const struct label *label = &grant->labels[i];
        struct json_object *value = json_object_object_get(json, label->key);
        if (!value || strcmp(json_object_get_string(value), label->value) != 0)
            missing(context, label->key, label->value);
    }
    json_object_put(json);
}

static void note_missing(void *context, const char *key, const char *value)
{
    (void)key, (void)value;
    *(bool *)context = true;
}

/* What is stored is normalized, so it needs no more than its type. */
static bool takes_stored(const struct grant *grant, const char *identifiers)
{
    struct json_object *array = json_tokener_parse(identifiers);
    size_t count =
        json_object_is_type(array, json_type_array) ? json_object_array_length(array) : 0;
    bool taken = count > 0;
    for (size_t i = 0; taken && i < count; i++) {
        struct identifier id;
        struct err e;
        const char *text = json_object_get_string(json_object_array_get_idx(array, i));
        taken = text && identifier_parse(text, &id, &e) == 0 && grant_takes_identifier(grant, &id);
    }
    json_object_put(array);
    return taken;
}

bool grant_takes(const struct grant *grant, const char *identifiers, const char *labels)
{
    bool lacks = false;
    if (!grant_is_narrow(grant))
        return true;
    grant_compare_labels(grant, labels, note_missing, &lacks);
    return !lacks && (grant->pattern_count == 0 || takes_stored(grant, identifiers));
}

bool grant_covers(const struct grant *outer, const struct grant *inner)
{
    if (!outer)
        return true;
    if (outer->expires_at && (!inner->expires_at || inner->expires_at > outer->expires_at))
        return false;
    if (outer->not_before > inner->not_before)
        return false;
    for (size_t i = 0; i < inner->network_count; i++)
        if (!is_in(outer, &inner->networks[i]))
            return false;
    return outer->network_count == 0 || inner->network_count > 0;
}

#include "server/api/spec_token.h"

#include "acme/base/clock.h"
#include "acme/base/memory.h"
#include "server/access/grant.h"
#include "server/access/scope.h"
#include "server/api/canonical.h"
#include "server/api/check.h"
#include "server/api/labels.h"
#include "store/token.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

enum { PATTERNS_MAX = 100, PATTERN_SIZE_MAX = 1024, ADDRESSES_MAX = 100, TIME_SIZE_MAX = 40 };

/* What can be narrowed to some certificates. A token that is must not have anything else, such as
   the making of one that is not. */
static const uint32_t narrowable = SCOPE_CERTIFICATES_READ | SCOPE_CERTIFICATES_ISSUE |
                                   SCOPE_CERTIFICATES_REVOKE | SCOPE_CERTIFICATES_DELETE |
                                   SCOPE_KEYS_READ | SCOPE_JOBS_READ | SCOPE_JOBS_WRITE;

/* ---- scopes ---- */

/* is_admin tells that it is meant to have those of later versions, too. */
static uint32_t read_scopes(const struct members *m, bool *is_admin)
{
    struct texts texts = members_texts(m, "scopes", MEMBERS_REQUIRED, SCOPE_COUNT + 1, 64);
    uint32_t scopes = 0;
    for (size_t i = 0; i < texts.count; i++) {
        uint32_t one = texts.items[i] ? scope_by_name(texts.items[i]) : 0;
        if (texts.items[i] && !one)
            members_item_wrong(m, "scopes", i, "must be a scope, such as certificates:read");
        *is_admin |= one == SCOPE_ALL;
        scopes |= one;
    }
    if (texts.count == 0 &&
        json_object_is_type(json_object_object_get(m->object, "scopes"), json_type_array))
        members_wrong(m, "scopes", "must not be empty");
    free(texts.items);
    return scopes;
}

static char *write_scopes(uint32_t scopes, bool is_admin)
{
    struct json_object *names = json_object_new_array();
    if (is_admin)
        json_object_array_add(names, json_object_new_string("admin"));
    for (int i = 0; i < SCOPE_COUNT && !is_admin; i++)
        if (scopes & UINT32_C(1) << i)
            json_object_array_add(names, json_object_new_string(scope_name(i)));
    char *text = canonical_json(names);
    json_object_put(names);
    return text;
}

/* ---- restrictions ---- */

/* An empty list could be read as "none" and as "all". */
static void refuse_empty(const struct members *m, const char *name, size_t length)
{
    if (members_has(m, name) && length == 0)
        members_wrong(m, name, "must not be empty; without it there is no such restriction");
}

static void read_list(const struct members *m, const char *name, size_t max,
                      int (*add)(struct grant *grant, const char *text, struct err *e),
                      struct grant *grant)
{
    size_t before = m->errors->count;
    struct texts texts = members_texts(m, name, MEMBERS_OPTIONAL, max, PATTERN_SIZE_MAX);
    struct err e;
    for (size_t i = 0; i < texts.count; i++)
        if (texts.items[i] && add(grant, texts.items[i], &e) < 0)
            members_item_wrong(m, name, i, "%s", e.detail);
    if (m->errors->count == before)
        refuse_empty(m, name, texts.count);
    free(texts.items);
}

static void read_labels(const struct members *m, struct grant *grant)
{
    size_t before = m->errors->count;
    free(labels_read(m, MEMBERS_OPTIONAL));
    struct json_object *labels = json_object_object_get(m->object, "labels");
    if (m->errors->count > before || !labels)
        return;
    refuse_empty(m, "labels", (size_t)json_object_object_length(labels));
    json_object_object_foreach(labels, key, value)
    {
        grant_add_label(grant, key, json_object_get_string(value));
    }
}

static void read_restrictions(const struct members *m, struct grant *grant)
{
    read_list(m, "identifiers", PATTERNS_MAX, grant_add_identifier, grant);
    read_list(m, "addresses", ADDRESSES_MAX, grant_add_address, grant);
    read_labels(m, grant);
}

static char *write_restrictions(const struct members *m)
{
    static const char *const names[] = {"identifiers", "addresses", "labels", NULL};
    struct json_object *restrictions = json_object_new_object();
    for (size_t i = 0; names[i]; i++)
        if (members_has(m, names[i]))
            json_object_object_add(restrictions, names[i],
                                   json_object_get(json_object_object_get(m->object, names[i])));
    char *text = canonical_json(restrictions);
    json_object_put(restrictions);
    return text;
}

/* ---- the whole ---- */

static int64_t read_time(const struct members *m, const char *name)
{
    int64_t ms;
    const char *text = members_text(m, name, MEMBERS_OPTIONAL, TIME_SIZE_MAX);
    if (!text)
        return 0;
    if (clock_parse_rfc3339(text, &ms) < 0) {
        members_wrong(m, name, "must be a time: 2027-01-31T00:00:00Z");
        return 0;
    }
    return ms;
}

static void read_times(const struct members *m, struct spec_token *spec)
{
    spec->not_before = read_time(m, "not_before");
    spec->expires_at = read_time(m, "expires_at");
    if (spec->expires_at && spec->expires_at <= clock_wall_ms())
        members_wrong(m, "expires_at", "is over already");
    else if (spec->expires_at && spec->expires_at <= spec->not_before)
        members_wrong(m, "expires_at", "must be later than not_before");
    grant_set_times(spec->grant, spec->not_before, spec->expires_at);
}

int spec_token_read(struct json_object *body, struct fields *errors, struct spec_token *out)
{
    static const char *const names[] = {"name",      "scopes",     "identifiers", "labels",
                                        "addresses", "not_before", "expires_at",  NULL};
    size_t before = errors->count;
    struct members m = members_of_body(body, errors);
    struct spec_token spec = {.grant = grant_create()};
    bool is_admin = false;
    members_only(&m, names);
    spec.name = mem_strdup(members_checked(&m, "name", MEMBERS_REQUIRED, check_name));
    spec.scopes = read_scopes(&m, &is_admin);
    read_restrictions(&m, spec.grant);
    read_times(&m, &spec);
    if (grant_is_narrow(spec.grant) && spec.scopes & ~narrowable)
        members_wrong(&m, "scopes",
                      "can be those of certificates, keys and jobs only, beside identifiers or "
                      "labels");
    spec.scope_names = write_scopes(spec.scopes, is_admin);
    spec.restrictions = write_restrictions(&m);
    if (errors->count > before) {
        spec_token_finish(&spec);
        return -1;
    }
    *out = spec;
    return 0;
}

void spec_token_finish(struct spec_token *spec)
{
    free(spec->name);
    free(spec->scope_names);
    free(spec->restrictions);
    grant_release(spec->grant);
    *spec = (struct spec_token){0};
}

static uint32_t scopes_of(struct json_object *names)
{
    uint32_t scopes = 0;
    size_t count =
        json_object_is_type(names, json_type_array) ? json_object_array_length(names) : 0;
    for (size_t i = 0; i < count; i++) {
        const char *name = json_object_get_string(json_object_array_get_idx(names, i));
        scopes |= name ? scope_by_name(name) : 0;
    }
    return scopes;
}

int spec_token_restore(const struct token *row, uint32_t *scopes, struct grant **out, struct err *e)
{
    struct fields errors = {0};
    struct json_object *names = json_tokener_parse(row->scopes);
    struct json_object *restrictions = json_tokener_parse(row->restrictions);
    struct members m = members_of_body(restrictions, &errors);
    struct grant *grant = grant_create();
    read_restrictions(&m, grant);
    grant_set_times(grant, row->not_before, row->expires_at);
    int rc = 0;
    if (errors.count > 0 || !restrictions)
        rc = err_set(e, ERR_INTERNAL, "The stored token \"%s\" cannot be read.", row->name);
    if (rc == 0) {
        *scopes = scopes_of(names);
        *out = grant;
    } else {
        grant_release(grant);
    }
    json_object_put(names);
    json_object_put(restrictions);
    fields_finish(&errors);
    return rc;
}

#include "server/api/spec_certificate.h"

#include "acme/base/clock.h"
#include "acme/base/memory.h"
#include "acme/csr.h"
#include "server/api/canonical.h"
#include "server/api/check.h"
#include "server/api/labels.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

enum { VALIDITY_MIN_SECONDS = 60, VALIDITY_MAX_SECONDS = 20 * 365 * 24 * 60 * 60 };
enum { PROFILE_MAX = 128, CHAIN_NAME_MAX = 255, IDENTIFIER_TEXT_MAX = 1024, TIME_TEXT_MAX = 40 };

/* The leading colon of an IPv6 address comes after a zero, which it stands for. */
char *spec_certificate_name(const struct identifier *id)
{
    char *name = identifier_is_wildcard(id) ? mem_printf("wildcard.%s", identifier_base(id))
                 : id->value[0] == ':'      ? mem_printf("0%s", id->value)
                                            : mem_strdup(id->value);
    for (char *c = name; *c; c++)
        if (*c == ':')
            *c = '-';
    return name;
}

/* first: NULL where there is none. */
static void read_name(const struct members *m, const struct identifier *first,
                      struct spec_certificate *out)
{
    if (members_has(m, "name")) {
        out->name = mem_strdup(members_checked(m, "name", MEMBERS_OPTIONAL, check_name));
        return;
    }
    if (!first)
        return;
    out->name = spec_certificate_name(first);
    if (check_name(out->name))
        members_wrong(m, "name", "is required, since the first identifier makes no name");
}

/* Leaves the identifiers in the order given. */
static void read_identifiers(const struct members *m, struct spec_certificate *out)
{
    struct texts texts = members_texts(m, "identifiers", MEMBERS_OPTIONAL, IDENTIFIER_MAX_COUNT,
                                       IDENTIFIER_TEXT_MAX);
    out->ids = mem_new(texts.count, sizeof *out->ids);
    struct err e;
    for (size_t i = 0; i < texts.count; i++) {
        if (!texts.items[i])
            continue;
        if (identifier_parse(texts.items[i], &out->ids[out->id_count], &e) < 0)
            members_item_wrong(m, "identifiers", i, "%s", e.detail);
        else
            out->id_count++;
    }
    free(texts.items);
}

static void read_csr(const struct members *m, struct spec_certificate *out)
{
    static const char *const excluded[] = {"identifiers", "key", "email", NULL};
    for (size_t i = 0; excluded[i]; i++)
        if (members_has(m, excluded[i]))
            members_wrong(m, excluded[i], "must not be given beside csr, which holds it");
    const char *pem = members_block(m, "csr", MEMBERS_OPTIONAL, CSR_PEM_MAX);
    if (!pem)
        return;
    struct csr_info info;
    struct err e;
    if (csr_from_pem(pem, strlen(pem), &out->csr, &info, &e) < 0) {
        members_wrong(m, "csr", "%s", e.detail);
        return;
    }
    out->ids = info.ids;
    out->id_count = info.count;
    out->key.type = info.key_type;
    memcpy(out->csr_spki_sha256, info.spki_sha256, sizeof out->csr_spki_sha256);
    info.ids = NULL;
    csr_info_finish(&info);
}

static void read_subject(const struct members *m, struct spec_certificate *out)
{
    static const char *const others[] = {"reuse", "exportable"};
    struct members key;
    spec_key_read(m, others, &out->key, &key);
    out->key_reuse = members_bool(&key, "reuse", false);
    out->key_exportable_given = members_has(&key, "exportable");
    out->key_exportable = members_bool(&key, "exportable", true);
    out->email = mem_strdup(members_checked(m, "email", MEMBERS_OPTIONAL, check_email));
    if (members_has(m, "csr")) {
        read_csr(m, out);
        return;
    }
    size_t before = m->errors->count;
    read_identifiers(m, out);
    if (!members_has(m, "identifiers"))
        members_wrong(m, "identifiers", "is required (or csr)");
    else if (out->id_count == 0 && m->errors->count == before)
        members_wrong(m, "identifiers", "must hold at least one name");
}

/* RFC 8555 section 8.3, RFC 8737 section 3, RFC 8738 section 7. */
static void check_proof(const struct members *challenge, const char *type,
                        const struct identifier *id)
{
    bool by_name = !strncmp(type, "dns-", 4);
    if (!by_name && identifier_is_wildcard(id))
        members_wrong(challenge, "type", "cannot prove the wildcard %s; dns-01 can", id->value);
    if (by_name && id->type == IDENTIFIER_IP)
        members_wrong(challenge, "type", "cannot prove the address %s; http-01 and tls-alpn-01 can",
                      id->value);
}

static void read_persist_until(const struct members *challenge, struct spec_certificate *out)
{
    int64_t ms;
    const char *text = members_text(challenge, "persist_until", MEMBERS_OPTIONAL, TIME_TEXT_MAX);
    if (!text)
        return;
    if (strcmp(out->challenge_type, "dns-persist-01") != 0)
        members_wrong(challenge, "persist_until", "is for dns-persist-01 alone");
    else if (clock_parse_rfc3339(text, &ms) < 0)
        members_wrong(challenge, "persist_until", "must be a time: 2027-01-31T00:00:00Z");
    else
        out->challenge_persist_until = ms;
}

static void read_challenge(const struct members *m, struct spec_certificate *out)
{
    static const char *const names[] = {"type", "solver", "persist_until", NULL};
    static const char *const types[] = {"http-01",        "tls-alpn-01",    "dns-01",
                                        "dns-account-01", "dns-persist-01", NULL};
    struct members challenge;
    if (!members_object(m, "challenge", MEMBERS_OPTIONAL, &challenge))
        return;
    members_only(&challenge, names);
    const char *solver = members_checked(&challenge, "solver", MEMBERS_OPTIONAL, check_name);
    out->challenge_solver = mem_strdup(solver);
    int type = members_choice(&challenge, "type", MEMBERS_REQUIRED, types);
    if (type < 0)
        return;
    out->challenge_type = mem_strdup(types[type]);
    read_persist_until(&challenge, out);
    for (size_t i = 0; i < out->id_count; i++)
        check_proof(&challenge, types[type], &out->ids[i]);
}

static void read_issuer(const struct members *m, struct spec_certificate *out)
{
    out->account = mem_strdup(members_checked(m, "account", MEMBERS_OPTIONAL, check_name));
    out->authority = mem_strdup(members_checked(m, "authority", MEMBERS_OPTIONAL, check_name));
    if (out->account && out->authority)
        members_wrong(m, "authority", "must not be given beside account, which has its own");
    out->profile = mem_strdup(members_text(m, "profile", MEMBERS_OPTIONAL, PROFILE_MAX));
    out->validity_ms =
        members_int(m, "validity_seconds", VALIDITY_MIN_SECONDS, VALIDITY_MAX_SECONDS, 0) * 1000;
    out->preferred_chain =
        mem_strdup(members_text(m, "preferred_chain", MEMBERS_OPTIONAL, CHAIN_NAME_MAX));
}

static void read_all(const struct members *m, bool with_name, struct spec_certificate *out)
{
    const char *names[] = {"identifiers",
                           "csr",
                           "key",
                           "email",
                           "account",
                           "authority",
                           "profile",
                           "validity_seconds",
                           "preferred_chain",
                           "challenge",
                           "labels",
                           "targets",
                           "renew",
                           "retry_for_seconds",
                           with_name ? "name" : NULL,
                           NULL};
    members_only(m, names);
    read_subject(m, out);
    if (with_name)
        read_name(m, out->id_count > 0 ? &out->ids[0] : NULL, out);
    read_challenge(m, out);
    read_issuer(m, out);
    out->labels = labels_read(m, MEMBERS_OPTIONAL);
    out->targets_given = members_has(m, "targets");
    target_items_read(m, &out->targets);
    spec_renew_read(m, &out->renew);
    out->retry_for_ms = spec_retry_for_ms(m);
    out->id_count = identifiers_sort(out->ids, out->id_count);
}

int spec_certificate_read(struct json_object *body, bool with_name, struct fields *errors,
                          struct spec_certificate *out)
{
    size_t before = errors->count;
    struct members m = members_of_body(body, errors);
    struct spec_certificate spec = {0};
    read_all(&m, with_name, &spec);
    if (errors->count > before) {
        spec_certificate_finish(&spec);
        return -1;
    }
    *out = spec;
    return 0;
}

void spec_certificate_finish(struct spec_certificate *spec)
{
    free(spec->name);
    free(spec->ids);
    free(spec->account);
    free(spec->authority);
    free(spec->profile);
    spec_key_finish(&spec->key);
    buf_finish(&spec->csr);
    free(spec->email);
    free(spec->challenge_type);
    free(spec->challenge_solver);
    free(spec->preferred_chain);
    free(spec->labels);
    target_items_finish(&spec->targets);
    *spec = (struct spec_certificate){0};
}

/* That the keys are not exportable can be said, and not be taken back. */
static void read_patch_key(const struct members *m, struct spec_certificate_patch *patch)
{
    static const char *const names[] = {"exportable", NULL};
    struct members key;
    if (!members_object(m, "key", MEMBERS_OPTIONAL, &key))
        return;
    members_only(&key, names);
    patch->keeps_key = !members_bool(&key, "exportable", true);
    if (!patch->keeps_key)
        members_wrong(&key, "exportable", "must be false");
}

int spec_certificate_patch_read(struct json_object *body, struct fields *errors,
                                struct spec_certificate_patch *out)
{
    static const char *const names[] = {"labels", "targets", "renew", "key", NULL};
    size_t before = errors->count;
    struct members m = members_of_body(body, errors);
    struct spec_certificate_patch patch = {.targets_given = members_has(&m, "targets")};
    members_only(&m, names);
    if (members_has(&m, "labels"))
        patch.labels = labels_read(&m, MEMBERS_REQUIRED);
    else if (!patch.targets_given && !members_has(&m, "renew") && !members_has(&m, "key") &&
             m.object)
        members_wrong(&m, "labels", "is required (or targets, or renew, or key)");
    target_items_read(&m, &patch.targets);
    spec_renew_read(&m, &patch.renew);
    read_patch_key(&m, &patch);
    if (errors->count > before) {
        spec_certificate_patch_finish(&patch);
        return -1;
    }
    *out = patch;
    return 0;
}

void spec_certificate_patch_finish(struct spec_certificate_patch *patch)
{
    free(patch->labels);
    target_items_finish(&patch->targets);
    *patch = (struct spec_certificate_patch){0};
}

static struct json_object *identifiers_json(const struct spec_certificate *spec)
{
    struct json_object *array = json_object_new_array();
    for (size_t i = 0; i < spec->id_count; i++)
        json_object_array_add(array, json_object_new_string(spec->ids[i].value));
    return array;
}

static struct json_object *challenge_json(const struct spec_certificate *spec)
{
    if (!spec->challenge_type)
        return NULL;
    struct json_object *challenge = json_object_new_object();
    json_object_object_add(challenge, "type", json_object_new_string(spec->challenge_type));
    if (spec->challenge_solver)
        json_object_object_add(challenge, "solver", json_object_new_string(spec->challenge_solver));
    if (spec->challenge_persist_until) {
        char until[CLOCK_RFC3339_SIZE];
        clock_rfc3339(spec->challenge_persist_until, until);
        json_object_object_add(challenge, "persist_until", json_object_new_string(until));
    }
    return challenge;
}

/* Takes json over. */
static char *written(struct json_object *json)
{
    char *text = json ? canonical_json(json) : NULL;
    json_object_put(json);
    return text;
}

char *spec_certificate_identifiers(const struct spec_certificate *spec)
{
    return written(identifiers_json(spec));
}

char *spec_certificate_challenge(const struct spec_certificate *spec)
{
    return written(challenge_json(spec));
}

char *spec_certificate_normalized(const struct spec_certificate *spec)
{
    struct json_object *json = json_object_new_object();
    json_object_object_add(json, "identifiers", identifiers_json(spec));
    json_object_object_add(json, "account", spec_text(spec->account));
    json_object_object_add(json, "authority", spec_text(spec->authority));
    json_object_object_add(json, "profile", spec_text(spec->profile));
    if (spec->validity_ms > 0)
        json_object_object_add(json, "validity_seconds",
                               json_object_new_int64(spec->validity_ms / 1000));
    json_object_object_add(json, "key", spec_key_normalized(&spec->key));
    json_object_object_add(json, "reuse", json_object_new_boolean(spec->key_reuse));
    json_object_object_add(json, "email", spec_text(spec->email));
    json_object_object_add(json, "challenge", challenge_json(spec));
    json_object_object_add(json, "preferred_chain", spec_text(spec->preferred_chain));
    if (spec->csr.size > 0) {
        char csr[65];
        spec_sha256(spec->csr.data, spec->csr.size, csr);
        json_object_object_add(json, "csr_sha256", json_object_new_string(csr));
    }
    return written(json);
}

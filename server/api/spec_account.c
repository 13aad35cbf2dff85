#include "server/api/spec_account.h"

#include "acme/base/base64url.h"
#include "acme/base/memory.h"
#include "server/api/canonical.h"
#include "server/api/check.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

enum {
    CONTACTS_MAX = 16,
    CONTACT_MAX = CHECK_EMAIL_MAX + 7,
    EAB_KID_MAX = 1024,
    EAB_KEY_MAX = 1024,
};

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The contacts as JSON; NULL if one is wrong. */
static char *read_contacts(const struct members *m, enum members_need need)
{
    size_t before = m->errors->count;
    struct texts contacts = members_texts(m, "contacts", need, CONTACTS_MAX, CONTACT_MAX);
    for (size_t i = 0; i < contacts.count; i++) {
        const char *fault = contacts.items[i] ? check_contact(contacts.items[i]) : NULL;
        if (fault)
            members_item_wrong(m, "contacts", i, "%s", fault);
    }
    char *text = NULL;
    if (m->errors->count == before) {
        if (contacts.count > 0)
            qsort(contacts.items, contacts.count, sizeof *contacts.items, compare_texts);
        struct json_object *array = json_object_new_array();
        for (size_t i = 0; i < contacts.count; i++)
            if (i == 0 || strcmp(contacts.items[i], contacts.items[i - 1]))
                json_object_array_add(array, json_object_new_string(contacts.items[i]));
        text = canonical_json(array);
        json_object_put(array);
    }
    free(contacts.items);
    return text;
}

static void read_eab(const struct members *m, struct spec_account *out)
{
    static const char *const names[] = {"kid", "hmac_key", "algorithm", NULL};
    static const char *const algorithms[] = {"HS256", "HS384", "HS512", NULL};
    struct members eab;
    if (!members_object(m, "eab", MEMBERS_OPTIONAL, &eab))
        return;
    members_only(&eab, names);
    out->eab_kid = mem_strdup(members_text(&eab, "kid", MEMBERS_REQUIRED, EAB_KID_MAX));
    const char *key = members_text(&eab, "hmac_key", MEMBERS_REQUIRED, EAB_KEY_MAX);
    struct err e;
    if (key && base64url_decode(key, strlen(key), &out->eab_key, &e) < 0)
        members_wrong(&eab, "hmac_key", "must be base64url without padding");
    int algorithm = members_choice(&eab, "algorithm", MEMBERS_OPTIONAL, algorithms);
    if (algorithm >= 0)
        jws_mac_by_name(algorithms[algorithm], &out->eab_mac);
}

static void read_all(const struct members *m, bool with_name, struct spec_account *out)
{
    static const char *const names[] = {"authority",
                                        "contacts",
                                        "terms_of_service_agreed",
                                        "key",
                                        "only_existing",
                                        "eab",
                                        "retry_for_seconds",
                                        NULL,
                                        NULL};
    const char *allowed[sizeof names / sizeof *names];
    memcpy(allowed, names, sizeof names);
    if (with_name)
        allowed[sizeof names / sizeof *names - 2] = "name";
    members_only(m, allowed);
    if (with_name)
        out->name = mem_strdup(members_checked(m, "name", MEMBERS_OPTIONAL, check_name));
    out->authority = mem_strdup(members_checked(m, "authority", MEMBERS_REQUIRED, check_name));
    out->contacts = read_contacts(m, MEMBERS_OPTIONAL);
    out->terms_of_service_agreed = members_bool(m, "terms_of_service_agreed", false);
    out->only_existing = members_bool(m, "only_existing", false);
    struct members key;
    spec_key_read(m, NULL, &out->key, &key);
    read_eab(m, out);
    out->retry_for_ms = spec_retry_for_ms(m);
    if (out->only_existing && !members_has(&key, "pem"))
        members_wrong(m, "only_existing", "needs key.pem, the key of the account to find");
}

int spec_account_read(struct json_object *body, bool with_name, struct fields *errors,
                      struct spec_account *out)
{
    size_t before = errors->count;
    struct members m = members_of_body(body, errors);
    struct spec_account spec = {0};
    read_all(&m, with_name, &spec);
    if (errors->count > before) {
        spec_account_finish(&spec);
        return -1;
    }
    *out = spec;
    return 0;
}

void spec_account_finish(struct spec_account *spec)
{
    free(spec->name);
    free(spec->authority);
    free(spec->contacts);
    spec_key_finish(&spec->key);
    free(spec->eab_kid);
    buf_finish_secret(&spec->eab_key);
    *spec = (struct spec_account){0};
}

int spec_account_patch_read(struct json_object *body, struct fields *errors,
                            struct spec_account_patch *out)
{
    static const char *const names[] = {"contacts", "terms_of_service_agreed", NULL};
    size_t before = errors->count;
    struct members m = members_of_body(body, errors);
    struct spec_account_patch patch = {0};
    members_only(&m, names);
    bool agrees = members_has(&m, "terms_of_service_agreed");
    patch.terms_of_service_agreed = members_bool(&m, "terms_of_service_agreed", true) && agrees;
    if (agrees && !patch.terms_of_service_agreed)
        members_wrong(&m, "terms_of_service_agreed",
                      "must be true: what was agreed to cannot be taken back");
    if (members_has(&m, "contacts"))
        patch.contacts = read_contacts(&m, MEMBERS_REQUIRED);
    else if (!agrees && m.object)
        members_wrong(&m, "contacts", "is required (or terms_of_service_agreed)");
    if (errors->count > before) {
        spec_account_patch_finish(&patch);
        return -1;
    }
    *out = patch;
    return 0;
}

void spec_account_patch_finish(struct spec_account_patch *patch)
{
    free(patch->contacts);
    *patch = (struct spec_account_patch){0};
}

static struct json_object *normalized_eab(const struct spec_account *spec,
                                          spec_fingerprint_fn *fingerprint, void *context)
{
    char hash[SPEC_FINGERPRINT_SIZE];
    fingerprint(context, spec->eab_key.data, spec->eab_key.size, hash);
    struct json_object *eab = json_object_new_object();
    json_object_object_add(eab, "kid", json_object_new_string(spec->eab_kid));
    json_object_object_add(eab, "hmac_key", json_object_new_string(hash));
    json_object_object_add(eab, "algorithm", json_object_new_string(jws_mac_name(spec->eab_mac)));
    return eab;
}

char *spec_account_normalized(const struct spec_account *spec, spec_fingerprint_fn *fingerprint,
                              void *context)
{
    struct json_object *json = json_object_new_object();
    json_object_object_add(json, "authority", json_object_new_string(spec->authority));
    json_object_object_add(json, "contacts", json_tokener_parse(spec->contacts));
    json_object_object_add(json, "terms_of_service_agreed",
                           json_object_new_boolean(spec->terms_of_service_agreed));
    json_object_object_add(json, "only_existing", json_object_new_boolean(spec->only_existing));
    json_object_object_add(json, "key", spec_key_normalized(&spec->key));
    if (spec->eab_kid)
        json_object_object_add(json, "eab", normalized_eab(spec, fingerprint, context));
    char *text = canonical_json(json);
    json_object_put(json);
    return text;
}

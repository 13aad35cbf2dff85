#include "server/api/spec_common.h"

#include <assert.h>
#include <json-c/json.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

void spec_key_finish(struct spec_key *key)
{
    key_destroy(key->key);
    key->key = NULL;
}

static void read_type(const struct members *m, struct spec_key *out)
{
    const char *names[KEY_TYPE_COUNT + 1] = {0};
    for (int i = 0; i < KEY_TYPE_COUNT; i++)
        names[i] = key_type_name((enum key_type)i);
    int choice = members_choice(m, "type", MEMBERS_OPTIONAL, names);
    if (choice < 0)
        return;
    out->type = (enum key_type)choice;
    out->type_given = true;
}

static void read_pem(const struct members *m, struct spec_key *out)
{
    const char *pem = members_block(m, "pem", MEMBERS_OPTIONAL, KEY_PEM_MAX);
    if (!pem)
        return;
    struct err e;
    if (key_from_pem(pem, strlen(pem), &out->key, &e) < 0)
        members_wrong(m, "pem", "%s", e.detail);
    else
        out->type = key_type_of(out->key);
}

void spec_key_read(const struct members *m, const char *const others[2], struct spec_key *out,
                   struct members *members)
{
    *out = (struct spec_key){.type = KEY_EC_P256};
    *members = (struct members){.errors = m->errors};
    if (!members_object(m, "key", MEMBERS_OPTIONAL, members))
        return;
    const char *const first = others ? others[0] : NULL;
    const char *const second = others ? others[1] : NULL;
    members_only(members, (const char *const[]){"type", "pem", first, second, NULL});
    if (members_has(members, "type") && members_has(members, "pem"))
        members_wrong(m, "key", "must not have both type and pem");
    read_type(members, out);
    read_pem(members, out);
}

struct json_object *spec_key_normalized(const struct spec_key *key)
{
    if (!key->key && !key->type_given)
        return NULL;
    struct json_object *json = json_object_new_object();
    char spki[KEY_SPKI_SHA256_SIZE];
    struct err e;
    if (!key->key) {
        json_object_object_add(json, "type", json_object_new_string(key_type_name(key->type)));
    } else {
        /* A public key that was read can be encoded: only exhausted memory is in the way. */
        int rc = key_spki_sha256(key->key, spki, &e);
        assert(rc == 0);
        (void)rc;
        json_object_object_add(json, "spki_sha256", json_object_new_string(spki));
    }
    return json;
}

void spec_renew_read(const struct members *m, struct spec_renew *out)
{
    enum { BEFORE_MIN = 60, BEFORE_MAX = 398 * 24 * 60 * 60 };
    static const char *const names[] = {"enabled", "before_seconds", "use_ari", NULL};
    struct members renew;
    *out = (struct spec_renew){.enabled = true, .use_ari = true};
    if (!members_object(m, "renew", MEMBERS_OPTIONAL, &renew))
        return;
    members_only(&renew, names);
    out->given = true;
    out->enabled = members_bool(&renew, "enabled", true);
    out->before_ms = members_int(&renew, "before_seconds", BEFORE_MIN, BEFORE_MAX, 0) * 1000;
    out->use_ari = members_bool(&renew, "use_ari", true);
}

int64_t spec_retry_for_ms(const struct members *m)
{
    enum { YEAR_SECONDS = 365 * 24 * 60 * 60 };
    int64_t seconds = members_int(m, "retry_for_seconds", 0, YEAR_SECONDS, -1);
    return seconds < 0 ? -1 : seconds * 1000;
}

struct json_object *spec_text(const char *text)
{
    return text ? json_object_new_string(text) : NULL;
}

void spec_sha256(const void *data, size_t size, char out[SPEC_FINGERPRINT_SIZE])
{
    unsigned char hash[32];
    int rc = EVP_Digest(data, size, hash, NULL, EVP_sha256(), NULL);
    assert(rc == 1);
    (void)rc;
    for (size_t i = 0; i < sizeof hash; i++)
        snprintf(out + 2 * i, 3, "%02x", hash[i]);
}

#include "server/api/spec_import.h"

#include "acme/adopt.h"
#include "acme/base/base64url.h"
#include "acme/base/memory.h"
#include "acme/pkcs12.h"
#include "server/api/certificate.h"
#include "server/api/certificate_targets.h"
#include "server/api/peek.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

/* Base64 with the line breaks that programs put in. */
enum { PKCS12_TEXT_MAX = 360 * 1024 };

/* What a new certificate would be asked for with as well: here it is for renewals, and the rest. */
static const char *const shared[] = {"name",      "account",         "authority",        "profile",
                                     "challenge", "email",           "labels",           "targets",
                                     "renew",     "preferred_chain", "validity_seconds", NULL};

/* ---- the certificate and its key ---- */

/* Both in PEM form, and the members to complain of. */
struct material {
    const char *key_member, *certificates_member;
    struct buf key;          /* empty: there is none, which was complained of */
    struct buf certificates; /* a heap; likewise */
};

static void material_finish(struct material *material)
{
    buf_finish_secret(&material->key);
    buf_finish(&material->certificates);
}

static void take_pem(const struct members *m, struct material *out)
{
    const char *key = members_block(m, "private_key", MEMBERS_REQUIRED, KEY_PEM_MAX);
    const char *pem = members_block(m, "certificate", MEMBERS_REQUIRED, CERT_CHAIN_MAX_BYTES);
    const char *chain = members_block(m, "chain", MEMBERS_OPTIONAL, CERT_CHAIN_MAX_BYTES);
    out->key_member = "private_key";
    out->certificates_member = "certificate";
    if (key)
        buf_add_string(&out->key, key);
    if (pem)
        buf_printf(&out->certificates, "%s\n%s", pem, chain ? chain : "");
    if (members_has(m, "password"))
        members_wrong(m, "password", "is for pkcs12");
}

static void open_file(const struct members *m, const char *base64, const char *password,
                      struct material *out)
{
    struct buf file = {0};
    struct err e;
    if (base64_decode(base64, strlen(base64), &file, &e) < 0)
        members_wrong(m, "pkcs12", "%s", e.detail);
    else if (pkcs12_read(file.data, file.size, password, &out->key, &out->certificates, &e) < 0)
        members_wrong(m, e.code == ERR_INVALID ? "password" : "pkcs12", "%s", e.detail);
    buf_finish_secret(&file);
}

static void take_pkcs12(const struct members *m, struct material *out)
{
    static const char *const instead[] = {"certificate", "chain", "private_key", NULL};
    const char *base64 = members_block(m, "pkcs12", MEMBERS_REQUIRED, PKCS12_TEXT_MAX);
    const char *password = members_text(m, "password", MEMBERS_OPTIONAL, PKCS12_PASSWORD_MAX);
    out->key_member = out->certificates_member = "pkcs12";
    for (size_t i = 0; instead[i]; i++)
        if (members_has(m, instead[i]))
            members_wrong(m, instead[i], "is in the PKCS#12 file already");
    if (base64 && (password || !members_has(m, "password")))
        open_file(m, base64, password ? password : "", out);
}

static void read_key(const struct members *m, const struct material *material,
                     struct spec_import *out)
{
    const struct buf *pem = &material->key;
    struct err e;
    if (pem->size && key_from_pem(pem->data, pem->size, &out->key, &e) < 0)
        members_wrong(m, material->key_member, "%s", e.detail);
}

/* The key is there, so of what a new certificate says of its key, this alone is left to say. */
static void read_exportable(const struct members *m, struct spec_certificate *out)
{
    static const char *const names[] = {"exportable", NULL};
    struct members key;
    if (!members_object(m, "key", MEMBERS_OPTIONAL, &key))
        return;
    members_only(&key, names);
    if (!members_has(&key, "exportable"))
        members_wrong(&key, "exportable", "is required");
    out->key_exportable_given = true;
    out->key_exportable = members_bool(&key, "exportable", true);
}

/* A name that no CA could be asked for would only be told by the first renewal. */
static void check_names(const struct members *m, const char *member, const struct spec_import *spec)
{
    struct identifier id;
    struct err e;
    if (spec->info.count > IDENTIFIER_MAX_COUNT)
        members_wrong(m, member, "holds %zu names, of which %d are possible", spec->info.count,
                      IDENTIFIER_MAX_COUNT);
    for (size_t i = 0; i < spec->info.count; i++)
        if (identifier_parse(spec->info.ids[i].value, &id, &e) < 0)
            members_wrong(m, member, "holds a name that cannot be ordered: %s", e.detail);
}

/* Without a key to tell the leaf by, nothing more is to be said of the certificates. Returns
   whether the names are known and good. */
static bool read_certificates(const struct members *m, const struct material *material,
                              struct spec_import *out)
{
    const struct buf *heap = &material->certificates;
    struct err e;
    if (!heap->size || !out->key)
        return false;
    size_t before = m->errors->count;
    if (adopt_chain(heap->data, heap->size, out->key, &out->leaf, &out->chain, &out->info, &e) < 0)
        members_wrong(m, material->certificates_member, "%s", e.detail);
    else
        check_names(m, material->certificates_member, out);
    return m->errors->count == before;
}

/* ---- the rest, as of a new certificate ---- */

/* The certificate is called after the first of them: rather after a host than after a wildcard. */
static struct json_object *identifiers_of(const struct spec_import *spec)
{
    struct json_object *list = json_object_new_array();
    for (int wildcards = 0; wildcards < 2; wildcards++)
        for (size_t i = 0; i < spec->info.count; i++)
            if (identifier_is_wildcard(&spec->info.ids[i]) == (wildcards == 1))
                json_object_array_add(list, json_object_new_string(spec->info.ids[i].value));
    return list;
}

/* The body as that of a new certificate; the values are shared with it. */
static struct json_object *derive(struct json_object *body, const struct spec_import *spec)
{
    struct json_object *derived = json_object_new_object(), *value;
    for (size_t i = 0; shared[i]; i++)
        if (json_object_object_get_ex(body, shared[i], &value))
            json_object_object_add(derived, shared[i], json_object_get(value));
    json_object_object_add(derived, "identifiers", identifiers_of(spec));
    return derived;
}

/* Without an account nothing is ever ordered. */
static void check_accountless(const struct members *m, const struct spec_certificate *spec)
{
    static const char *const wanting[] = {"profile",         "challenge",        "email",
                                          "preferred_chain", "validity_seconds", NULL};
    for (size_t i = 0; wanting[i]; i++)
        if (members_has(m, wanting[i]))
            members_wrong(m, wanting[i], "is for renewals, which want an account (or authority)");
    if (spec->renew.given && spec->renew.enabled)
        members_wrong(m, "renew", "wants an account (or authority), or enabled false");
}

/* What is said of the names is said of the member that they are in; nothing, if that was complained
   of. */
static void redirect(struct fields *errors, size_t from, const char *member, bool is_known)
{
    static const char names[] = "/identifiers";
    for (size_t i = from; i < errors->count;) {
        struct field_error *item = &errors->items[i];
        if (strncmp(item->pointer, names, sizeof names - 1) != 0) {
            i++;
        } else if (is_known) {
            free(item->pointer);
            item->pointer = mem_printf("/%s", member);
            i++;
        } else {
            free(item->pointer);
            free(item->detail);
            memmove(item, item + 1, (--errors->count - i) * sizeof *item);
        }
    }
}

static int read_rest(struct db *db, const struct api_defaults *defaults, const struct members *m,
                     const char *names_member, bool has_names, struct spec_import *out,
                     struct err *e)
{
    struct json_object *derived = derive(m->object, out);
    struct fields *errors = m->errors;
    size_t before = errors->count;
    bool has_account = members_has(m, "account") || members_has(m, "authority");
    spec_certificate_read(derived, true, errors, &out->certificate);
    if (!has_account)
        check_accountless(m, &out->certificate);
    int rc = has_account ? certificate_check(db, defaults, ORIGIN_API, derived, errors, e)
                         : certificate_targets_check(db, defaults, derived, NULL, errors, e);
    redirect(errors, before, names_member, has_names);
    json_object_put(derived);
    return rc;
}

int spec_import_read(struct db *db, const struct api_defaults *defaults, struct json_object *body,
                     struct fields *errors, struct spec_import *out, struct err *e)
{
    static const char *const own[] = {"certificate", "chain",    "private_key",
                                      "pkcs12",      "password", "key"};
    const char *names[sizeof shared / sizeof *shared + sizeof own / sizeof *own];
    size_t own_count = sizeof own / sizeof *own;
    struct material material = {0};
    struct members m = members_of_body(body, errors);
    memcpy(names, own, sizeof own);
    memcpy(names + own_count, shared, sizeof shared);
    *out = (struct spec_import){0};
    members_only(&m, names);
    if (members_has(&m, "pkcs12"))
        take_pkcs12(&m, &material);
    else
        take_pem(&m, &material);
    read_key(&m, &material, out);
    bool has_names = read_certificates(&m, &material, out);
    material_finish(&material);
    if (read_rest(db, defaults, &m, material.certificates_member, has_names, out, e) < 0)
        return -1;
    read_exportable(&m, &out->certificate);
    out->certificate.key.type = out->info.key_type;
    return 0;
}

void spec_import_finish(struct spec_import *spec)
{
    spec_certificate_finish(&spec->certificate);
    key_destroy(spec->key);
    buf_finish(&spec->leaf);
    buf_finish(&spec->chain);
    cert_info_finish(&spec->info);
    *spec = (struct spec_import){0};
}

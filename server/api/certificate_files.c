/* What is downloaded of a certificate: its files, one version as a bundle, and its versions. */
#include "acme/base/clock.h"
#include "acme/base/memory.h"
#include "acme/cert.h"
#include "acme/csr.h"
#include "server/access/principal.h"
#include "server/access/scope.h"
#include "server/api/audit.h"
#include "server/api/body.h"
#include "server/api/call.h"
#include "server/api/issued.h"
#include "server/api/page.h"
#include "server/api/revocation.h"
#include "server/api/rights.h"
#include "server/api/show.h"
#include "store/certificate.h"

#include <assert.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

static const char type_chain[] = "application/pem-certificate-chain";
static const char type_pem[] = "application/x-pem-file";

/* ---- files ---- */

static int add_key(const struct issued *issued, struct buf *out, struct err *e)
{
    struct key *key;
    if (issued_check_exportable(issued, e) < 0 ||
        version_open_key(issued->db, issued->certificate.id, issued->version.n, &key, e) < 0)
        return -1;
    int rc = key_to_pem(key, out, e);
    key_destroy(key);
    return rc;
}

static int add_cert(const struct issued *issued, struct buf *out, struct err *e)
{
    (void)e;
    buf_add_string(out, issued->version.leaf);
    return 0;
}

static int add_chain(const struct issued *issued, struct buf *out, struct err *e)
{
    (void)e;
    buf_add_string(out, issued->version.chain);
    return 0;
}

static int add_fullchain(const struct issued *issued, struct buf *out, struct err *e)
{
    return add_cert(issued, out, e) < 0 ? -1 : add_chain(issued, out, e);
}

static int add_combined(const struct issued *issued, struct buf *out, struct err *e)
{
    return add_key(issued, out, e) < 0 ? -1 : add_fullchain(issued, out, e);
}

static int add_csr(const struct issued *issued, struct buf *out, struct err *e)
{
    if (!issued->version.csr_size)
        return err_set(e, ERR_NOT_FOUND, "Version %lld was imported: there is no CSR of it.",
                       (long long)issued->version.n);
    return csr_to_pem(issued->version.csr, issued->version.csr_size, out, e);
}

static const struct file {
    const char *name;
    const char *type;
    bool secret;
    int (*add)(const struct issued *issued, struct buf *out, struct err *e);
} files[] = {
    {"cert.pem", type_chain, false, add_cert},
    {"chain.pem", type_chain, false, add_chain},
    {"fullchain.pem", type_chain, false, add_fullchain},
    {"privkey.pem", type_pem, true, add_key},
    {"combined.pem", type_pem, true, add_combined},
    {"csr.pem", type_pem, false, add_csr},
};

static const struct file *file_by_name(const char *name)
{
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (!strcmp(files[i].name, name))
            return &files[i];
    return NULL;
}

/* A hash of a private key has no place in a header. The others are not known by their serial
   number: what was deleted and imported anew may have it, and another chain. */
static void add_caching(struct http_exchange *x, const struct file *file, const struct buf *body)
{
    char etag[HTTP_ETAG_SIZE];
    if (file->secret) {
        http_add_header(x, "Cache-Control", "no-store");
        return;
    }
    http_etag(body->data, body->size, etag);
    http_add_header(x, "ETag", etag);
}

static void answer_file(struct http_exchange *x, struct api *api, const struct file *file,
                        int64_t n)
{
    struct issued issued;
    struct buf body = {0};
    struct err e;
    struct db *db = call_reader(api, x);
    if (!db)
        return;
    if (issued_load(x, db, http_param(x, "name"), n, &issued, &e) < 0) {
        http_respond_error(x, &e, NULL, NULL);
        return;
    }
    if (file->add(&issued, &body, &e) < 0) {
        buf_finish_secret(&body);
        http_respond_error(x, &e, NULL, NULL);
    } else {
        add_caching(x, file, &body);
        if (file->secret)
            audit_disclose(api, x, file->type, &body);
        else
            http_respond(x, 200, file->type, &body);
    }
    issued_finish(&issued);
}

static void get_current_file(struct http_exchange *x, void *context)
{
    const struct file *file = file_by_name(strrchr(http_path(x), '/') + 1);
    assert(file);
    answer_file(x, context, file, 0);
}

/* ---- versions ---- */

/* The path's version; 0 if it is no number, which no version has. */
static int64_t version_of(const struct http_exchange *x)
{
    const char *text = http_param(x, "version");
    size_t digits = strspn(text, "0123456789");
    if (text[digits] || digits == 0 || digits > 9 || text[0] == '0')
        return 0;
    return strtoll(text, NULL, 10);
}

static void not_found(struct http_exchange *x, const char *what, const char *name)
{
    struct err e;
    err_set(&e, ERR_NOT_FOUND, "There is no %s \"%s\".", what, name);
    http_respond_error(x, &e, NULL, NULL);
}

static void get_version_file(struct http_exchange *x, void *context)
{
    const struct file *file = file_by_name(http_param(x, "file"));
    int64_t n = version_of(x);
    struct err e;
    if (!file)
        not_found(x, "file", http_param(x, "file"));
    else if (!n)
        not_found(x, "version", http_param(x, "version"));
    else if (file->secret && http_require(x, SCOPE_KEYS_READ, &e) < 0)
        http_respond_error(x, &e, NULL, NULL);
    else
        answer_file(x, context, file, n);
}

static const char *status_of(const struct version *version)
{
    if (version->state == VERSION_REVOKED)
        return "revoked";
    return version->not_after < clock_wall_ms() ? "expired" : "valid";
}

/* The names are its own: what is asked for may have changed since. */
static struct json_object *show_names(const struct version *version)
{
    struct json_object *names = json_object_new_array();
    struct buf leaf = {0};
    struct buf chain = {0};
    struct cert_info info;
    struct err e;
    if (cert_chain_read(version->leaf, strlen(version->leaf), &leaf, &chain, &info, &e) == 0) {
        for (size_t i = 0; i < info.count; i++)
            json_object_array_add(names, json_object_new_string(info.ids[i].value));
        cert_info_finish(&info);
    }
    buf_finish(&leaf);
    buf_finish(&chain);
    return names;
}

static struct json_object *show_version(const struct certificate *certificate,
                                        const struct version *version)
{
    struct json_object *key = json_object_new_object();
    show_add_text(key, "type", key_type_name(version->key_type));
    show_add_text(key, "spki_sha256", version->spki_sha256);
    struct json_object *json = json_object_new_object();
    show_add_int(json, "version", version->n);
    show_add_bool(json, "current", version->n == certificate->version);
    show_add_text(json, "status", status_of(version));
    json_object_object_add(json, "identifiers", show_names(version));
    json_object_object_add(json, "key", key);
    show_add_text(json, "serial", version->serial);
    show_add_text(json, "issuer", version->issuer);
    show_add_time(json, "not_before", version->not_before);
    show_add_time(json, "not_after", version->not_after);
    show_add_time(json, "revoked_at", version->revoked_at);
    show_add_text(json, "revocation_reason",
                  version->revoked_at ? revocation_reason_name(version->revocation_reason) : NULL);
    show_add_time(json, "created_at", version->created_at);
    return json;
}

static void get_version(struct http_exchange *x, void *context)
{
    int64_t n = version_of(x);
    struct issued issued;
    struct err e;
    struct db *db = call_reader(context, x);
    if (!db)
        return;
    if (!n) {
        not_found(x, "version", http_param(x, "version"));
    } else if (issued_load(x, db, http_param(x, "name"), n, &issued, &e) < 0) {
        http_respond_error(x, &e, NULL, NULL);
    } else {
        http_respond_json(x, 200, show_version(&issued.certificate, &issued.version));
        issued_finish(&issued);
    }
}

/* The issued ones, newest first, from below the cursor's on: at most limit of them. */
static int load_versions(const struct page *page, void *rows, size_t *count, struct err *e)
{
    struct certificate certificate;
    struct version *all;
    size_t total;
    size_t kept = 0;
    int64_t below = page->after ? strtoll(page->after, NULL, 10) : INT64_MAX;
    if (certificate_load(page->db, http_param(page->x, "name"), &certificate, e) < 0)
        return -1;
    int rc = version_list(page->db, certificate.id, &all, &total, e);
    certificate_finish(&certificate);
    if (rc < 0)
        return -1;
    for (size_t i = 0; i < total; i++) {
        if (issued_is(&all[i]) && all[i].n < below && kept < page->limit)
            all[kept++] = all[i];
        else
            version_finish(&all[i]);
    }
    *(struct version **)rows = all;
    *count = kept;
    return 0;
}

static int sees_version(const struct page *page, const void *row, struct err *e)
{
    (void)e;
    return rights_see_version(page->x, row);
}

static int show_version_row(const struct page *page, const void *row, struct json_object **out,
                            struct err *e)
{
    struct certificate certificate;
    if (certificate_load(page->db, http_param(page->x, "name"), &certificate, e) < 0)
        return -1;
    *out = show_version(&certificate, row);
    certificate_finish(&certificate);
    return 0;
}

static char *key_of_version(const void *row)
{
    const struct version *version = row;
    return mem_printf("%lld", (long long)version->n);
}

static void finish_version(void *row)
{
    version_finish(row);
}

static void list_versions(struct http_exchange *x, void *context)
{
    static const struct page_source source = {
        .row_size = sizeof(struct version),
        .load = load_versions,
        .sees = sees_version,
        .show = show_version_row,
        .key = key_of_version,
        .finish = finish_version,
    };
    page_answer(context, x, &source);
}

/* ---- bundle ---- */

static int add_bundle_file(const struct issued *issued, struct json_object *json,
                           const char *member,
                           int (*add)(const struct issued *, struct buf *, struct err *),
                           struct err *e)
{
    struct buf text = {0};
    if (add(issued, &text, e) < 0) {
        buf_finish_secret(&text);
        return -1;
    }
    show_add_text(json, member, buf_string(&text));
    buf_finish_secret(&text);
    return 0;
}

static int show_bundle(const struct issued *issued, bool with_key, struct json_object *json,
                       struct err *e)
{
    show_add_text(json, "name", issued->certificate.name);
    show_add_int(json, "version", issued->version.n);
    json_object_object_add(json, "identifiers", show_names(&issued->version));
    show_add_time(json, "not_before", issued->version.not_before);
    show_add_time(json, "not_after", issued->version.not_after);
    if (add_bundle_file(issued, json, "cert_pem", add_cert, e) < 0 ||
        add_bundle_file(issued, json, "chain_pem", add_chain, e) < 0)
        return -1;
    if (!with_key)
        show_add_text(json, "privkey_pem", NULL);
    else if (add_bundle_file(issued, json, "privkey_pem", add_key, e) < 0)
        return -1;
    if (issued->version.csr_size)
        return add_bundle_file(issued, json, "csr_pem", add_csr, e);
    show_add_text(json, "csr_pem", NULL);
    return 0;
}

/* Of all but the key, and of whether that is there: who may read it from now on has not got it. */
static void tag_bundle(const struct issued *issued, bool with_key, char etag[HTTP_ETAG_SIZE])
{
    const struct version *version = &issued->version;
    struct buf text = {0};
    buf_printf(&text, "%lld %d\n%s%s", (long long)version->n, with_key, version->leaf,
               version->chain);
    if (version->csr_size)
        buf_add(&text, version->csr, version->csr_size);
    http_etag(text.data, text.size, etag);
    buf_finish(&text);
}

/* Takes over json. A caller who has it already is given nothing, so nothing is written down. */
static void respond_bundle(struct api *api, struct http_exchange *x, const struct issued *issued,
                           bool with_key, struct json_object *json)
{
    struct buf body = {0};
    char etag[HTTP_ETAG_SIZE];
    tag_bundle(issued, with_key, etag);
    call_secret_text(json, &body);
    http_add_header(x, "Cache-Control", "no-store");
    http_add_header(x, "ETag", etag);
    if (with_key && !http_is_known(x, etag))
        audit_disclose(api, x, "application/json", &body);
    else
        http_respond(x, 200, "application/json", &body);
}

static bool may_read_key(const struct http_exchange *x)
{
    return http_rights(x)->scopes & SCOPE_KEYS_READ;
}

static void get_bundle(struct http_exchange *x, void *context)
{
    struct issued issued;
    struct err e;
    struct db *db = call_reader(context, x);
    if (!db)
        return;
    if (issued_load(x, db, http_param(x, "name"), 0, &issued, &e) < 0) {
        http_respond_error(x, &e, NULL, NULL);
        return;
    }
    bool with_key = issued.version.has_key && issued.certificate.key_exportable && may_read_key(x);
    struct json_object *json = json_object_new_object();
    if (show_bundle(&issued, with_key, json, &e) < 0) {
        body_destroy(json);
        http_respond_error(x, &e, NULL, NULL);
    } else {
        respond_bundle(context, x, &issued, with_key, json);
    }
    issued_finish(&issued);
}

const struct http_route certificate_files_routes[] = {
    {HTTP_GET, "/certificates/{name}/cert.pem", get_current_file, 0, SCOPE_CERTIFICATES_READ},
    {HTTP_GET, "/certificates/{name}/chain.pem", get_current_file, 0, SCOPE_CERTIFICATES_READ},
    {HTTP_GET, "/certificates/{name}/fullchain.pem", get_current_file, 0, SCOPE_CERTIFICATES_READ},
    {HTTP_GET, "/certificates/{name}/privkey.pem", get_current_file, 0,
     SCOPE_CERTIFICATES_READ | SCOPE_KEYS_READ},
    {HTTP_GET, "/certificates/{name}/combined.pem", get_current_file, 0,
     SCOPE_CERTIFICATES_READ | SCOPE_KEYS_READ},
    {HTTP_GET, "/certificates/{name}/csr.pem", get_current_file, 0, SCOPE_CERTIFICATES_READ},
    {HTTP_GET, "/certificates/{name}/bundle", get_bundle, 0, SCOPE_CERTIFICATES_READ},
    {HTTP_GET, "/certificates/{name}/versions", list_versions, HTTP_ROUTE_QUERY,
     SCOPE_CERTIFICATES_READ},
    {HTTP_GET, "/certificates/{name}/versions/{version}", get_version, 0, SCOPE_CERTIFICATES_READ},
    {HTTP_GET, "/certificates/{name}/versions/{version}/{file}", get_version_file, 0,
     SCOPE_CERTIFICATES_READ},
    {0},
};

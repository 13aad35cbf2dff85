/* /certificates/{name}/pkcs12: a version's key and certificates as one file behind a password. */
#include "acme/base/memory.h"
#include "acme/pkcs12.h"
#include "server/access/scope.h"
#include "server/api/audit.h"
#include "server/api/body.h"
#include "server/api/call.h"
#include "server/api/check.h"
#include "server/api/issued.h"

#include <json-c/json.h>
#include <stdlib.h>

/* What the body asks for; the texts are borrowed from it. */
struct request {
    const char *password;
    const char *name; /* NULL: the certificate's */
    enum pkcs12_encryption encryption;
    int64_t version; /* 0: the one in use */
};

static void read_request(struct json_object *body, struct request *out, struct fields *errors)
{
    static const char *const names[] = {"password", "encryption", "name", "version", NULL};
    static const char *const encryptions[] = {
        [PKCS12_AES] = "aes", [PKCS12_LEGACY] = "legacy", NULL};
    struct members m = members_of_body(body, errors);
    members_only(&m, names);
    out->password = members_text(&m, "password", MEMBERS_REQUIRED, PKCS12_PASSWORD_MAX);
    out->name = members_text(&m, "name", MEMBERS_OPTIONAL, CHECK_NAME_MAX);
    if (out->name && !pkcs12_can_name(out->name))
        members_wrong(&m, "name", "holds a character above U+FFFF, which PKCS#12 cannot write");
    int choice = members_choice(&m, "encryption", MEMBERS_OPTIONAL, encryptions);
    out->encryption = choice < 0 ? PKCS12_AES : (enum pkcs12_encryption)choice;
    out->version = members_int(&m, "version", 1, INT32_MAX, 0);
}

static int make_file(const struct issued *issued, const struct request *request, struct buf *out,
                     struct err *e)
{
    const struct certificate *certificate = &issued->certificate;
    const struct version *version = &issued->version;
    struct key *key;
    if (!version->has_key)
        return err_set(e, ERR_CONFLICT,
                       "The key of \"%s\" is not here, since its CSR was the caller's; PKCS#12 is "
                       "nothing without it.",
                       certificate->name);
    if (issued_check_exportable(issued, e) < 0 ||
        version_open_key(issued->db, certificate->id, version->n, &key, e) < 0)
        return -1;
    int rc = pkcs12_make(key, version->leaf, version->chain, request->password, request->encryption,
                         request->name ? request->name : certificate->name, out, e);
    key_destroy(key);
    return rc;
}

static void answer(struct api *api, struct http_exchange *x, struct db *db,
                   const struct request *request)
{
    struct issued issued;
    struct buf file = {0};
    struct err e;
    if (issued_load(x, db, http_param(x, "name"), request->version, &issued, &e) < 0) {
        http_respond_error(x, &e, NULL, NULL);
        return;
    }
    if (make_file(&issued, request, &file, &e) < 0) {
        http_respond_error(x, &e, NULL, NULL);
    } else {
        char *disposition = mem_printf("attachment; filename=\"%s.pfx\"", issued.certificate.name);
        http_add_header(x, "Cache-Control", "no-store");
        http_add_header(x, "Content-Disposition", disposition);
        free(disposition);
        audit_disclose(api, x, "application/x-pkcs12", &file);
    }
    issued_finish(&issued);
}

/* A POST since the password has no place in a URL; it changes nothing. */
static void post_pkcs12(struct http_exchange *x, void *context)
{
    struct fields errors = {0};
    struct request request;
    struct json_object *body = call_body(x);
    if (!body)
        return;
    read_request(body, &request, &errors);
    struct db *db = call_refused(x, &errors) ? NULL : call_reader(context, x);
    if (db)
        answer(context, x, db, &request);
    body_destroy(body);
}

const struct http_route certificate_pkcs12_routes[] = {
    {HTTP_POST, "/certificates/{name}/pkcs12", post_pkcs12, 0,
     SCOPE_CERTIFICATES_READ | SCOPE_KEYS_READ},
    {0},
};

/* Bodies of API requests, and what each resource's reader makes of them. */
#include "acme/base/utf8.h"
#include "server/access/grant.h"
#include "server/api/body.h"
#include "server/api/canonical.h"
#include "server/api/check.h"
#include "server/api/spec_account.h"
#include "server/api/spec_authority.h"
#include "server/api/spec_certificate.h"
#include "server/api/spec_credential.h"
#include "server/api/spec_solver.h"
#include "server/api/spec_target.h"
#include "server/api/spec_token.h"
#include "store/token.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/rfc8259.h"

#include <json-c/json.h>

/* Texts that this service wrote are bodies too: what is normalized has to stay. */
static void check_canonical(const char *text)
{
    struct json_object *json = NULL;
    struct err e;
    must(body_parse(text, strlen(text), &json, &e) == 0, "canonical JSON can be read");
    char *again = canonical_json(json);
    must_equal(again, text, "canonical JSON stays");
    free(again);
    body_destroy(json);
}

/* Ends the complaints of a reader that returned rc. */
static bool accepted(int rc, struct fields *errors)
{
    must((rc == 0) == (errors->count == 0), "a reader fails if it complains, and only then");
    must(errors->count <= FIELDS_MAX, "complaints keep their cap");
    struct json_object *told = fields_json(errors);
    must(json_object_array_length(told) == errors->count, "complaints can be shown");
    json_object_put(told);
    fields_finish(errors);
    return rc == 0;
}

static void read_certificate(struct json_object *body, bool with_name)
{
    struct fields errors = {0};
    struct spec_certificate spec = {0};
    if (!accepted(spec_certificate_read(body, with_name, &errors, &spec), &errors))
        return;
    must(!spec.name || !check_name(spec.name), "a certificate's name is a resource's");
    must(spec.id_count > 0 && spec.id_count <= IDENTIFIER_MAX_COUNT, "a certificate has names");
    for (size_t i = 1; i < spec.id_count; i++)
        must(identifier_compare(&spec.ids[i - 1], &spec.ids[i]) < 0, "its names ascend");
    must(!spec.account || !spec.authority, "an account names its authority");
    char *normalized = spec_certificate_normalized(&spec);
    char *identifiers = spec_certificate_identifiers(&spec);
    char *challenge = spec_certificate_challenge(&spec);
    check_canonical(normalized);
    check_canonical(spec.labels);
    free(normalized);
    free(identifiers);
    free(challenge);
    spec_certificate_finish(&spec);
}

static void fingerprint(void *context, const void *data, size_t size,
                        char out[SPEC_FINGERPRINT_SIZE])
{
    (void)context;
    spec_sha256(data, size, out);
}

static void read_account(struct json_object *body)
{
    struct fields errors = {0};
    struct spec_account spec = {0};
    if (!accepted(spec_account_read(body, true, &errors, &spec), &errors))
        return;
    must(!spec.name || !check_name(spec.name), "an account's name is a resource's");
    char *normalized = spec_account_normalized(&spec, fingerprint, NULL);
    check_canonical(normalized);
    free(normalized);
    spec_account_finish(&spec);
}

static void read_authority(struct json_object *body)
{
    struct fields errors = {0};
    struct spec_authority spec = {0};
    if (!accepted(spec_authority_read(body, &errors, &spec), &errors))
        return;
    must(!check_url(spec.directory_url), "an authority's URL is one");
    spec_authority_finish(&spec);
}

static void read_credential(struct json_object *body)
{
    struct fields errors = {0};
    struct spec_credential spec = {0};
    if (!accepted(spec_credential_read(body, &errors, &spec), &errors))
        return;
    must(spec_credential_secrets_of(spec.type), "a credential's type is known");
    check_canonical(spec.settings);
    spec_credential_finish(&spec);
}

static void read_solver(struct json_object *body)
{
    struct fields errors = {0};
    struct spec_solver spec = {0};
    if (!accepted(spec_solver_read(body, &errors, &spec), &errors))
        return;
    check_canonical(spec.settings);
    must(!spec.credential || !check_name(spec.credential), "a credential is named");
    spec_solver_finish(&spec);
}

static void read_target(struct json_object *body)
{
    struct fields errors = {0};
    struct spec_target spec = {0};
    if (!accepted(spec_target_read(body, &errors, &spec), &errors))
        return;
    check_canonical(spec.settings);
    must(!spec.credential || !check_name(spec.credential), "a credential is named");
    spec_target_finish(&spec);
}

static void read_token(struct json_object *body)
{
    struct fields errors = {0};
    struct spec_token spec = {0};
    struct grant *grant;
    struct err e;
    uint32_t scopes;
    if (!accepted(spec_token_read(body, &errors, &spec), &errors))
        return;
    check_canonical(spec.restrictions);
    const struct token row = {.name = spec.name,
                              .scopes = spec.scope_names,
                              .restrictions = spec.restrictions,
                              .not_before = spec.not_before,
                              .expires_at = spec.expires_at};
    must(spec_token_restore(&row, &scopes, &grant, &e) == 0, "a stored token can be read");
    must(scopes == spec.scopes, "a stored token keeps its scopes");
    must(grant_covers(grant, spec.grant) && grant_covers(spec.grant, grant),
         "a stored token may do what it was made for");
    grant_release(grant);
    spec_token_finish(&spec);
}

static void read_patches(struct json_object *body)
{
    struct fields errors = {0};
    struct spec_certificate_patch patch = {0};
    struct spec_account_patch account = {0};
    if (accepted(spec_certificate_patch_read(body, &errors, &patch), &errors))
        spec_certificate_patch_finish(&patch);
    if (accepted(spec_account_patch_read(body, &errors, &account), &errors))
        spec_account_patch_finish(&account);
}

/* Refused is what RFC 8259 has not, and what we do not take of what it has; nothing else. */
static void check_verdict(const char *text, size_t size, const struct err *refusal)
{
    int deepest;
    bool is_json = utf8_is(text, size) && rfc8259_is(text, size, &deepest);
    if (!refusal) {
        must(is_json, "what is taken is JSON");
        must(deepest <= BODY_MAX_DEPTH, "what is taken keeps the cap on its depth");
        return;
    }
    must(refusal->code == ERR_MALFORMED || refusal->code == ERR_INVALID ||
             refusal->code == ERR_TOO_LARGE,
         "a bad body is told");
    /* json-c takes a scalar alone for the beginning of a longer one. */
    must(!is_json || deepest == 0 || deepest > BODY_MAX_DEPTH || refusal->code != ERR_MALFORMED ||
             strstr(refusal->detail, "twice"),
         "JSON is not called malformed");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct json_object *body = NULL;
    struct err e;
    int rc = body_parse((const char *)data, size, &body, &e);
    check_verdict((const char *)data, size, rc < 0 ? &e : NULL);
    if (rc < 0)
        return 0;
    char *before = canonical_json(body);
    check_canonical(before);
    read_certificate(body, true);
    read_certificate(body, false);
    read_account(body);
    read_authority(body);
    read_credential(body);
    read_solver(body);
    read_target(body);
    read_token(body);
    read_patches(body);
    char *after = canonical_json(body);
    must_equal(after, before, "readers leave the body alone");
    free(before);
    free(after);
    body_destroy(body);
    return 0;
}

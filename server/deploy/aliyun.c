#include "server/deploy/aliyun.h"

#include "acme/cert.h"
#include "acme/json.h"

#include <json.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

/* ---- settings ---- */

static bool region_is_clean(const char *region)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
    return *region && strlen(region) < 64 && region[strspn(region, allowed)] == '\0';
}

static bool region_has_endpoint(const struct aliyun_service *service, const char *region)
{
    if (service->regional)
        return true;
    for (size_t i = 0; service->regions && service->regions[i]; i++)
        if (!strcmp(service->regions[i], region))
            return true;
    return false;
}

static int endpoint_choose(const struct target_context *context,
                           const struct aliyun_service *service, char out[ALIYUN_ENDPOINT_SIZE],
                           struct err *e)
{
    const char *given = json_text_of(context->settings, "endpoint");
    const char *region = json_text_of(context->settings, "region");
    if (given && strlen(given) >= ALIYUN_ENDPOINT_SIZE)
        return err_set(e, ERR_INVALID, "the endpoint is too long");
    if (!given && region && !region_is_clean(region))
        return err_set(e, ERR_INVALID, "the region is none");
    if (!given && !region && service->regional)
        return err_set(e, ERR_INVALID, "the target needs a region, or an endpoint");
    if (given)
        snprintf(out, ALIYUN_ENDPOINT_SIZE, "%s", given);
    else if (region && region_has_endpoint(service, region))
        snprintf(out, ALIYUN_ENDPOINT_SIZE, "https://%s.%s.aliyuncs.com", service->name, region);
    else
        snprintf(out, ALIYUN_ENDPOINT_SIZE, "https://%s.aliyuncs.com", service->name);
    return 0;
}

int aliyun_open(const struct target_context *context, const struct aliyun_service *service,
                struct aliyun *out, struct err *e)
{
    struct aliyun a = {.http = context->http, .version = service->version};
    if (!context->credential)
        return err_set(e, ERR_INVALID, "the target needs a credential of type alibaba-cloud");
    if (alibaba_credential_read(context->credential, &a.credential, e) ||
        endpoint_choose(context, service, a.endpoint, e))
        return -1;
    *out = a;
    return 0;
}

/* ---- calls ---- */

int aliyun_call(const struct aliyun *a, const char *action,
                const struct alibaba_parameter *parameters, struct json_object **out,
                char code[ALIBABA_CODE_SIZE], struct err *e)
{
    const struct alibaba_request request = {
        .endpoint = a->endpoint,
        .action = action,
        .version = a->version,
        .parameters = parameters,
    };
    return alibaba_call(a->http, &a->credential, &request, out, code, e);
}

static bool contains_any(const char *text, const char *const *words)
{
    for (; *words; words++)
        if (strstr(text, *words))
            return true;
    return false;
}

bool aliyun_code_is_duplicate(const char *code)
{
    static const char *const words[] = {"Duplicate", "Repeat", "AlreadyExist", NULL};
    return contains_any(code, words);
}

bool aliyun_code_is_missing(const char *code)
{
    static const char *const words[] = {"NotFound", "NotExist", "NoExist", "NotFind", NULL};
    static const char *const others[] = {"AccessKey",  "InvalidAction", "InvalidVersion",
                                         "InvalidApi", "SecurityToken", NULL};
    return contains_any(code, words) && !contains_any(code, others);
}

bool aliyun_id_of(const struct json_object *object, const char *name, char out[ALIYUN_ID_SIZE])
{
    struct json_object *member = NULL;
    const char *text = json_object_object_get_ex(object, name, &member) && member
                           ? json_object_get_string(member)
                           : "";
    if (!*text || strlen(text) >= ALIYUN_ID_SIZE || text[strspn(text, "0123456789")])
        return false;
    snprintf(out, ALIYUN_ID_SIZE, "%s", text);
    return true;
}

void aliyun_fingerprint(const char *pem, char out[65])
{
    struct buf der = {0};
    struct err ignored;
    unsigned char digest[SHA256_DIGEST_LENGTH];
    out[0] = '\0';
    if (cert_to_der(pem, strlen(pem), &der, &ignored) == 0) {
        SHA256((const unsigned char *)der.data, der.size, digest);
        for (size_t i = 0; i < sizeof digest; i++)
            snprintf(out + 2 * i, 3, "%02x", digest[i]);
    }
    buf_finish(&der);
}

/* ---- what is uploaded ---- */

int aliyun_material_read(const struct target_certificate *certificate, struct aliyun_material *out,
                         struct err *e)
{
    struct aliyun_material material = {0};
    buf_add_string(&material.fullchain, certificate->leaf);
    buf_add_string(&material.fullchain, certificate->chain);
    if (key_to_pem(certificate->key, &material.key, e)) {
        aliyun_material_finish(&material);
        return -1;
    }
    *out = material;
    return 0;
}

void aliyun_material_finish(struct aliyun_material *material)
{
    buf_finish(&material->fullchain);
    buf_finish_secret(&material->key);
}

/* ---- the state ---- */

void aliyun_set_text(struct json_object *object, const char *name, const char *value)
{
    json_object_object_add(object, name, json_object_new_string(value));
}

enum { MARK_SIZE = 2 * SHA256_DIGEST_LENGTH + 1 };

/* A digest, since an access key's id is not for the state. */
static void mark_make(const struct target_context *context, const struct aliyun *a,
                      char out[MARK_SIZE])
{
    const char *group = json_text_of(context->settings, "group_id");
    unsigned char digest[SHA256_DIGEST_LENGTH];
    struct buf text = {0};
    buf_printf(&text, "%s\n%s\n%s\n%s", context->job ? context->job : "", a->endpoint,
               a->credential.access_key_id, group ? group : "");
    SHA256((const unsigned char *)text.data, text.size, digest);
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
    buf_finish(&text);
}

bool aliyun_state_is_current(const struct target_context *context, const struct aliyun *a,
                             const struct target_work *work)
{
    char mark[MARK_SIZE];
    const char *made_for = json_text_of(work->state, "mark");
    mark_make(context, a, mark);
    const char *fingerprint = json_text_of(work->state, "fingerprint");
    const char *phase = json_text_of(work->state, "phase");
    return fingerprint && made_for && phase && strcmp(phase, "done") != 0 &&
           !strcmp(fingerprint, work->certificate->fingerprint) && !strcmp(made_for, mark);
}

void aliyun_state_begin(const struct target_context *context, const struct aliyun *a,
                        struct target_work *work, const char *phase)
{
    char mark[MARK_SIZE];
    mark_make(context, a, mark);
    struct json_object *uploads = json_object_get(json_array_of(work->state, "uploads"));
    struct json_object_iterator it = json_object_iter_begin(work->state);
    struct json_object_iterator end = json_object_iter_end(work->state);
    while (!json_object_iter_equal(&it, &end)) {
        json_object_object_del(work->state, json_object_iter_peek_name(&it));
        it = json_object_iter_begin(work->state);
    }
    aliyun_set_text(work->state, "fingerprint", work->certificate->fingerprint);
    aliyun_set_text(work->state, "mark", mark);
    aliyun_set_text(work->state, "phase", phase);
    if (uploads)
        json_object_object_add(work->state, "uploads", uploads);
}

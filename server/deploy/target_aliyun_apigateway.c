/* Alibaba Cloud API Gateway (CloudAPI 2016-07-14): the certificate of a domain of an API group. */
#include "acme/json.h"
#include "server/deploy/aliyun_bind.h"

#include <json.h>
#include <stdio.h>
#include <string.h>

/* The rules for a certificate's name are not written down; such a name satisfies those for the
   gateway's other names: letters, digits and underscores, 50 at most. */
enum { GATEWAY_NAME_MAX = 50 };

static int group_of(const struct target_context *context, const char **out, struct err *e)
{
    const char *group = json_text_of(context->settings, "group_id");
    if (!group || !*group)
        return err_set(e, ERR_INVALID, "the target needs a group_id: which API group serves it");
    *out = group;
    return 0;
}

/* Turns the service's refusal into what is to be done about it. Returns -1. */
static int refusal_explain(const char *group, const char *domain, const char *code, struct err *e)
{
    struct err refused = *e;
    if (!aliyun_code_is_missing(code))
        return -1;
    if (!domain || strstr(code, "Group"))
        return err_set(e, ERR_TARGET_MISSING,
                       "there is no API group %.64s in this account and region: create it, or "
                       "correct the target's group_id and region; %s",
                       group, refused.detail);
    return err_set(e, ERR_TARGET_MISSING,
                   "the domain %s is not bound to the API group %.64s: bind it first, with a CNAME "
                   "to the group's own domain, or list the target's domains; %s",
                   domain, group, refused.detail);
}

static int gateway_read(const struct target_context *context, const struct aliyun *a,
                        const char *domain, struct aliyun_shown *out, struct err *e)
{
    const char *group = NULL;
    char code[ALIBABA_CODE_SIZE];
    struct json_object *answer = NULL;
    if (group_of(context, &group, e))
        return -1;
    const struct alibaba_parameter parameters[] = {
        {"GroupId", group, false},
        {"DomainName", domain, false},
        {NULL, NULL, false},
    };
    if (aliyun_call(a, "DescribeDomain", parameters, &answer, code, e))
        return refusal_explain(group, domain, code, e);
    const char *name = json_text_of(answer, "CertificateName");
    const char *pem = json_text_of(answer, "CertificateBody");
    snprintf(out->name, sizeof out->name, "%s", name ? name : "");
    out->on = *out->name || (pem && *pem);
    if (pem)
        aliyun_fingerprint(pem, out->fingerprint);
    json_object_put(answer);
    return 0;
}

static int gateway_set(const struct target_context *context, const struct aliyun *a,
                       const char *domain, const char *name, const struct aliyun_material *material,
                       char code[ALIBABA_CODE_SIZE], struct err *e)
{
    const char *group = NULL;
    struct json_object *answer = NULL;
    if (group_of(context, &group, e))
        return -1;
    const struct alibaba_parameter parameters[] = {
        {"GroupId", group, false},
        {"DomainName", domain, false},
        {"CertificateName", name, false},
        {"CertificateBody", buf_string(&material->fullchain), true},
        {"CertificatePrivateKey", buf_string(&material->key), true},
        {NULL, NULL, false},
    };
    if (aliyun_call(a, "SetDomainCertificate", parameters, &answer, code, e))
        return refusal_explain(group, domain, code, e);
    json_object_put(answer);
    return 0;
}

static int gateway_probe(const struct target_context *context, const struct aliyun *a,
                         struct err *e)
{
    const char *group = NULL;
    char code[ALIBABA_CODE_SIZE];
    struct json_object *answer = NULL;
    if (group_of(context, &group, e))
        return -1;
    const struct alibaba_parameter parameters[] = {
        {"GroupId", group, false},
        {NULL, NULL, false},
    };
    if (aliyun_call(a, "DescribeApiGroup", parameters, &answer, code, e))
        return refusal_explain(group, NULL, code, e);
    json_object_put(answer);
    return 0;
}

static const struct aliyun_binding gateway_binding = {
    .service = {.name = "apigateway", .version = "2016-07-14", .regional = true},
    .name_max = GATEWAY_NAME_MAX,
    .separator = '_',
    .read = gateway_read,
    .set = gateway_set,
    .probe = gateway_probe,
};

static int gateway_step(const struct target_context *context, struct target_work *work,
                        struct err *e)
{
    const char *group = NULL;
    if (group_of(context, &group, e))
        return -1;
    return aliyun_bind_step(&gateway_binding, context, work, e);
}

static int gateway_test(const struct target_context *context,
                        const struct target_certificate *certificate,
                        char message[TARGET_MESSAGE_SIZE], struct err *e)
{
    return aliyun_bind_test(&gateway_binding, context, certificate, message, e);
}

const struct target_type target_aliyun_apigateway = {
    .name = "aliyun-apigateway",
    .credential_type = "alibaba-cloud",
    .credential_required = true,
    .needs_key = true,
    .cloud = true,
    .step = gateway_step,
    .test = gateway_test,
};

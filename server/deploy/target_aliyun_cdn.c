/* Alibaba Cloud CDN (Cdn 2018-05-10) and DCDN (dcdn 2018-01-15): the same calls by other names. */
#include "acme/json.h"
#include "server/deploy/aliyun_bind.h"

#include <json.h>
#include <stdio.h>
#include <string.h>

enum { DOMAIN_SIZE = 256, CAS_NAME_MAX = 63 };

struct cdn_names {
    const char *title;
    const char *read, *set, *list;
};

static const struct cdn_names cdn_names = {
    .title = "the CDN",
    .read = "DescribeDomainCertificateInfo",
    .set = "SetCdnDomainSSLCertificate",
    .list = "DescribeUserDomains",
};

static const struct cdn_names dcdn_names = {
    .title = "DCDN",
    .read = "DescribeDcdnDomainCertificateInfo",
    .set = "SetDcdnDomainSSLCertificate",
    .list = "DescribeDcdnUserDomains",
};

/* A wildcard is ".example.com" there. */
static void domain_there(const char *domain, char out[DOMAIN_SIZE])
{
    snprintf(out, DOMAIN_SIZE, "%s", domain[0] == '*' && domain[1] == '.' ? domain + 1 : domain);
}

static bool code_says_no_domain(const char *code)
{
    return aliyun_code_is_missing(code) || !strcmp(code, "InvalidDomain.notOnline") ||
           !strcmp(code, "InvalidDomain.Offline") || !strcmp(code, "IllegalOperationDomain");
}

/* Turns the service's refusal into what is to be done about it. Returns -1. */
static int refusal_explain(const struct cdn_names *names, const char *domain, const char *code,
                           struct err *e)
{
    struct err refused = *e;
    if (!code_says_no_domain(code))
        return -1;
    return err_set(e, ERR_TARGET_MISSING,
                   "%s does not serve the domain %s in this account: add it there and wait until "
                   "it is online, or list the target's domains; %s",
                   names->title, domain, refused.detail);
}

/* The entry about the domain in {"CertInfos": {"CertInfo": [{…}]}}. */
static const struct json_object *entry_of(const struct json_object *answer, const char *domain)
{
    struct json_object *infos = json_object_of(answer, "CertInfos");
    struct json_object *list = infos ? json_array_of(infos, "CertInfo") : NULL;
    for (size_t i = 0; list && i < json_object_array_length(list); i++) {
        const struct json_object *entry = json_object_array_get_idx(list, i);
        const char *name = json_text_of(entry, "DomainName");
        if (!name || !strcasecmp(name, domain))
            return entry;
    }
    return NULL;
}

/* DCDN says SSLProtocol where CDN says ServerCertificateStatus, and SSLPub for the certificate. */
static void entry_read(const struct json_object *entry, struct aliyun_shown *out)
{
    const char *name = json_text_of(entry, "CertName");
    const char *status = json_text_of(entry, "ServerCertificateStatus");
    const char *pem = json_text_of(entry, "ServerCertificate");
    if (!status)
        status = json_text_of(entry, "SSLProtocol");
    if (!pem)
        pem = json_text_of(entry, "SSLPub");
    snprintf(out->name, sizeof out->name, "%s", name ? name : "");
    out->on = status && !strcmp(status, "on");
    if (pem)
        aliyun_fingerprint(pem, out->fingerprint);
}

static int names_read(const struct cdn_names *names, const struct aliyun *a, const char *domain,
                      struct aliyun_shown *out, struct err *e)
{
    char there[DOMAIN_SIZE], code[ALIBABA_CODE_SIZE];
    struct json_object *answer = NULL;
    domain_there(domain, there);
    const struct alibaba_parameter parameters[] = {
        {"DomainName", there, false},
        {NULL, NULL, false},
    };
    if (aliyun_call(a, names->read, parameters, &answer, code, e))
        return refusal_explain(names, there, code, e);
    const struct json_object *entry = entry_of(answer, there);
    if (entry)
        entry_read(entry, out);
    json_object_put(answer);
    return 0;
}

static int names_set(const struct cdn_names *names, const struct aliyun *a, const char *domain,
                     const char *name, const struct aliyun_material *material,
                     char code[ALIBABA_CODE_SIZE], struct err *e)
{
    char there[DOMAIN_SIZE];
    struct json_object *answer = NULL;
    domain_there(domain, there);
    const struct alibaba_parameter parameters[] = {
        {"DomainName", there, false},
        {"CertName", name, false},
        {"CertType", "upload", false},
        {"SSLProtocol", "on", false},
        {"SSLPub", buf_string(&material->fullchain), true},
        {"SSLPri", buf_string(&material->key), true},
        {NULL, NULL, false},
    };
    if (aliyun_call(a, names->set, parameters, &answer, code, e))
        return refusal_explain(names, there, code, e);
    json_object_put(answer);
    return 0;
}

static int names_probe(const struct cdn_names *names, const struct aliyun *a, struct err *e)
{
    static const struct alibaba_parameter parameters[] = {
        {"PageSize", "1", false},
        {"PageNumber", "1", false},
        {NULL, NULL, false},
    };
    char code[ALIBABA_CODE_SIZE];
    struct json_object *answer = NULL;
    if (aliyun_call(a, names->list, parameters, &answer, code, e))
        return -1;
    json_object_put(answer);
    return 0;
}

/* ---- the two types ---- */

static int cdn_read(const struct target_context *context, const struct aliyun *a,
                    const char *domain, struct aliyun_shown *out, struct err *e)
{
    (void)context;
    return names_read(&cdn_names, a, domain, out, e);
}

static int cdn_set(const struct target_context *context, const struct aliyun *a, const char *domain,
                   const char *name, const struct aliyun_material *material,
                   char code[ALIBABA_CODE_SIZE], struct err *e)
{
    (void)context;
    return names_set(&cdn_names, a, domain, name, material, code, e);
}

static int cdn_probe(const struct target_context *context, const struct aliyun *a, struct err *e)
{
    (void)context;
    return names_probe(&cdn_names, a, e);
}

static int dcdn_read(const struct target_context *context, const struct aliyun *a,
                     const char *domain, struct aliyun_shown *out, struct err *e)
{
    (void)context;
    return names_read(&dcdn_names, a, domain, out, e);
}

static int dcdn_set(const struct target_context *context, const struct aliyun *a,
                    const char *domain, const char *name, const struct aliyun_material *material,
                    char code[ALIBABA_CODE_SIZE], struct err *e)
{
    (void)context;
    return names_set(&dcdn_names, a, domain, name, material, code, e);
}

static int dcdn_probe(const struct target_context *context, const struct aliyun *a, struct err *e)
{
    (void)context;
    return names_probe(&dcdn_names, a, e);
}

/* What is uploaded is filed in the certificate service, whose names are shorter than the CDN's. */
static const struct aliyun_binding cdn_binding = {
    .service = {.name = "cdn", .version = "2018-05-10"},
    .name_max = CAS_NAME_MAX,
    .separator = '-',
    .read = cdn_read,
    .set = cdn_set,
    .probe = cdn_probe,
};

static const struct aliyun_binding dcdn_binding = {
    .service = {.name = "dcdn", .version = "2018-01-15"},
    .name_max = CAS_NAME_MAX,
    .separator = '-',
    .read = dcdn_read,
    .set = dcdn_set,
    .probe = dcdn_probe,
};

static int cdn_step(const struct target_context *context, struct target_work *work, struct err *e)
{
    return aliyun_bind_step(&cdn_binding, context, work, e);
}

static int cdn_test(const struct target_context *context,
                    const struct target_certificate *certificate, char message[TARGET_MESSAGE_SIZE],
                    struct err *e)
{
    return aliyun_bind_test(&cdn_binding, context, certificate, message, e);
}

static int dcdn_step(const struct target_context *context, struct target_work *work, struct err *e)
{
    return aliyun_bind_step(&dcdn_binding, context, work, e);
}

static int dcdn_test(const struct target_context *context,
                     const struct target_certificate *certificate,
                     char message[TARGET_MESSAGE_SIZE], struct err *e)
{
    return aliyun_bind_test(&dcdn_binding, context, certificate, message, e);
}

const struct target_type target_aliyun_cdn = {
    .name = "aliyun-cdn",
    .credential_type = "alibaba-cloud",
    .credential_required = true,
    .needs_key = true,
    .cloud = true,
    .step = cdn_step,
    .test = cdn_test,
};

const struct target_type target_aliyun_dcdn = {
    .name = "aliyun-dcdn",
    .credential_type = "alibaba-cloud",
    .credential_required = true,
    .needs_key = true,
    .cloud = true,
    .step = dcdn_step,
    .test = dcdn_test,
};

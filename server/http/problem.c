#include "server/http/problem.h"

#include "acme/base/memory.h"

#include <assert.h>
#include <json-c/json.h>
#include <stdlib.h>

static const short statuses[ERR_COUNT] = {
    /* Nothing that is answered has this code; it is here so that none is missing. */
    [ERR_NONE] = 500,

    [ERR_INTERNAL] = 500,
    [ERR_CRYPTO] = 500,
    [ERR_IO] = 500,
    [ERR_STORE] = 503,
    [ERR_STORE_FULL] = 507,
    [ERR_STORE_STALE] = 409,
    [ERR_SEAL] = 500,
    [ERR_BUSY] = 503,
    [ERR_SHUTDOWN] = 503,
    [ERR_CONFIG] = 500,

    [ERR_MALFORMED] = 400,
    [ERR_INVALID] = 422,
    [ERR_UNAUTHENTICATED] = 401,
    [ERR_FORBIDDEN] = 403,
    [ERR_HOST_REFUSED] = 421,
    [ERR_NOT_FOUND] = 404,
    [ERR_METHOD] = 405,
    [ERR_NOT_ACCEPTABLE] = 406,
    [ERR_MEDIA_TYPE] = 415,
    [ERR_TOO_LARGE] = 413,
    [ERR_NAME_TAKEN] = 409,
    [ERR_IN_USE] = 409,
    [ERR_CONFLICT] = 409,
    [ERR_ACCOUNT_UNUSABLE] = 409,
    [ERR_PRECONDITION] = 412,
    [ERR_MANAGED] = 409,

    [ERR_KEY_INVALID] = 422,
    [ERR_KEY_UNSUPPORTED] = 422,
    [ERR_KEY_REUSED] = 422,
    [ERR_CSR_INVALID] = 422,
    [ERR_CERT_INVALID] = 422,
    [ERR_CERT_KEY_MISMATCH] = 422,
    [ERR_CERT_NAMES_MISMATCH] = 422,
    [ERR_CERT_VALIDITY] = 422,

    /* What lies behind this service failed, so it answers as a gateway does. */
    [ERR_CA_UNREACHABLE] = 502,
    [ERR_CA_TLS] = 502,
    [ERR_CA_TIMEOUT] = 504,
    [ERR_CA_PROTOCOL] = 502,
    [ERR_CA_ACCOUNT_MISSING] = 502,
    [ERR_CA_ALREADY_REPLACED] = 502,
    [ERR_CA_ALREADY_REVOKED] = 502,
    [ERR_CA_BAD_CSR] = 502,
    [ERR_CA_BAD_NONCE] = 502,
    [ERR_CA_BAD_PUBLIC_KEY] = 502,
    [ERR_CA_BAD_REVOCATION_REASON] = 502,
    [ERR_CA_BAD_SIGNATURE_ALGORITHM] = 502,
    [ERR_CA_CAA] = 502,
    [ERR_CA_COMPOUND] = 502,
    [ERR_CA_CONFLICT] = 502,
    [ERR_CA_CONNECTION] = 502,
    [ERR_CA_DNS] = 502,
    [ERR_CA_EAB_REQUIRED] = 502,
    [ERR_CA_INCORRECT_RESPONSE] = 502,
    [ERR_CA_INVALID_CONTACT] = 502,
    [ERR_CA_INVALID_PROFILE] = 502,
    [ERR_CA_MALFORMED] = 502,
    [ERR_CA_ORDER_NOT_READY] = 502,
    [ERR_CA_PAUSED] = 503,
    [ERR_CA_RATE_LIMITED] = 503,
    [ERR_CA_REJECTED_IDENTIFIER] = 502,
    [ERR_CA_SERVER_INTERNAL] = 502,
    [ERR_CA_VALIDATION_TLS] = 502,
    [ERR_CA_UNAUTHORIZED] = 502,
    [ERR_CA_UNSUPPORTED_CONTACT] = 502,
    [ERR_CA_UNSUPPORTED_IDENTIFIER] = 502,
    [ERR_CA_USER_ACTION_REQUIRED] = 502,
    [ERR_CA_OTHER] = 502,

    [ERR_ORDER_INVALID] = 502,
    [ERR_ORDER_EXPIRED] = 502,
    [ERR_NO_CHALLENGE] = 502,

    [ERR_SOLVER_MISSING] = 422,
    [ERR_SOLVER_FAILED] = 502,
    [ERR_PROVIDER_REFUSED] = 502,
    [ERR_PROVIDER_UNREACHABLE] = 502,
    [ERR_OUTGOING_REFUSED] = 422,
    [ERR_TARGET_MISSING] = 502,
    [ERR_TARGET_UNTRUSTED] = 422,
    [ERR_TARGET_MISMATCH] = 502,
    [ERR_TARGET_FILES] = 500,
    [ERR_TARGET_RELOAD] = 502,
    [ERR_COMMAND_FAILED] = 502,
    [ERR_DNS_NO_ZONE] = 502,
    [ERR_DNS_NXDOMAIN] = 502,
    [ERR_DNS_SERVFAIL] = 502,
    [ERR_DNS_TIMEOUT] = 504,
    [ERR_DNS_NOT_PROPAGATED] = 504,

    [ERR_JOB_CANCELLED] = 409,
    [ERR_JOB_GAVE_UP] = 504,
    [ERR_JOB_WAITS_FOR_PERSON] = 409,
};

int problem_status(enum err_code code)
{
    assert(code >= ERR_NONE && code < ERR_COUNT && statuses[code]);
    return statuses[code];
}

bool problem_is_internal(enum err_code code)
{
    return code == ERR_INTERNAL || code == ERR_CRYPTO || code == ERR_IO || code == ERR_STORE ||
           code == ERR_STORE_STALE || code == ERR_SEAL;
}

static void add_text(struct json_object *object, const char *name, const char *text)
{
    json_object_object_add(object, name, json_object_new_string(text));
}

struct json_object *problem_json(const struct err *e, const char *acme_document)
{
    const struct err_info *info = err_info(e->code);
    char *type = mem_printf("urn:certwright:problem:%s", info->name);
    struct json_object *json = json_object_new_object();
    add_text(json, "type", type);
    add_text(json, "title", info->title);
    add_text(json, "detail",
             problem_is_internal(e->code) ? "The log of the service has the details." : e->detail);
    add_text(json, "code", info->name);
    json_object_object_add(json, "retryable", json_object_new_boolean(info->retryable));
    if (info->hint)
        add_text(json, "hint", info->hint);
    struct json_object *acme = acme_document ? json_tokener_parse(acme_document) : NULL;
    if (json_object_is_type(acme, json_type_object))
        json_object_object_add(json, "acme", acme);
    else
        json_object_put(acme);
    free(type);
    return json;
}

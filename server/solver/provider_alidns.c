/*
 * Alibaba Cloud DNS (Alidns 2015-01-09). A record is known by its RecordId, and found again by its
 * name and value where the id was lost with an answer.
 */
#include "acme/base/memory.h"
#include "acme/json.h"
#include "server/outside/alibaba.h"
#include "server/solver/provider.h"

#include <json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RECORD_ID_SIZE = 64, PAGE_SIZE = 500, PAGES_MAX = 20 };

/* One account, ready to be called. */
struct alidns {
    struct acme_http *http;
    struct alibaba_credential credential;
    const char *endpoint;
    const char *region; /* NULL: the service's default */
};

static int alidns_open(const struct solver_context *context, struct alidns *out, struct err *e)
{
    struct alidns a = {
        .http = context->http,
        .endpoint = json_text_of(context->settings, "endpoint"),
        .region = json_text_of(context->settings, "region"),
    };
    if (!a.endpoint)
        a.endpoint = "https://alidns.aliyuncs.com";
    if (!context->credential)
        return err_set(e, ERR_INVALID, "an alidns solver needs an alibaba-cloud credential");
    if (alibaba_credential_read(context->credential, &a.credential, e))
        return -1;
    *out = a;
    return 0;
}

static int alidns_call(const struct alidns *a, const char *action,
                       const struct alibaba_parameter *parameters, struct json_object **out,
                       char code[ALIBABA_CODE_SIZE], struct err *e)
{
    const struct alibaba_request request = {
        .endpoint = a->endpoint,
        .action = action,
        .version = "2015-01-09",
        .parameters = parameters,
    };
    return alibaba_call(a->http, &a->credential, &request, out, code, e);
}

/* The name below the zone: "@" for the zone itself. */
static char *record_rr(const struct solver_record *record)
{
    size_t fqdn = strlen(record->fqdn), zone = strlen(record->zone);
    return fqdn == zone ? mem_strdup("@") : mem_strndup(record->fqdn, fqdn - zone - 1);
}

static bool id_is_clean(const char *id)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                  "0123456789-_";
    return id && *id && strlen(id) < RECORD_ID_SIZE && id[strspn(id, allowed)] == '\0';
}

/* Looks through one page for the record; exactly, since the service's filters are not. */
static const char *page_search(const struct json_object *page, const char *rr, const char *value)
{
    struct json_object *records = json_object_of(page, "DomainRecords");
    struct json_object *list = records ? json_array_of(records, "Record") : NULL;
    for (size_t i = 0; list && i < json_object_array_length(list); i++) {
        struct json_object *item = json_object_array_get_idx(list, i);
        const char *item_rr = json_text_of(item, "RR"), *type = json_text_of(item, "Type");
        const char *item_value = json_text_of(item, "Value"), *id = json_text_of(item, "RecordId");
        if (item_rr && type && item_value && id_is_clean(id) && strcmp(item_rr, rr) == 0 &&
            strcmp(type, "TXT") == 0 && strcmp(item_value, value) == 0)
            return id;
    }
    return NULL;
}

static size_t page_length(const struct json_object *page)
{
    struct json_object *records = json_object_of(page, "DomainRecords");
    struct json_object *list = records ? json_array_of(records, "Record") : NULL;
    return list ? json_object_array_length(list) : 0;
}

/* The record's id, or "" if there is none of that name and value. */
static int record_find(const struct alidns *a, const struct solver_record *record,
                       char id[RECORD_ID_SIZE], struct err *e)
{
    char *rr = record_rr(record), size[16], number[16], code[ALIBABA_CODE_SIZE];
    char found_id[RECORD_ID_SIZE] = "";
    bool more = true;
    int rc = 0;
    snprintf(size, sizeof size, "%d", PAGE_SIZE);
    for (int page = 1; rc == 0 && more && page <= PAGES_MAX; page++) {
        snprintf(number, sizeof number, "%d", page);
        const struct alibaba_parameter parameters[] = {
            {"SubDomain", record->fqdn, false},
            {"DomainName", record->zone, false},
            {"Type", "TXT", false},
            {"PageSize", size, false},
            {"PageNumber", number, false},
            {"RegionId", a->region, false},
            {NULL, NULL, false},
        };
        struct json_object *answer = NULL;
        rc = alidns_call(a, "DescribeSubDomainRecords", parameters, &answer, code, e);
        if (rc)
            break;
        const char *found = page_search(answer, rr, record->value);
        if (found)
            snprintf(found_id, sizeof found_id, "%s", found);
        more = !found && page_length(answer) == PAGE_SIZE;
        json_object_put(answer);
    }
    free(rr);
    if (rc == 0)
        memcpy(id, found_id, sizeof found_id);
    return rc;
}

static int record_add(const struct alidns *a, const struct solver_record *record,
                      char id[RECORD_ID_SIZE], char code[ALIBABA_CODE_SIZE], struct err *e)
{
    char ttl[16], *rr = record_rr(record);
    snprintf(ttl, sizeof ttl, "%d",
             record->ttl_seconds > 0 ? record->ttl_seconds : SOLVER_DEFAULT_TTL_SECONDS);
    const struct alibaba_parameter parameters[] = {
        {"DomainName", record->zone, false},
        {"RR", rr, false},
        {"Type", "TXT", false},
        {"Value", record->value, false},
        {"TTL", ttl, false},
        {"RegionId", a->region, false},
        {NULL, NULL, false},
    };
    struct json_object *answer = NULL;
    int rc = alidns_call(a, "AddDomainRecord", parameters, &answer, code, e);
    free(rr);
    if (rc)
        return -1;
    const char *new_id = json_text_of(answer, "RecordId");
    snprintf(id, RECORD_ID_SIZE, "%s", id_is_clean(new_id) ? new_id : "");
    json_object_put(answer);
    return 0;
}

static int alidns_present(const struct solver_context *context, const struct solver_record *record,
                          struct buf *state, struct err *e)
{
    struct alidns a;
    char id[RECORD_ID_SIZE] = "", code[ALIBABA_CODE_SIZE];
    struct err refused = {0};
    if (alidns_open(context, &a, e))
        return -1;
    if (record_add(&a, record, id, code, &refused)) {
        /* it is there: from an attempt whose answer was lost */
        bool duplicate = strcmp(code, "DomainRecordDuplicate") == 0;
        if (!duplicate)
            *e = refused;
        if (!duplicate || record_find(&a, record, id, e))
            return -1;
    }
    buf_add_string(state, id);
    return 0;
}

static int record_delete(const struct alidns *a, const char *id, struct err *e)
{
    const struct alibaba_parameter parameters[] = {
        {"RecordId", id, false},
        {"RegionId", a->region, false},
        {NULL, NULL, false},
    };
    struct json_object *answer = NULL;
    char code[ALIBABA_CODE_SIZE];
    int rc = alidns_call(a, "DeleteDomainRecord", parameters, &answer, code, e);
    json_object_put(answer);
    if (rc && strcmp(code, "DomainRecordNotBelongToUser") == 0)
        return 0; /* so the service calls an id that is gone */
    return rc;
}

static int alidns_cleanup(const struct solver_context *context, const struct solver_record *record,
                          const char *state, struct err *e)
{
    struct alidns a;
    char id[RECORD_ID_SIZE];
    if (alidns_open(context, &a, e))
        return -1;
    if (id_is_clean(state))
        return record_delete(&a, state, e);
    if (record_find(&a, record, id, e))
        return -1;
    return *id ? record_delete(&a, id, e) : 0;
}

/* Reads the zone's records: a wrong credential, missing rights and a foreign zone all show. */
static int alidns_test(const struct solver_context *context, const char *zone, struct err *e)
{
    struct alidns a;
    struct json_object *answer = NULL;
    char code[ALIBABA_CODE_SIZE];
    if (alidns_open(context, &a, e))
        return -1;
    const struct alibaba_parameter parameters[] = {
        {"DomainName", zone, false},
        {"PageSize", "1", false},
        {"RegionId", a.region, false},
        {NULL, NULL, false},
    };
    if (alidns_call(&a, "DescribeDomainRecords", parameters, &answer, code, e))
        return -1;
    json_object_put(answer);
    return 0;
}

const struct solver_provider provider_alidns = {
    .name = "alidns",
    .credential_type = "alibaba-cloud",
    .credential_required = true,
    .needs_zone = true,
    .present = alidns_present,
    .cleanup = alidns_cleanup,
    .test = alidns_test,
};

#include "server/solver/solver.h"

#include "acme/json.h"
#include "server/solver/dns_message.h"
#include "server/solver/provider.h"

#include <json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct solver_provider *const providers[] = {
    &provider_alidns,
    &provider_exec,
    &provider_httpreq,
    &provider_manual,
};

const struct solver_provider *solver_provider_at(size_t i)
{
    return i < sizeof providers / sizeof *providers ? providers[i] : NULL;
}

const struct solver_provider *solver_provider_by_name(const char *name)
{
    const struct solver_provider *provider;
    for (size_t i = 0; (provider = solver_provider_at(i)); i++)
        if (strcmp(provider->name, name) == 0)
            return provider;
    return NULL;
}

/* ---- the providers' functions behind shared checks ---- */

/* Base64url, or what dns-persist-01 says; none of it is escaped in JSON, or between a zone file's
   quotes. */
static bool value_is_clean(const char *value)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                "0123456789._*-";
    static const char tagged[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                 "0123456789._*- ;:/=?&%~+@,";
    const char *allowed = strstr(value, "; accounturi=") ? tagged : plain;
    return *value && strlen(value) <= SOLVER_VALUE_MAX && value[strspn(value, allowed)] == '\0';
}

static int record_check(const struct solver_provider *provider,
                        const struct solver_context *context, const struct solver_record *record,
                        struct err *e)
{
    char clean[DNS_NAME_SIZE];
    if (!dns_name_read(record->fqdn, clean) || strcmp(clean, record->fqdn) != 0)
        return err_set(e, ERR_INVALID, "the record's name is none that a solver may be given");
    if (!value_is_clean(record->value))
        return err_set(e, ERR_INVALID, "the record's value is none of a challenge");
    if (!record->zone[0] && provider->needs_zone)
        return err_set(e, ERR_DNS_NO_ZONE, "the zone of %s is not known, and %s needs it",
                       record->fqdn, provider->name);
    if (record->zone[0] && !dns_name_within(record->fqdn, record->zone))
        return err_set(e, ERR_DNS_NO_ZONE, "%s is not in the zone %s", record->fqdn, record->zone);
    if (provider->credential_required && !context->credential)
        return err_set(e, ERR_INVALID, "a solver of type %s needs a credential of type %s",
                       provider->name, provider->credential_type);
    return 0;
}

int solver_present(const struct solver_provider *provider, const struct solver_context *context,
                   const struct solver_record *record, struct buf *state, struct err *e)
{
    struct buf own = {0};
    int rc = -1;
    if (record_check(provider, context, record, e) == 0)
        rc = provider->present(context, record, &own, e);
    if (rc == 0 && own.size)
        buf_add(state, own.data, own.size);
    buf_finish(&own);
    return rc;
}

int solver_cleanup(const struct solver_provider *provider, const struct solver_context *context,
                   const struct solver_record *record, const char *state, struct err *e)
{
    if (record_check(provider, context, record, e))
        return -1;
    return provider->cleanup(context, record, state, e);
}

/* ---- settings ---- */

static size_t zone_match(const char *zone, const char *name)
{
    char zone_name[DNS_NAME_SIZE], full[DNS_NAME_SIZE];
    if (!dns_name_read(zone, zone_name) || !dns_name_read(name, full) ||
        !dns_name_within(full, zone_name))
        return 0;
    return strlen(zone_name);
}

const char *solver_zone_for(struct json_object *settings, const char *name)
{
    const char *best = NULL;
    size_t best_length = 0;
    struct json_object *zones = json_array_of(settings, "zones");
    for (size_t i = 0; zones && i < json_object_array_length(zones); i++) {
        const char *zone = json_object_get_string(json_object_array_get_idx(zones, i));
        size_t length = zone ? zone_match(zone, name) : 0;
        if (length > best_length) {
            best = zone;
            best_length = length;
        }
    }
    return best;
}

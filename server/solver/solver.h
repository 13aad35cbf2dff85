/*
 * dns-01: placing and removing TXT records at DNS providers (RFC 8555 section 8.4).
 *
 * A provider is a const struct in a static array. Its functions block (bounded by the limits of
 * struct acme_http and of the command helper), so workers call them, never HTTP threads.
 *
 * Settings are the solver resource's JSON without its secrets, the credential is the opened
 * resource it refers to:
 *   all      {"type", "zones"?: [...], "ttl_seconds"?: 600, "propagation_timeout_seconds"?: 300,
 *             "propagation"?: true}; type is the provider's name
 *   exec     {"command": NAME}
 *   httpreq  {"endpoint": URL, "credential"?: "basic" {"username", "password"}}
 *   manual   {}
 *   alidns   {"endpoint"?: URL, "region"?, "credential": "alibaba-cloud" {"access_key_id",
 *             "access_key_secret", "security_token"?}}
 */
#ifndef CERTWRIGHT_SERVER_SOLVER_SOLVER_H
#define CERTWRIGHT_SERVER_SOLVER_SOLVER_H

#include "acme/base/buffer.h"
#include "acme/base/error.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct acme_http;
struct commands;
struct json_object;

enum {
    SOLVER_DEFAULT_TTL_SECONDS = 600,
    SOLVER_VALUE_MAX = 512,
    SOLVER_DEFAULT_PROPAGATION_TIMEOUT_SECONDS = 300,
};

/* One TXT record to be. Names are in lower case, without the final dot. */
struct solver_record {
    const char *zone;  /* found by walking SOA (propagation_find_zone); "" if not known */
    const char *fqdn;  /* where the record goes, after CNAMEs were followed */
    const char *value; /* base64url, or the tags of dns-persist-01 */
    int ttl_seconds;   /* 0: SOLVER_DEFAULT_TTL_SECONDS */
};

/* What a provider works with; all of it borrowed, nothing of it shared with another thread. */
struct solver_context {
    struct acme_http *http; /* made with allow_http, and with the system's trust */
    const struct commands *commands;
    struct json_object *settings;   /* read only */
    struct json_object *credential; /* read only; NULL: the solver refers to none */
    const atomic_bool *abort;       /* set: running commands are ended; may be NULL */
};

/*
 * present and cleanup are idempotent. present after a lost response finds its own record instead of
 * adding a second one; cleanup of what is gone succeeds. cleanup removes this one value: the apex
 * and its wildcard share a name, and other clients may have values there too.
 *
 * Errors: ERR_PROVIDER_UNREACHABLE (no answer, throttled, the service's own fault: again later, not
 * before retry_after_ms), ERR_PROVIDER_REFUSED (credential, rights, quota, unknown zone; the
 * service's own words are in the detail), ERR_COMMAND_FAILED, ERR_SHUTDOWN, ERR_INVALID (the
 * settings lack something).
 */
struct solver_provider {
    const char *name;            /* the settings' type */
    const char *credential_type; /* NULL: it takes none */
    bool credential_required;
    bool needs_zone; /* present cannot do without record->zone */
    bool manual;     /* a person places the record: the job waits for /continue */

    /* state receives opaque text to be kept until cleanup (a record's id, say); it may stay "". */
    int (*present)(const struct solver_context *context, const struct solver_record *record,
                   struct buf *state, struct err *e);
    /* state as present left it, or "" if its result was lost. */
    int (*cleanup)(const struct solver_context *context, const struct solver_record *record,
                   const char *state, struct err *e);
    /* Whether settings and credential work for the zone, without changing anything. NULL: there is
       no way to tell. */
    int (*test)(const struct solver_context *context, const char *zone, struct err *e);
};

/* The provider of that name, or NULL. */
const struct solver_provider *solver_provider_by_name(const char *name);

/* The i-th provider, or NULL past the last. */
const struct solver_provider *solver_provider_at(size_t i);

/*
 * The provider's functions behind the checks they share: names consist of [A-Za-z0-9._*-] only,
 * values with "; accounturi=" of " ;:/=?&%~+@," too, the zone is there if needed and is the fqdn or
 * above it (ERR_DNS_NO_ZONE), the credential is there if required. On failure state is as it was.
 */
int solver_present(const struct solver_provider *provider, const struct solver_context *context,
                   const struct solver_record *record, struct buf *state, struct err *e);
int solver_cleanup(const struct solver_provider *provider, const struct solver_context *context,
                   const struct solver_record *record, const char *state, struct err *e);

/*
 * The longest entry of the settings' `zones` that is name or a domain above it, in any case and
 * with or without a final dot; NULL if none is ("." says that all names may be asked for, and
 * nothing of their zones). Borrowed from settings.
 */
const char *solver_zone_for(struct json_object *settings, const char *name);

#endif

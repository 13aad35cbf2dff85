/*
 * The CAs in use: one struct acme_ca (directory, nonces), one set of trust anchors and what was
 * learned of its pace for each authority, shared by all workers. An authority whose URL or trust
 * bundle changes gets a new one; the old one lives until its last user lets go.
 */
#ifndef CERTWRIGHT_SERVER_ENGINE_CA_REGISTRY_H
#define CERTWRIGHT_SERVER_ENGINE_CA_REGISTRY_H

#include "acme/client.h"
#include "server/engine/polls.h"
#include "store/authority.h"

#include <stdatomic.h>

struct ca {
    struct acme_ca *acme;
    struct acme_trust *trust;
    struct polls validation;     /* how long it takes with authorizations … */
    struct polls issuance;       /* … and, after finalize, with orders */
    atomic_llong directory_at;   /* when it was fetched, engine time; 0: there is none */
    atomic_bool directory_doubt; /* the CA has spoken as if it was another one by now */
    atomic_llong silences;       /* calls in a row that had no answer, whichever job's */
    char *directory_url;
    char *trust_bundle; /* NULL: the system's */
    int references;     /* guarded by the registry */
};

struct ca_registry;

struct ca_registry *ca_registry_create(void);
void ca_registry_destroy(struct ca_registry *registry);

/*
 * The authority's CA; the caller releases it. A new one takes the authority's stored directory if
 * it is younger than a day. ERR_CERT_INVALID for a trust bundle that cannot be read.
 */
int ca_registry_get(struct ca_registry *registry, const struct authority *authority, int64_t now,
                    struct ca **out, struct err *e);
void ca_registry_release(struct ca_registry *registry, struct ca *ca);

#endif

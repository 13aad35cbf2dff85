#include "server/engine/ca_registry.h"

#include "acme/base/clock.h"
#include "acme/base/memory.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct entry {
    char *authority;
    struct ca *ca;
};

struct ca_registry {
    pthread_mutex_t mutex;
    struct entry *entries;
    size_t count;
};

struct ca_registry *ca_registry_create(void)
{
    struct ca_registry *registry = mem_new(1, sizeof *registry);
    pthread_mutex_init(&registry->mutex, NULL);
    return registry;
}

static void ca_destroy(struct ca *ca)
{
    acme_ca_destroy(ca->acme);
    acme_trust_release(ca->trust);
    free(ca->directory_url);
    free(ca->trust_bundle);
    free(ca);
}

static void release(struct ca *ca)
{
    if (--ca->references == 0)
        ca_destroy(ca);
}

void ca_registry_destroy(struct ca_registry *registry)
{
    if (!registry)
        return;
    for (size_t i = 0; i < registry->count; i++) {
        release(registry->entries[i].ca);
        free(registry->entries[i].authority);
    }
    free(registry->entries);
    pthread_mutex_destroy(&registry->mutex);
    free(registry);
}

static int ca_create(const struct authority *authority, int64_t now, struct ca **out, struct err *e)
{
    struct acme_trust *trust;
    int rc = authority->trust_bundle
                 ? acme_trust_from_pem(authority->trust_bundle, strlen(authority->trust_bundle),
                                       &trust, e)
                 : acme_trust_system(&trust, e);
    if (rc < 0)
        return -1;
    struct ca *ca = mem_new(1, sizeof *ca);
    ca->acme = acme_ca_create(authority->directory_url);
    ca->trust = trust;
    ca->directory_url = mem_strdup(authority->directory_url);
    ca->trust_bundle = mem_strdup(authority->trust_bundle);
    ca->references = 1;
    /* A stored document that no longer reads is no reason to fail: it is fetched anew. */
    struct err ignored;
    if (authority->directory && now - authority->directory_fetched_at < CLOCK_DAY_MS &&
        acme_ca_set_directory(ca->acme, authority->directory, &ignored) == 0)
        atomic_store(&ca->directory_at, authority->directory_fetched_at);
    *out = ca;
    return 0;
}

static struct entry *entry_of(struct ca_registry *registry, const char *authority)
{
    for (size_t i = 0; i < registry->count; i++)
        if (!strcmp(registry->entries[i].authority, authority))
            return &registry->entries[i];
    return NULL;
}

static void keep(struct ca_registry *registry, struct entry *entry, const char *authority,
                 struct ca *ca)
{
    if (entry) {
        release(entry->ca);
        entry->ca = ca;
        return;
    }
    registry->entries = mem_grow(registry->entries, registry->count + 1, sizeof *registry->entries);
    registry->entries[registry->count++] = (struct entry){mem_strdup(authority), ca};
}

int ca_registry_get(struct ca_registry *registry, const struct authority *authority, int64_t now,
                    struct ca **out, struct err *e)
{
    pthread_mutex_lock(&registry->mutex);
    struct entry *entry = entry_of(registry, authority->name);
    int rc = 0;
    struct ca *ca = entry ? entry->ca : NULL;
    if (!entry || !mem_same_text(ca->directory_url, authority->directory_url) ||
        !mem_same_text(ca->trust_bundle, authority->trust_bundle)) {
        rc = ca_create(authority, now, &ca, e);
        if (rc == 0)
            keep(registry, entry, authority->name, ca);
    }
    if (rc == 0) {
        ca->references++;
        *out = ca;
    }
    pthread_mutex_unlock(&registry->mutex);
    return rc;
}

void ca_registry_release(struct ca_registry *registry, struct ca *ca)
{
    if (!ca)
        return;
    pthread_mutex_lock(&registry->mutex);
    release(ca);
    pthread_mutex_unlock(&registry->mutex);
}

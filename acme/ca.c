/* What all threads share of one CA: its directory and its pool of nonces. */
#include "acme/base/base64url.h"
#include "acme/base/clock.h"
#include "acme/base/memory.h"
#include "acme/client_private.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/*
 * Nonces go out in the order they came in. CAs forget them after a while that they do not tell, and
 * a refused one costs a request, so old ones are dropped.
 */
enum { POOL_SIZE = 32, NONCE_MAX_AGE_MS = 5 * CLOCK_MINUTE_MS, NONCE_MAX_BYTES = 512 };

struct pooled {
    char *nonce;
    int64_t since_ms;
};

struct acme_ca {
    char *url;
    pthread_mutex_t lock; /* over all below */
    struct acme_directory directory;
    bool has_directory;
    struct pooled pool[POOL_SIZE]; /* a ring */
    size_t first;
    size_t count;
    int64_t date_ms;       /* the CA's clock in its last answer; 0: none had a Date */
    int64_t date_since_ms; /* the monotonic time of that answer */
};

struct acme_ca *acme_ca_create(const char *directory_url)
{
    struct acme_ca *ca = mem_new(1, sizeof *ca);
    ca->url = mem_strdup(directory_url);
    pthread_mutex_init(&ca->lock, NULL);
    return ca;
}

void acme_ca_destroy(struct acme_ca *ca)
{
    if (!ca)
        return;
    char *nonce;
    while ((nonce = ca_take_nonce(ca)))
        free(nonce);
    acme_directory_finish(&ca->directory);
    pthread_mutex_destroy(&ca->lock);
    free(ca->url);
    free(ca);
}

const char *ca_directory_url(const struct acme_ca *ca)
{
    return ca->url;
}

bool ca_has_directory(struct acme_ca *ca)
{
    pthread_mutex_lock(&ca->lock);
    bool has = ca->has_directory;
    pthread_mutex_unlock(&ca->lock);
    return has;
}

bool acme_ca_has_renewal_info(struct acme_ca *ca)
{
    pthread_mutex_lock(&ca->lock);
    bool has = ca->has_directory && ca->directory.renewal_info;
    pthread_mutex_unlock(&ca->lock);
    return has;
}

int acme_ca_set_directory(struct acme_ca *ca, const char *document, struct err *e)
{
    struct acme_directory fresh = {0};
    if (acme_directory_read(document, ca->url, &fresh, e) < 0)
        return -1;
    pthread_mutex_lock(&ca->lock);
    struct acme_directory old = ca->directory;
    ca->directory = fresh;
    ca->has_directory = true;
    pthread_mutex_unlock(&ca->lock);
    acme_directory_finish(&old);
    return 0;
}

char *acme_ca_directory_document(struct acme_ca *ca)
{
    pthread_mutex_lock(&ca->lock);
    char *document = mem_strdup(ca->directory.document);
    pthread_mutex_unlock(&ca->lock);
    return document;
}

/* Under the lock. */
static const char *endpoint(const struct acme_directory *d, enum ca_endpoint which)
{
    switch (which) {
    case CA_NEW_NONCE:
        return d->new_nonce;
    case CA_NEW_ACCOUNT:
        return d->new_account;
    case CA_NEW_ORDER:
        return d->new_order;
    case CA_REVOKE_CERT:
        return d->revoke_cert;
    case CA_KEY_CHANGE:
        return d->key_change;
    case CA_RENEWAL_INFO:
        return d->renewal_info;
    }
    return NULL;
}

int ca_endpoint_url(struct acme_ca *ca, enum ca_endpoint which, char **out, struct err *e)
{
    static const char *const names[] = {
        [CA_NEW_NONCE] = "newNonce",   [CA_NEW_ACCOUNT] = "newAccount",
        [CA_NEW_ORDER] = "newOrder",   [CA_REVOKE_CERT] = "revokeCert",
        [CA_KEY_CHANGE] = "keyChange", [CA_RENEWAL_INFO] = "renewalInfo",
    };
    pthread_mutex_lock(&ca->lock);
    assert(ca->has_directory);
    char *copy = mem_strdup(endpoint(&ca->directory, which));
    pthread_mutex_unlock(&ca->lock);
    if (!copy)
        return err_set(e, ERR_CA_PROTOCOL, "the CA's directory offers no %s", names[which]);
    *out = copy;
    return 0;
}

/* The oldest one, whatever its age; NULL if the pool is empty. Under the lock. */
static struct pooled pop(struct acme_ca *ca)
{
    if (ca->count == 0)
        return (struct pooled){0};
    struct pooled oldest = ca->pool[ca->first];
    ca->first = (ca->first + 1) % POOL_SIZE;
    ca->count--;
    return oldest;
}

char *ca_take_nonce(struct acme_ca *ca)
{
    int64_t now = clock_monotonic_ms();
    pthread_mutex_lock(&ca->lock);
    struct pooled oldest = pop(ca);
    while (oldest.nonce && now - oldest.since_ms > NONCE_MAX_AGE_MS) {
        free(oldest.nonce);
        oldest = pop(ca);
    }
    pthread_mutex_unlock(&ca->lock);
    return oldest.nonce;
}

void ca_put_nonce(struct acme_ca *ca, char *nonce)
{
    if (!nonce)
        return;
    pthread_mutex_lock(&ca->lock);
    if (ca->count == POOL_SIZE)
        free(pop(ca).nonce);
    ca->pool[(ca->first + ca->count++) % POOL_SIZE] =
        (struct pooled){.nonce = nonce, .since_ms = clock_monotonic_ms()};
    pthread_mutex_unlock(&ca->lock);
}

void ca_note_date(struct acme_ca *ca, const struct acme_http_response *response)
{
    int64_t date;
    char *text = acme_http_header(response, "date");
    if (text && clock_parse_http_date(text, &date) == 0) {
        pthread_mutex_lock(&ca->lock);
        ca->date_ms = date;
        ca->date_since_ms = clock_monotonic_ms();
        pthread_mutex_unlock(&ca->lock);
    }
    free(text);
}

bool acme_ca_clock_ahead(struct acme_ca *ca, int64_t max_age_ms, int64_t *ahead_ms)
{
    pthread_mutex_lock(&ca->lock);
    int64_t age = clock_monotonic_ms() - ca->date_since_ms;
    bool known = ca->date_ms && age <= max_age_ms;
    if (known)
        *ahead_ms = clock_wall_ms() - (ca->date_ms + age);
    pthread_mutex_unlock(&ca->lock);
    return known;
}

char *ca_nonce_of(const struct acme_http_response *response)
{
    char *nonce = acme_http_header(response, "replay-nonce");
    if (nonce && strlen(nonce) <= NONCE_MAX_BYTES && base64url_is(nonce))
        return nonce;
    free(nonce);
    return NULL;
}

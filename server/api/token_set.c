#include "server/api/token_set.h"

#include "acme/base/clock.h"
#include "acme/base/log.h"
#include "acme/base/memory.h"
#include "server/access/grant.h"
#include "server/access/principal.h"
#include "server/access/secret.h"
#include "server/api/spec_token.h"
#include "server/http/server.h"

#include <openssl/crypto.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TOUCH_MS = CLOCK_MINUTE_MS };

struct entry {
    unsigned char hash[TOKEN_HASH_SIZE];
    char *name;
    uint32_t scopes;
    struct grant *grant;
    int64_t touched_at; /* monotonic time of the last use that was written; 0: none yet */
};

struct token_set {
    pthread_mutex_t lock;  /* guards the rest; never held over anything that waits */
    struct entry *entries; /* by hash */
    size_t count;
};

/*
 * The first entry that is not below hash. How long that takes tells something of the hash, which
 * tells nothing of the random token behind it.
 */
static size_t place_of(const struct token_set *set, const unsigned char hash[TOKEN_HASH_SIZE])
{
    size_t low = 0;
    size_t high = set->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (memcmp(set->entries[middle].hash, hash, TOKEN_HASH_SIZE) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct entry *find(const struct token_set *set, const unsigned char hash[TOKEN_HASH_SIZE])
{
    size_t i = place_of(set, hash);
    if (i == set->count || CRYPTO_memcmp(set->entries[i].hash, hash, TOKEN_HASH_SIZE) != 0)
        return NULL;
    return &set->entries[i];
}

void token_set_add(struct token_set *set, const char *name,
                   const unsigned char hash[TOKEN_HASH_SIZE], uint32_t scopes, struct grant *grant)
{
    struct entry entry = {.name = mem_strdup(name), .scopes = scopes, .grant = grant_hold(grant)};
    memcpy(entry.hash, hash, TOKEN_HASH_SIZE);
    pthread_mutex_lock(&set->lock);
    size_t i = place_of(set, hash);
    set->entries = mem_grow(set->entries, set->count + 1, sizeof entry);
    memmove(&set->entries[i + 1], &set->entries[i], (set->count - i) * sizeof entry);
    set->entries[i] = entry;
    set->count++;
    pthread_mutex_unlock(&set->lock);
}

static void finish_entry(struct entry *entry)
{
    free(entry->name);
    grant_release(entry->grant);
}

static int compare_names(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

/* In one pass, since there may be many, made by one another. */
void token_set_remove(struct token_set *set, char **names, size_t count)
{
    size_t kept = 0;
    qsort(names, count, sizeof *names, compare_names);
    pthread_mutex_lock(&set->lock);
    for (size_t i = 0; i < set->count; i++) {
        struct entry *entry = &set->entries[i];
        if (bsearch(&entry->name, names, count, sizeof *names, compare_names)) {
            grant_end(entry->grant);
            finish_entry(entry);
        } else {
            set->entries[kept++] = *entry;
        }
    }
    set->count = kept;
    pthread_mutex_unlock(&set->lock);
}

bool token_set_gave(struct token_set *set, const unsigned char hash[TOKEN_HASH_SIZE],
                    const struct grant *grant)
{
    pthread_mutex_lock(&set->lock);
    const struct entry *entry = find(set, hash);
    bool gave = entry && entry->grant == grant;
    pthread_mutex_unlock(&set->lock);
    return gave;
}

static void restore(struct token_set *set, const struct token *row)
{
    uint32_t scopes;
    struct grant *grant;
    struct err e;
    if (spec_token_restore(row, &scopes, &grant, &e) < 0) {
        log_error("a token is good for nothing", "detail", e.detail, NULL);
        return;
    }
    token_set_add(set, row->name, row->hash, scopes, grant);
    grant_release(grant);
}

int token_set_create(struct db *db, struct token_set **out, struct err *e)
{
    struct token *rows;
    size_t count;
    if (token_list(db, &rows, &count, e) < 0)
        return -1;
    struct token_set *set = mem_new(1, sizeof *set);
    pthread_mutex_init(&set->lock, NULL);
    for (size_t i = 0; i < count; i++) {
        restore(set, &rows[i]);
        token_finish(&rows[i]);
    }
    free(rows);
    *out = set;
    return 0;
}

void token_set_destroy(struct token_set *set)
{
    if (!set)
        return;
    for (size_t i = 0; i < set->count; i++)
        finish_entry(&set->entries[i]);
    free(set->entries);
    pthread_mutex_destroy(&set->lock);
    free(set);
}

/* ---- last use ---- */

struct touch {
    char *name;
    unsigned char hash[TOKEN_HASH_SIZE];
};

static int write_touch(struct store_tx *tx, void *arg, struct err *e)
{
    const struct touch *touch = arg;
    return token_touch(tx, touch->name, touch->hash, e);
}

/* That a use is not written down must not keep anybody out. */
static void end_touch(void *arg, const struct err *e)
{
    struct touch *touch = arg;
    if (e)
        log_debug("the use of a token was not written", "detail", e->detail, NULL);
    free(touch->name);
    free(touch);
}

/* ---- admission ---- */

/* Under the lock: fills principal, and says whether the use is to be written. */
static int admit(struct entry *entry, const struct http_caller *caller, struct principal *principal,
                 bool *is_due, struct err *e)
{
    int64_t now = clock_monotonic_ms();
    if (grant_check_time(entry->grant, clock_wall_ms(), e) < 0)
        return -1;
    if (!grant_takes_address(entry->grant, caller->address))
        return err_set(e, ERR_UNAUTHENTICATED, "This token is not good from %s.",
                       caller->address ? caller->address : "a Unix socket");
    snprintf(principal->name, sizeof principal->name, "token:%s", entry->name);
    principal->scopes = entry->scopes;
    principal->grant = grant_hold(entry->grant);
    *is_due = !entry->touched_at || now - entry->touched_at >= TOUCH_MS;
    if (*is_due)
        entry->touched_at = now;
    return 0;
}

int token_set_admit(struct token_set *set, struct store *store, const struct http_caller *caller,
                    struct principal *principal, struct err *e)
{
    static const char scheme[] = "token:";
    unsigned char hash[TOKEN_HASH_SIZE];
    bool is_due = false;
    secret_hash(caller->token, hash);
    pthread_mutex_lock(&set->lock);
    struct entry *entry = find(set, hash);
    int rc = entry ? admit(entry, caller, principal, &is_due, e) : -1;
    pthread_mutex_unlock(&set->lock);
    if (!entry)
        return err_set(e, ERR_UNAUTHENTICATED, "%s",
                       secret_is_damaged(caller->token)
                           ? "This token is damaged: it was not copied whole, or mistyped."
                           : "This token is not known.");
    if (is_due) {
        struct touch *touch = mem_new(1, sizeof *touch);
        touch->name = mem_strdup(principal->name + sizeof scheme - 1);
        memcpy(touch->hash, hash, sizeof hash);
        store_write(store, write_touch, touch, end_touch);
    }
    return rc;
}

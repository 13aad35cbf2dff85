#include "server/solver/http01.h"

#include "acme/base/base64url.h"
#include "acme/base/memory.h"

#include <pthread.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

/* A tree node; its owners are few, so a list of them does. */
struct http01_entry {
    char *token;
    char *key_authorization;
    char **owners;
    size_t owner_count;
};

struct http01_table {
    pthread_rwlock_t lock;
    void *root; /* of tsearch, ordered by token */
    size_t count;
};

static int entry_compare(const void *a, const void *b)
{
    const struct http01_entry *x = a, *y = b;
    return strcmp(x->token, y->token);
}

static void entry_destroy(void *p)
{
    struct http01_entry *entry = p;
    for (size_t i = 0; i < entry->owner_count; i++)
        free(entry->owners[i]);
    free(entry->owners);
    free(entry->token);
    free(entry->key_authorization);
    free(entry);
}

static size_t entry_owner(const struct http01_entry *entry, const char *owner)
{
    size_t i = 0;
    while (i < entry->owner_count && strcmp(entry->owners[i], owner) != 0)
        i++;
    return i;
}

static struct http01_entry *table_find(struct http01_table *table, const char *token)
{
    struct http01_entry key = {.token = (char *)token};
    struct http01_entry **found = tfind(&key, &table->root, entry_compare);
    return found ? *found : NULL;
}

static struct http01_entry *table_insert(struct http01_table *table, const char *token)
{
    struct http01_entry *entry = mem_new(1, sizeof *entry);
    entry->token = mem_strdup(token);
    if (!tsearch(entry, &table->root, entry_compare))
        mem_exhausted();
    table->count++;
    return entry;
}

struct http01_table *http01_create(void)
{
    struct http01_table *table = mem_new(1, sizeof *table);
    pthread_rwlock_init(&table->lock, NULL);
    return table;
}

void http01_destroy(struct http01_table *table)
{
    if (!table)
        return;
    tdestroy(table->root, entry_destroy);
    pthread_rwlock_destroy(&table->lock);
    free(table);
}

int http01_add(struct http01_table *table, const char *owner, const char *token,
               const char *key_authorization, struct err *e)
{
    size_t length = strlen(token);
    if (!base64url_is(token))
        return err_set(e, ERR_CA_PROTOCOL, "the challenge's token is not base64url");
    if (strncmp(key_authorization, token, length) != 0 || key_authorization[length] != '.')
        return err_set(e, ERR_CA_PROTOCOL, "the key authorization is not the token's");

    pthread_rwlock_wrlock(&table->lock);
    struct http01_entry *entry = table_find(table, token);
    if (!entry)
        entry = table_insert(table, token);
    free(entry->key_authorization);
    entry->key_authorization = mem_strdup(key_authorization);
    if (entry_owner(entry, owner) == entry->owner_count) {
        entry->owners = mem_grow(entry->owners, entry->owner_count + 1, sizeof *entry->owners);
        entry->owners[entry->owner_count++] = mem_strdup(owner);
    }
    pthread_rwlock_unlock(&table->lock);
    return 0;
}

void http01_remove(struct http01_table *table, const char *owner, const char *token)
{
    pthread_rwlock_wrlock(&table->lock);
    struct http01_entry *entry = table_find(table, token);
    size_t i = entry ? entry_owner(entry, owner) : 0;
    if (entry && i < entry->owner_count) {
        free(entry->owners[i]);
        entry->owners[i] = entry->owners[--entry->owner_count];
    }
    if (entry && entry->owner_count == 0) {
        tdelete(entry, &table->root, entry_compare);
        entry_destroy(entry);
        table->count--;
    }
    pthread_rwlock_unlock(&table->lock);
}

bool http01_lookup(struct http01_table *table, const char *token, struct buf *out)
{
    pthread_rwlock_rdlock(&table->lock);
    const struct http01_entry *entry = table_find(table, token);
    if (entry)
        buf_add_string(out, entry->key_authorization);
    pthread_rwlock_unlock(&table->lock);
    return entry != NULL;
}

size_t http01_count(struct http01_table *table)
{
    pthread_rwlock_rdlock(&table->lock);
    size_t count = table->count;
    pthread_rwlock_unlock(&table->lock);
    return count;
}

#include "server/engine/open_keys.h"

#include "acme/base/memory.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* As many as there are accounts at work, so a list does. */
struct open_key {
    struct key *key;
    char thumbprint[KEY_THUMBPRINT_SIZE];
    size_t users;
    struct open_key *next;
};

struct open_keys {
    pthread_mutex_t mutex;
    struct open_key *first;
};

struct open_keys *open_keys_create(void)
{
    struct open_keys *keys = mem_new(1, sizeof *keys);
    pthread_mutex_init(&keys->mutex, NULL);
    return keys;
}

void open_keys_destroy(struct open_keys *keys)
{
    if (!keys)
        return;
    assert(!keys->first);
    pthread_mutex_destroy(&keys->mutex);
    free(keys);
}

/* With the mutex. */
static struct open_key *find(const struct open_keys *keys, const char *thumbprint)
{
    struct open_key *open = keys->first;
    while (open && strcmp(open->thumbprint, thumbprint) != 0)
        open = open->next;
    if (open)
        open->users++;
    return open;
}

struct key *open_keys_take(struct open_keys *keys, const char *thumbprint)
{
    if (!thumbprint)
        return NULL;
    pthread_mutex_lock(&keys->mutex);
    struct open_key *open = find(keys, thumbprint);
    struct key *key = open ? open->key : NULL;
    pthread_mutex_unlock(&keys->mutex);
    return key;
}

int open_keys_share(struct open_keys *keys, struct key **key, struct err *e)
{
    char thumbprint[KEY_THUMBPRINT_SIZE];
    struct key *spare = NULL;
    if (key_thumbprint(*key, thumbprint, e) < 0)
        return -1;
    pthread_mutex_lock(&keys->mutex);
    struct open_key *open = find(keys, thumbprint);
    if (open) {
        spare = *key;
    } else {
        open = mem_new(1, sizeof *open);
        *open = (struct open_key){.key = *key, .users = 1, .next = keys->first};
        memcpy(open->thumbprint, thumbprint, sizeof thumbprint);
        keys->first = open;
    }
    *key = open->key;
    pthread_mutex_unlock(&keys->mutex);
    key_destroy(spare);
    return 0;
}

void open_keys_leave(struct open_keys *keys, struct key *key)
{
    if (!key)
        return;
    pthread_mutex_lock(&keys->mutex);
    struct open_key **place = &keys->first;
    while ((*place)->key != key)
        place = &(*place)->next;
    struct open_key *open = *place;
    bool is_last = --open->users == 0;
    if (is_last)
        *place = open->next;
    pthread_mutex_unlock(&keys->mutex);
    if (!is_last)
        return;
    key_destroy(open->key);
    free(open);
}

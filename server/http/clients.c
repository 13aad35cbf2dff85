#include "server/http/clients.h"

#include "acme/base/hash.h"
#include "acme/base/memory.h"

#include <openssl/rand.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>

enum { SETS = 1024, WAYS = 8 };

/* The bucket as the time at which it will be full again: one number, and nothing to refill (the
   generic cell rate algorithm). 0 is a client that nobody knows. */
struct client {
    uint64_t who;
    int64_t full_us;
};

struct clients {
    int64_t period_us;
    int64_t burst_us;
    uint64_t seed;
    pthread_mutex_t lock;
    struct client sets[SETS][WAYS]; /* guarded by lock */
};

struct clients *clients_create(int64_t period_us, int burst)
{
    if (!period_us)
        return NULL;
    struct clients *clients = mem_new(1, sizeof *clients);
    clients->period_us = period_us;
    clients->burst_us = period_us * burst;
    /* So that nobody can choose names that share a place. */
    if (RAND_bytes((unsigned char *)&clients->seed, sizeof clients->seed) != 1)
        clients->seed = (uint64_t)(uintptr_t)clients;
    pthread_mutex_init(&clients->lock, NULL);
    return clients;
}

void clients_destroy(struct clients *clients)
{
    if (!clients)
        return;
    pthread_mutex_destroy(&clients->lock);
    free(clients);
}

/* The client's place in the set: its own, or else that of the fullest bucket. */
static struct client *find(struct client set[WAYS], uint64_t who)
{
    struct client *fullest = &set[0];
    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].who == who)
            return &set[i];
        if (set[i].full_us < fullest->full_us)
            fullest = &set[i];
    }
    *fullest = (struct client){.who = who};
    return fullest;
}

int64_t clients_take(struct clients *clients, const char *who, int64_t now_us)
{
    if (!clients)
        return 0;
    uint64_t key = hash_text(who, clients->seed);
    pthread_mutex_lock(&clients->lock);
    struct client *client = find(clients->sets[key % SETS], key);
    int64_t full_us = client->full_us > now_us ? client->full_us : now_us;
    int64_t wait_us = full_us + clients->period_us - clients->burst_us - now_us;
    if (wait_us <= 0)
        client->full_us = full_us + clients->period_us;
    pthread_mutex_unlock(&clients->lock);
    return wait_us > 0 ? wait_us : 0;
}

#include "server/http/shares.h"

#include "acme/base/hash.h"
#include "acme/base/memory.h"

#include <assert.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Names are those of tokens and identities, which strangers do not choose: the hash needs no seed.
 */
enum { PLACES = 1024 };

/* One client that holds some; without any it is forgotten, so that there are never more of these
   than things that are held. */
struct share {
    struct share *next;
    size_t place;
    size_t count;
    char who[];
};

struct shares {
    size_t max;
    pthread_mutex_t lock;
    struct share *places[PLACES]; /* guarded by lock */
};

struct shares *shares_create(size_t max)
{
    struct shares *shares = mem_new(1, sizeof *shares);
    shares->max = max ? max : SIZE_MAX;
    pthread_mutex_init(&shares->lock, NULL);
    return shares;
}

void shares_destroy(struct shares *shares)
{
    if (!shares)
        return;
    for (size_t i = 0; i < PLACES; i++)
        assert(!shares->places[i]);
    pthread_mutex_destroy(&shares->lock);
    free(shares);
}

static size_t place_of(const char *who)
{
    return hash_text(who, 0) % PLACES;
}

static struct share *add(struct share **place, size_t number, const char *who)
{
    size_t size = strlen(who) + 1;
    struct share *share = mem_new(1, sizeof *share + size);
    share->place = number;
    memcpy(share->who, who, size);
    share->next = *place;
    *place = share;
    return share;
}

struct share *shares_take(struct shares *shares, const char *who)
{
    size_t number = place_of(who);
    pthread_mutex_lock(&shares->lock);
    struct share *share = shares->places[number];
    while (share && strcmp(share->who, who) != 0)
        share = share->next;
    if (!share)
        share = add(&shares->places[number], number, who);
    bool has_room = share->count < shares->max;
    if (has_room)
        share->count++;
    pthread_mutex_unlock(&shares->lock);
    return has_room ? share : NULL;
}

void shares_give(struct shares *shares, struct share *share)
{
    if (!share)
        return;
    pthread_mutex_lock(&shares->lock);
    bool is_last = --share->count == 0;
    if (is_last) {
        struct share **at = &shares->places[share->place];
        while (*at != share)
            at = &(*at)->next;
        *at = share->next;
    }
    pthread_mutex_unlock(&shares->lock);
    if (is_last)
        free(share);
}

/*
 * Many small objects of one size that live long, made in the midst of work that needs memory for
 * moments: one by one from malloc they would lie scattered, and the holes between them be too small
 * for that work's next buffers. What was given back is taken again, and freed with the pool.
 *
 * Not for several threads at a time.
 */
#ifndef CERTWRIGHT_ACME_BASE_POOL_H
#define CERTWRIGHT_ACME_BASE_POOL_H

#include <stddef.h>

struct pool_block;
struct pool_slot;

struct pool {
    size_t size;               /* of an object, at least a pointer's: set by the owner */
    struct pool_block *blocks; /* the rest is private, and begins as zeros */
    struct pool_slot *free;
};

/* Ends all of its objects. */
void pool_finish(struct pool *pool);

/* An object, all zeros. */
void *pool_take(struct pool *pool);
void pool_give(struct pool *pool, void *object);

#endif

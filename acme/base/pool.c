#include "acme/base/pool.h"

#include "acme/base/memory.h"

#include <assert.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_OBJECTS = 128 };

struct pool_block {
    struct pool_block *next;
    alignas(max_align_t) unsigned char objects[];
};

struct pool_slot {
    struct pool_slot *next;
};

void pool_finish(struct pool *pool)
{
    while (pool->blocks) {
        struct pool_block *block = pool->blocks;
        pool->blocks = block->next;
        free(block);
    }
    pool->free = NULL;
}

static size_t stride_of(const struct pool *pool)
{
    size_t align = alignof(max_align_t);
    return (pool->size + align - 1) / align * align;
}

static void add_block(struct pool *pool)
{
    size_t stride = stride_of(pool);
    struct pool_block *block = mem_new(1, sizeof *block + BLOCK_OBJECTS * stride);
    block->next = pool->blocks;
    pool->blocks = block;
    for (size_t i = 0; i < BLOCK_OBJECTS; i++)
        pool_give(pool, block->objects + i * stride);
}

void *pool_take(struct pool *pool)
{
    if (!pool->free)
        add_block(pool);
    struct pool_slot *slot = pool->free;
    pool->free = slot->next;
    return memset(slot, 0, pool->size);
}

void pool_give(struct pool *pool, void *object)
{
    assert(pool->size >= sizeof(struct pool_slot));
    struct pool_slot *slot = object;
    slot->next = pool->free;
    pool->free = slot;
}

#include "acme/base/buffer.h"

#include "acme/base/memory.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_finish(struct buf *b)
{
    free(b->data);
    *b = (struct buf){0};
}

void buf_finish_secret(struct buf *b)
{
    if (b->data)
        OPENSSL_cleanse(b->data, b->capacity);
    buf_finish(b);
}

void buf_clear(struct buf *b)
{
    b->size = 0;
    if (b->data)
        b->data[0] = '\0';
}

/* Grows by moving by hand, so that a secret never stays behind in memory that realloc left. */
static void reserve(struct buf *b, size_t more)
{
    assert(more < SIZE_MAX / 4 && b->size < SIZE_MAX / 4);
    size_t need = b->size + more + 1;
    if (need <= b->capacity)
        return;
    size_t capacity = b->capacity ? b->capacity : 64;
    while (capacity < need)
        capacity *= 2;
    char *data = mem_new(capacity, 1);
    if (b->data) {
        memcpy(data, b->data, b->size);
        OPENSSL_cleanse(b->data, b->size);
        free(b->data);
    }
    b->data = data;
    b->capacity = capacity;
}

void buf_add(struct buf *b, const void *data, size_t size)
{
    reserve(b, size);
    if (size)
        memcpy(b->data + b->size, data, size);
    b->size += size;
    b->data[b->size] = '\0';
}

void buf_add_string(struct buf *b, const char *s)
{
    buf_add(b, s, strlen(s));
}

void buf_add_char(struct buf *b, char c)
{
    buf_add(b, &c, 1);
}

void buf_vprintf(struct buf *b, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    assert(n >= 0);
    reserve(b, (size_t)n);
    vsnprintf(b->data + b->size, (size_t)n + 1, format, again);
    b->size += (size_t)n;
    va_end(again);
}

void buf_printf(struct buf *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    buf_vprintf(b, format, args);
    va_end(args);
}

const char *buf_string(const struct buf *b)
{
    return b->data ? b->data : "";
}

char *buf_take(struct buf *b)
{
    if (!b->data)
        reserve(b, 0);
    char *data = b->data;
    *b = (struct buf){0};
    return data;
}

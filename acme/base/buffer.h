/*
 * A growing run of bytes that is always followed by a NUL, so that text in it is a C string.
 */
#ifndef CERTWRIGHT_ACME_BASE_BUFFER_H
#define CERTWRIGHT_ACME_BASE_BUFFER_H

#include <stdarg.h>
#include <stddef.h>

struct buf {
    char *data; /* NULL while nothing was added; else data[size] is NUL */
    size_t size;
    size_t capacity;
};

/* An empty buffer is all zeros: `struct buf b = {0}`. */
void buf_finish(struct buf *b);

/* Overwrites the content before it is freed. */
void buf_finish_secret(struct buf *b);

/* Empties without giving the memory back. */
void buf_clear(struct buf *b);

void buf_add(struct buf *b, const void *data, size_t size);
void buf_add_string(struct buf *b, const char *s);
void buf_add_char(struct buf *b, char c);
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *b, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

/* The content as a string, "" if nothing was added; borrowed. */
const char *buf_string(const struct buf *b);

/* The content as a string that the caller frees; the buffer is empty afterwards. */
char *buf_take(struct buf *b);

#endif

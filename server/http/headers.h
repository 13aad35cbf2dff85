/*
 * The header fields of one request, copied out of the connection, so that any thread may read them
 * and the rules about them can be tested by themselves. Private to server/http.
 */
#ifndef CERTWRIGHT_SERVER_HTTP_HEADERS_H
#define CERTWRIGHT_SERVER_HTTP_HEADERS_H

#include "acme/base/buffer.h"

#include <stddef.h>

struct header_field {
    size_t name, name_size; /* offsets into the text */
    size_t value, value_size;
};

/* Empty when all zeros. */
struct headers {
    struct buf text;
    struct header_field *fields;
    size_t count;
    size_t capacity;
};

/* Cleanses, since there may be a token among them. */
void headers_finish(struct headers *h);

void headers_add(struct headers *h, const char *name, size_t name_size, const char *value,
                 size_t value_size);

/* The i-th field; the sizes tell whether there are NULs in it. Borrowed until the next add. */
const char *headers_name(const struct headers *h, size_t i);
const char *headers_value(const struct headers *h, size_t i);

/* The first value of that name in any case, or NULL. */
const char *headers_get(const struct headers *h, const char *name);

size_t headers_count(const struct headers *h, const char *name);

/* All values of that name, joined by ", " (RFC 9110 section 5.3). NULL if there is none; the caller
   frees. */
char *headers_joined(const struct headers *h, const char *name);

#endif

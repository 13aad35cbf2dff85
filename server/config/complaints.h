/* The mistakes in a configuration, collected. Private to server/config. */
#ifndef CERTWRIGHT_SERVER_CONFIG_COMPLAINTS_H
#define CERTWRIGHT_SERVER_CONFIG_COMPLAINTS_H

#include "acme/base/buffer.h"
#include "acme/base/error.h"

#include <stddef.h>

/* Empty when all zeros. */
struct complaints {
    struct buf lines;
    size_t count;
    struct err first;
};

void complaints_finish(struct complaints *c);

/* source is a file, a flag or a variable; pointer (RFC 6901) is "" where it is all of it. */
void complaints_add(struct complaints *c, const char *source, const char *pointer,
                    const char *format, ...) __attribute__((format(printf, 4, 5)));

/* 0 if there is none; else -1, ERR_CONFIG with the first and their number. */
int complaints_verdict(const struct complaints *c, struct err *e);

#endif

/* Files under tests/unit/data, for unit programs (their working directory is the project's). */
#ifndef CERTWRIGHT_TESTS_UNIT_FIXTURE_H
#define CERTWRIGHT_TESTS_UNIT_FIXTURE_H

#include "acme/base/buffer.h"

#include <stdio.h>
#include <stdlib.h>

/* The file's bytes; ends the program if it is not there. The caller ends the buffer. */
static inline struct buf fixture(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "tests/unit/data/%s", name);
    FILE *f = fopen(path, "rb");
    if (!f) {
        perror(path);
        exit(2);
    }
    struct buf out = {0};
    char piece[4096];
    size_t n;
    while ((n = fread(piece, 1, sizeof piece, f)) > 0)
        buf_add(&out, piece, n);
    fclose(f);
    return out;
}

#endif

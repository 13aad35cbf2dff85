/*
 * What the fuzz targets share. A target is a program around one function, which is fed bytes again
 * and again: by libFuzzer (./dev fuzz), or once with each file of its corpus (./dev test).
 */
#ifndef CERTWRIGHT_TESTS_FUZZ_FUZZ_H
#define CERTWRIGHT_TESTS_FUZZ_FUZZ_H

#include "acme/base/memory.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* libFuzzer's name for it; returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the program unless ok, so that the input is kept: a property that always holds did not. */
static inline void must(bool ok, const char *property)
{
    if (ok)
        return;
    fprintf(stderr, "broken property: %s\n", property);
    abort();
}

static inline void must_equal(const char *a, const char *b, const char *property)
{
    if (strcmp(a, b) != 0)
        fprintf(stderr, "'%s' is not '%s'\n", a, b);
    must(!strcmp(a, b), property);
}

/* An input that is read piece by piece. */
struct fuzz_input {
    const char *at;
    size_t left;
};

/* The next piece that ends with `end`, or all that is left; it may hold NULs, *size tells. The
   caller frees. */
static inline char *fuzz_take(struct fuzz_input *in, char end, size_t *size)
{
    const char *stop = in->left ? memchr(in->at, end, in->left) : NULL;
    *size = stop ? (size_t)(stop - in->at) : in->left;
    char *piece = mem_new(*size + 1, 1);
    if (*size)
        memcpy(piece, in->at, *size);
    size_t used = *size + (stop ? 1 : 0);
    in->at = used ? in->at + used : in->at;
    in->left -= used;
    return piece;
}

/* The same as a C string: what stands before the first NUL. */
static inline char *fuzz_line(struct fuzz_input *in)
{
    size_t size;
    return fuzz_take(in, '\n', &size);
}

#endif

#include "acme/base/memory.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Nothing here may want memory: standard error has no buffer. */
void mem_exhausted(void)
{
    fputs("certwright: out of memory\n", stderr);
    abort();
}

static void *checked(void *p)
{
    if (!p)
        mem_exhausted();
    return p;
}

static void *guarded_malloc(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return size ? checked(malloc(size)) : NULL;
}

/* As CRYPTO_realloc has it: no size frees. */
static void *guarded_realloc(void *p, size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    if (size)
        return checked(realloc(p, size));
    free(p);
    return NULL;
}

static void guarded_free(void *p, const char *file, int line)
{
    (void)file;
    (void)line;
    free(p);
}

void mem_guard_openssl(void)
{
    int done = CRYPTO_set_mem_functions(guarded_malloc, guarded_realloc, guarded_free);
    assert(done);
    (void)done;
}

void *mem_new(size_t count, size_t size)
{
    return checked(calloc(count ? count : 1, size ? size : 1));
}

void *mem_grow(void *p, size_t count, size_t size)
{
    return checked(reallocarray(p, count ? count : 1, size ? size : 1));
}

char *mem_strdup(const char *s)
{
    return s ? checked(strdup(s)) : NULL;
}

char *mem_strndup(const char *s, size_t n)
{
    return s ? checked(strndup(s, n)) : NULL;
}

bool mem_same_text(const char *a, const char *b)
{
    return a && b ? !strcmp(a, b) : a == b;
}

char *mem_printf(const char *format, ...)
{
    char *out = NULL;
    va_list args;
    va_start(args, format);
    int n = vasprintf(&out, format, args);
    va_end(args);
    return checked(n < 0 ? NULL : out);
}

void mem_free_secret(void *p, size_t size)
{
    if (!p)
        return;
    OPENSSL_cleanse(p, size);
    free(p);
}

void mem_free_secret_string(char *s)
{
    mem_free_secret(s, s ? strlen(s) : 0);
}

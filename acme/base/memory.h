/*
 * Memory. Exhaustion ends the process: every accepted job is durable, so a restart loses nothing,
 * and callers need no failure path. What strangers may make us allocate is capped elsewhere.
 */
#ifndef CERTWRIGHT_ACME_BASE_MEMORY_H
#define CERTWRIGHT_ACME_BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

/* Says so, and ends the process: for what a library could not get. */
void mem_exhausted(void) __attribute__((noreturn));

/*
 * OpenSSL ends the process likewise. Without memory it would call a sound key or certificate
 * invalid, in words that do not tell why, and a job would end for that. First of all calls that
 * use it.
 */
void mem_guard_openssl(void);

/* Zeroed memory of count * size bytes; never NULL. The caller frees it with free(). */
void *mem_new(size_t count, size_t size) __attribute__((malloc, returns_nonnull));

/* realloc that never returns NULL; grown bytes are not zeroed. Not for secrets. */
void *mem_grow(void *p, size_t count, size_t size) __attribute__((returns_nonnull));

/* Copies. NULL gives NULL. The caller frees. */
char *mem_strdup(const char *s);
char *mem_strndup(const char *s, size_t n);

/* Whether both are the same text, or both NULL. */
bool mem_same_text(const char *a, const char *b);

/* printf into a fresh string. The caller frees. */
char *mem_printf(const char *format, ...)
    __attribute__((format(printf, 1, 2), malloc, returns_nonnull));

/* Overwrites, then frees. NULL is fine. */
void mem_free_secret(void *p, size_t size);
void mem_free_secret_string(char *s);

#endif

/* base64url without padding (RFC 4648 section 5, RFC 7515 section 2), and what reads base64. */
#ifndef CERTWRIGHT_ACME_BASE_BASE64URL_H
#define CERTWRIGHT_ACME_BASE_BASE64URL_H

#include "acme/base/buffer.h"
#include "acme/base/error.h"

#include <stdbool.h>
#include <stddef.h>

/* Appends the encoding of data to out. */
void base64url_encode(const void *data, size_t size, struct buf *out);

/* The encoding as a string that the caller frees. */
char *base64url_string(const void *data, size_t size);

/*
 * Appends the decoded bytes to out. Strict: no padding, no white space, no other alphabet, unused
 * bits zero. ERR_MALFORMED otherwise, with out untouched.
 */
int base64url_decode(const char *text, size_t size, struct buf *out, struct err *e);

/*
 * The same for base64 (RFC 4648 section 4) as people and programs write it: padded or not, with
 * line breaks and spaces anywhere.
 */
int base64_decode(const char *text, size_t size, struct buf *out, struct err *e);

/* Whether text is one or more characters of the base64url alphabet. */
bool base64url_is(const char *text);

#endif

/* UTF-8 as RFC 3629 defines it: shortest forms only, no surrogates, nothing above U+10FFFF. */
#ifndef CERTWRIGHT_ACME_BASE_UTF8_H
#define CERTWRIGHT_ACME_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* How many bytes the character at s has, at most left of them; 0 if none is there. */
size_t utf8_character_size(const char *s, size_t left);

/* Whether all of the size bytes are UTF-8; NUL is a character like others. */
bool utf8_is(const char *text, size_t size);

#endif

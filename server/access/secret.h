/*
 * The text of a token: "cw_", 43 random characters of 0-9A-Za-z (256 bits), and six that are their
 * CRC-32, so that a scanner of secrets knows one when it sees it, and a typing error is told apart.
 */
#ifndef CERTWRIGHT_SERVER_ACCESS_SECRET_H
#define CERTWRIGHT_SERVER_ACCESS_SECRET_H

#include "acme/base/error.h"

#include <stdbool.h>

enum { SECRET_SIZE = 3 + 43 + 6 + 1, SECRET_HASH_SIZE = 32 };

/* A new one; the caller cleanses it. ERR_CRYPTO. */
int secret_make(char out[SECRET_SIZE], struct err *e);

/* Whether the text looks like one and is damaged: cut short, or with another character. */
bool secret_is_damaged(const char *text);

/* SHA-256: how a token is kept and found. */
void secret_hash(const char *text, unsigned char out[SECRET_HASH_SIZE]);

#endif

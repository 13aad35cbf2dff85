/* What proves a name: key authorizations and what is derived from them (RFC 8555 section 8). */
#ifndef CERTWRIGHT_ACME_CHALLENGE_H
#define CERTWRIGHT_ACME_CHALLENGE_H

#include "acme/base/error.h"
#include "acme/key.h"

enum {
    CHALLENGE_DNS01_VALUE_SIZE = 44,
    CHALLENGE_DNS01_NAME_SIZE = 256 + 16,
    CHALLENGE_TOKEN_MAX = 512,
};

/* token "." thumbprint. ERR_CA_PROTOCOL if the token is not base64url. The caller frees *out. */
int challenge_key_authorization(const char *token, const struct key *account_key, char **out,
                                struct err *e);

/* The TXT value of dns-01: base64url(SHA-256(key authorization)). */
void challenge_dns01_value(const char *key_authorization, char out[CHALLENGE_DNS01_VALUE_SIZE]);

/* "_acme-challenge.<name without *.>", no final dot. */
void challenge_dns01_name(const char *name, char out[CHALLENGE_DNS01_NAME_SIZE]);

#endif

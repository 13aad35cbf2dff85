/* What proves a name: key authorizations and what is derived from them (RFC 8555 section 8). */
#ifndef CERTWRIGHT_ACME_CHALLENGE_H
#define CERTWRIGHT_ACME_CHALLENGE_H

#include "acme/base/error.h"
#include "acme/key.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    CHALLENGE_DNS01_VALUE_SIZE = 44,
    CHALLENGE_DNS01_NAME_SIZE = 256 + 16,
    CHALLENGE_DNS_ACCOUNT01_NAME_SIZE = CHALLENGE_DNS01_NAME_SIZE + 18,
    CHALLENGE_DNS_PERSIST01_NAME_SIZE = 256 + 20,
    CHALLENGE_TOKEN_MAX = 512,
};

/* token "." thumbprint. ERR_CA_PROTOCOL if the token is not base64url. The caller frees *out. */
int challenge_key_authorization(const char *token, const struct key *account_key, char **out,
                                struct err *e);

/* The TXT value of dns-01: base64url(SHA-256(key authorization)). */
void challenge_dns01_value(const char *key_authorization, char out[CHALLENGE_DNS01_VALUE_SIZE]);

/* "_acme-challenge.<name without *.>", no final dot. */
void challenge_dns01_name(const char *name, char out[CHALLENGE_DNS01_NAME_SIZE]);

/*
 * dns-account-01 (draft-ietf-acme-dns-account-label): the TXT record has a label of the account's
 * own, "_<16 characters>._acme-challenge.<name without *.>", and the value of dns-01.
 */
void challenge_dns_account01_name(const char *account_url, const char *name,
                                  char out[CHALLENGE_DNS_ACCOUNT01_NAME_SIZE]);

/* dns-persist-01 (draft-ietf-acme-dns-persist): "_validation-persist.<name without *.>". */
void challenge_dns_persist01_name(const char *name, char out[CHALLENGE_DNS_PERSIST01_NAME_SIZE]);

/*
 * The value of that record, which stays in place: it lets the account have certificates for the
 * name, with wildcard for those below it too, until persist_until (seconds since 1970; 0: for
 * good). issuer is one of the challenge's issuer-domain-names, account_url its accounturi, else the
 * account's URL. It may be longer than the 255 bytes of one TXT string. ERR_CA_PROTOCOL if either
 * cannot stand in a record. The caller frees *out.
 */
int challenge_dns_persist01_value(const char *issuer, const char *account_url, bool wildcard,
                                  int64_t persist_until, char **out, struct err *e);

/*
 * Whether a record's value says what wanted says, which is written like one; in wanted several
 * issuers may stand with commas between them, and any of them will do. Blanks, the order of the
 * parameters, the case of tags, policy and issuer, and parameters that nobody knows are free; with
 * a policy=wildcard that is not wanted it fits too. now in seconds since 1970: a persistUntil that
 * has passed fits nothing.
 */
bool challenge_dns_persist01_fits(const char *value, const char *wanted, int64_t now);

#endif

#include "acme/challenge.h"

#include "acme/base/base64url.h"
#include "acme/base/memory.h"
#include "acme/crypto.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The part of the digest that makes the label of dns-account-01. */
enum { LABEL_BYTES = 10, LABEL_CHARACTERS = 16 };

static const char issuer_characters[] = "abcdefghijklmnopqrstuvwxyz"
                                        "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.";

int challenge_key_authorization(const char *token, const struct key *account_key, char **out,
                                struct err *e)
{
    char thumbprint[KEY_THUMBPRINT_SIZE];
    if (strlen(token) > CHALLENGE_TOKEN_MAX || !base64url_is(token))
        return err_set(e, ERR_CA_PROTOCOL, "the challenge's token is not base64url");
    if (key_thumbprint(account_key, thumbprint, e) < 0)
        return -1;
    *out = mem_printf("%s.%s", token, thumbprint);
    return 0;
}

void challenge_dns01_value(const char *key_authorization, char out[CHALLENGE_DNS01_VALUE_SIZE])
{
    unsigned char digest[CRYPTO_SHA256_BYTES];
    struct buf text = {0};
    crypto_sha256(key_authorization, strlen(key_authorization), digest);
    base64url_encode(digest, sizeof digest, &text);
    memcpy(out, text.data, CHALLENGE_DNS01_VALUE_SIZE);
    buf_finish(&text);
}

static const char *without_wildcard(const char *name)
{
    return strncmp(name, "*.", 2) ? name : name + 2;
}

void challenge_dns01_name(const char *name, char out[CHALLENGE_DNS01_NAME_SIZE])
{
    snprintf(out, CHALLENGE_DNS01_NAME_SIZE, "_acme-challenge.%s", without_wildcard(name));
}

/* RFC 4648 section 6 in lower case, of bytes that need no padding. */
static void base32(const unsigned char in[LABEL_BYTES], char out[LABEL_CHARACTERS + 1])
{
    static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";
    for (int i = 0; i < LABEL_CHARACTERS; i++) {
        int bit = 5 * i, byte = bit / 8;
        unsigned two = (unsigned)in[byte] << 8 | (byte + 1 < LABEL_BYTES ? in[byte + 1] : 0U);
        out[i] = alphabet[two >> (11 - bit % 8) & 31];
    }
    out[LABEL_CHARACTERS] = '\0';
}

void challenge_dns_account01_name(const char *account_url, const char *name,
                                  char out[CHALLENGE_DNS_ACCOUNT01_NAME_SIZE])
{
    unsigned char digest[CRYPTO_SHA256_BYTES];
    char label[LABEL_CHARACTERS + 1];
    crypto_sha256(account_url, strlen(account_url), digest);
    base32(digest, label);
    snprintf(out, CHALLENGE_DNS_ACCOUNT01_NAME_SIZE, "_%s._acme-challenge.%s", label,
             without_wildcard(name));
}

void challenge_dns_persist01_name(const char *name, char out[CHALLENGE_DNS_PERSIST01_NAME_SIZE])
{
    snprintf(out, CHALLENGE_DNS_PERSIST01_NAME_SIZE, "_validation-persist.%s",
             without_wildcard(name));
}

/* What a parameter's value may hold (RFC 8659 section 4.2): ASCII without blanks and ';'; without
   what a zone file escapes too, as no account's URL needs it. */
static bool is_parameter(const char *text)
{
    for (const char *p = text; *p; p++)
        if (*p <= ' ' || *p > '~' || strchr(";\"\\", *p))
            return false;
    return *text;
}

int challenge_dns_persist01_value(const char *issuer, const char *account_url, bool wildcard,
                                  int64_t persist_until, char **out, struct err *e)
{
    if (!*issuer || issuer[strspn(issuer, issuer_characters)])
        return err_set(e, ERR_CA_PROTOCOL, "the CA's issuer name '%.60s' is no host name", issuer);
    if (!is_parameter(account_url))
        return err_set(e, ERR_CA_PROTOCOL, "the account's URL cannot stand in a TXT record");
    struct buf value = {0};
    buf_printf(&value, "%s; accounturi=%s", issuer, account_url);
    if (wildcard)
        buf_add_string(&value, "; policy=wildcard");
    if (persist_until > 0)
        buf_printf(&value, "; persistUntil=%" PRId64, persist_until);
    *out = buf_take(&value);
    return 0;
}

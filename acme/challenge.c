#include "acme/challenge.h"

#include "acme/base/base64url.h"
#include "acme/base/memory.h"
#include "acme/crypto.h"

#include <stdio.h>
#include <string.h>

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

void challenge_dns01_name(const char *name, char out[CHALLENGE_DNS01_NAME_SIZE])
{
    const char *base = strncmp(name, "*.", 2) ? name : name + 2;
    snprintf(out, CHALLENGE_DNS01_NAME_SIZE, "_acme-challenge.%s", base);
}

/* Signatures of the Standard Webhooks specification. */
#ifndef CERTWRIGHT_SERVER_DEPLOY_WEBHOOK_SIGN_H
#define CERTWRIGHT_SERVER_DEPLOY_WEBHOOK_SIGN_H

#include "acme/base/error.h"

#include <stdint.h>

enum {
    WEBHOOK_SECRET_MIN = 24,     /* bytes, decoded */
    WEBHOOK_SIGNATURE_SIZE = 48, /* "v1,", base64 of 32 bytes, NUL */
};

/*
 * Whether a secret can be used: "whsec_" and the base64 of WEBHOOK_SECRET_MIN bytes or more, or any
 * other text that is as long. ERR_INVALID tells what is wrong, never the secret.
 */
int webhook_secret_check(const char *secret, struct err *e);

/*
 * The value of webhook-signature: "v1," and the base64 of HMAC-SHA256 over ID.TIMESTAMP.BODY, with
 * timestamp in seconds since 1970. ERR_INVALID as above.
 */
int webhook_sign(const char *secret, const char *id, int64_t timestamp, const char *body,
                 char out[WEBHOOK_SIGNATURE_SIZE], struct err *e);

#endif

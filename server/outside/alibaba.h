/*
 * Alibaba Cloud's RPC-style APIs with signature v3 (ACS3-HMAC-SHA256).
 */
#ifndef CERTWRIGHT_SERVER_OUTSIDE_ALIBABA_H
#define CERTWRIGHT_SERVER_OUTSIDE_ALIBABA_H

#include "acme/base/buffer.h"
#include "acme/base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct acme_http;
struct json_object;

/* Borrowed for the length of a call. */
struct alibaba_credential {
    const char *access_key_id;
    const char *access_key_secret;
    const char *security_token; /* of STS; NULL: none */
};

/* Reads {"access_key_id", "access_key_secret", "security_token"?}; borrows from json.
   ERR_INVALID if something is missing. */
int alibaba_credential_read(struct json_object *json, struct alibaba_credential *out,
                            struct err *e);

struct alibaba_parameter {
    const char *name;
    const char *value; /* NULL: the parameter is left out */
    bool in_body;      /* in the form instead of the query: for what is long (PEM) */
};

struct alibaba_request {
    const char *endpoint;                       /* "https://alidns.aliyuncs.com", no path */
    const char *action;                         /* "AddDomainRecord" */
    const char *version;                        /* "2015-01-09" */
    const struct alibaba_parameter *parameters; /* ends with a NULL name; may be NULL */
    int64_t date_ms;                            /* wall time; 0: now */
    const char *nonce;                          /* NULL: random */
};

/* What goes over the wire. Finish it with alibaba_signed_finish. */
struct alibaba_signed {
    struct buf url;
    struct buf body;
    struct buf headers;       /* "Name: value\n" lines without Host, which follows from the URL */
    struct buf authorization; /* the value of Authorization; headers has it too */
};

/* ERR_INVALID if the endpoint is none, ERR_CRYPTO. */
int alibaba_sign(const struct alibaba_credential *credential, const struct alibaba_request *request,
                 struct alibaba_signed *out, struct err *e);
void alibaba_signed_finish(struct alibaba_signed *s);

enum { ALIBABA_CODE_SIZE = 96 };

/*
 * Calls by POST. Success is a 2xx with a JSON object, which passes to the caller. Failure maps to
 * ERR_PROVIDER_UNREACHABLE (no answer, 5xx, throttled: doing it again may help; the service may
 * have acted), ERR_PROVIDER_REFUSED (its Code and Message are in the detail) or ERR_SHUTDOWN, and
 * code holds the service's Code, "" if it sent none.
 */
int alibaba_call(struct acme_http *http, const struct alibaba_credential *credential,
                 const struct alibaba_request *request, struct json_object **out,
                 char code[ALIBABA_CODE_SIZE], struct err *e);

#endif

/*
 * Errors: what went wrong, in one fixed-size value.
 *
 * Convention of the whole house: a function that can fail at run time returns 0, or -1 with its
 * last argument, a struct err, filled; out-parameters are untouched on failure, the struct err is
 * untouched on success. A programming error asserts instead. Reporting an error cannot fail, so
 * nothing here allocates.
 *
 * A struct err holds a code of ours, stable across releases and known to API clients by its name
 * ("ca.rate_limited"), and one sentence for a person. What the CA itself said travels beside it as
 * a struct acme_problem (acme/problem.h).
 */
#ifndef CERTWRIGHT_ACME_BASE_ERROR_H
#define CERTWRIGHT_ACME_BASE_ERROR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum err_code {
    ERR_NONE,

    /* this program and its machine */
    ERR_INTERNAL,
    ERR_CRYPTO,
    ERR_IO,
    ERR_STORE,
    ERR_STORE_FULL,
    ERR_STORE_STALE, /* another writer was first: the row's epoch has moved on */
    ERR_SEAL,        /* a sealed value does not open under this master key */
    ERR_BUSY,        /* a bounded resource (bodies, waiters, queue) is used up */
    ERR_SHUTDOWN,
    ERR_CONFIG,

    /* a caller's request */
    ERR_MALFORMED,
    ERR_INVALID,
    ERR_UNAUTHENTICATED,
    ERR_FORBIDDEN,
    ERR_HOST_REFUSED,
    ERR_NOT_FOUND,
    ERR_METHOD,
    ERR_NOT_ACCEPTABLE,
    ERR_MEDIA_TYPE,
    ERR_TOO_LARGE,
    ERR_NAME_TAKEN,
    ERR_IN_USE,
    ERR_CONFLICT, /* the resource's state does not allow this now */
    ERR_PRECONDITION,
    ERR_MANAGED, /* the config owns this resource */

    /* key, CSR and certificate material */
    ERR_KEY_INVALID,
    ERR_KEY_UNSUPPORTED,
    ERR_KEY_REUSED, /* one key for an account and a certificate */
    ERR_CSR_INVALID,
    ERR_CERT_INVALID,
    ERR_CERT_KEY_MISMATCH,
    ERR_CERT_NAMES_MISMATCH,
    ERR_CERT_VALIDITY,

    /* reaching a CA */
    ERR_CA_UNREACHABLE,
    ERR_CA_TLS,
    ERR_CA_TIMEOUT,
    ERR_CA_PROTOCOL, /* its answer is outside of RFC 8555 */

    /* what a CA answered: RFC 8555 section 6.7 and later registrations */
    ERR_CA_ACCOUNT_MISSING,
    ERR_CA_ALREADY_REPLACED,
    ERR_CA_ALREADY_REVOKED,
    ERR_CA_BAD_CSR,
    ERR_CA_BAD_NONCE,
    ERR_CA_BAD_PUBLIC_KEY,
    ERR_CA_BAD_REVOCATION_REASON,
    ERR_CA_BAD_SIGNATURE_ALGORITHM,
    ERR_CA_CAA,
    ERR_CA_COMPOUND,
    ERR_CA_CONFLICT,
    ERR_CA_CONNECTION,
    ERR_CA_DNS,
    ERR_CA_EAB_REQUIRED,
    ERR_CA_INCORRECT_RESPONSE,
    ERR_CA_INVALID_CONTACT,
    ERR_CA_INVALID_PROFILE,
    ERR_CA_MALFORMED,
    ERR_CA_ORDER_NOT_READY,
    ERR_CA_PAUSED, /* rateLimited until a person has opened a link (Let's Encrypt) */
    ERR_CA_RATE_LIMITED,
    ERR_CA_REJECTED_IDENTIFIER,
    ERR_CA_SERVER_INTERNAL,
    ERR_CA_VALIDATION_TLS,
    ERR_CA_UNAUTHORIZED,
    ERR_CA_UNSUPPORTED_CONTACT,
    ERR_CA_UNSUPPORTED_IDENTIFIER,
    ERR_CA_USER_ACTION_REQUIRED,
    ERR_CA_OTHER,

    /* the course of an order */
    ERR_ORDER_INVALID,
    ERR_ORDER_EXPIRED,
    ERR_NO_CHALLENGE, /* the CA offers none that the chosen solver can answer */

    /* proving names */
    ERR_SOLVER_MISSING,
    ERR_SOLVER_FAILED,
    ERR_COMMAND_FAILED,
    ERR_DNS_NO_ZONE,
    ERR_DNS_NXDOMAIN,
    ERR_DNS_SERVFAIL,
    ERR_DNS_TIMEOUT,
    ERR_DNS_NOT_PROPAGATED,

    /* DNS providers and targets */
    ERR_PROVIDER_REFUSED, /* it says no: credentials, rights, quota */
    ERR_PROVIDER_UNREACHABLE,

    ERR_OUTGOING_REFUSED, /* requests of ours do not go to that address */

    /* installing certificates */
    ERR_TARGET_MISSING, /* the domain, group or site that is to serve it */
    ERR_TARGET_UNTRUSTED,
    ERR_TARGET_MISMATCH,
    ERR_TARGET_FILES,
    ERR_TARGET_RELOAD,

    ERR_ACCOUNT_UNUSABLE, /* deactivated or revoked */

    /* jobs */
    ERR_JOB_CANCELLED,
    ERR_JOB_GAVE_UP,
    ERR_JOB_WAITS_FOR_PERSON,

    ERR_COUNT
};

enum { ERR_DETAIL_MAX = 768 };

struct err {
    enum err_code code;
    int http_status;        /* of the remote answer behind this error, 0 if there was none */
    int64_t retry_after_ms; /* how long the remote side asks to wait from now, 0 if it did not */
    char detail[ERR_DETAIL_MAX]; /* one sentence, UTF-8, never a secret */
};

/* What is known of a code, whatever the occasion. */
struct err_info {
    const char *name;  /* stable, "ca.rate_limited" */
    const char *title; /* a few words */
    const char *hint;  /* what to do about it, NULL if the detail says it all */
    bool retryable;    /* doing the same again later may succeed */
};

/* Fills e and returns -1, so that a function can `return err_set(…)`. */
int err_set(struct err *e, enum err_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts words in front of e's detail ("account main: …") and returns -1. */
int err_prefix(struct err *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

const struct err_info *err_info(enum err_code code);

/* The code with that stable name, or ERR_NONE. */
enum err_code err_code_by_name(const char *name);

#endif

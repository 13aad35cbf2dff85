/*
 * Problem documents of a CA (RFC 7807/9457 as profiled by RFC 8555 section 6.7), kept verbatim and
 * translated into our codes by one table.
 */
#ifndef CERTWRIGHT_ACME_PROBLEM_H
#define CERTWRIGHT_ACME_PROBLEM_H

#include "acme/base/buffer.h"
#include "acme/base/error.h"

#include <stddef.h>

enum { ACME_PROBLEM_MAX_BYTES = 64 * 1024 };

struct json_object;

/*
 * A struct acme_problem is empty when all zeros. Everything in it is owned; texts are NULL when the
 * CA did not send them.
 */
struct acme_problem {
    char *document; /* the whole JSON as the CA sent it, cut at no place: dropped if too big */
    char *type;     /* "urn:ietf:params:acme:error:dns" */
    char *detail;
    char *instance; /* a page for a person, with userActionRequired */
    char *help;     /* Link rel="help" */
    char *terms;    /* Link rel="terms-of-service" */
    char *unpause;  /* the page that ends the account's pause, with ERR_CA_PAUSED */
    char *location; /* of a 409: what stands in the way (RFC 8555 section 7.3.5) */
    int status;
};

void acme_problem_finish(struct acme_problem *problem);

/*
 * Reads a problem from JSON text, or an `error` member of an order, authorization or challenge that
 * was parsed already. http_status is the answer's, used where the document has none. Always fills e
 * with the code for the type and a sentence with the CA's own words (detail and subproblems), and
 * returns -1; a body that is no problem gives a code by http_status alone.
 */
int acme_problem_read(const char *body, size_t size, int http_status, struct acme_problem *problem,
                      struct err *e);
int acme_problem_from_json(const struct json_object *json, int http_status,
                           struct acme_problem *problem, struct err *e);

/*
 * Let's Encrypt pauses an account for names that fail too often: rateLimited without a Retry-After,
 * with a link in its words. Makes that ERR_CA_PAUSED, and keeps the link. e->retry_after_ms is
 * known by now.
 */
void acme_problem_see_pause(struct acme_problem *problem, struct err *e);

/* Whether a badSignatureAlgorithm names this one ("ES256") among those that the CA takes (RFC 8555
   section 6.2). */
bool acme_problem_takes_algorithm(const struct acme_problem *problem, const char *algorithm);

/* The code for an ACME error type URN, ERR_CA_OTHER if it is not known. */
enum err_code acme_problem_code(const char *type);

#endif

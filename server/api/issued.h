/* An issued version with the certificate that it is of: what downloads are made from. */
#ifndef CERTWRIGHT_SERVER_API_ISSUED_H
#define CERTWRIGHT_SERVER_API_ISSUED_H

#include "acme/base/error.h"
#include "store/certificate.h"

#include <stdbool.h>
#include <stdint.h>

struct http_exchange;

struct issued {
    struct db *db; /* borrowed */
    struct certificate certificate;
    struct version version;
};

/* Whether the version ever became a certificate. */
bool issued_is(const struct version *version);

/*
 * Version n of the certificate of that name; 0: the one in use. The caller ends *out with
 * issued_finish. ERR_NOT_FOUND also for a version that never became a certificate; ERR_FORBIDDEN
 * for one with names that the caller of x may have nothing of.
 */
int issued_load(const struct http_exchange *x, struct db *db, const char *name, int64_t n,
                struct issued *out, struct err *e);
void issued_finish(struct issued *issued);

/* ERR_CONFLICT where nobody may have the key. */
int issued_check_exportable(const struct issued *issued, struct err *e);

#endif

/* The body of /imports. */
#ifndef CERTWRIGHT_SERVER_API_SPEC_IMPORT_H
#define CERTWRIGHT_SERVER_API_SPEC_IMPORT_H

#include "acme/cert.h"
#include "server/api/api.h"
#include "server/api/spec_certificate.h"
#include "store/db.h"

struct spec_import {
    struct spec_certificate certificate; /* its identifiers and its key's type are the leaf's */
    struct key *key;
    struct buf leaf;  /* PEM */
    struct buf chain; /* PEM; may be empty */
    struct cert_info info;
};

/*
 * Reads the body, and asks the database about what it names, so that all is told at once. 0, also
 * with complaints; then nothing of *out is to be used. -1 if the database fails. The caller ends
 * *out with spec_import_finish in either case.
 */
int spec_import_read(struct db *db, const struct api_defaults *defaults, struct json_object *body,
                     struct fields *errors, struct spec_import *out, struct err *e);
void spec_import_finish(struct spec_import *spec);

#endif

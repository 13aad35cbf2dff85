/*
 * A failure as rows keep it (last_error, a job's or order's error): our code and sentence, and the
 * CA's own document beside it. Texts for people are added when it is shown, so that a newer program
 * explains an old failure better.
 */
#ifndef CERTWRIGHT_STORE_FAILURE_H
#define CERTWRIGHT_STORE_FAILURE_H

#include "acme/base/error.h"
#include "acme/problem.h"

struct json_object;

/* JSON text that the caller frees. acme NULL or empty: the CA told nothing. */
char *failure_write(const struct err *error, const struct acme_problem *acme);

/*
 * Reads it back: fills error, and *acme_document with the CA's document or NULL; the caller frees
 * it. Text that is none gives ERR_INTERNAL.
 */
void failure_read(const char *json, struct err *error, char **acme_document);

/* Pages of the CA for a person: {help?, terms_of_service?, instance?, unpause?}, http or https; the
   caller puts it. NULL if it gave none. */
struct json_object *failure_links(const char *json);

#endif

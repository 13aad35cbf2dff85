/* Credentials opened for one step, and wiped after it. */
#ifndef CERTWRIGHT_SERVER_ENGINE_CREDENTIAL_USE_H
#define CERTWRIGHT_SERVER_ENGINE_CREDENTIAL_USE_H

#include "store/db.h"

struct json_object;

/* All members of the credential, secret or not; ended with credential_use_finish. */
int credential_use_open(struct db *db, const char *name, struct json_object **out, struct err *e);
/* Overwrites the secrets before json-c lets go of them. NULL is fine. */
void credential_use_finish(struct json_object *credential);

#endif

/* The body of /credentials/{name}. */
#ifndef CERTWRIGHT_SERVER_API_SPEC_CREDENTIAL_H
#define CERTWRIGHT_SERVER_API_SPEC_CREDENTIAL_H

#include "server/api/spec_common.h"

struct spec_credential {
    char *type;        /* "alibaba-cloud", "basic", "password", "webhook-secret" */
    char *settings;    /* JSON object of the members that are no secrets, canonical */
    char *secrets_set; /* JSON array: the names of those that are */
    char *sealed;      /* JSON object of both, as providers read it; cleansed when it is freed */
};

int spec_credential_read(struct json_object *body, struct fields *errors,
                         struct spec_credential *out);
void spec_credential_finish(struct spec_credential *spec);

/* The names of a type's secrets (ends with NULL); NULL if there is no such type. */
const char *const *spec_credential_secrets_of(const char *type);

#endif

/* The body of /authorities/{name}. */
#ifndef CERTWRIGHT_SERVER_API_SPEC_AUTHORITY_H
#define CERTWRIGHT_SERVER_API_SPEC_AUTHORITY_H

#include "server/api/spec_common.h"

struct spec_authority {
    char *directory_url;
    char *trust_bundle; /* PEM; NULL: the system's */
    bool test;
    bool eab_required;
};

int spec_authority_read(struct json_object *body, struct fields *errors,
                        struct spec_authority *out);
void spec_authority_finish(struct spec_authority *spec);

#endif

/* Authorities, for the API and the config alike. */
#ifndef CERTWRIGHT_SERVER_API_AUTHORITY_H
#define CERTWRIGHT_SERVER_API_AUTHORITY_H

#include "server/api/spec_authority.h"
#include "store/authority.h"

/* The profiles that the stored directory lists, name → description: NULL where there are none. Only
   texts are in it. The caller frees. */
struct json_object *authority_profiles(const struct authority *authority);

struct json_object *authority_show(const struct authority *authority);

/* Makes it, or changes it where the spec differs. *created as authority_put. */
int authority_apply(struct store_tx *tx, const char *name, const struct spec_authority *spec,
                    enum origin origin, bool *created, struct err *e);

#endif

/* The body of /targets/{name}, and the parameters that a certificate's item gives beside it. */
#ifndef CERTWRIGHT_SERVER_API_SPEC_TARGET_H
#define CERTWRIGHT_SERVER_API_SPEC_TARGET_H

#include "server/api/spec_common.h"

struct spec_target {
    char *type;       /* "files", "aliyun-cas", … (server/deploy/target.h) */
    char *credential; /* name; NULL */
    char *settings;   /* JSON object of the given members but type and credential, canonical */
};

int spec_target_read(struct json_object *body, struct fields *errors, struct spec_target *out);
void spec_target_finish(struct spec_target *spec);

/* The type of credential that targets of this type work with; NULL: none. */
const char *spec_target_credential_type(const char *type);

/* Whether targets of this type refuse certificates of test authorities, unless they allow them. */
bool spec_target_is_cloud(const char *type);

/* ---- parameters: of any type; whether they fit a target is asked later ---- */

/* The names of all parameters; ends with NULL. */
extern const char *const spec_target_parameters[];

/* Reads the parameters among the members of m as a new object, which the caller ends. */
struct json_object *spec_target_parameters_read(const struct members *m);

/* Whether targets of this type take the parameter. */
bool spec_target_takes(const char *type, const char *parameter);

/* ---- private to spec_target*.c ---- */

/* Adds what a files target has to settings. credential: the name that was given, or NULL. */
void spec_target_read_files(const struct members *m, const char *credential,
                            struct json_object *settings);

#endif

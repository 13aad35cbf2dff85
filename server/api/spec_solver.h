/* The body of /solvers/{name}. */
#ifndef CERTWRIGHT_SERVER_API_SPEC_SOLVER_H
#define CERTWRIGHT_SERVER_API_SPEC_SOLVER_H

#include "server/api/spec_common.h"

struct spec_solver {
    char *type;       /* "http-01", "tls-alpn-01", "exec", "httpreq", "manual", "alidns" */
    char *zones;      /* JSON array of A-labels, sorted, unique */
    char *credential; /* name; NULL */
    char *command;    /* name of one of the config's commands; NULL */
    char *settings;   /* JSON object of the given members but type, zones, credential; canonical */
};

int spec_solver_read(struct json_object *body, struct fields *errors, struct spec_solver *out);
void spec_solver_finish(struct spec_solver *spec);

/* The type of credential that solvers of this type work with; NULL: none. */
const char *spec_solver_credential_type(const char *type);

#endif

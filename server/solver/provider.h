/* The dns-01 providers, and what they share. Private to solver.c and the providers. */
#ifndef CERTWRIGHT_SERVER_SOLVER_PROVIDER_H
#define CERTWRIGHT_SERVER_SOLVER_PROVIDER_H

#include "server/solver/solver.h"

extern const struct solver_provider provider_alidns;
extern const struct solver_provider provider_exec;
extern const struct solver_provider provider_httpreq;
extern const struct solver_provider provider_manual;

/*
 * Turns what acme_http_send reports, which speaks of a CA, into an error of the provider's:
 * ERR_SOLVER_UNREACHABLE, or ERR_SHUTDOWN as it is. Returns -1.
 */
int provider_transport_error(struct err *e);

#endif

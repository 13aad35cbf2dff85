/* The dns-01 providers, and what they share. Private to solver.c and the providers. */
#ifndef CERTWRIGHT_SERVER_SOLVER_PROVIDER_H
#define CERTWRIGHT_SERVER_SOLVER_PROVIDER_H

#include "server/solver/solver.h"

extern const struct solver_provider provider_alidns;
extern const struct solver_provider provider_exec;
extern const struct solver_provider provider_httpreq;
extern const struct solver_provider provider_manual;

#endif

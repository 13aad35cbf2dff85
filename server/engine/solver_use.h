/* A solver resource made ready for its provider: settings, opened credential, connection. */
#ifndef CERTWRIGHT_SERVER_ENGINE_SOLVER_USE_H
#define CERTWRIGHT_SERVER_ENGINE_SOLVER_USE_H

#include "server/engine/step.h"
#include "server/solver/solver.h"
#include "store/solver.h"

struct solver_use {
    struct solver row;
    const struct solver_provider *provider;
    struct solver_context context;
};

/* ERR_SOLVER_MISSING if there is no such solver (any more). */
int solver_use_open(struct step_context *c, const char *name, struct solver_use *out,
                    struct err *e);
void solver_use_finish(struct solver_use *use);

/* Settings with their defaults. */
int solver_use_ttl_seconds(const struct solver_use *use);
int64_t solver_use_propagation_timeout_ms(const struct solver_use *use);
bool solver_use_checks_propagation(const struct solver_use *use);

/* "zone:SOLVER/ZONE". */
void solver_use_lane(const char *solver, const char *zone, char out[LANE_NAME_SIZE]);

#endif

/* Taking back what challenges have put up. */
#ifndef CERTWRIGHT_SERVER_ENGINE_CLEANUP_H
#define CERTWRIGHT_SERVER_ENGINE_CLEANUP_H

#include "server/engine/step.h"

/*
 * For the duties of that name, if there are any: those of an order, or of the job of a solver's
 * test. type is what the name is of: "order" or "job". What this process answers itself is answered
 * no more; for the rest the job is inserted that fulfils them.
 */
int cleanup_plan(struct store_tx *tx, const struct step_context *c, const char *type,
                 const char *name, struct err *e);

#endif

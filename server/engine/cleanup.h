/* Taking back what challenges have put up. */
#ifndef CERTWRIGHT_SERVER_ENGINE_CLEANUP_H
#define CERTWRIGHT_SERVER_ENGINE_CLEANUP_H

#include "server/engine/lanes.h"
#include "store/order.h"

/*
 * Inserts the job that fulfils the duties of that name, if there are any: those of an order, or of
 * the job of a solver's test. type is what the name is of: "order" or "job".
 */
int cleanup_plan(struct store_tx *tx, const char *type, const char *name, struct err *e);

/* Where the clean-up of a duty belongs. */
void cleanup_lane(const struct duty *duty, char out[LANE_NAME_SIZE]);

#endif

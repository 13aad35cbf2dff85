/* Where the clean-up of a duty belongs. */
#ifndef CERTWRIGHT_SERVER_ENGINE_CLEANUP_H
#define CERTWRIGHT_SERVER_ENGINE_CLEANUP_H

#include "server/engine/lanes.h"
#include "store/order.h"

void cleanup_lane(const struct duty *duty, char out[LANE_NAME_SIZE]);

#endif

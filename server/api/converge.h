/*
 * Resources without the API: what is built in, and what the config's `resources` hold. They are
 * brought to their specs by the same functions as the API's bodies.
 */
#ifndef CERTWRIGHT_SERVER_API_CONVERGE_H
#define CERTWRIGHT_SERVER_API_CONVERGE_H

#include "server/api/api.h"

struct converge_plan;

/*
 * Reads the config's resources (secrets and environment resolved), which have to outlive the plan.
 * Complaints have pointers from the config's root. 0 or -1.
 */
int converge_read(const struct config *config, struct fields *errors, struct converge_plan **out);
void converge_destroy(struct converge_plan *plan);

/*
 * Applies it in one transaction: resources are made and changed, and jobs begun for what is not as
 * it should be; these never give up on what is transient. What the config no longer names is the
 * API's from then on. ERR_CONFIG, ERR_CONFLICT, ERR_KEY_REUSED, … with the place in the config.
 *
 * *again_at is the engine time at which doing it again would achieve more, 0 if there is none: what
 * has failed is held back for a while, and so is a change that came too late for a job under way.
 */
int converge_apply(const struct converge_plan *plan, const struct api_options *options,
                   int64_t *again_at, struct err *e);

#endif

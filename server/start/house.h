/* Putting the parts together, and taking them apart in order. */
#ifndef CERTWRIGHT_SERVER_START_HOUSE_H
#define CERTWRIGHT_SERVER_START_HOUSE_H

#include "acme/base/buffer.h"
#include "acme/base/error.h"
#include "server/config/config.h"

#include <stdint.h>

struct house;

/*
 * Starts everything: while the process has one thread, since the command helper is forked from it.
 * config is borrowed for the house's life. On failure all that was started has ended again.
 */
int house_create(const struct config *config, struct house **out, struct buf *complaints,
                 struct err *e);

/* Engine time at which house_tend is to be called; before, if the descriptor gets readable. */
int64_t house_tend_at(const struct house *house);
int house_wake_fd(const struct house *house);
/* Answers those who wait for a commit; brings the config's resources to their specs where that
   could not be done before, deletes jobs that ended 30 days ago, and the audit trail's oldest; and
   looks at the machine's clock. More often does no harm. By the thread that has created it. */
void house_tend(struct house *house);

/* Answers who waits, lets each worker end its step or break off its call, closes the store. */
void house_destroy(struct house *house);

#endif

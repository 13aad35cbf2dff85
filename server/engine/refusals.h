/*
 * The jobs whose last step could not be committed, or that could not be loaded: how often in a row.
 * What such a step did outside is not known of any more, so the next one asks before it acts. In
 * memory only; every thread may call.
 */
#ifndef CERTWRIGHT_SERVER_ENGINE_REFUSALS_H
#define CERTWRIGHT_SERVER_ENGINE_REFUSALS_H

#include "acme/base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct refusals;

struct refusals *refusals_create(void);
void refusals_destroy(struct refusals *refusals);

/* Whether there was one since the job's last commit. */
bool refusals_has(struct refusals *refusals, const char *job);
/* One more; returns how many there are in a row. */
int refusals_add(struct refusals *refusals, const char *job);
void refusals_forget(struct refusals *refusals, const char *job);

/* Whether the disk or the end of the process is behind it, and not what was to be written. */
bool refusals_may_pass(enum err_code code);
/* Whether after so many of them the job is given up: few where it cannot pass, more where it may,
   since each try can place another order. */
bool refusals_are_enough(int count, enum err_code code);
/* How long to wait after so many. */
int64_t refusals_delay_ms(int count);

#endif

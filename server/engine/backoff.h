/* When what has failed for good may be tried again, by a body that asks for the same, by the config
   or by a renewal. */
#ifndef CERTWRIGHT_SERVER_ENGINE_BACKOFF_H
#define CERTWRIGHT_SERVER_ENGINE_BACKOFF_H

#include "store/job.h"

/*
 * The engine time from which a new job of that kind may be made for the resource: its failures in a
 * row hold it for 1 minute, 10 minutes, 100 minutes, then a day each, which is what Let's Encrypt
 * suggests, with up to a tenth more that is always the same for the same failure; and as long as
 * the last error's Retry-After says, up to a day. 0 if the last one did not fail. ends_at: engine
 * time at which what is to be replaced expires, for retry_patience_ms; INT64_MAX: nothing does.
 */
int backoff_until(struct db *db, const char *kind, const char *resource_type, const char *name,
                  int64_t ends_at, int64_t *until, struct err *e);

#endif

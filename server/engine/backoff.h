/* When what has failed for good may be tried again, by a body that asks for the same, by the config
   or by a renewal. */
#ifndef CERTWRIGHT_SERVER_ENGINE_BACKOFF_H
#define CERTWRIGHT_SERVER_ENGINE_BACKOFF_H

#include "store/job.h"

/*
 * The engine time from which a new job of that kind may be made for the resource: its failures in a
 * row hold it for 1 minute, 10 minutes, 100 minutes, then a day each, which is what Let's Encrypt
 * suggests, with up to a tenth more that is always the same for the same failure; and as long as
 * the last error's Retry-After says, up to a day. 0 if the last one did not fail.
 */
int backoff_until(struct db *db, const char *kind, const char *resource_type, const char *name,
                  int64_t *until, struct err *e);

#endif

/*
 * The renewal of certificates by themselves: when, and that there always is a job for it. The job
 * itself, "certificate.renew", is in renewal_steps.c.
 */
#ifndef CERTWRIGHT_SERVER_ENGINE_RENEWAL_H
#define CERTWRIGHT_SERVER_ENGINE_RENEWAL_H

#include "acme/base/clock.h"
#include "server/engine/renewal_memory.h"
#include "store/certificate.h"
#include "store/job.h"

/* After so long a plan is computed anew at the latest, since wall time can jump. */
enum { RENEWAL_LOOK_MS = 6 * CLOCK_HOUR_MS };

/* Whether it is to be renewed by itself: it was issued, has an account, is not revoked, and nobody
   has switched that off. */
bool renewal_is_wanted(const struct certificate *certificate);

/* When, in wall time, if nothing has failed; of an issued one, whether or not it is to be renewed
   by itself. */
int64_t renewal_due_at(const struct certificate *certificate, const struct renewal_memory *memory);

/*
 * Until when (engine time) failures hold the next one back: as backoff.h says; one that was called
 * off counts for a day. 0: nothing does.
 */
int renewal_held_until(struct db *db, const struct certificate *certificate, int64_t now,
                       int64_t *until, struct err *e);

/*
 * In the transaction that made a version, ended a try to, or changed the wish: sees to it that a
 * job plans the certificate's renewal, and plans it anew if one did already. The plan is shown at
 * once.
 */
int renewal_plan(struct store_tx *tx, const struct certificate *certificate, struct err *e);

/* The same, not before after_ms have gone by. */
int renewal_plan_later(struct store_tx *tx, const struct certificate *certificate, int64_t after_ms,
                       struct err *e);

/* The same for a CA that has nothing to say about it (RFC 9773), so that there is nothing to ask:
   the job waits at once. */
int renewal_plan_alone(struct store_tx *tx, const struct certificate *certificate, struct err *e);

/* Up to a tenth less, so that many do not stay in step. */
int64_t renewal_jitter(int64_t ms);

/* In the transaction that deletes or revokes it: the job looks, and ends. */
int renewal_wake(struct store_tx *tx, const struct certificate *certificate, struct err *e);

/* At the start: a plan for every certificate that wants one and lacks it. */
int renewal_plan_missing(struct store *store, struct err *e);

#endif

/*
 * What becomes of stored times when the machine's clock is set. They are engine time: a process is
 * not disturbed, but the next one begins with the clock as it is then.
 */
#ifndef CERTWRIGHT_STORE_CLOCK_SHIFT_H
#define CERTWRIGHT_STORE_CLOCK_SHIFT_H

#include "store/store.h"

/* This process began at since (engine time), and its clock was set by so much since then. */
int clock_shift_note(struct store_tx *tx, int64_t since_ms, int64_t shifted_ms, struct err *e);

/*
 * At the start, before a time is read: moves deadlines and waits of jobs, of parked authorities, of
 * limits and of idempotency keys by what the process before noted, and those that lie ahead only
 * because the clock was set back meanwhile by that much; they are moved forward again by the start
 * that finds the clock where it was. *moved_ms is the sum, 0 as a rule. A clock
 * that was set forward while no process ran looks like a long rest, and is taken for one.
 */
int clock_shift_settle(struct store_tx *tx, int64_t *moved_ms, struct err *e);

/*
 * How long nothing has been written by the present clock: since the newest event. 0 if there is
 * none, or if it lies ahead. A long time may be a rest, or a clock that is years ahead.
 */
int clock_shift_rest(struct store_tx *tx, int64_t *rest_ms, struct err *e);

#endif

/*
 * The scheduler's memory: for each lane when its next job is due, how many workers serve it, and
 * whether it is parked. No threads, no clock, no database here; the engine guards it with its
 * mutex.
 *
 * A lane is what jobs queue for: "ca:NAME" (an authority), "zone:SOLVER/ZONE" (one change at a
 * time), "target:NAME" (one installation at a time), "preflight:NAME" (an authority that is only to
 * be looked at; one look at a time), "local" (work of this machine), "keys" (slow
 * key generation, on a thread of its own).
 */
#ifndef CERTWRIGHT_SERVER_ENGINE_LANES_H
#define CERTWRIGHT_SERVER_ENGINE_LANES_H

#include <stdbool.h>
#include <stdint.h>

enum { LANE_NAME_SIZE = 512 };

struct lane {
    char name[LANE_NAME_SIZE];
    int64_t due;      /* of its jobs in the database; INT64_MAX: nothing waits */
    int64_t held_due; /* of those that the engine holds in memory; likewise */
    uint64_t changed; /* counts news, so that a slower look at the database loses to them */
    int running;
    int limit;
    int64_t parked_until; /* 0: open */
    bool probing;         /* after a park: one job at a time until one succeeds */
    uint64_t served;      /* the turn it was last served in: the longest unserved goes first */
};

struct lanes;

/* A lane of a CA may hold half of the workers, at least one; a zone's, a target's and a look's only
 * one. */
struct lanes *lanes_create(int workers);
void lanes_destroy(struct lanes *lanes);

/* A lane has work due at that time (or earlier than known). Makes the lane. */
struct lane *lanes_due(struct lanes *lanes, const char *name, int64_t due);

/* The jobs that are held for the lane are due from then on; INT64_MAX: there are none. Makes it. */
void lanes_held(struct lanes *lanes, const char *name, int64_t due);

/*
 * The lane to serve now, its running count raised; NULL if there is none, and then *next is when to
 * look again. keys: the lane "keys" only, else any other.
 */
struct lane *lanes_take(struct lanes *lanes, int64_t now, bool keys, int64_t *next);

/* When there is something to serve, as lanes_take tells it in *next. */
int64_t lanes_next(const struct lanes *lanes, bool keys);

/* Takes this very lane, if it may be served now: to go on with a job whose next step is there. */
struct lane *lanes_enter(struct lanes *lanes, const char *name, int64_t now);

/* Ends what lanes_take or lanes_enter began. */
void lanes_leave(struct lanes *lanes, struct lane *lane);

/* What the database said of the lane's next due time, asked when lane->changed was `changed`. */
void lanes_learn(struct lane *lane, int64_t due, uint64_t changed);

/* The lane could not be asked: it is looked at then. A question that is under way, and may not have
   seen a job that its taker has to put back, does not count any more. */
void lanes_put_off(struct lane *lane, int64_t until);

/* No job of the lane is served until then; afterwards one goes first. */
void lanes_park(struct lanes *lanes, const char *name, int64_t until);
/* Ends that wait now: who asks for it is as good as the time. */
void lanes_unpark(struct lanes *lanes, const char *name, int64_t now);
bool lanes_is_parked(const struct lanes *lanes, const char *name, int64_t now);
/* A job of the lane succeeded: all may go. */
void lanes_open(struct lane *lane);

#endif

/* Timers of one thread: a binary heap of embedded timers, ordered by when they are due. */
#ifndef CERTWRIGHT_SERVER_SOLVER_TIMERS_H
#define CERTWRIGHT_SERVER_SOLVER_TIMERS_H

#include <stddef.h>
#include <stdint.h>

/* Belongs to its embedder, which fills fire and context; all else is private. */
struct timer {
    void (*fire)(void *context);
    void *context;
    int64_t due_ms;
    size_t place; /* in the heap, from 1; 0: not set */
};

/* All zeros is none. */
struct timers {
    struct timer **heap;
    size_t count;
    size_t capacity;
};

/* Forgets the timers that are still set; they are not touched. */
void timers_finish(struct timers *timers);

/* Sets it anew, wherever it was. It fires once, from timers_run, never from here. */
void timers_set(struct timers *timers, struct timer *timer, int64_t due_ms);

/* Fine if it is not set. */
void timers_unset(struct timers *timers, struct timer *timer);

/* Fires what is due, in order, including what is set meanwhile. */
void timers_run(struct timers *timers, int64_t now_ms);

/* Milliseconds until the next is due, 0 if one is, -1 if there is none: what epoll_wait takes. */
int timers_wait_ms(const struct timers *timers, int64_t now_ms);

#endif

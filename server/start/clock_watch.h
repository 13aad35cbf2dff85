/*
 * Tells when the machine's clock was set. Waits are engine time and go on as they were; the next
 * process will begin with the new clock, so what it has to know is noted in the store.
 */
#ifndef CERTWRIGHT_SERVER_START_CLOCK_WATCH_H
#define CERTWRIGHT_SERVER_START_CLOCK_WATCH_H

#include "store/store.h"

struct clock_watch {
    int64_t since_ms;   /* engine time at the start */
    int64_t rested_ms;  /* from what was written last until the start, by this clock */
    int64_t shifted_ms; /* what was told last */
};

/* At the start, before anything reads times: brings those of the process before to this clock. */
int clock_watch_begin(struct clock_watch *watch, struct store *store, struct err *e);

/* To be called every few seconds. */
void clock_watch_look(struct clock_watch *watch, struct store *store);

#endif

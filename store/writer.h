/* The one writer: a queue, the thread that empties it, and what a write gets. Private to the store.
 */
#ifndef CERTWRIGHT_STORE_WRITER_H
#define CERTWRIGHT_STORE_WRITER_H

#include "store/store.h"

struct writer;

/* Starts the thread. db is the writer's connection: borrowed, and its own until writer_destroy. */
int writer_create(struct db *db, struct writer **out, struct err *e);
/* Runs what is queued, then ends the thread. */
void writer_destroy(struct writer *writer);

/* As store_write, store_write_wait, store_subscribe. */
void writer_queue(struct writer *writer, store_fn *fn, void *arg, store_done *done);
int writer_wait(struct writer *writer, store_fn *fn, void *arg, struct err *e);
void writer_subscribe(struct writer *writer,
                      void (*told)(void *context, const struct store_news *news), void *context);

/* The lane has work that is due then: becomes news if this write stays. */
void store_tx_touch(struct store_tx *tx, const char *lane, int64_t due_ms);
/* Somebody insists on the lane's work: likewise. */
void store_tx_insist(struct store_tx *tx, const char *lane);
/* A job has ended: likewise. */
void store_tx_end_job(struct store_tx *tx);

#endif

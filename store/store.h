/*
 * The store: the only code that knows SQL. It persists what acme's headers describe and the jobs
 * that drive it, and knows nothing of HTTP.
 *
 * Reads run on a connection of the calling thread. Writes are functions: store_write queues one, a
 * single writer thread runs the queued ones in one transaction, each in a savepoint of its own, and
 * tells each when the transaction is durable. One header of this folder describes one concept; all
 * take a struct db (read) or a struct store_tx (write).
 */
#ifndef CERTWRIGHT_STORE_STORE_H
#define CERTWRIGHT_STORE_STORE_H

#include "acme/base/error.h"
#include "store/db.h"
#include "store/seal.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;

struct store_options {
    const char *directory; /* made with mode 0700 if absent */
    bool is_locked;        /* the caller has its lock (store/lock.h), until after store_close */
    unsigned char master[SEAL_KEY_SIZE];
    const unsigned char *next; /* another master key that may open it as well; NULL: none */
};

/* What a master key opens of a database: it has two forms of its data key while one master key
   takes the place of another (store/data_key.h). */
enum store_form { STORE_FORM_NONE, STORE_FORM_CURRENT, STORE_FORM_FORMER };

struct store_opening {
    enum store_form master;
    enum store_form next;
    bool by_next; /* which of the two has opened it: the one that opens the current form, or else
                     master before next */
};

/* Makes the directory (not those above it) unless it is there. ERR_IO. */
int store_make_directory(const char *path, struct err *e);

/* A new file in it is its owner's, also where root makes it for a service that is somebody else. */
void store_give_file(int fd, const char *directory);

/*
 * Opens or makes DIRECTORY/certwright.db, takes DIRECTORY/lock (ERR_BUSY if another process has
 * it), and migrates: the schema is brought to this program's version in one transaction per step;
 * a newer one is refused (ERR_STORE). ERR_SEAL if neither master key opens it, nothing written.
 *
 * Opened by master in its current form, it forgets the former one. Opened by next, it does not:
 * that is to be put in place first.
 */
int store_open(const struct store_options *options, struct store **out, struct err *e);

/* How the database was found; a new one has been made with master, which has opened nothing. */
struct store_opening store_opened(const struct store *store);

/* Whether it was a master key that another one has replaced (store/data_key.h) which opened it. */
bool store_opened_by_former(const struct store *store);

/* Runs what is queued, then ends. No other call may be under way, and no thread that has read from
   the store may be ending. NULL is fine. */
void store_close(struct store *store);

/* The calling thread's connection for reading; made at the first call, closed by store_close. */
int store_reader(struct store *store, struct db **out, struct err *e);

/* ---- writes ---- */

struct store_tx; /* what a write function gets */

/* The connection, for reading one's own writes and for SQL. */
struct db *store_tx_db(struct store_tx *tx);
/* Engine time when this transaction began. */
int64_t store_tx_now(const struct store_tx *tx);

/*
 * A write: returns 0, or -1 with e, and then nothing of it stays. It has no other side effects: it
 * may be run again, after a failure of the transaction that it shared, or of a write beside it.
 */
typedef int store_fn(struct store_tx *tx, void *arg, struct err *e);

/* Inside a write: runs fn, and takes back whatever it did. What it returned is returned. */
int store_tx_rehearse(struct store_tx *tx, store_fn *fn, void *arg, struct err *e);

/* Called once on the writer thread when the write is durable (e NULL) or has failed. Must be
   quick, must not write, must not wait. */
typedef void store_done(void *arg, const struct err *e);

/* Queues. Never blocks, never fails: done tells (ERR_SHUTDOWN once the store is closing, then on
   the calling thread). */
void store_write(struct store *store, store_fn *fn, void *arg, store_done *done);

/* The same, waiting for the result. Not on the writer thread. */
int store_write_wait(struct store *store, store_fn *fn, void *arg, struct err *e);

/* ---- the feed ---- */

/* A lane that got work in a commit, and when its earliest new work is due. */
struct store_lane {
    const char *name;
    int64_t due_ms;
    bool insisted; /* somebody wants it tried, whatever the lane has seen before */
};

/* What is told after each commit that changed something: the last event's seq, the lanes, and
   whether it is of interest to those who wait for a job's end. */
struct store_news {
    int64_t seq;
    const struct store_lane *lanes;
    size_t lane_count;
    bool job_ended; /* one at least */
};

/* Called on the writer thread after each commit, in order of commit, before the writes' done.
   Quick, as done. At most 4 subscribers, before the first write. */
void store_subscribe(struct store *store,
                     void (*told)(void *context, const struct store_news *news), void *context);

/* The whole database is sound (PRAGMA integrity_check, foreign keys). For health checks and tests.
 */
int store_check(struct store *store, struct err *e);

#endif

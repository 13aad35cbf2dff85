/*
 * The master key of a data directory, and the one that is to take its place.
 *
 *   master.key        the one in place
 *   master.key.next   another one, from before a rekey commits it until it is in place
 *
 * A rekey makes the next key durable, commits a data key that both open, puts the next key in
 * place, and commits a data key that only this opens (server/api/rekey.c). So whatever is killed,
 * the key in place opens the database, unless the next one does and only has to be put there. Each
 * start settles that, under the directory's lock, by what opens the database:
 *
 *   the next key opens what was committed  →  it is put in place
 *   the key in place opens it, the next one does not  →  the next one is stale, and removed
 *   neither opens it  →  the start is refused, and nothing changed
 *
 * A file that opened nothing where the next key has to go is kept as master.key.aside. What cannot
 * be put in place, or cannot be read, stays where it is, and there is no rekey until a start has
 * settled it. Of a master key that comes from elsewhere, no file is looked at.
 */
#ifndef CERTWRIGHT_SERVER_START_MASTER_H
#define CERTWRIGHT_SERVER_START_MASTER_H

#include "server/start/secrets.h"
#include "store/store.h"

struct master {
    const char *directory;
    struct master_source source;
    bool is_unsettled; /* a next key lies there that must not be written over */
};

/* Finds the master key (secrets_master), opens the store with it and settles as above. Whoever
   calls it has the directory's lock (store/lock.h), and keeps it until after store_close. */
int master_open_store(struct master *master, struct store **out, struct err *e);

/*
 * The key that is to replace the one in use. Of the directory's own, a new one is made, in
 * master.key.next (0600, durable); one that comes from elsewhere has to be given, as a text.
 * ERR_INVALID where it is the other way about, ERR_CONFIG if it is none, ERR_CONFLICT before it is
 * settled. One rekey at a time.
 */
int master_next(struct master *master, const char *given, unsigned char out[SEAL_KEY_SIZE],
                struct err *e);

/* Once that opens the database: puts it in the place of the former one, which is gone then.
   settled: whether there was such a place. */
int master_settle(struct master *master, bool *settled, struct err *e);

#endif

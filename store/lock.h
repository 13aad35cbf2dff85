/*
 * The lock of a data directory: whoever has it is the only one to touch what lies there. It goes
 * with the process, however that ends.
 */
#ifndef CERTWRIGHT_STORE_LOCK_H
#define CERTWRIGHT_STORE_LOCK_H

#include "acme/base/error.h"

struct store_lock;

/* Takes DIRECTORY/lock; the directory is made (0700) if it is absent. ERR_BUSY if another process,
   or another store of this one, has it; ERR_IO. */
int store_lock_take(const char *directory, struct store_lock **out, struct err *e);

/* NULL is fine. */
void store_lock_release(struct store_lock *lock);

#endif

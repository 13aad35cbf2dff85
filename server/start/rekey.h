/* `certwright rekey`: what POST /rekey does, for whoever is on the same machine. */
#ifndef CERTWRIGHT_SERVER_START_REKEY_H
#define CERTWRIGHT_SERVER_START_REKEY_H

#include "acme/base/error.h"
#include "server/config/config.h"

/*
 * Asks the service that has the data directory's lock (ask.h), or, while nobody has it, opens the
 * store itself. config was read for keys; new_key is the file of a master key that comes from
 * elsewhere, "-" for standard input, or NULL. Tells on standard output what has become of it.
 *
 * Killed at any moment, it leaves what POST /rekey leaves (master.h). ERR_CONFIG, ERR_BUSY, and
 * whatever the service refuses it with.
 */
int rekey_run(const struct config *config, const char *new_key, struct err *e);

#endif

/* What a start takes and refuses of a config, found out without starting anything. */
#ifndef CERTWRIGHT_SERVER_START_STARTABLE_H
#define CERTWRIGHT_SERVER_START_STARTABLE_H

#include "acme/base/buffer.h"
#include "acme/base/error.h"
#include "server/config/config.h"

struct api_defaults;
struct converge_plan;

/* Its defaults and resources, which the caller ends. complaints gets a line for each mistake.
   ERR_CONFIG with the first; then defaults are empty and *plan is NULL. */
int startable_read(const struct config *config, struct api_defaults *defaults,
                   struct converge_plan **plan, struct buf *complaints, struct err *e);

/*
 * The same, and complains also of addresses that cannot be served, of files for TLS, of hosts,
 * resolvers and files of secrets that do not do. Needs no data directory; nothing is bound or
 * written, and names of hosts are looked up, which blocks. What only the machine or the database
 * can tell (a port in use, a resource that the API has made) is left to the start.
 */
int startable_check(const struct config *config, struct buf *complaints, struct err *e);

#endif

/* Where requests of ours may go, as the config says it. Private to server/config. */
#ifndef CERTWRIGHT_SERVER_CONFIG_OUTGOING_READ_H
#define CERTWRIGHT_SERVER_CONFIG_OUTGOING_READ_H

#include "acme/outgoing.h"
#include "server/config/settings.h"

/* Allows what the file's `outgoing` lists, and trusts the URLs of its resources (may be NULL). */
void outgoing_read(const struct settings *file, struct json_object *resources,
                   struct outgoing *out);

#endif

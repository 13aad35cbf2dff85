/* The config's `listen`. Private to server/config. */
#ifndef CERTWRIGHT_SERVER_CONFIG_LISTENERS_H
#define CERTWRIGHT_SERVER_CONFIG_LISTENERS_H

#include "server/config/config.h"
#include "server/config/settings.h"

/* Takes the place of what *out holds; leaves it alone if the file has no `listen`. */
void listeners_read(const struct settings *file, struct config_listeners *out);

/* One that is an address and nothing else. */
void listeners_add(struct config_listeners *listeners, const char *address);
void listeners_finish(struct config_listeners *listeners);

#endif

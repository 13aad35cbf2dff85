/* The sandbox that fits a configuration. */
#ifndef CERTWRIGHT_SERVER_START_CONFINE_H
#define CERTWRIGHT_SERVER_START_CONFINE_H

#include "acme/base/error.h"
#include "server/config/config.h"

/*
 * Makes the data directory, and enters the sandbox unless the config has it off: while the process
 * has one thread, and after the command helper was started. ERR_IO if it is required and the kernel
 * lacks a part of it; the process is then to end.
 */
int confine(const struct config *config, struct err *e);

#endif

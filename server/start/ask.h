/* What a command asks the service that runs on this machine, as whoever calls it may. */
#ifndef CERTWRIGHT_SERVER_START_ASK_H
#define CERTWRIGHT_SERVER_START_ASK_H

#include "acme/base/error.h"
#include "acme/http.h"
#include "server/config/config.h"

/*
 * POSTs a body of JSON (NULL: none) to the config's first Unix socket, which knows its callers, or
 * else to its first listener without TLS, with the admin token. Any answer is a success here.
 * ERR_BUSY if there is no such listener, or nobody answers there; ERR_CONFIG without a token.
 */
int ask_post(const struct config *config, const char *path, const char *body,
             struct acme_http_response *response, struct err *e);

#endif

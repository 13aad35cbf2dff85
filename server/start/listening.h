/* The listeners that the config asks for. */
#ifndef CERTWRIGHT_SERVER_START_LISTENING_H
#define CERTWRIGHT_SERVER_START_LISTENING_H

#include "server/config/config.h"
#include "server/http/server.h"

struct served_certificates;

enum { LISTENING_MAX = 16, LISTENING_API_MAX = LISTENING_MAX - 2 };

/* Of whom a listener with TLS wants certificates. */
enum http_tls_client listening_client(const struct config_listener *listener);

/* Those of the API first, in the config's order. All is borrowed; returns how many there are. */
size_t listening_list(const struct config *config, const struct served_certificates *served,
                      struct http_listener_options out[LISTENING_MAX]);

void listening_log(struct http_server *server, const struct http_listener_options *list,
                   size_t count);

#endif

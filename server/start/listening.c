#include "server/start/listening.h"

#include "acme/base/log.h"
#include "server/start/served_certificates.h"

enum http_tls_client listening_client(const struct config_listener *listener)
{
    static const enum http_tls_client clients[] = {
        [CONFIG_CLIENT_NONE] = HTTP_TLS_CLIENT_NONE,
        [CONFIG_CLIENT_OPTIONAL] = HTTP_TLS_CLIENT_OPTIONAL,
        [CONFIG_CLIENT_REQUIRED] = HTTP_TLS_CLIENT_REQUIRED,
    };
    return clients[listener->client];
}

static struct http_listener_options api_listener(const struct config_listener *from,
                                                 const struct http_tls_material *tls)
{
    return (struct http_listener_options){
        .kind = HTTP_LISTENER_API,
        .address = from->address,
        .identities = {from->identities, from->identity_count},
        .scopes = from->scopes,
        .client = listening_client(from),
        .tls = tls,
    };
}

/* Those of the API first, in the config's order. */
size_t listening_list(const struct config *config, const struct served_certificates *served,
                      struct http_listener_options out[LISTENING_MAX])
{
    size_t n = 0;
    for (; n < config->listen.count && n < LISTENING_API_MAX; n++)
        out[n] = api_listener(&config->listen.items[n], served_certificates_first(served, n));
    if (config->ops_listen)
        out[n++] = (struct http_listener_options){.kind = HTTP_LISTENER_OPS,
                                                  .address = config->ops_listen};
    if (config->http01_listen)
        out[n++] = (struct http_listener_options){.kind = HTTP_LISTENER_HTTP01,
                                                  .address = config->http01_listen};
    return n;
}

void listening_log(struct http_server *server, const struct http_listener_options *list,
                   size_t count)
{
    static const char *const kinds[] = {
        [HTTP_LISTENER_API] = "api",
        [HTTP_LISTENER_OPS] = "ops",
        [HTTP_LISTENER_HTTP01] = "http-01",
    };
    for (size_t i = 0; i < count; i++)
        log_info("listening", "on", http_server_address(server, i), "for", kinds[list[i].kind],
                 "tls", list[i].tls ? "yes" : "no", NULL);
}

#include "server/start/ask.h"

#include "acme/base/memory.h"
#include "server/start/secret_file.h"

#include <stdlib.h>
#include <string.h>

static const char unix_prefix[] = "unix:";

static bool is_unix(const struct config_listener *listener)
{
    return !strncmp(listener->address, unix_prefix, sizeof unix_prefix - 1);
}

/* Whose certificate a listener with TLS shows here, nobody can say. NULL: there is none. */
static const struct config_listener *choose(const struct config *config)
{
    const struct config_listener *plain = NULL;
    for (size_t i = 0; i < config->listen.count; i++) {
        const struct config_listener *listener = &config->listen.items[i];
        if (is_unix(listener))
            return listener;
        if (!listener->has_tls && !plain)
            plain = listener;
    }
    return plain;
}

/* Who listens on all addresses listens on loopback. The caller frees. */
static char *url_of(const struct config_listener *listener, const char *path)
{
    static const char any[] = "0.0.0.0:", any_v6[] = "[::]:";
    const char *address = listener->address;
    if (is_unix(listener))
        return mem_printf("http://localhost%s", path);
    if (!strncmp(address, any, sizeof any - 1))
        return mem_printf("http://127.0.0.1:%s%s", address + sizeof any - 1, path);
    if (!strncmp(address, any_v6, sizeof any_v6 - 1))
        return mem_printf("http://[::1]:%s%s", address + sizeof any_v6 - 1, path);
    return mem_printf("http://%s%s", address, path);
}

static int read_token(const struct config *config, struct buf *header, struct err *e)
{
    char *path = config->admin_token_file ? mem_strdup(config->admin_token_file)
                                          : mem_printf("%s/admin.token", config->data);
    buf_add_string(header, "Authorization: Bearer ");
    int rc = secret_file_read_any(path, header, e);
    free(path);
    return rc;
}

static int send_to(const struct config *config, const struct config_listener *listener,
                   const struct acme_http_request *request, struct acme_http_response *response,
                   struct err *e)
{
    const struct acme_http_options options = {
        .user_agent = config->user_agent,
        .allow_http = true,
        .is_local = true,
        .unix_socket = is_unix(listener) ? listener->address + sizeof unix_prefix - 1 : NULL,
    };
    struct acme_http *http = acme_http_create(&options);
    struct err reason;
    int rc = acme_http_send(http, request, response, &reason);
    if (rc < 0)
        err_set(e, ERR_BUSY,
                "Another process uses the data directory %s, and does not answer at %s: %s. It is "
                "asked where --config or --listen say that it listens.",
                config->data, listener->address, reason.detail);
    acme_http_destroy(http);
    return rc;
}

int ask_post(const struct config *config, const char *path, const char *body,
             struct acme_http_response *response, struct err *e)
{
    const struct config_listener *listener = choose(config);
    struct buf token = {0};
    if (!listener)
        return err_set(e, ERR_BUSY,
                       "The service that uses the data directory %s has listeners with TLS alone: "
                       "ask it over HTTP, or let it listen on a Unix socket.",
                       config->data);
    if (!is_unix(listener) && read_token(config, &token, e) < 0) {
        buf_finish_secret(&token);
        return -1;
    }
    char *url = url_of(listener, path);
    const char *const headers[] = {"Content-Type: application/json",
                                   token.size ? buf_string(&token) : NULL, NULL};
    const struct acme_http_request request = {.method = "POST",
                                              .url = url,
                                              .headers = headers,
                                              .body = body ? body : "{}",
                                              .body_size = strlen(body ? body : "{}")};
    int rc = send_to(config, listener, &request, response, e);
    free(url);
    buf_finish_secret(&token);
    return rc;
}

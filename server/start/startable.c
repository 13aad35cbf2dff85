#include "server/start/startable.h"

#include "acme/base/memory.h"
#include "server/api/api.h"
#include "server/api/converge.h"
#include "server/api/fields.h"
#include "server/http/address.h"
#include "server/http/server.h"
#include "server/solver/dns_address.h"
#include "server/start/listening.h"
#include "server/start/secrets.h"
#include "server/start/served_certificates.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { POINTER_SIZE = 64 };

/* ---- listeners ---- */

static void check_address(enum http_listener_kind kind, const char *address, const char *pointer,
                          struct fields *errors)
{
    const struct http_listener_options listener = {.kind = kind, .address = address};
    struct err e;
    if (http_server_check_listener(&listener, &e) < 0)
        fields_add(errors, pointer, "%s", e.detail);
}

struct tls_place {
    size_t listener;
    struct fields *errors;
};

static void tell_of_file(void *context, const char *member, const char *detail)
{
    const struct tls_place *place = context;
    char pointer[POINTER_SIZE];
    snprintf(pointer, sizeof pointer, "/listen/%zu/tls%s%s", place->listener, member ? "/" : "",
             member ? member : "");
    fields_add(place->errors, pointer, "%s", detail);
}

static void check_api_listeners(const struct config *config, struct fields *errors)
{
    if (config->listen.count > LISTENING_API_MAX)
        fields_add(errors, "/listen", "there can be at most %d addresses", LISTENING_API_MAX);
    for (size_t i = 0; i < config->listen.count; i++) {
        const struct config_listener *listener = &config->listen.items[i];
        struct tls_place place = {i, errors};
        char pointer[POINTER_SIZE];
        snprintf(pointer, sizeof pointer, "/listen/%zu", i);
        check_address(HTTP_LISTENER_API, listener->address, pointer, errors);
        if (listener->has_tls)
            served_certificates_check(listener, tell_of_file, &place);
    }
}

/* Port 0 is another one each time. */
static bool is_same_place(const char *one, const char *other)
{
    const char *port = strrchr(one, ':');
    return !strcmp(one, other) && (!strncmp(one, "unix:", 5) || strcmp(port, ":0") != 0);
}

/* Complains unless the address, which may be NULL, is another than those before it. */
static void check_distinct(const char *const *seen, size_t count, const char *address,
                           const char *pointer, struct fields *errors)
{
    for (size_t i = 0; i < count && address; i++) {
        if (seen[i] && is_same_place(seen[i], address)) {
            fields_add(errors, pointer, "%s is listened on already", address);
            return;
        }
    }
}

static void check_all_distinct(const struct config *config, struct fields *errors)
{
    const char *const others[][2] = {
        {config->ops_listen, "/ops_listen"},
        {config->http01_listen, "/http01_listen"},
        {config->tls_alpn01_listen, "/tls_alpn01_listen"},
    };
    enum { OTHERS = sizeof others / sizeof *others };
    const char **seen = mem_new(config->listen.count + OTHERS, sizeof *seen);
    size_t count = 0;
    for (; count < config->listen.count; count++) {
        char pointer[POINTER_SIZE];
        snprintf(pointer, sizeof pointer, "/listen/%zu", count);
        seen[count] = config->listen.items[count].address;
        check_distinct(seen, count, seen[count], pointer, errors);
    }
    for (size_t i = 0; i < OTHERS; i++, count++) {
        seen[count] = others[i][0];
        check_distinct(seen, count, seen[count], others[i][1], errors);
    }
    free(seen);
}

static void check_listeners(const struct config *config, struct fields *errors)
{
    struct found_address found;
    struct err e;
    check_api_listeners(config, errors);
    if (config->ops_listen)
        check_address(HTTP_LISTENER_OPS, config->ops_listen, "/ops_listen", errors);
    if (config->http01_listen)
        check_address(HTTP_LISTENER_HTTP01, config->http01_listen, "/http01_listen", errors);
    if (config->tls_alpn01_listen) {
        if (address_look_up(config->tls_alpn01_listen, &found, &e) < 0)
            fields_add(errors, "/tls_alpn01_listen", "%s", e.detail);
        else
            free(found.host);
    }
    check_all_distinct(config, errors);
}

/* ---- the rest ---- */

static void check_hosts(const struct config *config, struct fields *errors)
{
    char pointer[POINTER_SIZE];
    for (size_t i = 0; i < config->allowed_hosts.count; i++) {
        snprintf(pointer, sizeof pointer, "/allowed_hosts/%zu", i);
        if (!http_server_takes_host(config->allowed_hosts.items[i]))
            fields_add(errors, pointer, "%s is no host", config->allowed_hosts.items[i]);
    }
}

static void check_resolvers(const struct config *config, struct fields *errors)
{
    struct dns_address *found;
    size_t count;
    struct err e;
    if (dns_resolvers_read((const char *const *)config->resolvers.items, config->resolvers.count,
                           &found, &count, &e) < 0)
        fields_add(errors, "/resolvers", "%s", e.detail);
    else
        free(found);
}

static void check_secrets(const struct config *config, struct fields *errors)
{
    const struct master_source source = secrets_source_of(config, NULL);
    struct err e;
    if (secrets_check_master(&source, &e) < 0)
        fields_add(errors, "/master_key", "%s", e.detail);
    if (config->admin_token_file && secrets_check_admin_token(config->admin_token_file, &e) < 0)
        fields_add(errors, "", "%s", e.detail);
}

/* ---- all of it ---- */

/* Adds a line for each, and frees them. ERR_CONFIG with the first. */
static int tell_mistakes(const struct config *config, struct fields *errors, struct buf *complaints,
                         struct err *e)
{
    struct err first;
    int rc = fields_verdict(errors, &first);
    for (size_t i = 0; i < errors->count; i++)
        buf_printf(complaints, "%s: %s%s%s\n", config->file ? config->file : "the config",
                   errors->items[i].pointer, errors->items[i].pointer[0] ? ": " : "",
                   errors->items[i].detail);
    if (rc < 0)
        err_set(e, ERR_CONFIG, "%s", first.detail);
    fields_finish(errors);
    return rc;
}

int startable_read(const struct config *config, struct api_defaults *defaults,
                   struct converge_plan **plan, struct buf *complaints, struct err *e)
{
    struct fields errors = {0};
    *plan = NULL;
    api_defaults_read(config->defaults, &errors, defaults);
    defaults->answers_tls_alpn01 = config->tls_alpn01_listen != NULL;
    converge_read(config, &errors, plan);
    int rc = tell_mistakes(config, &errors, complaints, e);
    if (rc < 0) {
        converge_destroy(*plan);
        *plan = NULL;
        api_defaults_finish(defaults);
        *defaults = (struct api_defaults){0};
    }
    return rc;
}

int startable_check(const struct config *config, struct buf *complaints, struct err *e)
{
    struct api_defaults defaults = {0};
    struct converge_plan *plan;
    struct fields errors = {0};
    check_listeners(config, &errors);
    check_hosts(config, &errors);
    check_resolvers(config, &errors);
    check_secrets(config, &errors);
    int rc = tell_mistakes(config, &errors, complaints, e);
    if (startable_read(config, &defaults, &plan, complaints, e) < 0)
        return -1;
    converge_destroy(plan);
    api_defaults_finish(&defaults);
    return rc;
}

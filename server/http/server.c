#include "server/http/server.h"

#include "acme/base/clock.h"
#include "acme/base/log.h"
#include "acme/base/memory.h"
#include "server/access/scope.h"
#include "server/http/acceptor.h"
#include "server/http/clients.h"
#include "server/http/exchange_private.h"
#include "server/http/request.h"
#include "server/http/server_private.h"
#include "server/http/shares.h"
#include "server/http/thread.h"
#include "server/http/tls_context.h"
#include "server/http/tls_front.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    THREADS_DEFAULT = 2,
    THREADS_MAX = 4,
    BODY_DEFAULT = 1024 * 1024,
    BODY_TOTAL_DEFAULT = 64 * 1024 * 1024,
    WAITERS_DEFAULT = 10000,
    STREAMS_DEFAULT = 10000,
    PING_MS = 15 * 1000,
    HEADER_TIMEOUT_MS = 10 * 1000,
    BODY_TIMEOUT_MS = 60 * 1000,
    ANSWER_TIMEOUT_MS = 60 * 1000,
    KEEP_ALIVE_SECONDS = 30,
    /* Room for a request's header and the answer's, in each connection. */
    CONNECTION_MEMORY = 32 * 1024,
    CONNECTIONS_MAX = 16 * 1024,
    /* Descriptors that are left to the database, the CA and the rest of the process. */
    DESCRIPTORS_RESERVED = 256,
    DESCRIPTORS_PER_TLS = 3, /* the client's, and the pair's two */
    SECOND_US = 1000 * 1000,
    MINUTE_US = 60 * SECOND_US,
    DEFERRED_GRACE_MS = 4000,
    ANSWER_GRACE_MS = 2000,
};

static void log_line(void *cls, const char *format, va_list args)
{
    (void)cls;
    char line[256];
    vsnprintf(line, sizeof line, format, args);
    line[strcspn(line, "\n")] = '\0';
    log_debug("libmicrohttpd", "says", line, NULL);
}

static unsigned connection_limit(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) < 0 ||
        files.rlim_cur > CONNECTIONS_MAX + DESCRIPTORS_RESERVED)
        return CONNECTIONS_MAX;
    if (files.rlim_cur < 2 * DESCRIPTORS_RESERVED)
        return (unsigned)files.rlim_cur / 2;
    return (unsigned)files.rlim_cur - DESCRIPTORS_RESERVED;
}

/* Of a kind there is one daemon with its threads, whatever the number of addresses. */
static const struct listener *same_kind_before(const struct listener *listener)
{
    for (const struct listener *l = listener->server->listeners; l < listener; l++)
        if (l->kind == listener->kind)
            return l;
    return NULL;
}

static int start_daemon(struct listener *listener, struct err *e)
{
    const struct listener *elder = same_kind_before(listener);
    if (elder) {
        listener->daemon = elder->daemon;
        return 0;
    }
    /* What is not the API has so little to do, and nothing that takes long, that it needs no thread
       of its own; and it must not wait behind the API. */
    bool is_api = listener->kind == HTTP_LISTENER_API;
    unsigned flags = (is_api ? MHD_USE_EPOLL_INTERNAL_THREAD : MHD_USE_EPOLL) |
                     MHD_ALLOW_SUSPEND_RESUME | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ERROR_LOG;
    bool has_pool = is_api && listener->server->threads > 1; /* a pool of one is refused */
    struct MHD_OptionItem pool[] = {
        {has_pool ? MHD_OPTION_THREAD_POOL_SIZE : MHD_OPTION_END, listener->server->threads, NULL},
        {MHD_OPTION_END, 0, NULL},
    };
    sigset_t before;
    thread_block_signals(&before);
    listener->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, request_advance, listener, MHD_OPTION_EXTERNAL_LOGGER, log_line, NULL,
        MHD_OPTION_URI_LOG_CALLBACK, request_line_arrived, listener, MHD_OPTION_NOTIFY_COMPLETED,
        request_completed, listener, MHD_OPTION_NOTIFY_CONNECTION, request_connection_changed,
        listener, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
        MHD_OPTION_CONNECTION_LIMIT, connection_limit(), MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)KEEP_ALIVE_SECONDS, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_ARRAY, pool,
        MHD_OPTION_END);
    thread_restore_signals(&before);
    if (!listener->daemon)
        return err_set(e, ERR_IO, "cannot serve %s: libmicrohttpd refuses", listener->bound.name);
    listener->is_driven = !is_api;
    return 0;
}

/* The parser of libmicrohttpd before 1.0 takes bare line feeds, folded fields and spaces before the
   colon in a way that no handler can see. */
static bool is_parser_old(void)
{
    return strtol(MHD_get_version(), NULL, 10) < 1;
}

/* The http-01 listener answers everyone the same public tokens: a smuggled request gains none. */
static int check_parser(bool is_old, bool is_local_only,
                        const struct http_listener_options *options, struct err *e)
{
    if (!is_old || is_local_only || options->kind == HTTP_LISTENER_HTTP01)
        return 0;
    return err_set(e, ERR_CONFIG,
                   "cannot listen on %s: libmicrohttpd %s lets requests through that a proxy "
                   "may read differently, so before its version 1.0 only loopback and Unix "
                   "sockets are served. Listen there, behind a proxy, or take Debian 13",
                   options->address, MHD_get_version());
}

static int add_given_host(struct host_list *hosts, const char *host, const char *address,
                          struct err *e)
{
    return !host || host_list_add(hosts, host)
               ? 0
               : err_set(e, ERR_CONFIG, "%s: this is no host", address);
}

int http_server_check_listener(const struct http_listener_options *options, struct err *e)
{
    struct found_address found;
    struct host_list hosts = {0};
    if (address_look_up(options->address, &found, e) < 0)
        return -1;
    int rc = check_parser(is_parser_old(), found.is_local_only, options, e);
    if (rc == 0)
        rc = add_given_host(&hosts, found.host, options->address, e);
    host_list_finish(&hosts);
    free(found.host);
    return rc;
}

int http_server_check_tls(enum http_tls_client client, const struct http_tls_material *material,
                          struct err *e)
{
    struct tls_context *context;
    if (tls_context_create(client, material, &context, e) < 0)
        return -1;
    tls_context_destroy(context);
    return 0;
}

bool http_server_takes_host(const char *host)
{
    struct host_list hosts = {0};
    bool takes = host_list_add(&hosts, host);
    host_list_finish(&hosts);
    return takes;
}

static int bind_listener(struct http_server *server, const struct http_listener_options *options,
                         struct err *e)
{
    struct listener *listener = &server->listeners[server->listener_count];
    /* Who else is to be let in over a Unix socket has to get as far as being looked at. */
    enum address_reach reach = options->kind == HTTP_LISTENER_HTTP01 ? ADDRESS_ALL_OF_ANY
                               : options->identities.count           ? ADDRESS_FOR_ALL
                                                                     : ADDRESS_AS_GIVEN;
    if (address_listen(options->address, reach, &listener->bound, e) < 0)
        return -1;
    listener->server = server;
    listener->kind = options->kind;
    listener->is_unix = listener->bound.unix_path != NULL;
    listener->identities = options->identities;
    listener->scopes = options->scopes ? options->scopes : SCOPE_ALL;
    server->listener_count++;
    struct err cause;
    if (options->tls &&
        tls_context_create(options->client, options->tls, &listener->tls, &cause) < 0)
        return err_set(e, cause.code, "listen on %s: %s", options->address, cause.detail);
    if (check_parser(server->is_parser_old, listener->bound.is_local_only, options, e) < 0)
        return -1;
    return add_given_host(&server->hosts, listener->bound.given_host, options->address, e);
}

static int fill_hosts(struct http_server *server, const struct http_server_options *options,
                      struct err *e)
{
    host_list_add(&server->hosts, "localhost");
    host_list_add(&server->hosts, "127.0.0.1");
    host_list_add(&server->hosts, "::1");
    for (size_t i = 0; i < options->allowed_host_count; i++)
        if (!host_list_add(&server->hosts, options->allowed_hosts[i]))
            return err_set(e, ERR_CONFIG, "allowed_hosts: %s is no host",
                           options->allowed_hosts[i]);
    return 0;
}

static int value_or(int value, int otherwise)
{
    return value ? value : otherwise;
}

static size_t size_or(size_t value, size_t otherwise)
{
    return value ? value : otherwise;
}

static void limit_clients(struct http_server *server, const struct http_server_options *options)
{
    int rate = options->requests_per_second, failures = options->failures_per_minute;
    if (rate)
        server->clients = clients_create(SECOND_US / rate, value_or(options->request_burst, rate));
    if (failures)
        server->failures = clients_create(MINUTE_US / failures, failures);
}

/* Of something that takes a connection; 0: all. */
static size_t client_share(int wanted)
{
    size_t most = connection_limit() / 4, max = (size_t)wanted;
    return max < most ? max : most;
}

static struct http_server *prepare(const struct http_server_options *options)
{
    struct http_server *server = mem_new(1, sizeof *server);
    server->listeners = mem_new(options->listener_count, sizeof *server->listeners);
    server->wake_fd = server->resume_fd = -1;
    server->routes = options->routes;
    server->context = options->context;
    server->authenticate = options->authenticate;
    server->permit = options->permit;
    server->served = options->served;
    server->threads = value_or(options->threads, THREADS_DEFAULT);
    if (server->threads > THREADS_MAX)
        server->threads = THREADS_MAX;
    server->max_body = size_or(options->max_body, BODY_DEFAULT);
    server->max_body_total = size_or(options->max_body_total, BODY_TOTAL_DEFAULT);
    server->is_parser_old = is_parser_old();
    thread_condition_init(&server->exchanges_changed);
    limit_clients(server, options);
    server->waits = shares_create(client_share(options->client_waits));
    return server;
}

/* A stream keeps its connection: others have to find one, too. */
static struct streams *make_streams(struct http_server *server,
                                    const struct http_server_options *options)
{
    size_t max = size_or(options->max_streams, STREAMS_DEFAULT), most = connection_limit() / 2;
    const struct streams_options streams = {
        .max = max < most ? max : most,
        .max_of_client = client_share(options->client_streams),
        .ping_ms = value_or(options->ping_ms, PING_MS),
        .wake_fd = server->wake_fd,
        .connections = server->connections,
        .news = options->news,
        .context = options->context,
    };
    return streams_create(&streams);
}

static int start_tls_front(struct http_server *server, int handshake_ms, struct err *e)
{
    const struct tls_front_options options = {
        .connections = server->connections,
        .max = connection_limit() / DESCRIPTORS_PER_TLS,
        .handshake_ms = handshake_ms,
    };
    for (size_t i = 0; i < server->listener_count; i++)
        if (server->listeners[i].tls)
            return tls_front_create(&options, &server->tls_front, e);
    return 0;
}

static int start(struct http_server *server, const struct http_server_options *options,
                 struct err *e)
{
    int header_ms = value_or(options->header_timeout_ms, HEADER_TIMEOUT_MS);
    const struct connection_limits limits = {
        /* The library ends idle connections; a header that begins just before has its time too. */
        .idle_ms = KEEP_ALIVE_SECONDS * CLOCK_SECOND_MS + header_ms,
        .header_ms = header_ms,
        .body_ms = value_or(options->body_timeout_ms, BODY_TIMEOUT_MS),
        .answer_ms = ANSWER_TIMEOUT_MS,
    };
    if (fill_hosts(server, options, e) < 0)
        return -1;
    for (size_t i = 0; i < options->listener_count; i++)
        if (bind_listener(server, &options->listeners[i], e) < 0)
            return -1;
    server->connections = connections_create(&limits);
    server->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    server->resume_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (server->wake_fd < 0 || server->resume_fd < 0)
        return err_set(e, ERR_IO, "cannot make an eventfd: %s", strerror(errno));
    server->waiters =
        waiters_create(size_or(options->max_waiters, WAITERS_DEFAULT), server->wake_fd);
    server->streams = make_streams(server, options);
    for (size_t i = 0; i < server->listener_count; i++)
        if (start_daemon(&server->listeners[i], e) < 0)
            return -1;
    if (start_tls_front(server, header_ms, e) < 0)
        return -1;
    return acceptor_create(server, &server->acceptor, e);
}

int http_server_create(const struct http_server_options *options, struct http_server **out,
                       struct err *e)
{
    struct http_server *server = prepare(options);
    if (start(server, options, e) < 0) {
        http_server_destroy(server);
        return -1;
    }
    *out = server;
    return 0;
}

const char *http_server_address(const struct http_server *server, size_t i)
{
    return server->listeners[i].bound.name;
}

int http_server_renew_tls(struct http_server *server, size_t i,
                          const struct http_tls_material *material, struct err *e)
{
    return tls_context_renew(server->listeners[i].tls, material, e);
}

void http_server_notify(struct http_server *server, bool job_ended)
{
    if (job_ended)
        waiters_notify(server->waiters);
    streams_notify(server->streams);
}

int64_t http_server_attend(struct http_server *server)
{
    eventfd_t ignored;
    eventfd_read(server->wake_fd, &ignored); /* first: what comes from here on wakes again */
    int64_t waiters = waiters_attend(server->waiters), streams = streams_attend(server->streams);
    return waiters < streams ? waiters : streams;
}

int http_server_wake_fd(const struct http_server *server)
{
    return server->wake_fd;
}

size_t http_server_streams(const struct http_server *server)
{
    return streams_count(server->streams);
}

/*
 * libmicrohttpd aborts when it is stopped while a connection is suspended, so the order counts: no
 * more connections, then waiters and streams, then whoever else has deferred, then the answers'
 * last bytes.
 */
void http_server_destroy(struct http_server *server)
{
    if (!server)
        return;
    exchange_begin_stop(server);
    if (server->acceptor)
        acceptor_stop(server->acceptor);
    if (server->tls_front)
        tls_front_stop(server->tls_front);
    for (size_t i = 0; i < server->listener_count; i++)
        address_stop(&server->listeners[i].bound);
    if (server->waiters)
        waiters_stop(server->waiters);
    if (server->streams)
        streams_stop(server->streams);
    exchange_settle_all(server, clock_monotonic_ms() + DEFERRED_GRACE_MS);
    exchange_await_completion(server, clock_monotonic_ms() + ANSWER_GRACE_MS);
    acceptor_destroy(server->acceptor); /* which runs some of the daemons */
    for (size_t i = 0; i < server->listener_count; i++)
        if (server->listeners[i].daemon && !same_kind_before(&server->listeners[i]))
            MHD_stop_daemon(server->listeners[i].daemon);
    tls_front_destroy(server->tls_front);
    for (size_t i = 0; i < server->listener_count; i++) {
        address_finish(&server->listeners[i].bound);
        tls_context_destroy(server->listeners[i].tls);
    }
    connections_destroy(server->connections);
    waiters_destroy(server->waiters);
    clients_destroy(server->clients);
    clients_destroy(server->failures);
    shares_destroy(server->waits);
    streams_destroy(server->streams);
    if (server->wake_fd >= 0)
        close(server->wake_fd);
    if (server->resume_fd >= 0)
        close(server->resume_fd);
    host_list_finish(&server->hosts);
    pthread_cond_destroy(&server->exchanges_changed);
    free(server->listeners);
    free(server);
}

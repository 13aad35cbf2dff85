#include "server/start/house.h"

#include "acme/base/clock.h"
#include "acme/base/log.h"
#include "acme/base/memory.h"
#include "acme/http.h"
#include "server/api/api.h"
#include "server/api/builtin.h"
#include "server/api/converge.h"
#include "server/deploy/folder.h"
#include "server/deploy/scratch.h"
#include "server/deploy/target.h"
#include "server/engine/engine.h"
#include "server/http/address.h"
#include "server/http/server.h"
#include "server/outside/commands.h"
#include "server/solver/http01.h"
#include "server/solver/propagation.h"
#include "server/solver/tls_alpn01_listener.h"
#include "server/start/clock_watch.h"
#include "server/start/confine.h"
#include "server/start/listening.h"
#include "server/start/master.h"
#include "server/start/secrets.h"
#include "server/start/served_certificates.h"
#include "server/start/startable.h"
#include "store/audit.h"
#include "store/job.h"
#include "store/lock.h"

#include <errno.h>
#include <json-c/json.h>
#include <malloc.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum {
    SECURE_HEAP_BYTES = 1024 * 1024,
    SECURE_HEAP_SMALLEST = 64,
    JOBS_KEPT_S = 30 * 24 * 3600,
    LOOK_MS = 5 * 1000,
    REST_MAX_DAYS = 7, /* after a longer one the clock itself may be wrong */
};

/* In the order of their start; NULL: not started, or ended. */
struct house {
    const struct config *config;
    struct api_defaults defaults;
    struct converge_plan *plan;
    int64_t converge_at; /* engine time; INT64_MAX: there is nothing left to do */
    size_t holes; /* bytes of the heap that are not in use, and were given back where possible */
    int64_t sweep_at;
    int64_t look_at;   /* at the clock, and at what the API keeps for later */
    int64_t attend_at; /* to those who wait for a commit */
    struct clock_watch clock;
    struct commands *commands;
    const char **file_roots; /* ends with NULL */
    struct target_pidfile *pidfiles;
    char *scratch;
    struct store_lock *lock;
    struct master master;
    struct store *store;
    struct http01_table *http01;
    struct bound_address tls_alpn01_bound;
    struct tls_alpn01_table *tls_alpn01;
    struct tls_alpn01_listener *tls_alpn01_listener;
    struct propagation *propagation;
    struct engine *engine;
    struct api *api;
    pthread_mutex_t server_mutex; /* guards both pointers: the feed may tell while these end */
    struct http_server *server;
    struct served_certificates *served;
};

/* ---- the parts ---- */

static int start_libraries(struct err *e)
{
    /* Without it (no mlock allowed, say) keys live on the ordinary heap, and are cleansed there. */
    if (CRYPTO_secure_malloc_init(SECURE_HEAP_BYTES, SECURE_HEAP_SMALLEST) != 1)
        log_warn("the secure heap for keys is not locked into memory", NULL);
    return acme_http_library_init(e);
}

static int start_commands(struct house *house, struct err *e)
{
    const struct config *config = house->config;
    struct command *list = mem_new(config->command_count, sizeof *list);
    for (size_t i = 0; i < config->command_count; i++) {
        list[i].name = config->commands[i].name;
        list[i].argv = (const char *const *)config->commands[i].argv;
    }
    int rc = commands_create(list, config->command_count, &house->commands, e);
    free(list);
    return rc;
}

static void notify(struct house *house, bool job_ended)
{
    pthread_mutex_lock(&house->server_mutex);
    if (house->server)
        http_server_notify(house->server, job_ended);
    if (house->served)
        served_certificates_notify(house->served);
    pthread_mutex_unlock(&house->server_mutex);
}

static void told(void *context, const struct store_news *news)
{
    notify(context, news->job_ended);
}

/* What waits for else than a job looks at it, too. */
static void wake(void *context)
{
    notify(context, true);
}

static int next_master(void *context, const char *given, unsigned char out[SEAL_KEY_SIZE],
                       struct err *e)
{
    struct house *house = context;
    return master_next(&house->master, given, out, e);
}

static int settle_master(void *context, bool *settled, struct err *e)
{
    struct house *house = context;
    return master_settle(&house->master, settled, e);
}

static int start_store(struct house *house, struct err *e)
{
    const char *data = house->config->data;
    house->master = (struct master){.directory = data,
                                    .source = secrets_source_of(house->config, house->commands)};
    if (store_lock_take(data, &house->lock, e) < 0 ||
        master_open_store(&house->master, &house->store, e) < 0)
        return -1;
    store_subscribe(house->store, told, house);
    return 0;
}

/* Where targets may write, and a folder of ours for what commands are to read of a deployment. */
static int find_places(struct house *house, struct err *e)
{
    const struct config *config = house->config;
    house->file_roots = mem_new(config->file_roots.count + 1, sizeof *house->file_roots);
    for (size_t i = 0; i < config->file_roots.count; i++)
        house->file_roots[i] = config->file_roots.items[i];
    house->pidfiles = mem_new(config->pidfile_count, sizeof *house->pidfiles);
    for (size_t i = 0; i < config->pidfile_count; i++)
        house->pidfiles[i] =
            (struct target_pidfile){config->pidfiles[i].name, config->pidfiles[i].path};
    char *data = realpath(config->data, NULL);
    if (!data)
        return err_set(e, ERR_IO, "%s: %s", config->data, strerror(errno));
    house->scratch = mem_printf("%s/scratch", data);
    free(data);
    if (target_scratch_clear(house->scratch, e) < 0)
        return -1;
    folder_sweep_noted(house->scratch, house->file_roots);
    return 0;
}

static int start_tls_alpn01(struct house *house, struct err *e)
{
    const char *address = house->config->tls_alpn01_listen;
    if (!address)
        return 0;
    if (tls_alpn01_create(&house->tls_alpn01, e) < 0)
        return -1;
    return address_listen(address, ADDRESS_ALL_OF_ANY, &house->tls_alpn01_bound, e);
}

/* With the engine started its table is full; who came before has waited in the backlog. */
static int answer_tls_alpn01(struct house *house, struct err *e)
{
    if (!house->tls_alpn01)
        return 0;
    if (tls_alpn01_listener_create(house->tls_alpn01, house->tls_alpn01_bound.fd,
                                   &house->tls_alpn01_listener, e) < 0)
        return -1;
    log_info("listening", "on", house->tls_alpn01_bound.name, "for", "tls-alpn-01", NULL);
    return 0;
}

static int start_engine(struct house *house, struct err *e)
{
    const struct config *config = house->config;
    struct propagation_options propagation = {
        .resolvers = (const char *const *)config->resolvers.items,
        .resolver_count = config->resolvers.count,
        .resolvers_only = config->resolvers_only,
    };
    if (find_places(house, e) < 0 || start_tls_alpn01(house, e) < 0 ||
        propagation_create(&propagation, &house->propagation, e) < 0)
        return -1;
    house->http01 = http01_create();
    struct engine_options options = {
        .store = house->store,
        .commands = house->commands,
        .http01 = house->http01,
        .tls_alpn01 = house->tls_alpn01,
        .propagation = house->propagation,
        .user_agent = config->user_agent,
        .language = config->language,
        .workers = config->workers,
        .outgoing = config->outgoing,
        .file_roots = house->file_roots,
        .pidfiles = house->pidfiles,
        .pidfile_count = config->pidfile_count,
        .scratch = house->scratch,
    };
    return engine_create(&options, &house->engine, e);
}

static struct api_options api_options_of(struct house *house)
{
    return (struct api_options){
        .store = house->store,
        .config = house->config,
        .defaults = &house->defaults,
        .http01 = house->http01,
        .engine = house->engine,
        .master = {next_master, settle_master, house},
        .wake = wake,
        .wake_context = house,
    };
}

static int apply_builtin(struct store_tx *tx, void *arg, struct err *e)
{
    (void)arg;
    return builtin_apply(tx, e);
}

static int converge(struct house *house, struct err *e)
{
    struct api_options options = api_options_of(house);
    int64_t again_at = 0;
    if (converge_apply(house->plan, &options, &again_at, e) < 0)
        return -1;
    house->converge_at = again_at ? again_at : INT64_MAX;
    return 0;
}

static int start_api(struct house *house, struct err *e)
{
    const struct config *config = house->config;
    if (clock_watch_begin(&house->clock, house->store, e) < 0)
        return -1;
    /* To a clock that is years ahead everything has ended long ago: somebody has a day to see it.
     */
    if (house->clock.rested_ms > REST_MAX_DAYS * (int64_t)CLOCK_DAY_MS)
        house->sweep_at += CLOCK_DAY_MS;
    if (secrets_admin_token(house->store, config->data, config->admin_token_file, e) < 0 ||
        store_write_wait(house->store, apply_builtin, NULL, e) < 0 || converge(house, e) < 0)
        return -1;
    struct api_options options = api_options_of(house);
    return api_create(&options, &house->api, e);
}

/* What a listener shows is to be looked at from now on; NULL: no more. Returns the one before. */
static struct served_certificates *swap_served(struct house *house,
                                               struct served_certificates *served)
{
    pthread_mutex_lock(&house->server_mutex);
    struct served_certificates *before = house->served;
    house->served = served;
    pthread_mutex_unlock(&house->server_mutex);
    return before;
}

/* Returns the one before. */
static struct http_server *swap_server(struct house *house, struct http_server *server)
{
    pthread_mutex_lock(&house->server_mutex);
    struct http_server *before = house->server;
    house->server = server;
    pthread_mutex_unlock(&house->server_mutex);
    return before;
}

static int start_server(struct house *house, struct err *e)
{
    const struct config *config = house->config;
    struct http_listener_options listeners[LISTENING_MAX];
    struct http_server *server;
    struct served_certificates *served;
    if (config->listen.count > LISTENING_API_MAX)
        return err_set(e, ERR_CONFIG, "More than %d addresses to listen on.", LISTENING_API_MAX);
    if (served_certificates_create(config, house->store, &served, e) < 0)
        return -1;
    swap_served(house, served);
    struct http_server_options options = {
        .listeners = listeners,
        .listener_count = listening_list(config, served, listeners),
        .allowed_hosts = (const char *const *)config->allowed_hosts.items,
        .allowed_host_count = config->allowed_hosts.count,
        .requests_per_second = config->requests_per_second,
        .request_burst = config->request_burst,
        .failures_per_minute = config->failures_per_minute,
        .client_streams = config->client_streams,
        .client_waits = config->client_waits,
        .routes = api_routes,
        .context = house->api,
        .authenticate = api_authenticate,
        .permit = api_permit,
        .served = api_served,
        .news = api_news,
    };
    if (http_server_create(&options, &server, e) < 0)
        return -1;
    swap_server(house, server);
    listening_log(server, listeners, options.listener_count);
    return served_certificates_watch(served, server, e);
}

/* ---- life ---- */

static int start_all(struct house *house, struct err *e)
{
    const struct master_source source = secrets_source_of(house->config, house->commands);
    if (secrets_claim_descriptor(&source, e) < 0 || start_libraries(e) < 0 ||
        start_commands(house, e) < 0 || confine(house->config, e) < 0 ||
        start_store(house, e) < 0 || start_engine(house, e) < 0 || start_api(house, e) < 0 ||
        start_server(house, e) < 0 || engine_start(house->engine, e) < 0 ||
        answer_tls_alpn01(house, e) < 0)
        return -1;
    api_set_ready(house->api, true);
    return 0;
}

int house_create(const struct config *config, struct house **out, struct buf *complaints,
                 struct err *e)
{
    struct house *house = mem_new(1, sizeof *house);
    house->config = config;
    house->tls_alpn01_bound.fd = -1;
    house->converge_at = INT64_MAX;
    house->sweep_at = house->look_at = house->attend_at = clock_engine_ms();
    pthread_mutex_init(&house->server_mutex, NULL);
    if (startable_read(config, &house->defaults, &house->plan, complaints, e) < 0 ||
        start_all(house, e) < 0) {
        house_destroy(house);
        return -1;
    }
    *out = house;
    return 0;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t house_tend_at(const struct house *house)
{
    return earlier(earlier(house->converge_at, house->sweep_at),
                   earlier(house->look_at, house->attend_at));
}

int house_wake_fd(const struct house *house)
{
    return http_server_wake_fd(house->server);
}

static void attend(struct house *house)
{
    int64_t at = http_server_attend(house->server);
    house->attend_at = at == INT64_MAX ? at : clock_engine_ms() + (at - clock_monotonic_ms());
}

static void tend_resources(struct house *house)
{
    struct err error;
    if (converge(house, &error) == 0)
        return;
    log_warn("the config's resources cannot be brought to their specs", "detail", error.detail,
             NULL);
    house->converge_at = clock_engine_ms() + CLOCK_MINUTE_MS;
}

struct sweep {
    int64_t before;
    int64_t swept;
};

static int sweep_some_jobs(struct store_tx *tx, void *arg, struct err *e)
{
    struct sweep *sweep = arg;
    return job_sweep(tx, sweep->before, &sweep->swept, e);
}

static int sweep_some_audit(struct store_tx *tx, void *arg, struct err *e)
{
    struct sweep *sweep = arg;
    return audit_sweep(tx, sweep->before, &sweep->swept, e);
}

/* In bites, so that neither other writes nor those who wait for one are held up by it. */
static void sweep_all(struct house *house, store_fn *sweep_some, int64_t kept_s, const char *what)
{
    struct err error;
    struct sweep sweep = {.before = clock_engine_ms() - kept_s * CLOCK_SECOND_MS};
    do {
        if (store_write_wait(house->store, sweep_some, &sweep, &error) < 0) {
            log_warn("what is old cannot be swept", "what", what, "detail", error.detail, NULL);
            break;
        }
        attend(house);
    } while (sweep.swept > 0);
}

static void sweep_old(struct house *house)
{
    sweep_all(house, sweep_some_jobs, JOBS_KEPT_S, "jobs");
    sweep_all(house, sweep_some_audit, house->config->audit_retention_seconds, "audit");
    house->sweep_at = clock_engine_ms() + CLOCK_HOUR_MS;
}

/* What thousands of jobs needed at the same moment is not kept for the next such. malloc_trim does
   not know what it has given back already, and holds up who allocates. */
static void give_memory_back(struct house *house)
{
    enum { WORTH_BYTES = 1024 * 1024 };
    size_t holes = mallinfo2().fordblks;
    if (holes < house->holes)
        house->holes = holes;
    if (holes < house->holes + WORTH_BYTES)
        return;
    malloc_trim(0);
    house->holes = mallinfo2().fordblks;
}

void house_tend(struct house *house)
{
    int64_t now = clock_engine_ms();
    attend(house);
    if (house->look_at <= now) {
        clock_watch_look(&house->clock, house->store);
        api_tend(house->api, false);
        give_memory_back(house);
        house->look_at = now + LOOK_MS;
    }
    if (house->converge_at <= now)
        tend_resources(house);
    if (house->sweep_at <= now)
        sweep_old(house);
}

void house_destroy(struct house *house)
{
    if (!house)
        return;
    if (house->api)
        api_set_ready(house->api, false);
    served_certificates_destroy(swap_served(house, NULL));
    http_server_destroy(swap_server(house, NULL));
    if (house->api)
        api_tend(house->api, true);
    if (house->engine)
        engine_stop(house->engine);
    tls_alpn01_listener_destroy(house->tls_alpn01_listener);
    address_finish(&house->tls_alpn01_bound);
    propagation_destroy(house->propagation);
    if (house->store)
        store_close(house->store);
    store_lock_release(house->lock);
    engine_destroy(house->engine);
    api_destroy(house->api);
    http01_destroy(house->http01);
    tls_alpn01_destroy(house->tls_alpn01);
    commands_destroy(house->commands);
    free(house->file_roots);
    free(house->pidfiles);
    free(house->scratch);
    converge_destroy(house->plan);
    api_defaults_finish(&house->defaults);
    pthread_mutex_destroy(&house->server_mutex);
    free(house);
}

#include "server/config/config.h"

#include "acme/base/memory.h"
#include "acme/outgoing.h"
#include "server/config/checks.h"
#include "server/config/complaints.h"
#include "server/config/expand.h"
#include "server/config/listeners.h"
#include "server/config/master_key.h"
#include "server/config/outgoing_read.h"
#include "server/config/settings.h"
#include "server/config/source.h"

#include <json-c/json.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* A client alone is not to take all that this service can do; and one that tries tokens is either
   wrong or up to no good. */
enum {
    REQUESTS_PER_SECOND = 5000,
    REQUEST_BURST = 10000,
    FAILURES_PER_MINUTE = 600,
    CLIENT_STREAMS = 2500, /* a quarter of what there is for all */
    CLIENT_WAITS = 2500,
    LIMIT_MAX = 1000 * 1000,
};

static const char *const log_levels[] = {"debug", "info", "warn", "error"};
static const char *const sandboxes[] = {"auto", "off", "required"};

/* ---- life ---- */

static void command_finish(struct config_command *command)
{
    for (char **argument = command->argv; argument && *argument; argument++)
        free(*argument);
    free(command->argv);
    free(command->name);
}

void config_destroy(struct config *config)
{
    if (!config)
        return;
    for (size_t i = 0; i < config->command_count; i++)
        command_finish(&config->commands[i]);
    free(config->commands);
    for (size_t i = 0; i < config->pidfile_count; i++) {
        free(config->pidfiles[i].name);
        free(config->pidfiles[i].path);
    }
    free(config->pidfiles);
    listeners_finish(&config->listen);
    config_texts_finish(&config->allowed_hosts);
    config_texts_finish(&config->resolvers);
    config_texts_finish(&config->file_roots);
    outgoing_destroy(config->outgoing);
    source_destroy(config->defaults);
    source_destroy(config->resources);
    mem_free_secret_string(config->master_key);
    free(config->master_key_command);
    free(config->master_key_lacks);
    free(config->file);
    free(config->data);
    free(config->user_agent);
    free(config->language);
    free(config->ops_listen);
    free(config->http01_listen);
    free(config->tls_alpn01_listen);
    free(config->admin_token_file);
    free(config->master_key_file);
    free(config);
}

static struct config *create_default(void)
{
    struct config *config = mem_new(1, sizeof *config);
    config->data = mem_strdup("./data");
    config->user_agent = mem_strdup("certwright/" CERTWRIGHT_VERSION);
    config->language = mem_strdup("en");
    config->outgoing = outgoing_create();
    listeners_add(&config->listen, "127.0.0.1:8555");
    config->requests_per_second = REQUESTS_PER_SECOND;
    config->request_burst = REQUEST_BURST;
    config->failures_per_minute = FAILURES_PER_MINUTE;
    config->client_streams = CLIENT_STREAMS;
    config->client_waits = CLIENT_WAITS;
    config->workers = CONFIG_WORKERS_DEFAULT;
    config->audit_retention_seconds = CONFIG_AUDIT_DEFAULT_S;
    config->log_level = LOG_LEVEL_INFO;
    config->master_key_fd = -1;
    return config;
}

/* ---- values that come as texts: flags, the environment, some of the file ---- */

static void complain_unless(struct complaints *complaints, const char *source, const char *fault)
{
    if (fault)
        complaints_add(complaints, source, "", "%s", fault);
}

static void apply_text(const char *value, const char *source, settings_check *check, char **out,
                       struct complaints *complaints)
{
    if (!value)
        return;
    complain_unless(complaints, source, *value ? check(value) : "this is empty");
    free(*out);
    *out = mem_strdup(value);
}

static void apply_workers(const char *value, const char *source, int *out,
                          struct complaints *complaints)
{
    if (!value)
        return;
    char *end;
    long number = strtol(value, &end, 10);
    if (*value && !*end && number >= 1 && number <= CONFIG_WORKERS_MAX)
        *out = (int)number;
    else
        complaints_add(complaints, source, "", "this has to be a number from 1 to %d",
                       CONFIG_WORKERS_MAX);
}

static void apply_level(const char *value, const char *source, const char *pointer,
                        enum log_level *out, struct complaints *complaints)
{
    if (!value)
        return;
    for (size_t i = 0; i < sizeof log_levels / sizeof log_levels[0]; i++)
        if (!strcmp(log_levels[i], value)) {
            *out = (enum log_level)i;
            return;
        }
    complaints_add(complaints, source, pointer, "this has to be debug, info, warn or error");
}

static void apply_sandbox(const char *value, const char *source, const char *pointer,
                          enum config_sandbox *out, struct complaints *complaints)
{
    if (!value)
        return;
    for (size_t i = 0; i < sizeof sandboxes / sizeof sandboxes[0]; i++)
        if (!strcmp(sandboxes[i], value)) {
            *out = (enum config_sandbox)i;
            return;
        }
    complaints_add(complaints, source, pointer, "this has to be auto, off or required");
}

/* ---- the file ---- */

static void read_command(const struct settings *commands, const char *name, struct config *config)
{
    struct config_texts argv = {0};
    size_t before = commands->complaints->count;
    settings_texts(commands, name, checks_nothing, &argv);
    const char *fault = checks_name(name);
    if (!fault && (argv.count == 0 || argv.items[0][0] != '/'))
        fault = "a command is an array that begins with the absolute path of a program";
    if (fault && commands->complaints->count == before) {
        char *pointer = settings_pointer(commands->pointer, name);
        complaints_add(commands->complaints, commands->source, pointer, "%s", fault);
        free(pointer);
    }
    config->commands =
        mem_grow(config->commands, config->command_count + 1, sizeof *config->commands);
    struct config_command *command = &config->commands[config->command_count++];
    command->name = mem_strdup(name);
    command->argv = mem_grow(argv.items, argv.count + 1, sizeof *argv.items);
    command->argv[argv.count] = NULL;
}

static void read_commands(const struct settings *file, struct config *config)
{
    const struct settings commands = {.object = settings_object(file, "commands"),
                                      .source = file->source,
                                      .pointer = "/commands",
                                      .complaints = file->complaints};
    if (!commands.object)
        return;
    json_object_object_foreach(commands.object, name, argv)
    {
        (void)argv;
        read_command(&commands, name, config);
    }
}

static void read_pidfile(const struct settings *pidfiles, const char *name, struct config *config)
{
    struct config_pidfile pidfile = {.name = mem_strdup(name)};
    size_t before = pidfiles->complaints->count;
    settings_text(pidfiles, name, checks_absolute, &pidfile.path);
    const char *fault = checks_name(name);
    if (!fault && !pidfile.path)
        fault = "this has to be an absolute path";
    if (fault && pidfiles->complaints->count == before) {
        char *pointer = settings_pointer(pidfiles->pointer, name);
        complaints_add(pidfiles->complaints, pidfiles->source, pointer, "%s", fault);
        free(pointer);
    }
    config->pidfiles =
        mem_grow(config->pidfiles, config->pidfile_count + 1, sizeof *config->pidfiles);
    config->pidfiles[config->pidfile_count++] = pidfile;
}

static void read_pidfiles(const struct settings *file, struct config *config)
{
    const struct settings pidfiles = {.object = settings_object(file, "pidfiles"),
                                      .source = file->source,
                                      .pointer = "/pidfiles",
                                      .complaints = file->complaints};
    if (!pidfiles.object)
        return;
    json_object_object_foreach(pidfiles.object, name, path)
    {
        (void)path;
        read_pidfile(&pidfiles, name, config);
    }
}

static void expect_objects(const struct settings *kind)
{
    json_object_object_foreach(kind->object, name, body)
    {
        (void)body;
        settings_object(kind, name);
    }
}

static void read_resources(const struct settings *file, struct config *config)
{
    static const char *const kinds[] = {"authorities", "accounts",     "credentials", "solvers",
                                        "targets",     "certificates", NULL};
    const struct settings resources = {.object = settings_object(file, "resources"),
                                       .source = file->source,
                                       .pointer = "/resources",
                                       .complaints = file->complaints};
    if (!resources.object)
        return;
    settings_only(&resources, kinds);
    for (size_t i = 0; kinds[i]; i++) {
        char *pointer = settings_pointer(resources.pointer, kinds[i]);
        const struct settings kind = {.object = settings_object(&resources, kinds[i]),
                                      .source = file->source,
                                      .pointer = pointer,
                                      .complaints = file->complaints};
        if (kind.object)
            expect_objects(&kind);
        free(pointer);
    }
    expand_references(resources.object, file->source, resources.pointer, file->complaints);
    config->resources = json_object_get(resources.object);
}

static void read_request_limits(const struct settings *file, struct config *config)
{
    static const char *const names[] = {"per_second", "burst", "failures_per_minute",
                                        "streams",    "waits", NULL};
    struct json_object *object = settings_object(file, "request_limits");
    if (!object)
        return;
    const struct settings limits = {object, file->source, "/request_limits", file->complaints};
    settings_only(&limits, names);
    settings_int(&limits, "per_second", 0, LIMIT_MAX, &config->requests_per_second);
    settings_int(&limits, "burst", 1, LIMIT_MAX, &config->request_burst);
    settings_int(&limits, "failures_per_minute", 0, LIMIT_MAX, &config->failures_per_minute);
    settings_int(&limits, "streams", 0, LIMIT_MAX, &config->client_streams);
    settings_int(&limits, "waits", 0, LIMIT_MAX, &config->client_waits);
}

static void read_members(const struct settings *file, bool is_for_keys, struct config *config)
{
    static const char *const names[] = {"user_agent",
                                        "language",
                                        "listen",
                                        "ops_listen",
                                        "http01_listen",
                                        "tls_alpn01_listen",
                                        "workers",
                                        "resolvers",
                                        "resolvers_only",
                                        "log_level",
                                        "data",
                                        "allowed_hosts",
                                        "commands",
                                        "pidfiles",
                                        "file_roots",
                                        "defaults",
                                        "resources",
                                        "outgoing",
                                        "request_limits",
                                        "sandbox",
                                        "audit_retention_seconds",
                                        "master_key",
                                        NULL};
    char *level = NULL, *sandbox = NULL;
    settings_only(file, names);
    settings_text(file, "user_agent", checks_nothing, &config->user_agent);
    settings_text(file, "language", checks_nothing, &config->language);
    settings_text(file, "data", checks_nothing, &config->data);
    listeners_read(file, &config->listen);
    read_request_limits(file, config);
    settings_text(file, "ops_listen", checks_address, &config->ops_listen);
    settings_text(file, "http01_listen", checks_address, &config->http01_listen);
    settings_text(file, "tls_alpn01_listen", checks_address, &config->tls_alpn01_listen);
    settings_int(file, "workers", 1, CONFIG_WORKERS_MAX, &config->workers);
    settings_int(file, "audit_retention_seconds", CONFIG_AUDIT_MIN_S, INT_MAX,
                 &config->audit_retention_seconds);
    settings_texts(file, "resolvers", checks_nothing, &config->resolvers);
    settings_bool(file, "resolvers_only", &config->resolvers_only);
    settings_texts(file, "allowed_hosts", checks_nothing, &config->allowed_hosts);
    settings_texts(file, "file_roots", checks_absolute, &config->file_roots);
    settings_text(file, "log_level", checks_nothing, &level);
    apply_level(level, file->source, "/log_level", &config->log_level, file->complaints);
    free(level);
    settings_text(file, "sandbox", checks_nothing, &sandbox);
    apply_sandbox(sandbox, file->source, "/sandbox", &config->sandbox, file->complaints);
    free(sandbox);
    read_commands(file, config);
    master_key_read(file, is_for_keys, config);
    read_pidfiles(file, config);
    if (is_for_keys)
        return;
    config->defaults = json_object_get(settings_object(file, "defaults"));
    read_resources(file, config);
    outgoing_read(file, config->resources, config->outgoing);
}

/* The file's mistakes are complained of; this fails only where it cannot be read at all. */
static int read_file(const char *path, bool is_for_keys, struct config *config,
                     struct complaints *complaints, struct err *e)
{
    struct buf text = {0};
    struct json_object *json = NULL;
    struct err syntax;
    config->file = mem_strdup(path);
    int rc = source_read(path, SOURCE_MAX_BYTES, &text, e);
    if (rc == 0 && source_parse(buf_string(&text), text.size, &json, &syntax) < 0)
        complaints_add(complaints, path, "", "%s", syntax.detail);
    buf_finish_secret(&text);
    if (json) {
        const struct settings file = {
            .object = json, .source = path, .pointer = "", .complaints = complaints};
        read_members(&file, is_for_keys, config);
        json_object_put(json); /* what secrets are in it is in the resources, which are kept */
    }
    return rc;
}

/* ---- the layers above the file ---- */

/* A variable that is set to nothing counts as not set, as container files like to have it. */
static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

static void apply_listen(const char *const *items, size_t count, const char *source,
                         struct config_listeners *out, struct complaints *complaints)
{
    if (!count)
        return;
    listeners_finish(out);
    for (size_t i = 0; i < count; i++) {
        complain_unless(complaints, source, checks_address(items[i]));
        listeners_add(out, items[i]);
    }
}

/* CERTWRIGHT_LISTEN has its addresses between commas. */
static void apply_listen_variable(struct config *config, struct complaints *complaints)
{
    static const char name[] = "CERTWRIGHT_LISTEN";
    struct config_texts list = {0};
    char *rest = NULL, *copy = mem_strdup(variable(name));
    for (char *item = copy ? strtok_r(copy, ", ", &rest) : NULL; item;
         item = strtok_r(NULL, ", ", &rest))
        config_texts_add(&list, item);
    apply_listen((const char *const *)list.items, list.count, name, &config->listen, complaints);
    config_texts_finish(&list);
    free(copy);
}

static void apply_environment(struct config *config, struct complaints *c)
{
    apply_listen_variable(config, c);
    apply_text(variable("CERTWRIGHT_DATA"), "CERTWRIGHT_DATA", checks_nothing, &config->data, c);
    apply_text(variable("CERTWRIGHT_OPS_LISTEN"), "CERTWRIGHT_OPS_LISTEN", checks_address,
               &config->ops_listen, c);
    apply_text(variable("CERTWRIGHT_HTTP01_LISTEN"), "CERTWRIGHT_HTTP01_LISTEN", checks_address,
               &config->http01_listen, c);
    apply_text(variable("CERTWRIGHT_TLS_ALPN01_LISTEN"), "CERTWRIGHT_TLS_ALPN01_LISTEN",
               checks_address, &config->tls_alpn01_listen, c);
    apply_text(variable("CERTWRIGHT_ADMIN_TOKEN_FILE"), "CERTWRIGHT_ADMIN_TOKEN_FILE",
               checks_nothing, &config->admin_token_file, c);
    master_key_apply_environment(config, c);
    apply_workers(variable("CERTWRIGHT_WORKERS"), "CERTWRIGHT_WORKERS", &config->workers, c);
    apply_level(variable("CERTWRIGHT_LOG_LEVEL"), "CERTWRIGHT_LOG_LEVEL", "", &config->log_level,
                c);
    apply_sandbox(variable("CERTWRIGHT_SANDBOX"), "CERTWRIGHT_SANDBOX", "", &config->sandbox, c);
}

static void apply_flags(const struct config_flags *flags, struct config *config,
                        struct complaints *c)
{
    apply_text(flags->data, "--data", checks_nothing, &config->data, c);
    apply_listen(flags->listen, flags->listen_count, "--listen", &config->listen, c);
    apply_text(flags->ops_listen, "--ops-listen", checks_address, &config->ops_listen, c);
    apply_workers(flags->workers, "--workers", &config->workers, c);
    apply_sandbox(flags->sandbox, "--sandbox", "", &config->sandbox, c);
    apply_level(flags->log_level, "--log-level", "", &config->log_level, c);
}

int config_load(const struct config_flags *flags, struct config **out, struct buf *complaints,
                struct err *e)
{
    struct complaints found = {0};
    struct config *config = create_default();
    const char *path = flags->config ? flags->config : variable("CERTWRIGHT_CONFIG");
    int rc = path ? read_file(path, flags->is_for_keys, config, &found, e) : 0;
    if (rc == 0) {
        apply_environment(config, &found);
        apply_flags(flags, config, &found);
        if (!found.count && !config->listen.count)
            complaints_add(&found, path ? path : "listen", "/listen", "there has to be an address");
        rc = complaints_verdict(&found, e);
    }
    if (complaints)
        buf_add(complaints, found.lines.data, found.lines.size);
    complaints_finish(&found);
    if (rc < 0) {
        config_destroy(config);
        return -1;
    }
    *out = config;
    return 0;
}

#include "server/start/confine.h"

#include "acme/base/failpoint.h"
#include "acme/base/log.h"
#include "acme/base/memory.h"
#include "server/start/sandbox.h"
#include "store/store.h"

#include <libgen.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Everything in it is owned. */
struct paths {
    struct sandbox_path *items;
    size_t count;
};

static void paths_finish(struct paths *paths)
{
    for (size_t i = 0; i < paths->count; i++)
        free((char *)paths->items[i].path);
    free(paths->items);
}

/* path may be NULL. */
static void add(struct paths *paths, const char *path, enum sandbox_access access)
{
    if (!path)
        return;
    paths->items = mem_grow(paths->items, paths->count + 1, sizeof *paths->items);
    paths->items[paths->count++] = (struct sandbox_path){mem_strdup(path), access};
}

/* The folder that the file is in: one that is replaced is another file with the old name. */
static void add_folder_of(struct paths *paths, const char *file, enum sandbox_access access)
{
    if (!file)
        return;
    char *copy = mem_strdup(file);
    add(paths, dirname(copy), access);
    free(copy);
}

/*
 * What the libraries read: name resolution, trust anchors, users and groups, the time zone, plugins
 * of all these. /etc as a whole, since resolv.conf and others are replaced now and then.
 */
static void add_system(struct paths *paths)
{
    static const char *const read[] = {
        "/etc",
        "/usr",
        "/lib",
        "/lib64",
        "/run/systemd",
        "/run/resolvconf",
        "/run/NetworkManager",
        "/run/connman",
        "/var/lib/ca-certificates",
        "/proc/self",
        "/proc/sys/vm/overcommit_memory",
        "/sys/devices/system/cpu",
        "/dev/random",
        "/dev/urandom",
    };
    for (size_t i = 0; i < sizeof read / sizeof *read; i++)
        add(paths, read[i], SANDBOX_READ);
    add(paths, "/dev/null", SANDBOX_WRITE);
    add(paths, "/proc/self/exe", SANDBOX_READ); /* so that a sanitizer's report has names */
    add(paths, getenv(X509_get_default_cert_file_env()), SANDBOX_READ);
    add(paths, getenv(X509_get_default_cert_dir_env()), SANDBOX_READ);
}

static void add_listener(struct paths *paths, const char *address)
{
    static const char prefix[] = "unix:";
    if (address && !strncmp(address, prefix, sizeof prefix - 1))
        add_folder_of(paths, address + sizeof prefix - 1, SANDBOX_SOCKET);
}

/* What TLS is made of is read again when it changes; a link may lead to another folder. */
static void add_served_file(struct paths *paths, const char *file)
{
    char *real = file ? realpath(file, NULL) : NULL;
    add_folder_of(paths, file, SANDBOX_READ);
    add_folder_of(paths, real, SANDBOX_READ);
    free(real);
}

static void add_api_listener(struct paths *paths, const struct config_listener *listener)
{
    add_listener(paths, listener->address);
    add_served_file(paths, listener->cert_file);
    add_served_file(paths, listener->key_file);
    add_served_file(paths, listener->client_ca);
}

static void add_config(struct paths *paths, const struct config *config)
{
    add(paths, config->data, SANDBOX_WRITE);
    for (size_t i = 0; i < config->file_roots.count; i++)
        add(paths, config->file_roots.items[i], SANDBOX_WRITE);
    for (size_t i = 0; i < config->pidfile_count; i++) {
        add(paths, config->pidfiles[i].path, SANDBOX_READ);
        add_folder_of(paths, config->pidfiles[i].path, SANDBOX_READ);
    }
    add_folder_of(paths, config->file, SANDBOX_READ);
    add_folder_of(paths, config->admin_token_file, SANDBOX_READ);
    add_folder_of(paths, config->master_key_file, SANDBOX_READ);
    for (size_t i = 0; i < config->listen.count; i++)
        add_api_listener(paths, &config->listen.items[i]);
    add_listener(paths, config->ops_listen);
    add_listener(paths, config->http01_listen);
    add_listener(paths, config->tls_alpn01_listen);
}

static void tell(const struct sandbox_state *state)
{
    char version[16] = "none";
    if (state->landlock)
        snprintf(version, sizeof version, "%d", state->landlock);
    log_info("sandbox", "no_new_privs", state->no_new_privs ? "yes" : "no", "landlock", version,
             "seccomp", state->seccomp ? "yes" : "no", NULL);
}

int confine(const struct config *config, struct err *e)
{
    struct paths paths = {0};
    struct sandbox_state state;
    failpoint("start", config->data); /* its trace is opened by this, while it may be */
    if (config->sandbox == CONFIG_SANDBOX_OFF) {
        log_info("sandbox", "off", "yes", NULL);
        return 0;
    }
    if (store_make_directory(config->data, e) < 0)
        return -1;
    add_system(&paths);
    add_config(&paths, config);
    int rc = sandbox_enter(paths.items, paths.count, config->sandbox == CONFIG_SANDBOX_REQUIRED,
                           &state, e);
    paths_finish(&paths);
    if (rc == 0)
        tell(&state);
    return rc;
}

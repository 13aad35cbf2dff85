#include "server/start/served_certificates.h"

#include "acme/base/clock.h"
#include "acme/base/log.h"
#include "acme/base/memory.h"
#include "acme/cert.h"
#include "acme/key.h"
#include "server/config/source.h"
#include "server/http/server.h"
#include "server/http/thread.h"
#include "server/start/listening.h"
#include "server/start/stop_gap.h"
#include "store/certificate.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    FILES_MS = 5 * CLOCK_SECOND_MS, /* how late a changed file is noticed */
    STORE_MS = CLOCK_SECOND_MS,     /* how late a new version, at most */
    FILES = 3,
};

/* What shows that a file has changed. */
struct stamp {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec changed;
};

/* What a listener shows; owned. */
struct shown {
    char *chain;
    struct key *key;
    char *client_ca;
};

struct slot {
    const struct config_listener *from;
    struct shown shown; /* all NULL: no TLS */
    struct http_tls_material material;
    struct stamp stamps[FILES]; /* of the files as they were read */
    int64_t certificate_id;     /* and the version, if it is of the store; 0: none yet */
    int64_t version;
};

struct served_certificates {
    struct store *store;
    struct slot *slots;
    size_t count;
    struct http_server *server;
    pthread_t thread;
    bool has_thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* Guarded by lock. */
    bool is_notified;
    bool is_ending;
};

static void shown_finish(struct shown *shown)
{
    key_destroy(shown->key);
    free(shown->chain);
    free(shown->client_ca);
    *shown = (struct shown){0};
}

/* ---- files ---- */

static void take_stamps(const struct config_listener *from, struct stamp out[FILES])
{
    const char *const paths[FILES] = {from->cert_file, from->key_file, from->client_ca};
    memset(out, 0, FILES * sizeof *out);
    for (size_t i = 0; i < FILES; i++) {
        struct stat found;
        if (!paths[i] || stat(paths[i], &found) < 0)
            continue;
        out[i].device = found.st_dev;
        out[i].inode = found.st_ino;
        out[i].size = found.st_size;
        out[i].changed = found.st_mtim;
    }
}

static int read_text(const char *path, char **out, struct err *e)
{
    struct buf text = {0};
    if (source_read(path, CERT_CHAIN_MAX_BYTES, &text, e) < 0)
        return -1;
    *out = mem_strdup(buf_string(&text));
    buf_finish(&text);
    return 0;
}

static int read_key(const char *path, struct key **out, struct err *e)
{
    struct buf pem = {0};
    int rc = source_read(path, KEY_PEM_MAX, &pem, e);
    if (rc == 0)
        rc = key_from_pem(buf_string(&pem), pem.size, out, e);
    buf_finish_secret(&pem);
    return rc;
}

static int load_files(const struct config_listener *from, struct shown *out, struct err *e)
{
    return read_text(from->cert_file, &out->chain, e) < 0 || read_key(from->key_file, &out->key, e)
               ? -1
               : 0;
}

/* A certificate of the service's own has a stand-in, to go with the clients' CA. */
void served_certificates_check(const struct config_listener *from, served_certificates_tell *tell,
                               void *context)
{
    struct shown shown = {0};
    struct err e;
    if (from->certificate && stop_gap_make(&shown.key, &shown.chain, &e) < 0)
        tell(context, "certificate", e.detail);
    if (from->cert_file && read_text(from->cert_file, &shown.chain, &e) < 0)
        tell(context, "cert_file", e.detail);
    if (from->key_file && read_key(from->key_file, &shown.key, &e) < 0)
        tell(context, "key_file", e.detail);
    if (from->client_ca && read_text(from->client_ca, &shown.client_ca, &e) < 0)
        tell(context, "client_ca", e.detail);
    const struct http_tls_material material = {shown.chain, shown.key, shown.client_ca};
    bool is_whole = shown.chain && shown.key && (shown.client_ca || !from->client_ca);
    if (is_whole && http_server_check_tls(listening_client(from), &material, &e) < 0)
        tell(context, NULL, e.detail);
    shown_finish(&shown);
}

/* ---- the store ---- */

static int open_version(struct db *db, const struct certificate *certificate, struct shown *out,
                        struct err *e)
{
    struct version version = {0};
    if (version_load(db, certificate->id, certificate->version, &version, e) < 0)
        return -1;
    int rc = version_open_key(db, certificate->id, version.n, &out->key, e);
    if (rc == 0)
        out->chain = mem_printf("%s%s", version.leaf, version.chain);
    version_finish(&version);
    return rc;
}

/* 1: out is filled; 0: what is shown is the newest; -1 with ERR_NOT_FOUND: there is none, or not
   its key. */
static int load_stored(struct store *store, struct slot *slot, struct shown *out, struct err *e)
{
    struct db *db;
    struct certificate certificate = {0};
    if (store_reader(store, &db, e) < 0 ||
        certificate_load(db, slot->from->certificate, &certificate, e) < 0)
        return -1;
    int rc = 0;
    if (!certificate.version)
        rc = err_set(e, ERR_NOT_FOUND, "It is not issued yet.");
    else if (certificate.id != slot->certificate_id || certificate.version != slot->version)
        rc = open_version(db, &certificate, out, e) < 0 ? -1 : 1;
    if (rc == 1) {
        slot->certificate_id = certificate.id;
        slot->version = certificate.version;
    }
    certificate_finish(&certificate);
    return rc;
}

/* ---- loading ---- */

/* As load_stored tells. The CA's file belongs to what is shown, so with it all is new. */
static int load(struct store *store, struct slot *slot, bool again, struct shown *out,
                struct err *e)
{
    int rc = 1;
    if (slot->from->certificate && again)
        slot->version = 0;
    if (slot->from->certificate)
        rc = load_stored(store, slot, out, e);
    else if (again)
        rc = load_files(slot->from, out, e) < 0 ? -1 : 1;
    else
        rc = 0;
    if (rc == 1 && slot->from->client_ca && read_text(slot->from->client_ca, &out->client_ca, e))
        rc = -1;
    return rc;
}

static void put(struct slot *slot, struct shown *shown)
{
    shown_finish(&slot->shown);
    slot->shown = *shown;
    *shown = (struct shown){0};
    slot->material =
        (struct http_tls_material){slot->shown.chain, slot->shown.key, slot->shown.client_ca};
}

static int fill_the_gap(const struct slot *slot, struct shown *out, struct err *e)
{
    char *pin;
    if (stop_gap_make(&out->key, &out->chain, e) < 0 || stop_gap_pin(out->key, &pin, e) < 0)
        return -1;
    log_warn("a listener's certificate is not there yet: a self-signed one stands in", "listener",
             slot->from->address, "certificate", slot->from->certificate, "pin", pin, NULL);
    free(pin);
    if (slot->from->client_ca)
        return read_text(slot->from->client_ca, &out->client_ca, e);
    return 0;
}

static int load_first(struct store *store, struct slot *slot, struct err *e)
{
    struct shown shown = {0};
    struct err cause;
    take_stamps(slot->from, slot->stamps);
    int rc = load(store, slot, true, &shown, &cause);
    if (rc < 0 && slot->from->certificate && cause.code == ERR_NOT_FOUND) {
        shown_finish(&shown);
        rc = fill_the_gap(slot, &shown, &cause);
    }
    if (rc < 0) {
        shown_finish(&shown);
        return err_set(e, slot->from->certificate ? cause.code : ERR_CONFIG, "listen on %s: %s",
                       slot->from->address, cause.detail);
    }
    put(slot, &shown);
    return 0;
}

/* ---- life ---- */

int served_certificates_create(const struct config *config, struct store *store,
                               struct served_certificates **out, struct err *e)
{
    struct served_certificates *served = mem_new(1, sizeof *served);
    served->store = store;
    served->count = config->listen.count;
    served->slots = mem_new(served->count, sizeof *served->slots);
    pthread_mutex_init(&served->lock, NULL);
    thread_condition_init(&served->changed);
    for (size_t i = 0; i < served->count; i++) {
        served->slots[i].from = &config->listen.items[i];
        if (config->listen.items[i].has_tls && load_first(store, &served->slots[i], e) < 0) {
            served_certificates_destroy(served);
            return -1;
        }
    }
    *out = served;
    return 0;
}

const struct http_tls_material *served_certificates_first(const struct served_certificates *served,
                                                          size_t i)
{
    return served->slots[i].from->has_tls ? &served->slots[i].material : NULL;
}

/* Shows what is new, if anything is. A failure is told once: until a file, or the version, is
   another one again. */
static void look(struct served_certificates *served, size_t i)
{
    struct slot *slot = &served->slots[i];
    struct shown shown = {0};
    struct stamp stamps[FILES];
    struct err e;
    take_stamps(slot->from, stamps);
    bool again = memcmp(stamps, slot->stamps, sizeof stamps) != 0;
    memcpy(slot->stamps, stamps, sizeof stamps);
    int rc = load(served->store, slot, again, &shown, &e);
    if (rc == 0 || (rc < 0 && e.code == ERR_NOT_FOUND)) {
        shown_finish(&shown);
        return; /* what a listener has shown it shows on, though the certificate be deleted */
    }
    const struct http_tls_material material = {shown.chain, shown.key, shown.client_ca};
    if (rc == 1 && http_server_renew_tls(served->server, i, &material, &e) == 0) {
        put(slot, &shown);
        log_info("a listener shows another certificate", "listener", slot->from->address,
                 "certificate",
                 slot->from->certificate ? slot->from->certificate : slot->from->cert_file, NULL);
        return;
    }
    shown_finish(&shown);
    log_warn("a listener's new certificate cannot be used, the old one stays", "listener",
             slot->from->address, "reason", e.detail, NULL);
}

static void *run(void *argument)
{
    struct served_certificates *served = argument;
    int64_t looked_at = clock_monotonic_ms();
    pthread_mutex_lock(&served->lock);
    while (!served->is_ending) {
        int64_t at = looked_at + (served->is_notified ? STORE_MS : FILES_MS);
        if (clock_monotonic_ms() < at) {
            thread_wait_until(&served->changed, &served->lock, at);
            continue;
        }
        served->is_notified = false;
        pthread_mutex_unlock(&served->lock);
        for (size_t i = 0; i < served->count; i++)
            if (served->slots[i].from->has_tls)
                look(served, i);
        looked_at = clock_monotonic_ms();
        pthread_mutex_lock(&served->lock);
    }
    pthread_mutex_unlock(&served->lock);
    return NULL;
}

int served_certificates_watch(struct served_certificates *served, struct http_server *server,
                              struct err *e)
{
    bool has_tls = false;
    for (size_t i = 0; i < served->count; i++)
        has_tls = has_tls || served->slots[i].from->has_tls;
    if (!has_tls)
        return 0;
    served->server = server;
    if (thread_start(run, served, &served->thread, e) < 0)
        return -1;
    served->has_thread = true;
    return 0;
}

void served_certificates_notify(struct served_certificates *served)
{
    pthread_mutex_lock(&served->lock);
    served->is_notified = true;
    pthread_cond_signal(&served->changed);
    pthread_mutex_unlock(&served->lock);
}

void served_certificates_destroy(struct served_certificates *served)
{
    if (!served)
        return;
    if (served->has_thread) {
        pthread_mutex_lock(&served->lock);
        served->is_ending = true;
        pthread_cond_signal(&served->changed);
        pthread_mutex_unlock(&served->lock);
        pthread_join(served->thread, NULL);
    }
    for (size_t i = 0; i < served->count; i++)
        shown_finish(&served->slots[i].shown);
    free(served->slots);
    pthread_cond_destroy(&served->changed);
    pthread_mutex_destroy(&served->lock);
    free(served);
}

#include "store/store.h"

#include "acme/base/clock.h"
#include "acme/base/memory.h"
#include "store/claims.h"
#include "store/data_key.h"
#include "store/driver.h"
#include "store/lock.h"
#include "store/writer.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* One thread's connection. */
struct reader {
    struct store *store;
    struct db *db;
    struct reader *next;
};

struct store {
    char *directory;
    struct store_lock *lock; /* NULL: it is the caller's */
    struct seal *seal;
    struct store_opening opening;
    bool has_former; /* when it was opened */
    struct db *db;   /* the writer's */
    struct writer *writer;
    struct claims *claims;

    pthread_key_t own_reader;
    pthread_mutex_t readers_mutex;
    struct reader *readers;
};

struct claims *store_claims(struct store *store)
{
    return store->claims;
}

/* ---- readers ---- */

static void remove_reader(struct reader *reader)
{
    struct store *store = reader->store;
    pthread_mutex_lock(&store->readers_mutex);
    struct reader **link = &store->readers;
    while (*link != reader)
        link = &(*link)->next;
    *link = reader->next;
    pthread_mutex_unlock(&store->readers_mutex);
}

/* When its thread ends. */
static void end_reader(void *arg)
{
    struct reader *reader = arg;
    remove_reader(reader);
    store_driver->close(reader->db);
    free(reader);
}

int store_reader(struct store *store, struct db **out, struct err *e)
{
    struct reader *reader = pthread_getspecific(store->own_reader);
    if (!reader) {
        struct db *db;
        if (store_driver->open(store->directory, DB_READER, &db, e) < 0)
            return -1;
        db->seal = store->seal;
        reader = mem_new(1, sizeof *reader);
        *reader = (struct reader){.store = store, .db = db};
        pthread_setspecific(store->own_reader, reader);
        pthread_mutex_lock(&store->readers_mutex);
        reader->next = store->readers;
        store->readers = reader;
        pthread_mutex_unlock(&store->readers_mutex);
    }
    *out = reader->db;
    return 0;
}

static void close_readers(struct store *store)
{
    while (store->readers) {
        struct reader *reader = store->readers;
        store->readers = reader->next;
        store_driver->close(reader->db);
        free(reader);
    }
}

/* ---- opening ---- */

int store_make_directory(const char *path, struct err *e)
{
    struct stat status;
    if (mkdir(path, S_IRWXU) < 0 && errno != EEXIST)
        return err_set(e, ERR_IO, "Cannot make the data directory %s: %s.", path, strerror(errno));
    if (stat(path, &status) < 0 || !S_ISDIR(status.st_mode))
        return err_set(e, ERR_IO, "The data directory %s is not a directory.", path);
    return 0;
}

void store_give_file(int fd, const char *directory)
{
    struct stat owner;
    /* Who may not give it away keeps it, and is root: it is not out of reach. */
    if (geteuid() == 0 && stat(directory, &owner) == 0 && owner.st_uid != 0 &&
        fchown(fd, owner.st_uid, owner.st_gid) < 0)
        return;
}

static int insert_data_key(struct db *db, const struct buf *wrapped, struct err *e)
{
    if (store_driver->begin(db, e) < 0)
        return -1;
    int rc =
        db_run(db, NULL, e, "INSERT INTO data_key (only, wrapped, created_at) VALUES (1, ?1, ?2)",
               "bi", wrapped->data, wrapped->size, clock_engine_ms());
    if (rc == 0)
        rc = store_driver->commit(db, e);
    if (rc < 0)
        store_driver->rollback(db);
    return rc;
}

static int make_seal(struct store *store, const unsigned char *master, struct err *e)
{
    struct buf wrapped = {0};
    int rc = seal_create(master, &store->seal, &wrapped, e);
    if (rc == 0)
        rc = insert_data_key(store->db, &wrapped, e);
    buf_finish(&wrapped);
    return rc;
}

/* The master keys are tried before anything is written; a database without a data key yet holds
   nothing that was sealed. */
static int open_database(struct store *store, const struct store_options *options, struct err *e)
{
    int version;
    int sealed = 0;
    if (store_driver->open(store->directory, DB_WRITER, &store->db, e) < 0 ||
        store_driver->schema_version(store->db, &version, e) < 0)
        return -1;
    if (version > 0 &&
        (sealed = data_key_open(store->db, version, options, &store->seal, &store->opening, e)) < 0)
        return -1;
    if (store_driver->migrate(store->db, e) < 0)
        return -1;
    if (!sealed && make_seal(store, options->master, e) < 0)
        return -1;
    store->db->seal = store->seal;
    return data_key_has_former(store->db, &store->has_former, e);
}

static struct store *store_new(const char *directory)
{
    struct store *store = mem_new(1, sizeof *store);
    store->directory = mem_strdup(directory);
    store->claims = claims_create();
    pthread_mutex_init(&store->readers_mutex, NULL);
    if (pthread_key_create(&store->own_reader, end_reader))
        abort(); /* a thousand stores in one process are a fault of ours */
    return store;
}

struct store_opening store_opened(const struct store *store)
{
    return store->opening;
}

bool store_opened_by_former(const struct store *store)
{
    const struct store_opening *opening = &store->opening;
    return (opening->by_next ? opening->next : opening->master) == STORE_FORM_FORMER;
}

void data_key_was_wrapped(struct store *store)
{
    store->opening = (struct store_opening){.master = STORE_FORM_CURRENT};
}

/* Who starts with the new master key has put it in place. */
static int settle(struct store *store, struct err *e)
{
    if (!store->has_former || store->opening.by_next || store_opened_by_former(store))
        return 0;
    return store_write_wait(store, data_key_forget_former, NULL, e);
}

int store_open(const struct store_options *options, struct store **out, struct err *e)
{
    struct store *store = store_new(options->directory);
    if ((!options->is_locked && store_lock_take(store->directory, &store->lock, e) < 0) ||
        open_database(store, options, e) < 0 || writer_create(store->db, &store->writer, e) < 0 ||
        settle(store, e) < 0) {
        store_close(store);
        return -1;
    }
    *out = store;
    return 0;
}

/* The lock goes last: closing the last connection tidies the WAL away. */
void store_close(struct store *store)
{
    if (!store)
        return;
    writer_destroy(store->writer);
    pthread_key_delete(store->own_reader);
    close_readers(store);
    store_driver->close(store->db);
    pthread_mutex_destroy(&store->readers_mutex);
    claims_destroy(store->claims);
    seal_destroy(store->seal);
    store_lock_release(store->lock);
    free(store->directory);
    free(store);
}

/* ---- writes ---- */

void store_write(struct store *store, store_fn *fn, void *arg, store_done *done)
{
    writer_queue(store->writer, fn, arg, done);
}

int store_write_wait(struct store *store, store_fn *fn, void *arg, struct err *e)
{
    return writer_wait(store->writer, fn, arg, e);
}

void store_subscribe(struct store *store,
                     void (*told)(void *context, const struct store_news *news), void *context)
{
    writer_subscribe(store->writer, told, context);
}

int store_check(struct store *store, struct err *e)
{
    struct db *db;
    return store_reader(store, &db, e) < 0 ? -1 : store_driver->check(db, e);
}

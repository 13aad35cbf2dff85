#include "server/start/master.h"

#include "acme/base/base64url.h"
#include "acme/base/failpoint.h"
#include "acme/base/log.h"
#include "acme/base/memory.h"
#include "server/start/secret_file.h"
#include "store/data_key.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char in_place[] = "master.key";
static const char next_name[] = "master.key.next";
static const char aside_name[] = "master.key.aside";

static char *path_of(const struct master *master, const char *name)
{
    return mem_printf("%s/%s", master->directory, name);
}

/* ---- the key that waits ---- */

enum next_state {
    NEXT_NONE,
    NEXT_KEY,
    NEXT_NO_KEY, /* there is a file, which holds none */
    NEXT_UNREAD, /* nobody knows what it holds */
};

static enum next_state read_next(const struct master *master, unsigned char out[SEAL_KEY_SIZE])
{
    struct buf text = {0};
    struct err e;
    if (secrets_master_is_given(&master->source) ||
        !secret_file_exists(master->directory, next_name))
        return NEXT_NONE;
    char *path = path_of(master, next_name);
    enum next_state state = NEXT_KEY;
    if (secret_file_read(path, &text, &e) < 0)
        state = NEXT_UNREAD;
    else if (secrets_decode_master(buf_string(&text), path, out, &e) < 0)
        state = NEXT_NO_KEY;
    if (state != NEXT_KEY)
        log_warn("a new master key beside the one in place is of no use", "detail", e.detail, NULL);
    buf_finish_secret(&text);
    free(path);
    return state;
}

static int cannot(const char *path, const char *what, struct err *e)
{
    return err_set(e, ERR_IO, "%s cannot be %s: %s.", path, what, strerror(errno));
}

static int remove_next(const struct master *master, struct err *e)
{
    char *path = path_of(master, next_name);
    int rc = unlink(path) < 0 && errno != ENOENT ? cannot(path, "removed", e) : 0;
    free(path);
    return rc;
}

static int put_in_place(const struct master *master, struct err *e)
{
    char *from = path_of(master, next_name), *to = path_of(master, in_place);
    failpoint("master key moves", to);
    int rc = rename(from, to) < 0 || secret_file_sync(master->directory) < 0
                 ? cannot(from, "put in place", e)
                 : 0;
    failpoint("master key moved", to);
    free(from);
    free(to);
    return rc;
}

static bool is_same_file(const char *one, const char *other)
{
    struct stat a, b;
    return stat(one, &a) == 0 && stat(other, &b) == 0 && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

/* A second name for what lies in the place, which the next key then takes; never over another. */
static int keep_aside(const struct master *master, struct err *e)
{
    char *from = path_of(master, in_place), *to = path_of(master, aside_name);
    int rc = 0;
    if (link(from, to) == 0)
        log_warn("what lay in the master key's place opens nothing, and is kept", "file", to, NULL);
    else if (errno != ENOENT && !(errno == EEXIST && is_same_file(from, to)))
        rc = cannot(from, "kept as master.key.aside", e);
    free(from);
    free(to);
    return rc;
}

/* ---- a start ---- */

/* What is tried on the database. */
struct keys {
    struct store_options options;
    unsigned char next[SEAL_KEY_SIZE];
    enum next_state state; /* of next */
    bool next_alone;       /* it stands for the one in place, which is gone or no key */
};

/* What is in place is no key, but one that waits may be: e stays filled for the case that it opens
   nothing. A database that was not there yet is not made with it. */
static bool can_do_with_next(const struct master *master, struct keys *keys, const struct err *e)
{
    if (keys->state != NEXT_KEY || (e->code != ERR_SEAL && e->code != ERR_CONFIG) ||
        !secret_file_exists(master->directory, "certwright.db"))
        return false;
    memcpy(keys->options.master, keys->next, SEAL_KEY_SIZE);
    keys->options.next = NULL;
    return keys->next_alone = true;
}

static int open_store(const struct master *master, struct keys *keys, struct store **out,
                      struct err *e)
{
    struct err of_key, of_store;
    keys->state = read_next(master, keys->next);
    keys->options.next = keys->state == NEXT_KEY ? keys->next : NULL;
    int rc = secrets_master(master->directory, &master->source, keys->options.master, &of_key);
    if (rc < 0 && !can_do_with_next(master, keys, &of_key)) {
        *e = of_key;
        return -1;
    }
    if (store_open(&keys->options, out, &of_store) == 0)
        return 0;
    *e = rc < 0 && of_store.code == ERR_SEAL ? of_key : of_store;
    return -1;
}

/* The next key has opened the store. */
static int take_next(const struct master *master, const struct keys *keys, struct store *store,
                     struct err *e)
{
    bool is_strange = keys->next_alone || store_opened(store).master == STORE_FORM_NONE;
    if ((is_strange && keep_aside(master, e) < 0) || put_in_place(master, e) < 0)
        return -1;
    log_info("the new master key is put in its place", NULL);
    return store_opened_by_former(store) ? 0
                                         : store_write_wait(store, data_key_forget_former, NULL, e);
}

/* The key in place has opened the store, or a new one was made with it. */
static int drop_next(const struct master *master, const struct keys *keys, struct store *store,
                     struct err *e)
{
    if (keys->state == NEXT_NONE || store_opened(store).master == STORE_FORM_NONE)
        return 0;
    if (keys->state == NEXT_UNREAD)
        return err_set(e, ERR_IO, "%s/%s cannot be read.", master->directory, next_name);
    if (remove_next(master, e) < 0)
        return -1;
    log_info("a new master key that opens nothing is removed", NULL);
    return 0;
}

static void warn_of_former(const struct master *master)
{
    log_warn(secrets_master_is_given(&master->source)
                 ? "this master key was being replaced: put the new one in place, or rekey again"
                 : "this master key was being replaced: rekey again",
             NULL);
}

/* What cannot be settled is left to another start: the store is open. */
static void settle_files(struct master *master, const struct keys *keys, struct store *store)
{
    bool by_next = keys->next_alone || store_opened(store).by_next;
    struct err e;
    int rc = by_next ? take_next(master, keys, store, &e) : drop_next(master, keys, store, &e);
    master->is_unsettled = rc < 0;
    if (rc < 0)
        log_error("a new master key lies beside the one in place, and cannot be settled", "detail",
                  e.detail, NULL);
    else if (store_opened_by_former(store))
        warn_of_former(master);
}

int master_open_store(struct master *master, struct store **out, struct err *e)
{
    struct keys *keys = OPENSSL_secure_zalloc(sizeof *keys);
    if (!keys)
        mem_exhausted();
    keys->options.directory = master->directory;
    keys->options.is_locked = true;
    secret_file_sweep(master->directory);
    int rc = open_store(master, keys, out, e);
    if (rc == 0)
        settle_files(master, keys, *out);
    OPENSSL_secure_clear_free(keys, sizeof *keys);
    return rc;
}

/* ---- a rekey ---- */

/* A next key that is there was left by an attempt that came to nothing. */
static int make_next(const struct master *master, unsigned char out[SEAL_KEY_SIZE], struct err *e)
{
    struct buf text = {0};
    if (RAND_bytes(out, SEAL_KEY_SIZE) != 1)
        return err_set(e, ERR_CRYPTO, "The random generator failed.");
    if (remove_next(master, e) < 0)
        return -1;
    char *path = path_of(master, next_name);
    base64url_encode(out, SEAL_KEY_SIZE, &text);
    int rc = secret_file_write(master->directory, path, text.data, e);
    buf_finish_secret(&text);
    free(path);
    return rc;
}

int master_next(struct master *master, const char *given, unsigned char out[SEAL_KEY_SIZE],
                struct err *e)
{
    bool is_elsewhere = secrets_master_is_given(&master->source);
    if (is_elsewhere && !given)
        return err_set(e, ERR_INVALID,
                       "The master key comes from elsewhere, so the new one has to be given as "
                       "master_key.");
    if (is_elsewhere)
        return secrets_decode_master(given, "the request", out, e);
    if (given)
        return err_set(e, ERR_INVALID,
                       "The master key lies in the data directory, where the new one is made: "
                       "none can be given.");
    if (master->is_unsettled)
        return err_set(e, ERR_CONFLICT,
                       "A new master key waits for its place, and cannot be put there: the log of "
                       "the start or of the last rekey tells why. Mend that, and restart first.");
    return make_next(master, out, e);
}

int master_settle(struct master *master, bool *settled, struct err *e)
{
    *settled = false;
    if (secrets_master_is_given(&master->source))
        return 0;
    if (put_in_place(master, e) < 0) {
        master->is_unsettled = true;
        return -1;
    }
    *settled = true;
    return 0;
}

#include "server/deploy/folder.h"

#include "acme/base/clock.h"
#include "acme/base/failpoint.h"
#include "acme/base/memory.h"
#include "server/deploy/folder_note.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define DATA     "..data"
#define DATA_TMP "..data_tmp"
#define LINK_TMP "..link_tmp"

/* "..", a time, ".", random hex */
enum {
    STAMP_AT = 2,
    STAMP_LENGTH = CLOCK_RFC3339_SIZE - 1,
    RANDOM_LENGTH = 8,
    GENERATION_LENGTH = STAMP_AT + STAMP_LENGTH + 1 + RANDOM_LENGTH,
};
static_assert((int)GENERATION_LENGTH < (int)FOLDER_GENERATION_SIZE, "a generation's name fits");

int folder_path_check(const char *path, struct err *e)
{
    if (strlen(path) >= PATH_MAX / 2)
        return err_set(e, ERR_INVALID, "the path is too long");
    for (const char *c = path; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            return err_set(e, ERR_INVALID, "the path holds a control character");
    for (const char *part = path; part; part = strchr(part, '/') ? strchr(part, '/') + 1 : NULL) {
        size_t length = strcspn(part, "/");
        if (length == 0)
            return err_set(e, ERR_INVALID, "the path \"%s\" begins with / or has an empty part",
                           path);
        if (length > NAME_MAX)
            return err_set(e, ERR_INVALID, "a part of the path \"%s\" is too long", path);
        if ((length == 1 && part[0] == '.') || (length >= 2 && part[0] == '.' && part[1] == '.'))
            return err_set(e, ERR_INVALID, "the path \"%s\" has a part \"%.*s\"", path, (int)length,
                           part);
    }
    return 0;
}

/* Walks to the folder; without make it ends at the nearest one that exists, and says in missing
   whether that is another. */
static int walk(const struct folder *where, bool make, struct tree *out, bool *missing,
                struct err *e)
{
    struct tree at;
    if (tree_open(where->root, &at, e) < 0)
        return -1;
    char *parts = mem_strdup(where->path), *rest = parts, *part;
    int rc = 0;
    *missing = false;
    while (rc == 0 && !*missing && (part = strsep(&rest, "/")) && *part) {
        struct tree next;
        rc = tree_enter(&at, part, make, &next, e);
        if (rc == 0 && next.fd < 0) {
            *missing = true;
            tree_finish(&next);
        } else if (rc == 0) {
            tree_finish(&at);
            at = next;
        }
    }
    free(parts);
    if (rc < 0)
        tree_finish(&at);
    else
        *out = at;
    return rc;
}

/* ---- names of generations ---- */

static bool is_generation(const char *name)
{
    const char *random = name + STAMP_AT + STAMP_LENGTH + 1;
    return strlen(name) == GENERATION_LENGTH && name[0] == '.' && name[1] == '.' &&
           name[STAMP_AT + STAMP_LENGTH - 1] == 'Z' && random[-1] == '.' &&
           strspn(name + STAMP_AT, "0123456789-T_.Z") >= STAMP_LENGTH &&
           strspn(random, "0123456789abcdef") == RANDOM_LENGTH;
}

static bool current_generation(const struct tree *tree, char out[FOLDER_GENERATION_SIZE])
{
    return tree_link(tree, DATA, out, FOLDER_GENERATION_SIZE) && is_generation(out);
}

static int64_t generation_ms(const char *name)
{
    char stamp[CLOCK_RFC3339_SIZE];
    int64_t ms;
    memcpy(stamp, name + STAMP_AT, STAMP_LENGTH);
    stamp[STAMP_LENGTH] = '\0';
    for (char *c = stamp; *c; c++)
        if (*c == '_')
            *c = ':';
    return clock_parse_rfc3339(stamp, &ms) == 0 ? ms : 0;
}

/* Colons would break lists of paths, and some tools' arguments. */
static int name_generation(const char *current, char out[FOLDER_GENERATION_SIZE], struct err *e)
{
    char stamp[CLOCK_RFC3339_SIZE];
    uint32_t random;
    int64_t now = clock_wall_ms(), last = current[0] ? generation_ms(current) : 0;
    if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random)
        return err_set(e, ERR_TARGET_FILES, "no random bytes: %s", strerror(errno));
    clock_rfc3339(now > last ? now : last + 1, stamp);
    for (char *c = stamp; *c; c++)
        if (*c == ':')
            *c = '_';
    snprintf(out, FOLDER_GENERATION_SIZE, "..%s.%08x", stamp, (unsigned)random);
    return 0;
}

/* ---- what stands ---- */

struct listing {
    const struct tree_file *files;
    size_t count;
    const char *current;                   /* a generation's name */
    char previous[FOLDER_GENERATION_SIZE]; /* "": none */
};

static bool wants(const struct listing *listing, const char *name)
{
    for (size_t i = 0; i < listing->count; i++)
        if (!strcmp(listing->files[i].name, name))
            return true;
    return false;
}

static int refuse_stranger(const struct tree *tree, const char *name, void *context, struct err *e)
{
    return wants(context, name)
               ? 0
               : err_set(e, ERR_TARGET_FILES, "%s/%s is not of the set", tree->path, name);
}

/* Whether the generation holds the files as they are wanted, and no others. */
static bool generation_stands(const struct tree *tree, const char *name, struct listing *listing)
{
    struct tree generation;
    struct err ignored;
    if (tree_enter(tree, name, false, &generation, &ignored) < 0)
        return false;
    bool stands = generation.fd >= 0;
    for (size_t i = 0; stands && i < listing->count; i++)
        stands = tree_has(&generation, &listing->files[i]);
    stands = stands && tree_each(&generation, refuse_stranger, listing, &ignored) == 0;
    tree_finish(&generation);
    return stands;
}

/* A folder that bears a file's name cannot be replaced by a rename: better told before. */
static int check_names(const struct tree *tree, const struct listing *listing, struct err *e)
{
    struct stat seen;
    for (size_t i = 0; i < listing->count; i++)
        if (fstatat(tree->fd, listing->files[i].name, &seen, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISDIR(seen.st_mode))
            return err_set(e, ERR_TARGET_FILES, "%s/%s is a folder, and so cannot become a file",
                           tree->path, listing->files[i].name);
    if (fstatat(tree->fd, DATA, &seen, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISLNK(seen.st_mode))
        return err_set(e, ERR_TARGET_FILES, "%s/" DATA " is not the link that it should be",
                       tree->path);
    return 0;
}

/* ---- writing ---- */

/* Makes name a link to target, whatever stands there; temporary is removed if it does. */
static int put_link(const struct tree *tree, const char *target, const char *temporary,
                    const char *name, struct err *e)
{
    if (tree_remove(tree, temporary, e) < 0)
        return -1;
    if (symlinkat(target, tree->fd, temporary) < 0)
        return tree_error(tree, temporary, "cannot be made", e);
    failpoint("rename", name);
    if (renameat(tree->fd, temporary, tree->fd, name) < 0)
        return tree_error(tree, name, "cannot be replaced", e);
    failpoint("renamed", name);
    return 0;
}

static int fill_generation(const struct tree *tree, const char *name, const struct listing *listing,
                           struct err *e)
{
    struct tree generation;
    if (tree_enter(tree, name, true, &generation, e) < 0)
        return -1;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < listing->count; i++) {
        rc = tree_write(&generation, &listing->files[i], e);
        failpoint("written", listing->files[i].name);
    }
    if (rc == 0)
        rc = tree_sync(&generation, e);
    tree_finish(&generation);
    return rc;
}

/* A generation that is not older than the current one was never turned to: a run was interrupted.
 */
static int drop_unfinished(const struct tree *tree, const char *name, void *context, struct err *e)
{
    const char *current = context;
    if (!is_generation(name) || !strcmp(name, current) ||
        (current[0] && strncmp(name, current, STAMP_AT + STAMP_LENGTH) < 0))
        return 0;
    return tree_remove(tree, name, e);
}

/* Writes a generation and turns "..data" to it. */
static int install(const struct tree *tree, const struct listing *listing, char *current,
                   struct err *e)
{
    char name[FOLDER_GENERATION_SIZE];
    if (tree_each(tree, drop_unfinished, current, e) < 0 || name_generation(current, name, e) < 0)
        return -1;
    if (fill_generation(tree, name, listing, e) < 0 || tree_sync(tree, e) < 0 ||
        put_link(tree, name, DATA_TMP, DATA, e) < 0) {
        struct err ignored;
        tree_remove(tree, name, &ignored); /* a full disk is the less full; else the next run */
        return -1;
    }
    memcpy(current, name, sizeof name);
    return tree_sync(tree, e);
}

static void link_target(const char *name, char out[sizeof DATA "/" + NAME_MAX])
{
    snprintf(out, sizeof DATA "/" + NAME_MAX, DATA "/%s", name);
}

static bool is_link_of_ours(const struct tree *tree, const char *name)
{
    char expected[sizeof DATA "/" + NAME_MAX], found[sizeof expected];
    link_target(name, expected);
    return tree_link(tree, name, found, sizeof found) && !strcmp(found, expected);
}

/* The names that the world sees. */
static int put_names(const struct tree *tree, const struct listing *listing, bool *changed,
                     struct err *e)
{
    char target[sizeof DATA "/" + NAME_MAX];
    for (size_t i = 0; i < listing->count; i++) {
        const char *name = listing->files[i].name;
        if (is_link_of_ours(tree, name))
            continue;
        link_target(name, target);
        if (put_link(tree, target, LINK_TMP, name, e) < 0)
            return -1;
        *changed = true;
    }
    return 0;
}

/* ---- what is no longer wanted ---- */

static int find_previous(const struct tree *tree, const char *name, void *context, struct err *e)
{
    (void)tree;
    (void)e;
    struct listing *listing = context;
    if (is_generation(name) && strncmp(name, listing->current, STAMP_AT + STAMP_LENGTH) < 0 &&
        strcmp(name, listing->previous) > 0)
        memcpy(listing->previous, name, GENERATION_LENGTH + 1);
    return 0;
}

struct sweep {
    const struct listing *listing;
    bool names_stay; /* whatever the listing says */
    bool changed;
};

static int sweep_entry(const struct tree *tree, const char *name, void *context, struct err *e)
{
    struct sweep *sweep = context;
    const struct listing *listing = sweep->listing;
    bool stale =
        is_generation(name)
            ? strcmp(name, listing->current) != 0 && strcmp(name, listing->previous) != 0
            : !strcmp(name, DATA_TMP) || !strcmp(name, LINK_TMP) ||
                  (!sweep->names_stay && !wants(listing, name) && is_link_of_ours(tree, name));
    if (!stale)
        return 0;
    sweep->changed = true;
    return tree_remove(tree, name, e);
}

/* Removes names that are not of the set (unless they stay), left-overs, and generations but the
   last two. */
static int clean_up(const struct tree *tree, struct listing *listing, bool names_stay,
                    bool *changed, struct err *e)
{
    struct sweep sweep = {listing, names_stay, false};
    if (tree_each(tree, find_previous, listing, e) < 0 ||
        tree_each(tree, sweep_entry, &sweep, e) < 0)
        return -1;
    *changed = *changed || sweep.changed;
    return 0;
}

/* ---- the whole ---- */

/* A "..data" that is somebody else's tells nothing of what is left over. */
static int sweep(const struct tree *tree, struct err *e)
{
    char current[FOLDER_GENERATION_SIZE] = "";
    struct listing listing = {.current = current};
    bool changed = false;
    if (!current_generation(tree, current)) {
        if (faccessat(tree->fd, DATA, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
            return 0;
        current[0] = '\0';
    }
    if (clean_up(tree, &listing, true, &changed, e) < 0)
        return -1;
    return changed ? tree_sync(tree, e) : 0;
}

static int bring(const struct folder *where, const struct tree *tree, const struct tree_file *files,
                 size_t count, struct folder_result *out, struct err *e)
{
    struct folder_result result = {0};
    char current[FOLDER_GENERATION_SIZE] = "";
    struct listing listing = {.files = files, .count = count, .current = current};
    if (check_names(tree, &listing, e) < 0)
        return -1;
    if (!current_generation(tree, current))
        current[0] = '\0';
    if (!current[0] || !generation_stands(tree, current, &listing)) {
        if (folder_note_make(where, e) < 0 || install(tree, &listing, current, e) < 0)
            return -1;
        result.changed = true;
    }
    memcpy(result.generation, current, sizeof current);
    if (put_names(tree, &listing, &result.changed, e) < 0 ||
        clean_up(tree, &listing, false, &result.changed, e) < 0)
        return -1;
    if (result.changed && tree_sync(tree, e) < 0)
        return -1;
    *out = result;
    return 0;
}

/* Not waited for: a reader of the folder could hold it for ever. */
static int lock(const struct tree *tree, struct err *e)
{
    return flock(tree->fd, LOCK_EX | LOCK_NB) < 0
               ? tree_error(tree, NULL, "is being written by another, or cannot be locked", e)
               : 0;
}

int folder_write(const struct folder *where, const struct tree_file *files, size_t count,
                 struct folder_result *out, struct err *e)
{
    struct tree tree;
    bool missing;
    if (walk(where, true, &tree, &missing, e) < 0)
        return -1;
    int rc = lock(&tree, e);
    if (rc == 0)
        rc = bring(where, &tree, files, count, out, e);
    /* After a failure it stays: what could not be removed is removed by the next run, or start. */
    if (rc == 0)
        folder_note_drop(where);
    tree_finish(&tree);
    return rc;
}

int folder_sweep(const struct folder *where, struct err *e)
{
    struct tree tree;
    bool missing;
    if (walk(where, false, &tree, &missing, e) < 0)
        return -1;
    int rc = missing ? 0 : lock(&tree, e);
    if (rc == 0 && !missing)
        rc = sweep(&tree, e);
    tree_finish(&tree);
    return rc;
}

bool folder_read(const struct folder *where, const char *name, struct buf *out)
{
    struct tree tree, generation;
    struct err ignored;
    bool missing, found = false;
    char current[FOLDER_GENERATION_SIZE];
    if (walk(where, false, &tree, &missing, &ignored) < 0)
        return false;
    if (!missing && current_generation(&tree, current) &&
        tree_enter(&tree, current, false, &generation, &ignored) == 0) {
        found = generation.fd >= 0 && tree_read(&generation, name, FOLDER_FILE_MAX, out);
        tree_finish(&generation);
    }
    tree_finish(&tree);
    return found;
}

/* Of the sandbox faccessat knows nothing: opening a file asks it too, and one without a name leaves
   nothing behind. Where a file system has no such files, the mode alone has to do. */
static int check_writable(const struct tree *tree, struct err *e)
{
    if (faccessat(tree->fd, ".", W_OK | X_OK, AT_EACCESS) < 0)
        return tree_error(tree, NULL, "cannot be written", e);
    int fd = openat(tree->fd, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (fd < 0 && errno == EACCES)
        return tree_error(tree, NULL, "cannot be written", e);
    if (fd >= 0)
        close(fd);
    return 0;
}

int folder_check(const struct folder *where, const struct tree_file *files, size_t count,
                 struct err *e)
{
    const struct listing listing = {.files = files, .count = count, .current = ""};
    struct tree tree;
    bool missing;
    if (walk(where, false, &tree, &missing, e) < 0)
        return -1;
    int rc = check_writable(&tree, e);
    if (rc == 0 && !missing)
        rc = check_names(&tree, &listing, e);
    tree_finish(&tree);
    return rc;
}

#include "server/deploy/tree.h"

#include "acme/base/memory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FOLDER_MODE = 0755, OPEN_FOLDER = O_RDONLY | O_DIRECTORY | O_CLOEXEC };

int tree_error(const struct tree *tree, const char *name, const char *what, struct err *e)
{
    int reason = errno;
    return err_set(e, ERR_TARGET_FILES, "%s%s%s %s: %s", tree->path, name ? "/" : "",
                   name ? name : "", what, strerror(reason));
}

int tree_open(const char *path, struct tree *out, struct err *e)
{
    int fd = open(path, OPEN_FOLDER);
    if (fd < 0)
        return err_set(e, ERR_TARGET_FILES, "%s cannot be opened: %s", path, strerror(errno));
    out->fd = fd;
    out->path = mem_strdup(path);
    return 0;
}

/* The kernel's own words for a link or a file in a folder's place mislead. */
static int refuse_entry(const struct tree *parent, const char *name, struct err *e)
{
    int reason = errno;
    struct stat seen;
    if (fstatat(parent->fd, name, &seen, AT_SYMLINK_NOFOLLOW) == 0) {
        const char *is = S_ISLNK(seen.st_mode)   ? "a symbolic link, which is not followed"
                         : S_ISDIR(seen.st_mode) ? NULL
                                                 : "there and is no folder";
        if (is)
            return err_set(e, ERR_TARGET_FILES, "%s/%s is %s", parent->path, name, is);
    }
    errno = reason;
    return tree_error(parent, name, "cannot be opened", e);
}

static int make_folder(const struct tree *parent, const char *name, struct err *e)
{
    if (mkdirat(parent->fd, name, FOLDER_MODE) < 0)
        return errno == EEXIST ? 0 : tree_error(parent, name, "cannot be made", e);
    return tree_sync(parent, e);
}

int tree_enter(const struct tree *parent, const char *name, bool make, struct tree *out,
               struct err *e)
{
    int fd = openat(parent->fd, name, OPEN_FOLDER | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT && make) {
        if (make_folder(parent, name, e) < 0)
            return -1;
        fd = openat(parent->fd, name, OPEN_FOLDER | O_NOFOLLOW);
        /* the umask is the operator's for other files, not for what readers have to pass */
        if (fd >= 0 && fchmod(fd, FOLDER_MODE) < 0) {
            close(fd);
            return tree_error(parent, name, "cannot be given its mode", e);
        }
    }
    if (fd < 0 && (errno != ENOENT || make))
        return refuse_entry(parent, name, e);
    const char *above = strcmp(parent->path, "/") != 0 ? parent->path : "";
    out->fd = fd;
    out->path = mem_printf("%s/%s", above, name);
    return 0;
}

void tree_finish(struct tree *tree)
{
    if (tree->fd >= 0)
        close(tree->fd);
    free(tree->path);
    *tree = (struct tree){.fd = -1};
}

static int write_all(int fd, const char *data, size_t size)
{
    while (size) {
        ssize_t written = write(fd, data, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return -1;
        data += written;
        size -= (size_t)written;
    }
    return 0;
}

static int fill(int fd, const struct tree_file *file)
{
    if (write_all(fd, file->data, file->size) < 0)
        return -1;
    if ((file->owner != (uid_t)-1 || file->group != (gid_t)-1) &&
        fchown(fd, file->owner, file->group) < 0)
        return -1;
    /* last, so that nobody reads a key who is not to: until here it is ours alone */
    return fchmod(fd, file->mode) < 0 || fsync(fd) < 0 ? -1 : 0;
}

int tree_write(const struct tree *tree, const struct tree_file *file, struct err *e)
{
    int fd =
        openat(tree->fd, file->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return tree_error(tree, file->name, "cannot be made", e);
    int failed = fill(fd, file);
    int reason = errno;
    if (close(fd) < 0 && !failed) {
        failed = -1;
        reason = errno;
    }
    errno = reason;
    return failed ? tree_error(tree, file->name, "cannot be written", e) : 0;
}

/* Not blocked by a FIFO in a file's place. */
static int open_plain(const struct tree *tree, const char *name, struct stat *seen)
{
    int fd = openat(tree->fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0 && (fstat(fd, seen) < 0 || !S_ISREG(seen->st_mode))) {
        close(fd);
        return -1;
    }
    return fd;
}

static bool read_all(int fd, size_t size, struct buf *out)
{
    char piece[4096];
    ssize_t got;
    size_t total = 0;
    while ((got = read(fd, piece, sizeof piece)) > 0 && (total += (size_t)got) <= size)
        buf_add(out, piece, (size_t)got);
    explicit_bzero(piece, sizeof piece);
    return got == 0 && total == size;
}

bool tree_read(const struct tree *tree, const char *name, size_t limit, struct buf *out)
{
    struct stat seen;
    int fd = open_plain(tree, name, &seen);
    if (fd < 0)
        return false;
    bool whole = (size_t)seen.st_size <= limit && read_all(fd, (size_t)seen.st_size, out);
    close(fd);
    return whole;
}

bool tree_has(const struct tree *tree, const struct tree_file *file)
{
    struct stat seen;
    struct buf data = {0};
    if (fstatat(tree->fd, file->name, &seen, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(seen.st_mode) ||
        (seen.st_mode & 07777) != file->mode ||
        (file->owner != (uid_t)-1 && seen.st_uid != file->owner) ||
        (file->group != (gid_t)-1 && seen.st_gid != file->group))
        return false;
    bool same = tree_read(tree, file->name, file->size, &data) && data.size == file->size &&
                (file->size == 0 || memcmp(data.data, file->data, file->size) == 0);
    buf_finish_secret(&data);
    return same;
}

bool tree_link(const struct tree *tree, const char *name, char *out, size_t size)
{
    ssize_t length = readlinkat(tree->fd, name, out, size);
    if (length < 0 || (size_t)length >= size)
        return false;
    out[length] = '\0';
    return true;
}

int tree_each(const struct tree *tree,
              int (*visit)(const struct tree *tree, const char *name, void *context, struct err *e),
              void *context, struct err *e)
{
    /* a description of its own: a dup would share the position */
    int fd = openat(tree->fd, ".", OPEN_FOLDER);
    DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
    if (!folder) {
        if (fd >= 0)
            close(fd);
        return tree_error(tree, NULL, "cannot be listed", e);
    }
    int rc = 0;
    const struct dirent *entry;
    /* The folder's stream is this thread's own. */
    // cppcheck-suppress readdirCalled
    while (rc == 0 && (errno = 0, entry = readdir(folder)))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            rc = visit(tree, entry->d_name, context, e);
    if (rc == 0 && errno)
        rc = tree_error(tree, NULL, "cannot be listed", e);
    closedir(folder);
    return rc;
}

static int remove_visited(const struct tree *tree, const char *name, void *context, struct err *e)
{
    (void)context;
    return tree_remove(tree, name, e);
}

int tree_remove(const struct tree *tree, const char *name, struct err *e)
{
    if (unlinkat(tree->fd, name, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR && errno != EPERM)
        return tree_error(tree, name, "cannot be removed", e);
    struct tree inner;
    if (tree_enter(tree, name, false, &inner, e) < 0)
        return -1;
    int rc = inner.fd < 0 ? 0 : tree_each(&inner, remove_visited, NULL, e);
    tree_finish(&inner);
    if (rc == 0 && unlinkat(tree->fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
        rc = tree_error(tree, name, "cannot be removed", e);
    return rc;
}

int tree_sync(const struct tree *tree, struct err *e)
{
    /* EINVAL: a file system that cannot sync folders, and so keeps them in its own way */
    if (fsync(tree->fd) < 0 && errno != EINVAL)
        return tree_error(tree, NULL, "cannot be synced", e);
    return 0;
}

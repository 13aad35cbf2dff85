#include "store/lock.h"

#include "acme/base/memory.h"
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct store_lock {
    int fd;
};

/* A lock of the open file, not of the process: it also keeps out a second store of this process. */
static int lock_file(const char *directory, const char *path, int *fd, struct err *e)
{
    const struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR);
    if (*fd < 0)
        return err_set(e, ERR_IO, "Cannot open %s: %s.", path, strerror(errno));
    store_give_file(*fd, directory);
    if (fcntl(*fd, F_OFD_SETLK, &whole) == 0)
        return 0;
    int rc = errno == EACCES || errno == EAGAIN
                 ? err_set(e, ERR_BUSY, "Another process uses the data directory %s.", directory)
                 : err_set(e, ERR_IO, "Cannot lock %s: %s.", path, strerror(errno));
    close(*fd);
    return rc;
}

int store_lock_take(const char *directory, struct store_lock **out, struct err *e)
{
    int fd;
    if (store_make_directory(directory, e) < 0)
        return -1;
    char *path = mem_printf("%s/lock", directory);
    int rc = lock_file(directory, path, &fd, e);
    free(path);
    if (rc < 0)
        return -1;
    *out = mem_new(1, sizeof **out);
    (*out)->fd = fd;
    return 0;
}

void store_lock_release(struct store_lock *lock)
{
    if (!lock)
        return;
    close(lock->fd);
    free(lock);
}

#include "server/start/secret_file.h"

#include "acme/base/failpoint.h"
#include "acme/base/log.h"
#include "acme/base/memory.h"
#include "store/store.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SECRET_FILE_MAX = 4096 };

/* Of a file that is being written, behind its name and the process's id: so are no copies called
   that people make, who date them or count them. */
static const char unfinished[] = ".unfinished";

int secret_file_read_descriptor(int fd, const char *name, struct buf *out, struct err *e)
{
    char chunk[512];
    ssize_t n;
    while ((n = read(fd, chunk, sizeof chunk)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 || out->size + (size_t)n > SECRET_FILE_MAX) {
            OPENSSL_cleanse(chunk, sizeof chunk);
            return err_set(e, ERR_CONFIG, "%s cannot be read: %s.", name,
                           n < 0 ? strerror(errno) : "it is too long");
        }
        buf_add(out, chunk, (size_t)n);
    }
    OPENSSL_cleanse(chunk, sizeof chunk);
    while (out->size && isspace((unsigned char)out->data[out->size - 1]))
        out->data[--out->size] = '\0';
    return 0;
}

/* For files alone: what pipes and descriptors carry is nobody else's to read. */
static int check_private(int fd, const char *path, struct err *e)
{
    struct stat status;
    if (fstat(fd, &status) < 0)
        return err_set(e, ERR_IO, "%s cannot be looked at: %s.", path, strerror(errno));
    if (S_ISREG(status.st_mode) && status.st_mode & (S_IRWXO | S_IWGRP))
        return err_set(e, ERR_CONFIG,
                       "%s has the mode %04o: everybody may read or its group may change it. Make "
                       "it 0600, or 0440 for a group.",
                       path, (unsigned)(status.st_mode & 07777));
    return 0;
}

static int read_path(const char *path, bool must_be_private, struct buf *out, struct err *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set(e, ERR_CONFIG, "%s cannot be opened: %s.", path, strerror(errno));
    int rc = must_be_private ? check_private(fd, path, e) : 0;
    if (rc == 0)
        rc = secret_file_read_descriptor(fd, path, out, e);
    close(fd);
    return rc;
}

int secret_file_read(const char *path, struct buf *out, struct err *e)
{
    return read_path(path, true, out, e);
}

int secret_file_read_any(const char *path, struct buf *out, struct err *e)
{
    return read_path(path, false, out, e);
}

int secret_file_sync(const char *directory)
{
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    int rc = fsync(fd);
    close(fd);
    return rc;
}

static int write_all(int fd, const char *text)
{
    size_t size = strlen(text);
    for (size_t done = 0; done < size;) {
        ssize_t n = write(fd, text + done, size - done);
        if (n < 0 && errno != EINTR)
            return -1;
        done += n > 0 ? (size_t)n : 0;
    }
    return fsync(fd);
}

/* Of two processes that make one at once the first wins: EEXIST leaves its file. */
int secret_file_write(const char *directory, const char *path, const char *text, struct err *e)
{
    char *temporary = mem_printf("%s.%ld%s", path, (long)getpid(), unfinished);
    unlink(temporary);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && write_all(fd, text) == 0;
    if (fd >= 0)
        store_give_file(fd, directory);
    if (fd >= 0)
        close(fd);
    failpoint("secret written", path);
    ok = ok && (link(temporary, path) == 0 || errno == EEXIST) && secret_file_sync(directory) == 0;
    if (!ok)
        err_set(e, ERR_IO, "%s cannot be written: %s.", path, strerror(errno));
    failpoint("secret linked", path);
    unlink(temporary);
    free(temporary);
    return ok ? 0 : -1;
}

bool secret_file_exists(const char *directory, const char *name)
{
    char *path = mem_printf("%s/%s", directory, name);
    bool found = access(path, F_OK) == 0;
    free(path);
    return found;
}

/* "NAME.DIGITS.unfinished" of a secret's NAME. */
static bool is_leftover(const char *name)
{
    static const char *const secrets[] = {"master.key.next.", "master.key.", "admin.token."};
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++) {
        size_t size = strlen(secrets[i]);
        if (strncmp(name, secrets[i], size) != 0)
            continue;
        size_t digits = strspn(name + size, "0123456789");
        if (digits && !strcmp(name + size + digits, unfinished))
            return true;
    }
    return false;
}

static void sweep(DIR *list, int directory)
{
    const struct dirent *entry;
    /* cppcheck-suppress readdirCalled ; the list is this call's own */
    while ((entry = readdir(list)))
        if (is_leftover(entry->d_name) && unlinkat(directory, entry->d_name, 0) == 0)
            log_info("what a crash had left of a secret is removed", "file", entry->d_name, NULL);
}

void secret_file_sweep(const char *directory)
{
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = fd < 0 ? NULL : fdopendir(fd);
    if (list) {
        sweep(list, fd);
        closedir(list);
    } else if (fd >= 0) {
        close(fd);
    }
}

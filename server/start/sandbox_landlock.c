/* Landlock (linux/Documentation/userspace-api/landlock.rst), by its system calls: there is no
   wrapper in libc, and Debian 12's header does not know what newer kernels have. */
#include "acme/base/log.h"
#include "server/start/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    EXECUTE = 1 << 0,
    WRITE_FILE = 1 << 1,
    READ_FILE = 1 << 2,
    READ_DIR = 1 << 3,
    REMOVE_FILE = 1 << 5,
    MAKE_CHAR = 1 << 6,
    MAKE_SOCK = 1 << 9,
    MAKE_BLOCK = 1 << 11,
    ALL_OF_1 = (1 << 13) - 1,
    REFER = 1 << 13,     /* since 2: links and renames between folders */
    TRUNCATE = 1 << 14,  /* since 3 */
    IOCTL_DEV = 1 << 15, /* since 5 */

    OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV,

    SCOPE_ABSTRACT_UNIX_SOCKET = 1 << 0, /* since 6; signals are not scoped: reloads send them */

    CREATE_RULESET_VERSION = 1,
    RULE_PATH_BENEATH = 1,
};

struct ruleset_attributes {
    uint64_t handled_access_fs;
    uint64_t handled_access_net; /* since 4; CAs and providers may be at any port */
    uint64_t scoped;             /* since 6 */
};

struct path_beneath {
    uint64_t allowed_access;
    int32_t parent_fd;
} __attribute__((packed));

static uint64_t handled_by(int version)
{
    uint64_t handled = ALL_OF_1;
    if (version >= 2)
        handled |= REFER;
    if (version >= 3)
        handled |= TRUNCATE;
    if (version >= 5)
        handled |= IOCTL_DEV;
    return handled;
}

static uint64_t rights_for(enum sandbox_access access)
{
    switch (access) {
    case SANDBOX_READ:
        return READ_FILE | READ_DIR;
    case SANDBOX_SOCKET:
        return MAKE_SOCK | REMOVE_FILE;
    default:
        return (ALL_OF_1 | REFER | TRUNCATE) & ~(uint64_t)(EXECUTE | MAKE_CHAR | MAKE_BLOCK);
    }
}

static int add_path(int ruleset, const struct sandbox_path *path, uint64_t handled)
{
    struct stat seen;
    struct path_beneath rule = {.allowed_access = rights_for(path->access) & handled};
    int fd = open(path->path, O_PATH | O_CLOEXEC);
    if (fd < 0) {
        if (path->access != SANDBOX_READ)
            log_warn("the sandbox is closed to what is not there: make it, then restart", "path",
                     path->path, "reason", strerror(errno), NULL);
        return 0;
    }
    rule.parent_fd = fd;
    if (fstat(fd, &seen) == 0 && !S_ISDIR(seen.st_mode))
        rule.allowed_access &= OF_FILES;
    int rc = 0;
    if (rule.allowed_access)
        rc = (int)syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule, 0);
    int reason = errno;
    close(fd);
    errno = reason;
    return rc;
}

int sandbox_landlock(const struct sandbox_path *paths, size_t count, int *version)
{
    int known = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION);
    if (known < 0)
        return -1;
    struct ruleset_attributes attributes = {
        .handled_access_fs = handled_by(known),
        .scoped = known >= 6 ? SCOPE_ABSTRACT_UNIX_SOCKET : 0,
    };
    size_t size = known >= 6   ? sizeof attributes
                  : known >= 4 ? 2 * sizeof(uint64_t)
                               : sizeof attributes.handled_access_fs;
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attributes, size, 0);
    if (ruleset < 0)
        return -1;
    int rc = 0;
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = add_path(ruleset, &paths[i], attributes.handled_access_fs);
    if (rc == 0)
        rc = (int)syscall(SYS_landlock_restrict_self, ruleset, 0);
    int reason = errno;
    close(ruleset);
    errno = reason;
    if (rc == 0)
        *version = known;
    return rc;
}

/*
 * To be loaded before the libraries (LD_PRELOAD), so that their calls come through here: the nth
 * allocation fails, whoever asks for it, or the file system below a folder has become read-only.
 * The linker's --wrap reaches nothing but our own objects, and it is in OpenSSL, curl, SQLite,
 * json-c, libmicrohttpd and libc that most allocations are made.
 *
 * CERTWRIGHT_FAULTS names a file that the test shares with this process: struct faults.
 * CERTWRIGHT_FAULTS_FOLDER is what may become read-only.
 */
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

struct faults {
    atomic_int_least64_t left;  /* the allocation that fails, counted from 1; below: none */
    atomic_int_least64_t count; /* allocations so far */
    atomic_int_least64_t failed;
    atomic_int_least64_t read_only; /* 1: the folder is */
    atomic_int_least64_t refused;   /* what was refused since it is */
};

static struct faults nothing;
static struct faults *faults = &nothing;
static const char *folder;

enum { FRAMES_MAX = 40 };
static void *failed_at[FRAMES_MAX]; /* the last allocation that was let fail */
static int failed_frames;

static void say(const char *text)
{
    if (write(STDERR_FILENO, text, strlen(text)) < 0)
        _exit(97);
}

/* The process ends as it would have; what it died of stands in the log, for addr2line. */
static void crash(int signal)
{
    void *frames[FRAMES_MAX];
    say("-- the process crashes here:\n");
    backtrace_symbols_fd(frames, backtrace(frames, FRAMES_MAX), STDERR_FILENO);
    say("-- after this allocation had failed:\n");
    backtrace_symbols_fd(failed_at, failed_frames, STDERR_FILENO);
    raise(signal);
}

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("CERTWRIGHT_FAULTS");
    folder = getenv("CERTWRIGHT_FAULTS_FOLDER");
    struct sigaction action = {.sa_handler = crash, .sa_flags = (int)SA_RESETHAND | SA_NODEFER};
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGABRT, &action, NULL);
    failed_frames = backtrace(failed_at, FRAMES_MAX); /* loads what it needs, with memory */
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    void *shared = mmap(NULL, sizeof *faults, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (shared != MAP_FAILED)
        faults = shared;
    close(fd);
}

/* The function that would be called without this library. */
static void *next(const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);
    if (!found)
        _exit(98);
    return found;
}

/* Threads that take no signals would die without a word. */
int pthread_sigmask(int how, const sigset_t *set, sigset_t *before)
{
    int (*real)(int, const sigset_t *, sigset_t *);
    *(void **)&real = next("pthread_sigmask");
    sigset_t without;
    if (!set)
        return real(how, set, before);
    without = *set;
    if (how != SIG_UNBLOCK) {
        sigdelset(&without, SIGSEGV);
        sigdelset(&without, SIGABRT);
    }
    return real(how, &without, before);
}

/* ---- memory ---- */

static bool fails(void)
{
    atomic_fetch_add(&faults->count, 1);
    if (atomic_load(&faults->left) <= 0 || atomic_fetch_sub(&faults->left, 1) != 1)
        return false;
    atomic_fetch_add(&faults->failed, 1);
    failed_frames = backtrace(failed_at, FRAMES_MAX);
    errno = ENOMEM;
    return true;
}

void *malloc(size_t size)
{
    static void *(*real)(size_t);
    if (!real)
        *(void **)&real = next("malloc");
    return fails() ? NULL : real(size);
}

/* dlsym itself may ask for some. */
void *calloc(size_t count, size_t size)
{
    static void *(*real)(size_t, size_t);
    static bool looking;
    static max_align_t early[64];
    if (!real && looking)
        return count * size <= sizeof early ? early : NULL;
    if (!real) {
        looking = true;
        *(void **)&real = next("calloc");
    }
    return fails() ? NULL : real(count, size);
}

void *realloc(void *p, size_t size)
{
    static void *(*real)(void *, size_t);
    if (!real)
        *(void **)&real = next("realloc");
    return fails() ? NULL : real(p, size);
}

void *reallocarray(void *p, size_t count, size_t size)
{
    static void *(*real)(void *, size_t, size_t);
    if (!real)
        *(void **)&real = next("reallocarray");
    return fails() ? NULL : real(p, count, size);
}

/* ---- files ---- */

static bool is_inside(const char *path)
{
    size_t length = folder ? strlen(folder) : 0;
    return length && strncmp(path, folder, length) == 0;
}

static bool refuses(const char *path)
{
    if (!atomic_load(&faults->read_only) || !is_inside(path))
        return false;
    atomic_fetch_add(&faults->refused, 1);
    errno = EROFS;
    return true;
}

static bool refuses_fd(int fd)
{
    char link[64], path[4096];
    if (!atomic_load(&faults->read_only))
        return false;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    path[size > 0 ? size : 0] = '\0';
    return refuses(path);
}

static int open_as(const char *name, const char *path, int flags, mode_t mode)
{
    int (*real)(const char *, int, ...);
    *(void **)&real = next(name);
    if ((flags & (O_ACCMODE | O_CREAT | O_TRUNC)) != O_RDONLY && refuses(path))
        return -1;
    return real(path, flags, mode);
}

static mode_t mode_of(int flags, va_list args)
{
    return flags & (O_CREAT | O_TMPFILE) ? (mode_t)va_arg(args, unsigned) : 0;
}

int open(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = mode_of(flags, args);
    va_end(args);
    return open_as("open", path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = mode_of(flags, args);
    va_end(args);
    return open_as("open64", path, flags, mode);
}

ssize_t write(int fd, const void *data, size_t size)
{
    static ssize_t (*real)(int, const void *, size_t);
    if (!real)
        *(void **)&real = next("write");
    return refuses_fd(fd) ? -1 : real(fd, data, size);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at)
{
    static ssize_t (*real)(int, const void *, size_t, off64_t);
    if (!real)
        *(void **)&real = next("pwrite64");
    return refuses_fd(fd) ? -1 : real(fd, data, size, at);
}

int ftruncate64(int fd, off64_t size)
{
    static int (*real)(int, off64_t);
    if (!real)
        *(void **)&real = next("ftruncate64");
    return refuses_fd(fd) ? -1 : real(fd, size);
}

int unlink(const char *path)
{
    static int (*real)(const char *);
    if (!real)
        *(void **)&real = next("unlink");
    return refuses(path) ? -1 : real(path);
}

/*
 * A file system for SQLite that fails when told to: the default one, with a count of what is asked
 * of it. Registered as the default itself, so that the store opens its files through it.
 *
 * Syncs that are not to fail are not made: nothing here outlives the process anyhow.
 */
#ifndef CERTWRIGHT_TESTS_FAULT_VFS_H
#define CERTWRIGHT_TESTS_FAULT_VFS_H

#include <signal.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

enum fault_kind {
    FAULT_IO,   /* anything that touches a file may fail, with its own SQLITE_IOERR_… */
    FAULT_FULL, /* writes alone: the half of it is there, then SQLITE_FULL */
    FAULT_KILL, /* the process is gone, at whatever touches a file */
};

struct fault_vfs {
    sqlite3_vfs base;
    sqlite3_vfs *real;
    enum fault_kind kind;
    bool lasts;         /* until it is lifted; else the one operation fails */
    atomic_long left;   /* operations until it fails; below 1: not any more, or it has begun */
    atomic_bool on;     /* what lasts has begun */
    atomic_long failed; /* operations so far */
};

struct fault_file {
    sqlite3_file base;
    sqlite3_file *real; /* in the same memory, behind */
};

static struct fault_vfs fault_vfs;

static inline bool fault_strikes(void)
{
    bool now = atomic_load(&fault_vfs.on);
    if (!now && atomic_load(&fault_vfs.left) > 0 && atomic_fetch_sub(&fault_vfs.left, 1) == 1) {
        now = true;
        atomic_store(&fault_vfs.on, fault_vfs.lasts);
    }
    if (now && fault_vfs.kind == FAULT_KILL)
        kill(getpid(), SIGKILL);
    if (now)
        atomic_fetch_add(&fault_vfs.failed, 1);
    return now;
}

static inline bool fault_strikes_io(void)
{
    return fault_vfs.kind != FAULT_FULL && fault_strikes();
}

/* From now on the nth operation that can fail does so. */
static inline void fault_arm(enum fault_kind kind, bool lasts, long nth)
{
    fault_vfs.kind = kind;
    fault_vfs.lasts = lasts;
    atomic_store(&fault_vfs.on, false);
    atomic_store(&fault_vfs.failed, 0);
    atomic_store(&fault_vfs.left, nth);
}

static inline void fault_lift(void)
{
    atomic_store(&fault_vfs.left, 0);
    atomic_store(&fault_vfs.on, false);
}

static inline bool fault_has_struck(void)
{
    return atomic_load(&fault_vfs.failed) > 0;
}

/* ---- files ---- */

static inline sqlite3_file *fault_real(sqlite3_file *file)
{
    return ((struct fault_file *)file)->real;
}

static inline int fault_close(sqlite3_file *file)
{
    sqlite3_file *real = fault_real(file);
    return real->pMethods->xClose(real);
}

static inline int fault_read(sqlite3_file *file, void *data, int size, sqlite3_int64 at)
{
    sqlite3_file *real = fault_real(file);
    return fault_strikes_io() ? SQLITE_IOERR_READ : real->pMethods->xRead(real, data, size, at);
}

static inline int fault_write(sqlite3_file *file, const void *data, int size, sqlite3_int64 at)
{
    sqlite3_file *real = fault_real(file);
    if (!fault_strikes())
        return real->pMethods->xWrite(real, data, size, at);
    if (fault_vfs.kind == FAULT_IO)
        return SQLITE_IOERR_WRITE;
    real->pMethods->xWrite(real, data, size / 2, at);
    return SQLITE_FULL;
}

static inline int fault_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    sqlite3_file *real = fault_real(file);
    return fault_strikes_io() ? SQLITE_IOERR_TRUNCATE : real->pMethods->xTruncate(real, size);
}

static inline int fault_sync(sqlite3_file *file, int flags)
{
    (void)file;
    (void)flags;
    return fault_strikes_io() ? SQLITE_IOERR_FSYNC : SQLITE_OK;
}

static inline int fault_file_size(sqlite3_file *file, sqlite3_int64 *size)
{
    sqlite3_file *real = fault_real(file);
    return fault_strikes_io() ? SQLITE_IOERR_FSTAT : real->pMethods->xFileSize(real, size);
}

static inline int fault_lock(sqlite3_file *file, int level)
{
    sqlite3_file *real = fault_real(file);
    return fault_strikes_io() ? SQLITE_IOERR_LOCK : real->pMethods->xLock(real, level);
}

static inline int fault_unlock(sqlite3_file *file, int level)
{
    sqlite3_file *real = fault_real(file);
    return real->pMethods->xUnlock(real, level);
}

static inline int fault_check_reserved(sqlite3_file *file, int *taken)
{
    sqlite3_file *real = fault_real(file);
    return fault_strikes_io() ? SQLITE_IOERR_CHECKRESERVEDLOCK
                              : real->pMethods->xCheckReservedLock(real, taken);
}

static inline int fault_control(sqlite3_file *file, int what, void *arg)
{
    sqlite3_file *real = fault_real(file);
    return real->pMethods->xFileControl(real, what, arg);
}

static inline int fault_sector_size(sqlite3_file *file)
{
    sqlite3_file *real = fault_real(file);
    return real->pMethods->xSectorSize(real);
}

static inline int fault_characteristics(sqlite3_file *file)
{
    sqlite3_file *real = fault_real(file);
    return real->pMethods->xDeviceCharacteristics(real);
}

static inline int fault_shm_map(sqlite3_file *file, int page, int size, int extend,
                                void volatile **out)
{
    sqlite3_file *real = fault_real(file);
    return fault_strikes_io() ? SQLITE_IOERR_SHMMAP
                              : real->pMethods->xShmMap(real, page, size, extend, out);
}

/* To let go always works: else the lock would be held for ever, which no disk can bring about. */
static inline int fault_shm_lock(sqlite3_file *file, int offset, int count, int flags)
{
    sqlite3_file *real = fault_real(file);
    if (flags & SQLITE_SHM_LOCK && fault_strikes_io())
        return SQLITE_IOERR_SHMLOCK;
    return real->pMethods->xShmLock(real, offset, count, flags);
}

static inline void fault_shm_barrier(sqlite3_file *file)
{
    sqlite3_file *real = fault_real(file);
    real->pMethods->xShmBarrier(real);
}

static inline int fault_shm_unmap(sqlite3_file *file, int delete)
{
    sqlite3_file *real = fault_real(file);
    return real->pMethods->xShmUnmap(real, delete);
}

/* ---- the file system ---- */

static const sqlite3_io_methods fault_methods = {
    .iVersion = 2, /* with shared memory, without mapped files */
    .xClose = fault_close,
    .xRead = fault_read,
    .xWrite = fault_write,
    .xTruncate = fault_truncate,
    .xSync = fault_sync,
    .xFileSize = fault_file_size,
    .xLock = fault_lock,
    .xUnlock = fault_unlock,
    .xCheckReservedLock = fault_check_reserved,
    .xFileControl = fault_control,
    .xSectorSize = fault_sector_size,
    .xDeviceCharacteristics = fault_characteristics,
    .xShmMap = fault_shm_map,
    .xShmLock = fault_shm_lock,
    .xShmBarrier = fault_shm_barrier,
    .xShmUnmap = fault_shm_unmap,
};

static inline int fault_open(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *out, int flags,
                             int *out_flags)
{
    struct fault_file *file = (struct fault_file *)out;
    (void)vfs;
    out->pMethods = NULL;
    if (fault_strikes_io())
        return SQLITE_CANTOPEN;
    file->real = (sqlite3_file *)(file + 1);
    int rc = fault_vfs.real->xOpen(fault_vfs.real, name, file->real, flags, out_flags);
    if (file->real->pMethods)
        out->pMethods = &fault_methods;
    return rc;
}

static inline int fault_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
    (void)vfs;
    return fault_strikes_io() ? SQLITE_IOERR_DELETE
                              : fault_vfs.real->xDelete(fault_vfs.real, name, sync);
}

static inline int fault_access(sqlite3_vfs *vfs, const char *name, int flags, int *found)
{
    (void)vfs;
    return fault_strikes_io() ? SQLITE_IOERR_ACCESS
                              : fault_vfs.real->xAccess(fault_vfs.real, name, flags, found);
}

/* Before the first connection. What is not overridden takes the real one's context, as SQLite's
   own file system does not look at it. */
static inline void fault_register(void)
{
    fault_vfs.real = sqlite3_vfs_find(NULL);
    fault_vfs.base = *fault_vfs.real;
    fault_vfs.base.zName = "faulty";
    fault_vfs.base.szOsFile = (int)sizeof(struct fault_file) + fault_vfs.real->szOsFile;
    fault_vfs.base.pNext = NULL;
    fault_vfs.base.xOpen = fault_open;
    fault_vfs.base.xDelete = fault_delete;
    fault_vfs.base.xAccess = fault_access;
    if (sqlite3_vfs_register(&fault_vfs.base, 1))
        abort();
}

#endif

/*
 * What the process gives up at its start, so that a hole in it opens less: new privileges (execve
 * gains none), all files but those listed (Landlock), system calls that it never makes (seccomp).
 * All threads begun afterwards are within; the command helper was forked before and stands outside.
 */
#ifndef CERTWRIGHT_SERVER_START_SANDBOX_H
#define CERTWRIGHT_SERVER_START_SANDBOX_H

#include "acme/base/error.h"

#include <stdbool.h>
#include <stddef.h>

enum sandbox_access {
    SANDBOX_READ,   /* files, and what lies in folders */
    SANDBOX_WRITE,  /* everything but running programs and making devices */
    SANDBOX_SOCKET, /* of a folder: making and removing Unix sockets */
};

/* A file, or a folder with all that is below it. What a link leads to now counts. */
struct sandbox_path {
    const char *path;
    enum sandbox_access access;
};

/* What the kernel has. */
struct sandbox_state {
    bool no_new_privs;
    int landlock; /* the version of its ABI; 0: none */
    bool seccomp;
};

/*
 * Enters, while the process has one thread. What the kernel lacks is left out, unless required:
 * ERR_IO, and the process is to end. Paths that are not there are left out, and told of in the log
 * if they were to be written to.
 */
int sandbox_enter(const struct sandbox_path *paths, size_t count, bool required,
                  struct sandbox_state *out, struct err *e);

/* ---- private to sandbox*.c ---- */

/* 0 if this process may do no more than the paths allow, with the version of the ABI; else -1 and
   errno, and nothing has changed. */
int sandbox_landlock(const struct sandbox_path *paths, size_t count, int *version);

/* 0 if the calls that are not needed end in EPERM from now on; else -1 and errno. */
int sandbox_seccomp(void);

#endif

/*
 * Folders by descriptor: nothing here follows a symbolic link, other than the one way in. Messages
 * name the path; ERR_TARGET_FILES throughout.
 */
#ifndef CERTWRIGHT_SERVER_DEPLOY_TREE_H
#define CERTWRIGHT_SERVER_DEPLOY_TREE_H

#include "acme/base/buffer.h"
#include "acme/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* An open folder. */
struct tree {
    int fd;
    char *path; /* for messages */
};

/* A file as it is to stand. */
struct tree_file {
    const char *name;
    const char *data;
    size_t size;
    mode_t mode;
    uid_t owner; /* (uid_t)-1: whoever this process is */
    gid_t group; /* (gid_t)-1: likewise */
};

/* Opens a folder by a path that the operator wrote: links are followed. */
int tree_open(const char *path, struct tree *out, struct err *e);

/* Opens a folder in another; a link is refused. If it is missing: made with 0755 and synced if
   make, else success with out->fd -1 (and the path it would have). */
int tree_enter(const struct tree *parent, const char *name, bool make, struct tree *out,
               struct err *e);

/* Takes an empty one ({-1, NULL}) too. */
void tree_finish(struct tree *tree);

/* Fills e with the path of name in tree (NULL: tree itself), what, and errno's words. */
int tree_error(const struct tree *tree, const char *name, const char *what, struct err *e);

/* Makes a file that must not be there, and syncs it. */
int tree_write(const struct tree *tree, const struct tree_file *file, struct err *e);

/* Whether the file stands exactly so: bytes, mode, and owner and group where they are given. */
bool tree_has(const struct tree *tree, const struct tree_file *file);

/* Appends a plain file's bytes, if there are at most limit. */
bool tree_read(const struct tree *tree, const char *name, size_t limit, struct buf *out);

/* Where a symbolic link points; false if name is none, or its target does not fit. */
bool tree_link(const struct tree *tree, const char *name, char *out, size_t size);

/* Calls visit with each name but "." and ".."; stops at the first that fails. */
int tree_each(const struct tree *tree,
              int (*visit)(const struct tree *tree, const char *name, void *context, struct err *e),
              void *context, struct err *e);

/* Removes name with all that is in it; it may be missing. */
int tree_remove(const struct tree *tree, const char *name, struct err *e);

/* What was made, renamed and removed in the folder outlasts a power cut from here on. */
int tree_sync(const struct tree *tree, struct err *e);

#endif

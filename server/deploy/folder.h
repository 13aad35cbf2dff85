/*
 * The atomic writer: several files in one folder that change all at once, in the layout that
 * Kubernetes gives its volumes.
 *
 *   FOLDER/..2026-11-21T14_30_28.123Z.0f3c9a1b/    a generation: the real files
 *   FOLDER/..data -> ..2026-11-21T14_30_28.123Z.0f3c9a1b
 *   FOLDER/cert.pem -> ..data/cert.pem
 *
 * A new generation is written beside the current one and synced; then "..data" is replaced by a
 * rename. So at any moment, and after a crash at any moment, the names show the former files or
 * the new ones. The generation before the current one is kept: a reader that opened "..data" as a
 * folder finds a whole set in it until the next deployment but one. Times in the names grow even
 * if the clock does not, so that a left-over of an interrupted run (younger than the current one)
 * and the former generation (the youngest of the older ones) are told apart.
 *
 * What was interrupted holds a key, and there may be no next deployment: the certificate is
 * deleted, or goes elsewhere. So a write is noted before it begins, and the next start of the
 * process ends it.
 *
 * One folder belongs to one certificate of one target: whoever writes removes the links that are
 * not in its own set.
 */
#ifndef CERTWRIGHT_SERVER_DEPLOY_FOLDER_H
#define CERTWRIGHT_SERVER_DEPLOY_FOLDER_H

#include "acme/base/buffer.h"
#include "acme/base/error.h"
#include "server/deploy/tree.h"

#include <stdbool.h>
#include <stddef.h>

enum { FOLDER_GENERATION_SIZE = 40, FOLDER_FILE_MAX = 1024 * 1024 };

/* Where; borrowed. */
struct folder {
    const char *root;  /* absolute, as the operator configured it: it may be a link */
    const char *path;  /* below it; "": the root itself. folder_path_check has passed */
    const char *notes; /* a folder of ours that tells which ones are being written (folder_note.h);
                          NULL: what a kill leaves behind stays until the next write */
};

struct folder_result {
    bool changed;                            /* anything was written, if only a missing link */
    char generation[FOLDER_GENERATION_SIZE]; /* the current one's name */
};

/* A relative path without empty, "." and ".." components, control characters, and names that begin
   as the layout's own ("..data"). ERR_INVALID. */
int folder_path_check(const char *path, struct err *e);

/*
 * Installs the files, and nothing else under their kind of links; folders on the way are made with
 * 0755. What stands already, in bytes, mode and owner, is not written again. ERR_TARGET_FILES:
 * the detail has the path and the reason; the former files are still in place.
 */
int folder_write(const struct folder *where, const struct tree_file *files, size_t count,
                 struct folder_result *out, struct err *e);

/*
 * Removes what an interrupted write has left: generations that were never turned to, and those
 * older than the former. What is installed stays; so does the folder. ERR_TARGET_FILES, if another
 * writes it, too.
 */
int folder_sweep(const struct folder *where, struct err *e);

/* Whether that is the name of a note: nothing else in the folder of notes may have such a one. */
bool folder_is_note(const char *name);

/* Sweeps each folder that is noted, if its root is in the list (ends with NULL) or below one that
   is, and takes the note
   away; one that fails is told to the log and stays noted. Once, at the start of the process. */
void folder_sweep_noted(const char *notes, const char *const *roots);

/* Appends a file of the current generation; false if there is none. */
bool folder_read(const struct folder *where, const char *name, struct buf *out);

/*
 * Whether folder_write might: the way to the folder holds no link and no file in a folder's place,
 * the nearest folder that exists can be written, and the names are free or can be replaced.
 * Changes nothing.
 */
int folder_check(const struct folder *where, const struct tree_file *files, size_t count,
                 struct err *e);

#endif

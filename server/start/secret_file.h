/* Files that hold one secret each, as text: read with their final blanks cut off, written whole. */
#ifndef CERTWRIGHT_SERVER_START_SECRET_FILE_H
#define CERTWRIGHT_SERVER_START_SECRET_FILE_H

#include "acme/base/buffer.h"
#include "acme/base/error.h"

#include <stdbool.h>

/* Each of these appends at most 4096 bytes to out, which the caller ends with buf_finish_secret.
   ERR_CONFIG with the file's name, or name, and the reason. */
int secret_file_read_descriptor(int fd, const char *name, struct buf *out, struct err *e);
int secret_file_read_any(const char *path, struct buf *out, struct err *e);
/* The same, but refused is what everybody may read or its group may change. */
int secret_file_read(const char *path, struct buf *out, struct err *e);

/*
 * A new file (0600) at path, in directory, that is there whole and durably or not at all, whatever
 * happens in between; one that is there already stays, and is a success. ERR_IO.
 */
int secret_file_write(const char *directory, const char *path, const char *text, struct err *e);

/* Under the directory's lock: removes what a crash in secret_file_write has left. */
void secret_file_sweep(const char *directory);

bool secret_file_exists(const char *directory, const char *name);

/* Makes durable what was done to a directory's names: 0, or -1 with errno. */
int secret_file_sync(const char *directory);

#endif

/* The config file's text. Private to server/config, but that server/start reads files with it. */
#ifndef CERTWRIGHT_SERVER_CONFIG_SOURCE_H
#define CERTWRIGHT_SERVER_CONFIG_SOURCE_H

#include "acme/base/buffer.h"
#include "acme/base/error.h"

#include <stddef.h>

struct json_object;

enum { SOURCE_MAX_BYTES = 1024 * 1024, SOURCE_MAX_DEPTH = 32 };

/* Appends all of a file, at most max bytes. ERR_IO with its name and the reason. */
int source_read(const char *path, size_t max, struct buf *out, struct err *e);

/*
 * Reads JSON with comments: one object whose members are unique at every level. ERR_CONFIG with the
 * line. The caller ends *out with source_destroy.
 */
int source_parse(const char *text, size_t size, struct json_object **out, struct err *e);

/* Frees it and overwrites its strings, since any of them may be a secret. NULL is fine. */
void source_destroy(struct json_object *json);

#endif

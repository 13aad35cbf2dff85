/*
 * Notes of the folders that are being written: a small file each, in a folder of ours, durable
 * before the first byte is written there. Private to folder.h's files; under the folder's lock.
 */
#ifndef CERTWRIGHT_SERVER_DEPLOY_FOLDER_NOTE_H
#define CERTWRIGHT_SERVER_DEPLOY_FOLDER_NOTE_H

#include "server/deploy/folder.h"

/* Without where->notes these do nothing. ERR_TARGET_FILES: without a note nothing is written. */
int folder_note_make(const struct folder *where, struct err *e);
void folder_note_drop(const struct folder *where);

#endif

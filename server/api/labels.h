/* `labels`: the caller's own keys and values. */
#ifndef CERTWRIGHT_SERVER_API_LABELS_H
#define CERTWRIGHT_SERVER_API_LABELS_H

#include "server/api/fields.h"

/*
 * Reads the member labels of m: at most 64, keys [A-Za-z0-9][A-Za-z0-9._/-]{0,62}, values of up to
 * 255 bytes. Canonical JSON that the caller frees, "{}" if it is absent; NULL if it is wrong.
 */
char *labels_read(const struct members *m, enum members_need need);

#endif

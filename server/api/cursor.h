/* The cursor of a list, as text: where the page ended, and of which list. */
#ifndef CERTWRIGHT_SERVER_API_CURSOR_H
#define CERTWRIGHT_SERVER_API_CURSOR_H

#include "acme/base/error.h"

enum { CURSOR_SCOPE_SIZE = 16 };

/* scope: CURSOR_SCOPE_SIZE characters that stand for the list; key: of the page's last item. The
   caller frees. */
char *cursor_make(const char *scope, const char *key);

/* *key gets what cursor_make was given for the same scope; the caller frees. ERR_MALFORMED. */
int cursor_read(const char *cursor, const char *scope, char **key, struct err *e);

#endif

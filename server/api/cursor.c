#include "server/api/cursor.h"

#include "acme/base/base64url.h"
#include "acme/base/buffer.h"
#include "acme/base/memory.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

char *cursor_make(const char *scope, const char *key)
{
    struct buf text = {0};
    assert(strlen(scope) == CURSOR_SCOPE_SIZE);
    buf_printf(&text, "%s%s", scope, key);
    char *cursor = base64url_string(text.data, text.size);
    buf_finish(&text);
    return cursor;
}

int cursor_read(const char *cursor, const char *scope, char **key, struct err *e)
{
    struct buf text = {0};
    struct err why;
    bool good = base64url_decode(cursor, strlen(cursor), &text, &why) == 0 &&
                text.size > CURSOR_SCOPE_SIZE && !strncmp(text.data, scope, CURSOR_SCOPE_SIZE) &&
                strlen(text.data) == text.size;
    if (good)
        *key = mem_strdup(text.data + CURSOR_SCOPE_SIZE);
    buf_finish(&text);
    return good ? 0 : err_set(e, ERR_MALFORMED, "This cursor is not of this list.");
}

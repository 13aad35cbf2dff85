#include "server/config/complaints.h"

#include "acme/base/memory.h"

#include <stdarg.h>
#include <stdlib.h>

void complaints_finish(struct complaints *c)
{
    buf_finish(&c->lines);
    *c = (struct complaints){0};
}

void complaints_add(struct complaints *c, const char *source, const char *pointer,
                    const char *format, ...)
{
    struct buf words = {0};
    struct err line;
    va_list args;
    va_start(args, format);
    buf_vprintf(&words, format, args);
    va_end(args);
    /* Through an error, which keeps a line to itself whatever the configuration holds. */
    err_set(&line, ERR_CONFIG, "%s: %s%s%s", source, pointer, *pointer ? ": " : "",
            buf_string(&words));
    buf_printf(&c->lines, "%s\n", line.detail);
    if (c->count++ == 0)
        c->first = line;
    buf_finish(&words);
}

int complaints_verdict(const struct complaints *c, struct err *e)
{
    if (!c->count)
        return 0;
    if (c->count == 1)
        return err_set(e, ERR_CONFIG, "%s", c->first.detail);
    return err_set(e, ERR_CONFIG, "%s (and %zu more)", c->first.detail, c->count - 1);
}

#include "acme/base/log.h"

#include "acme/base/buffer.h"
#include "acme/base/clock.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

static _Atomic int threshold = LOG_LEVEL_INFO;

void log_set_level(enum log_level level)
{
    threshold = (int)level;
}

static bool is_plain(const char *s)
{
    if (!*s)
        return false;
    for (; *s; s++)
        if ((unsigned char)*s <= ' ' || *s == '"' || *s == '=' || *s == '\\' || *s == 127)
            return false;
    return true;
}

static void add_value(struct buf *line, const char *s)
{
    if (is_plain(s)) {
        buf_add_string(line, s);
        return;
    }
    buf_add_char(line, '"');
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\')
            buf_printf(line, "\\%c", c);
        else if (c < ' ' || c == 127)
            buf_printf(line, "\\x%02x", c);
        else
            buf_add_char(line, (char)c);
    }
    buf_add_char(line, '"');
}

static void write_line(enum log_level level, const char *message, va_list pairs)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    if ((int)level < threshold)
        return;
    char now[CLOCK_RFC3339_SIZE];
    clock_rfc3339(clock_wall_ms(), now);
    struct buf line = {0};
    buf_printf(&line, "time=%s level=%s msg=", now, names[level]);
    add_value(&line, message);
    const char *key;
    while ((key = va_arg(pairs, const char *))) {
        const char *value = va_arg(pairs, const char *);
        if (!value)
            break;
        buf_printf(&line, " %s=", key);
        add_value(&line, value);
    }
    buf_add_char(&line, '\n');
    /* One write a line keeps the lines of several threads whole; a full pipe is no reason to die.
     */
    ssize_t ignored = write(STDERR_FILENO, line.data, line.size);
    (void)ignored;
    buf_finish(&line);
}

void log_debug(const char *message, ...)
{
    va_list pairs;
    va_start(pairs, message);
    write_line(LOG_LEVEL_DEBUG, message, pairs);
    va_end(pairs);
}

void log_info(const char *message, ...)
{
    va_list pairs;
    va_start(pairs, message);
    write_line(LOG_LEVEL_INFO, message, pairs);
    va_end(pairs);
}

void log_warn(const char *message, ...)
{
    va_list pairs;
    va_start(pairs, message);
    write_line(LOG_LEVEL_WARN, message, pairs);
    va_end(pairs);
}

void log_error(const char *message, ...)
{
    va_list pairs;
    va_start(pairs, message);
    write_line(LOG_LEVEL_ERROR, message, pairs);
    va_end(pairs);
}

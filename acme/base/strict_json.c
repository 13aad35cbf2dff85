#include "acme/base/strict_json.h"

#include "acme/base/buffer.h"
#include "acme/base/utf8.h"

#include <assert.h>
#include <json-c/json.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

enum { ESCAPE_SIZE = 6 }; /* \u00fc */

static bool is_ascii(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)text[i] >= 0x80)
            return false;
    return true;
}

static uint32_t code_point(const char *s, size_t size)
{
    static const unsigned char first_bits[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t point = (unsigned char)s[0] & first_bits[size];
    for (size_t i = 1; i < size; i++)
        point = point << 6 | ((unsigned char)s[i] & 0x3f);
    return point;
}

static void add_escape(struct buf *out, uint32_t point)
{
    if (point < 0x10000) {
        buf_printf(out, "\\u%04x", (unsigned)point);
        return;
    }
    point -= 0x10000;
    buf_printf(out, "\\u%04x\\u%04x", (unsigned)(0xd800 | point >> 10),
               (unsigned)(0xdc00 | (point & 0x3ff)));
}

/*
 * Appends text with all above ASCII as escapes, up to limit bytes of output; returns how far in
 * text it came. After a backslash a character stays as it is: the parser is to refuse it.
 */
static size_t escape(const char *text, size_t size, size_t limit, struct buf *out)
{
    bool after_backslash = false;
    size_t i = 0;
    while (i < size && out->size < limit) {
        size_t step = utf8_character_size(text + i, size - i);
        assert(step > 0);
        if (step == 1 || after_backslash)
            buf_add(out, text + i, step);
        else
            add_escape(out, code_point(text + i, step));
        after_backslash = text[i] == '\\' && !after_backslash;
        i += step;
    }
    return i;
}

struct json_object *strict_json_parse(struct json_tokener *tokener, const char *text, size_t size,
                                      size_t *end)
{
    struct buf escaped = {0};
    size_t stop;
    assert(size < INT_MAX / ESCAPE_SIZE);
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
    struct json_object *json;
    if (is_ascii(text, size)) {
        json = json_tokener_parse_ex(tokener, text, (int)size);
        stop = json_tokener_get_parse_end(tokener);
    } else {
        escape(text, size, SIZE_MAX, &escaped);
        json = json_tokener_parse_ex(tokener, escaped.data, (int)escaped.size);
        struct buf parsed = {0};
        stop = escape(text, size, json_tokener_get_parse_end(tokener), &parsed);
        buf_finish_secret(&parsed);
        buf_finish_secret(&escaped);
    }
    if (end)
        *end = stop;
    return json;
}

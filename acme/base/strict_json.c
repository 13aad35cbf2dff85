#include "acme/base/strict_json.h"

#include "acme/base/buffer.h"
#include "acme/base/utf8.h"

#include <assert.h>
#include <ctype.h>
#include <json-c/json.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

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

/* Where the digits at text[i] end; i if there are none. */
static size_t skip_digits(const char *text, size_t size, size_t i)
{
    while (i < size && isdigit((unsigned char)text[i]))
        i++;
    return i;
}

/* Where the fraction or exponent ends that begins with text[i]; i if it has no digits. */
static size_t skip_part(const char *text, size_t size, size_t i, bool is_signed)
{
    size_t start = i + 1;
    if (is_signed && start < size && (text[start] == '+' || text[start] == '-'))
        start++;
    size_t end = skip_digits(text, size, start);
    return end > start ? end : i;
}

size_t strict_json_number_size(const char *text, size_t size)
{
    size_t start = size && text[0] == '-';
    size_t end = skip_digits(text, size, start);
    if (end == start || (end > start + 1 && text[start] == '0'))
        return 0;
    if (end < size && text[end] == '.')
        end = skip_part(text, size, end, false);
    if (end < size && (text[end] == 'e' || text[end] == 'E'))
        end = skip_part(text, size, end, true);
    return end < size && text[end] && strchr("0123456789+-.eE", text[end]) ? 0 : end;
}

size_t strict_json_members(struct json_object *tree)
{
    size_t count = 0;
    if (json_object_is_type(tree, json_type_object)) {
        json_object_object_foreach(tree, name, member)
        {
            (void)name;
            count += 1 + strict_json_members(member);
        }
    } else if (json_object_is_type(tree, json_type_array)) {
        for (size_t i = 0; i < json_object_array_length(tree); i++)
            count += strict_json_members(json_object_array_get_idx(tree, i));
    }
    return count;
}

static void cleanse(struct json_object *tree)
{
    if (json_object_is_type(tree, json_type_object)) {
        json_object_object_foreach(tree, name, member)
        {
            (void)name;
            cleanse(member);
        }
    } else if (json_object_is_type(tree, json_type_array)) {
        for (size_t i = 0; i < json_object_array_length(tree); i++)
            cleanse(json_object_array_get_idx(tree, i));
    } else if (json_object_is_type(tree, json_type_string)) {
        OPENSSL_cleanse((char *)json_object_get_string(tree),
                        (size_t)json_object_get_string_len(tree));
    }
}

void strict_json_destroy(struct json_object *tree)
{
    cleanse(tree);
    json_object_put(tree);
}

#include "acme/base/base64url.h"

#include <stdint.h>
#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void base64url_encode(const void *data, size_t size, struct buf *out)
{
    const unsigned char *p = data;
    for (; size >= 3; p += 3, size -= 3) {
        uint32_t v = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
        char quad[4] = {alphabet[v >> 18], alphabet[v >> 12 & 63], alphabet[v >> 6 & 63],
                        alphabet[v & 63]};
        buf_add(out, quad, 4);
    }
    if (size == 2) {
        uint32_t v = (uint32_t)p[0] << 8 | p[1];
        char rest[3] = {alphabet[v >> 10], alphabet[v >> 4 & 63], alphabet[v << 2 & 63]};
        buf_add(out, rest, 3);
    } else if (size == 1) {
        char rest[2] = {alphabet[p[0] >> 2], alphabet[p[0] << 4 & 63]};
        buf_add(out, rest, 2);
    } else {
        buf_add(out, "", 0);
    }
}

char *base64url_string(const void *data, size_t size)
{
    struct buf b = {0};
    base64url_encode(data, size, &b);
    return buf_take(&b);
}

static int value_of(char c)
{
    const char *at = c ? strchr(alphabet, c) : NULL;
    return at ? (int)(at - alphabet) : -1;
}

int base64url_decode(const char *text, size_t size, struct buf *out, struct err *e)
{
    struct buf bytes = {0};
    uint32_t bits = 0;
    int held = 0;
    for (size_t i = 0; i < size; i++) {
        int v = value_of(text[i]);
        if (v < 0) {
            buf_finish_secret(&bytes);
            return err_set(e, ERR_MALFORMED, "not base64url: character %zu", i + 1);
        }
        bits = bits << 6 | (uint32_t)v;
        held += 6;
        if (held >= 8) {
            held -= 8;
            buf_add_char(&bytes, (char)(bits >> held & 0xff));
        }
    }
    if (size % 4 == 1 || (bits & ((1U << held) - 1U))) {
        buf_finish_secret(&bytes);
        return err_set(e, ERR_MALFORMED, "not base64url: it ends in the middle of a byte");
    }
    buf_add(out, bytes.data, bytes.size);
    buf_finish_secret(&bytes);
    return 0;
}

/* Its character in the other alphabet; '.', which is of none, for one that is of neither. */
static char translated(char c)
{
    return c == '+' ? '-' : c == '/' ? '_' : c == '-' || c == '_' ? '.' : c;
}

int base64_decode(const char *text, size_t size, struct buf *out, struct err *e)
{
    struct buf digits = {0};
    size_t padding = 0;
    for (size_t i = 0; i < size; i++) {
        if (text[i] == ' ' || text[i] == '\t' || text[i] == '\r' || text[i] == '\n')
            continue;
        if (text[i] == '=')
            padding++;
        else
            buf_add_char(&digits, padding ? '.' : translated(text[i]));
    }
    bool is_padded = padding == 0 || (padding <= 2 && (digits.size + padding) % 4 == 0);
    int rc = is_padded ? base64url_decode(digits.data, digits.size, out, e) : -1;
    buf_finish_secret(&digits);
    return rc < 0 ? err_set(e, ERR_MALFORMED, "this is no base64") : 0;
}

bool base64url_is(const char *text)
{
    if (!*text)
        return false;
    for (; *text; text++)
        if (value_of(*text) < 0)
            return false;
    return true;
}

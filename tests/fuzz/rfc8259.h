/*
 * The grammar of JSON, from RFC 8259 and nothing else: a second opinion on what a parser takes. It
 * looks at ASCII alone; whether the rest is UTF-8 is asked elsewhere.
 */
#ifndef CERTWRIGHT_TESTS_FUZZ_RFC8259_H
#define CERTWRIGHT_TESTS_FUZZ_RFC8259_H

#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct rfc8259 {
    const char *at;
    const char *end;
    int depth;
    int deepest; /* objects and arrays within each other */
};

static inline bool rfc8259_value(struct rfc8259 *r);

static inline bool rfc8259_take(struct rfc8259 *r, char c)
{
    if (r->at == r->end || *r->at != c)
        return false;
    r->at++;
    return true;
}

static inline void rfc8259_space(struct rfc8259 *r)
{
    while (r->at < r->end && *r->at && strchr(" \t\r\n", *r->at))
        r->at++;
}

static inline bool rfc8259_digits(struct rfc8259 *r)
{
    const char *start = r->at;
    while (r->at < r->end && isdigit((unsigned char)*r->at))
        r->at++;
    return r->at > start;
}

static inline bool rfc8259_number(struct rfc8259 *r)
{
    rfc8259_take(r, '-');
    if (!rfc8259_take(r, '0') && !rfc8259_digits(r))
        return false;
    if (rfc8259_take(r, '.') && !rfc8259_digits(r))
        return false;
    if (!rfc8259_take(r, 'e') && !rfc8259_take(r, 'E'))
        return true;
    if (!rfc8259_take(r, '+'))
        rfc8259_take(r, '-');
    return rfc8259_digits(r);
}

static inline bool rfc8259_escape(struct rfc8259 *r)
{
    size_t digits = rfc8259_take(r, 'u') ? 4 : 0;
    if (!digits) {
        bool known = r->at < r->end && *r->at && strchr("\"\\/bfnrt", *r->at);
        r->at += known;
        return known;
    }
    for (; digits && r->at < r->end && isxdigit((unsigned char)*r->at); digits--)
        r->at++;
    return digits == 0;
}

static inline bool rfc8259_string(struct rfc8259 *r)
{
    if (!rfc8259_take(r, '"'))
        return false;
    while (r->at < r->end) {
        char c = *r->at++;
        if (c == '"')
            return true;
        if ((unsigned char)c < ' ' || (c == '\\' && !rfc8259_escape(r)))
            return false;
    }
    return false;
}

static inline bool rfc8259_member(struct rfc8259 *r)
{
    rfc8259_space(r);
    if (!rfc8259_string(r))
        return false;
    rfc8259_space(r);
    return rfc8259_take(r, ':') && rfc8259_value(r);
}

/* What stands between opening and closing, which are there already and to come. */
static inline bool rfc8259_list(struct rfc8259 *r, char closing, bool (*item)(struct rfc8259 *r))
{
    r->depth++;
    r->deepest = r->depth > r->deepest ? r->depth : r->deepest;
    rfc8259_space(r);
    if (!rfc8259_take(r, closing)) {
        do {
            if (!item(r))
                return false;
            rfc8259_space(r);
        } while (rfc8259_take(r, ','));
        if (!rfc8259_take(r, closing))
            return false;
    }
    r->depth--;
    return true;
}

static inline bool rfc8259_literal(struct rfc8259 *r, const char *word)
{
    size_t size = strlen(word);
    if ((size_t)(r->end - r->at) < size || memcmp(r->at, word, size) != 0)
        return false;
    r->at += size;
    return true;
}

static inline bool rfc8259_value(struct rfc8259 *r)
{
    enum { DEPTH_BEYOND_ALL = 1000 };
    rfc8259_space(r);
    if (r->at == r->end || r->depth > DEPTH_BEYOND_ALL)
        return false;
    if (*r->at == '"')
        return rfc8259_string(r);
    if (rfc8259_take(r, '{'))
        return rfc8259_list(r, '}', rfc8259_member);
    if (rfc8259_take(r, '['))
        return rfc8259_list(r, ']', rfc8259_value);
    return rfc8259_literal(r, "true") || rfc8259_literal(r, "false") ||
           rfc8259_literal(r, "null") || rfc8259_number(r);
}

/* Whether text is one JSON text; *deepest then tells how deep it is. */
static inline bool rfc8259_is(const char *text, size_t size, int *deepest)
{
    struct rfc8259 r = {.at = text, .end = text + size};
    bool is = rfc8259_value(&r);
    rfc8259_space(&r);
    *deepest = r.deepest;
    return is && r.at == r.end;
}

#endif

#include "server/http/negotiate.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { WAIT_MAX_SECONDS = 30 };

/* A run of characters, borrowed, without white space at its ends. */
struct span {
    const char *text;
    size_t size;
};

static struct span trimmed(const char *text, size_t size)
{
    while (size && isspace((unsigned char)*text)) {
        text++;
        size--;
    }
    while (size && isspace((unsigned char)text[size - 1]))
        size--;
    return (struct span){text, size};
}

/* Takes what stands before the next separator that is outside of quotes; *rest is NULL at the end.
 */
static struct span next_item(const char **rest, char separator)
{
    const char *start = *rest, *p = start;
    bool quoted = false;
    for (; *p && (quoted || *p != separator); p++) {
        if (*p == '"')
            quoted = !quoted;
        else if (quoted && *p == '\\' && p[1])
            p++;
    }
    *rest = *p ? p + 1 : NULL;
    return trimmed(start, (size_t)(p - start));
}

static bool span_is(struct span s, const char *text)
{
    return s.size == strlen(text) && !strncasecmp(s.text, text, s.size);
}

/* The value of "name=value" if the span is that parameter, quotes taken off. */
static bool span_parameter(struct span s, const char *name, struct span *value)
{
    const char *equals = memchr(s.text, '=', s.size);
    if (!equals || !span_is(trimmed(s.text, (size_t)(equals - s.text)), name))
        return false;
    struct span v = trimmed(equals + 1, (size_t)(s.text + s.size - equals) - 1);
    if (v.size >= 2 && v.text[0] == '"' && v.text[v.size - 1] == '"')
        v = (struct span){v.text + 1, v.size - 2};
    *value = v;
    return true;
}

enum { CLOSENESS_NAMED = 3 };

/* How closely a media range names the type: 0 not at all, 1 for any type, 2 for its family, 3. */
static int closeness(struct span range, const char *media_type)
{
    size_t family = strcspn(media_type, "/") + 1;
    if (span_is(range, "*/*"))
        return 1;
    if (range.size == family + 1 && range.text[family] == '*' &&
        !strncasecmp(range.text, media_type, family))
        return 2;
    return span_is(range, media_type) ? CLOSENESS_NAMED : 0;
}

/* Whether the parameters of a media range rule it out (q=0, q=0.0, …). */
static bool is_ruled_out(const char *parameters, const char *end)
{
    while (parameters && parameters < end) {
        const char *rest = memchr(parameters, ';', (size_t)(end - parameters));
        struct span item = trimmed(parameters, (size_t)((rest ? rest : end) - parameters));
        struct span q;
        if (span_parameter(item, "q", &q)) {
            bool zero = q.size && *q.text == '0';
            for (size_t i = 1; zero && i < q.size; i++)
                zero = q.text[i] == '0' || q.text[i] == '.';
            return zero;
        }
        parameters = rest ? rest + 1 : NULL;
    }
    return false;
}

/* What the closest range of the field says of the type; *closest is 0 if none has it. */
static bool is_taken(const char *accept, const char *media_type, int *closest)
{
    bool accepted = false;
    *closest = 0;
    while (accept) {
        struct span item = next_item(&accept, ',');
        const char *end = item.text + item.size;
        const char *semicolon = memchr(item.text, ';', item.size);
        struct span range = trimmed(item.text, (size_t)((semicolon ? semicolon : end) - item.text));
        int close = closeness(range, media_type);
        if (close <= *closest)
            continue;
        *closest = close;
        accepted = !is_ruled_out(semicolon ? semicolon + 1 : NULL, end);
    }
    return accepted;
}

bool negotiate_accepts(const char *accept, const char *media_type)
{
    int closest;
    return !accept || !*accept || is_taken(accept, media_type, &closest);
}

bool negotiate_names(const char *accept, const char *media_type)
{
    int closest;
    return is_taken(accept, media_type, &closest) && closest == CLOSENESS_NAMED;
}

bool negotiate_takes(enum http_method method, const char *content_type)
{
    if (!content_type)
        return false;
    struct span type = next_item(&content_type, ';');
    if (!span_is(type, "application/json") &&
        !(method == HTTP_PATCH && span_is(type, "application/merge-patch+json")))
        return false;
    while (content_type) {
        struct span charset;
        if (span_parameter(next_item(&content_type, ';'), "charset", &charset) &&
            !span_is(charset, "utf-8"))
            return false;
    }
    return true;
}

bool negotiate_etag_listed(const char *list, const char *etag, bool weak)
{
    const char *opaque = strncmp(etag, "W/", 2) ? etag : etag + 2;
    while (list) {
        struct span item = next_item(&list, ',');
        if (span_is(item, "*"))
            return true;
        bool is_weak = item.size > 2 && !strncmp(item.text, "W/", 2);
        if (is_weak)
            item = (struct span){item.text + 2, item.size - 2};
        if ((weak || (!is_weak && opaque == etag)) && item.size == strlen(opaque) &&
            !memcmp(item.text, opaque, item.size))
            return true;
    }
    return false;
}

int negotiate_wait_seconds(const char *prefer)
{
    while (prefer) {
        struct span item = next_item(&prefer, ',');
        const char *semicolon = memchr(item.text, ';', item.size);
        if (semicolon)
            item = trimmed(item.text, (size_t)(semicolon - item.text));
        struct span value;
        if (!span_parameter(item, "wait", &value))
            continue;
        int seconds = 0;
        for (size_t i = 0; i < value.size; i++) {
            if (!isdigit((unsigned char)value.text[i]))
                return 0;
            seconds = seconds * 10 + (value.text[i] - '0');
            if (seconds > WAIT_MAX_SECONDS)
                seconds = WAIT_MAX_SECONDS;
        }
        return seconds;
    }
    return 0;
}

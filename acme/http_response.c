/* Reading the headers of an answer: plain ones, Link (RFC 8288), Retry-After (RFC 9110). */
#include "acme/base/clock.h"
#include "acme/base/memory.h"
#include "acme/http.h"

#include <ctype.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void acme_http_response_finish(struct acme_http_response *response)
{
    buf_finish(&response->headers);
    buf_finish(&response->body);
    response->status = 0;
}

/* The value of the next such header in the lines at *at, which moves behind it; NULL at the end.
   The caller frees. */
static char *next_header(const char **at, const char *name)
{
    size_t name_size = strlen(name);
    const char *line = *at;
    while (*line) {
        size_t size = strcspn(line, "\n");
        const char *next = line + size + (line[size] ? 1 : 0);
        if (size > name_size && !strncmp(line, name, name_size) && line[name_size] == ':') {
            const char *value = line + name_size + 1;
            const char *end = line + size;
            while (value < end && isspace((unsigned char)*value))
                value++;
            while (end > value && isspace((unsigned char)end[-1]))
                end--;
            *at = next;
            return mem_strndup(value, (size_t)(end - value));
        }
        line = next;
    }
    *at = line;
    return NULL;
}

char *acme_http_header(const struct acme_http_response *response, const char *name)
{
    const char *at = buf_string(&response->headers);
    return next_header(&at, name);
}

static const char *skip_blanks(const char *p)
{
    return p + strspn(p, " \t");
}

/* A parameter's value, quoted or bare; *at moves behind it. The caller frees. */
static char *take_value(const char **at)
{
    const char *p = *at;
    struct buf value = {0};
    if (*p != '"') {
        size_t size = strcspn(p, ";, \t");
        *at = p + size;
        return mem_strndup(p, size);
    }
    for (p++; *p && *p != '"'; p++) {
        if (*p == '\\' && p[1])
            p++;
        buf_add_char(&value, *p);
    }
    *at = *p ? p + 1 : p;
    return buf_take(&value);
}

/* The rel of the parameters at *at, which moves behind them; NULL if there is none. Later ones do
   not count (RFC 8288 section 3.3). The caller frees. */
static char *take_relation(const char **at)
{
    char *relation = NULL;
    const char *p = skip_blanks(*at);
    while (*p == ';') {
        p = skip_blanks(p + 1);
        size_t size = strcspn(p, "=;, \t");
        bool is_rel = size == 3 && !strncasecmp(p, "rel", 3);
        p = skip_blanks(p + size);
        if (*p == '=') {
            p = skip_blanks(p + 1);
            char *value = take_value(&p);
            if (is_rel && !relation)
                relation = value;
            else
                free(value);
        }
        p = skip_blanks(p);
    }
    *at = p;
    return relation;
}

static bool has_word(const char *list, const char *word)
{
    for (const char *p = list; p && *p;) {
        p = skip_blanks(p);
        size_t size = strcspn(p, " \t");
        if (size == strlen(word) && !strncasecmp(p, word, size))
            return true;
        p += size;
    }
    return false;
}

/* An absolute target stays as it is, byte for byte: it will be signed. */
static char *resolve(const char *target, const char *base)
{
    if (!strncasecmp(target, "https://", 8) || !strncasecmp(target, "http://", 7))
        return mem_strdup(target);
    char *url = NULL, *out = NULL;
    CURLU *parts = curl_url();
    if (!parts)
        mem_exhausted();
    if (curl_url_set(parts, CURLUPART_URL, base, 0) == CURLUE_OK &&
        curl_url_set(parts, CURLUPART_URL, target, 0) == CURLUE_OK &&
        curl_url_get(parts, CURLUPART_URL, &url, 0) == CURLUE_OK)
        out = mem_strdup(url);
    curl_free(url);
    curl_url_cleanup(parts);
    return out;
}

/* The target of the *index-th link of that relation in one field, *index counted down by those
   before it. */
static char *link_in_field(const char *field, const char *relation, size_t *index, const char *base)
{
    const char *p = field;
    for (;;) {
        p += strspn(p, ", \t");
        if (*p != '<')
            return NULL;
        size_t size = strcspn(++p, ">");
        if (!p[size])
            return NULL;
        char *target = mem_strndup(p, size);
        p += size + 1;
        char *found = take_relation(&p);
        char *url = has_word(found, relation) ? resolve(target, base) : NULL;
        free(found);
        free(target);
        if (url && (*index)-- == 0)
            return url;
        free(url);
    }
}

char *acme_http_link(const struct acme_http_response *response, const char *relation, size_t index,
                     const char *base)
{
    const char *at = buf_string(&response->headers);
    char *field, *url = NULL;
    while (!url && (field = next_header(&at, "link"))) {
        url = link_in_field(field, relation, &index, base);
        free(field);
    }
    return url;
}

/* "now" by the clock that wrote the date. */
static int64_t now_of(const struct acme_http_response *response, int64_t wall_now_ms)
{
    int64_t now = wall_now_ms;
    char *date = acme_http_header(response, "date");
    if (date)
        clock_parse_http_date(date, &now);
    free(date);
    return now;
}

int64_t acme_http_retry_after_ms(const struct acme_http_response *response, int64_t wall_now_ms)
{
    char *text = acme_http_header(response, "retry-after");
    if (!text)
        return 0;
    int64_t wait = 0, at;
    size_t digits = strspn(text, "0123456789");
    if (digits && !text[digits])
        wait = (digits > 10 ? INT32_MAX : strtoll(text, NULL, 10)) * CLOCK_SECOND_MS;
    else if (clock_parse_http_date(text, &at) == 0)
        wait = at - now_of(response, wall_now_ms);
    free(text);
    return wait > 0 ? wait : 0;
}

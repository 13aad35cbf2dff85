#include "server/http/target.h"

#include "acme/base/buffer.h"
#include "acme/base/memory.h"
#include "acme/base/utf8.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

void http_target_finish(struct http_target *t)
{
    free(t->path);
    free(t->text);
    free(t->segments);
    free(t->parameters);
    *t = (struct http_target){0};
}

const char *http_target_parameter(const struct http_target *t, const char *name)
{
    for (size_t i = 0; i < t->parameter_count; i++)
        if (!strcmp(t->parameters[i].name, name))
            return t->parameters[i].value;
    return NULL;
}

static int check_raw(const char *raw, struct err *e)
{
    if (!raw || *raw != '/')
        return err_set(e, ERR_MALFORMED, "the request's target does not begin with a slash");
    for (const char *p = raw; *p; p++) {
        unsigned char c = (unsigned char)*p;
        /* A proxy may read a backslash as a slash, and cuts a URL at '#'. */
        if (c <= ' ' || c >= 127 || c == '#' || c == '\\')
            return err_set(e, ERR_MALFORMED, "the request's target holds the byte 0x%02x", c);
    }
    return 0;
}

static int hex(char c)
{
    return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

static bool is_clean(const char *text)
{
    for (const char *p = text; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 127)
            return false;
    return utf8_is(text, strlen(text));
}

/* Decodes in place. plus: a plus sign is a space, as in a query. */
static int decode(char *text, bool plus, struct err *e)
{
    char *to = text;
    for (const char *from = text; *from; to++) {
        if (*from != '%') {
            *to = plus && *from == '+' ? ' ' : *from;
            from++;
            continue;
        }
        if (!isxdigit((unsigned char)from[1]) || !isxdigit((unsigned char)from[2]))
            return err_set(e, ERR_MALFORMED, "a percent sign without two hexadecimal digits");
        *to = (char)(hex(from[1]) << 4 | hex(from[2]));
        if (!*to)
            return err_set(e, ERR_MALFORMED, "the request's target holds an encoded NUL");
        from += 3;
    }
    *to = '\0';
    if (!is_clean(text))
        return err_set(e, ERR_MALFORMED,
                       "the request's target holds a control character or is no UTF-8");
    return 0;
}

static int add_segment(struct http_target *t, char *segment, struct err *e)
{
    if (decode(segment, false, e) < 0)
        return -1;
    if (strchr(segment, '/') || strchr(segment, '\\'))
        return err_set(e, ERR_MALFORMED, "the path holds an encoded slash");
    if (!strcmp(segment, ".") || !strcmp(segment, ".."))
        return err_set(e, ERR_MALFORMED, "the path holds the segment %s", segment);
    t->segments[t->segment_count++] = segment;
    return 0;
}

static size_t count_of(const char *text, char c)
{
    size_t count = 0;
    for (; *text; text++)
        count += *text == c;
    return count;
}

static int parse_path(struct http_target *t, char *path, struct err *e)
{
    t->segments = mem_new(count_of(path, '/'), sizeof *t->segments);
    char *segment = path + 1;
    while (segment) {
        char *slash = strchr(segment, '/');
        if (slash)
            *slash = '\0';
        if (add_segment(t, segment, e) < 0)
            return -1;
        segment = slash ? slash + 1 : NULL;
    }
    struct buf joined = {0};
    for (size_t i = 0; i < t->segment_count; i++) {
        buf_add_char(&joined, '/');
        buf_add_string(&joined, t->segments[i]);
    }
    t->path = buf_take(&joined);
    return 0;
}

static int add_parameter(struct http_target *t, char *pair, struct err *e)
{
    char *equals = strchr(pair, '=');
    char *value = equals ? equals + 1 : pair + strlen(pair);
    if (equals)
        *equals = '\0';
    if (decode(pair, true, e) < 0 || decode(value, true, e) < 0)
        return -1;
    if (!*pair)
        return err_set(e, ERR_MALFORMED, "a query parameter without a name");
    /* Whoever stands in front may look at the other one. */
    if (http_target_parameter(t, pair))
        return err_set(e, ERR_MALFORMED, "the query parameter %s is given twice", pair);
    if (t->parameter_count == HTTP_TARGET_MAX_PARAMETERS)
        return err_set(e, ERR_MALFORMED, "more than %d query parameters",
                       HTTP_TARGET_MAX_PARAMETERS);
    t->parameters[t->parameter_count++] = (struct http_target_parameter){pair, value};
    return 0;
}

static int parse_query(struct http_target *t, char *query, struct err *e)
{
    t->parameters = mem_new(HTTP_TARGET_MAX_PARAMETERS, sizeof *t->parameters);
    while (query) {
        char *ampersand = strchr(query, '&');
        if (ampersand)
            *ampersand = '\0';
        if (*query && add_parameter(t, query, e) < 0)
            return -1;
        query = ampersand ? ampersand + 1 : NULL;
    }
    return 0;
}

int http_target_parse(const char *raw, struct http_target *out, struct err *e)
{
    if (check_raw(raw, e) < 0)
        return -1;
    struct http_target t = {.text = mem_strdup(raw)};
    char *query = strchr(t.text, '?');
    if (query)
        *query++ = '\0';
    if (parse_path(&t, t.text, e) < 0 || (query && parse_query(&t, query, e) < 0)) {
        http_target_finish(&t);
        return -1;
    }
    *out = t;
    return 0;
}

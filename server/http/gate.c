#include "server/http/gate.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* Fields of which a second one would be another answer to the same question. */
static const char *const singular[] = {
    "Host",   "Content-Length",  "Transfer-Encoding", "Authorization",  "Content-Type",
    "Origin", "Idempotency-Key", "Sec-Fetch-Mode",    "Sec-Fetch-Site",
};

static bool is_token(const char *name, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (!isalnum((unsigned char)name[i]) && (!name[i] || !strchr("!#$%&'*+-.^_`|~", name[i])))
            return false;
    return size > 0;
}

static bool has_control(const char *value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (((unsigned char)value[i] < ' ' && value[i] != '\t') || value[i] == 127)
            return true;
    return false;
}

static int check_fields(const struct headers *h, struct err *e)
{
    for (size_t i = 0; i < h->count; i++) {
        if (!is_token(headers_name(h, i), h->fields[i].name_size))
            return err_set(e, ERR_MALFORMED, "a header field's name is no token");
        if (has_control(headers_value(h, i), h->fields[i].value_size))
            return err_set(e, ERR_MALFORMED, "the header field %s holds a control character",
                           headers_name(h, i));
    }
    for (size_t i = 0; i < sizeof singular / sizeof singular[0]; i++)
        if (headers_count(h, singular[i]) > 1)
            return err_set(e, ERR_MALFORMED, "the header field %s is given twice", singular[i]);
    if (!headers_get(h, "Host"))
        return err_set(e, ERR_MALFORMED, "the request has no Host");
    return 0;
}

static int read_length(const char *text, uint64_t *out, struct err *e)
{
    size_t digits = strspn(text, "0123456789");
    if (!digits || text[digits] || digits > 18)
        return err_set(e, ERR_MALFORMED, "the Content-Length is no number");
    *out = 0;
    for (; *text; text++)
        *out = *out * 10 + (uint64_t)(*text - '0');
    return 0;
}

int gate_check(const char *version, const struct headers *h, struct gate_framing *out,
               struct err *e)
{
    bool is_old = !strcmp(version, "HTTP/1.0");
    if (!is_old && strcmp(version, "HTTP/1.1") != 0)
        return err_set(e, ERR_MALFORMED, "the request is not HTTP/1.1 or HTTP/1.0");
    if (check_fields(h, e) < 0)
        return -1;
    struct gate_framing framing = {0};
    const char *length = headers_get(h, "Content-Length");
    const char *coding = headers_get(h, "Transfer-Encoding");
    if (length && coding)
        return err_set(e, ERR_MALFORMED, "the request has a Content-Length and a transfer coding");
    if (coding && (is_old || strcasecmp(coding, "chunked") != 0))
        return err_set(e, ERR_MALFORMED, "the transfer coding is not chunked of HTTP/1.1");
    if (length && read_length(length, &framing.length, e) < 0)
        return -1;
    framing.is_chunked = coding;
    framing.has_body = coding || framing.length;
    *out = framing;
    return 0;
}

bool gate_line_is_plain(const char *method, const char *target, size_t target_size,
                        const char *version)
{
    return target == method + strlen(method) + 1 && version == target + target_size + 1;
}

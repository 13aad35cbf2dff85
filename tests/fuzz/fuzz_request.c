/*
 * An HTTP request as the library hands it on: the first line is the target, the second the version,
 * the others are header fields, which may hold anything.
 */
#include "acme/base/utf8.h"
#include "server/http/gate.h"
#include "server/http/host.h"
#include "server/http/negotiate.h"
#include "server/http/target.h"
#include "tests/fuzz/fuzz.h"

#include <ctype.h>

static bool is_clean(const char *text)
{
    for (const char *p = text; *p; p++)
        if (iscntrl((unsigned char)*p))
            return false;
    return utf8_is(text, strlen(text));
}

/* Every byte percent-encoded but the slashes between segments. */
static char *encode(const struct http_target *t)
{
    struct buf out = {0};
    for (size_t i = 0; i < t->segment_count; i++) {
        buf_add_char(&out, '/');
        for (const char *p = t->segments[i]; *p; p++)
            buf_printf(&out, "%%%02x", (unsigned char)*p);
    }
    return buf_take(&out);
}

static void check_target(const struct http_target *t)
{
    struct http_target again;
    struct err e;
    must(t->segment_count > 0 && *t->path == '/', "a path begins with a slash");
    for (size_t i = 0; i < t->segment_count; i++) {
        const char *segment = t->segments[i];
        must(!strpbrk(segment, "/\\") && is_clean(segment), "a segment is plain text");
        must(strcmp(segment, ".") != 0 && strcmp(segment, "..") != 0, "no segment climbs");
    }
    must(t->parameter_count <= HTTP_TARGET_MAX_PARAMETERS, "parameters keep their cap");
    for (size_t i = 0; i < t->parameter_count; i++)
        must(http_target_parameter(t, t->parameters[i].name) == t->parameters[i].value,
             "a parameter stands once");
    char *raw = encode(t);
    must(http_target_parse(raw, &again, &e) == 0, "an encoded path can be read");
    must_equal(again.path, t->path, "a path has one reading");
    http_target_finish(&again);
    free(raw);
}

static void check_framing(const struct headers *h, const struct gate_framing *framing)
{
    must(headers_count(h, "host") == 1, "a request that passes has one Host");
    must(headers_count(h, "content-length") + headers_count(h, "transfer-encoding") <= 1,
         "a request that passes has one length");
    must(!framing->is_chunked || framing->length == 0, "chunks have no length");
    must(framing->has_body == (framing->is_chunked || framing->length > 0), "a body has a length");
}

static void negotiate(const struct headers *h, const struct host_list *hosts)
{
    struct err e;
    char etag[HTTP_ETAG_SIZE];
    char *prefer = headers_joined(h, "prefer"), *match = headers_joined(h, "if-match");
    int wait = negotiate_wait_seconds(prefer);
    must(wait >= 0 && wait <= 30, "nobody waits for longer than is allowed");
    http_etag("body", 4, etag);
    negotiate_accepts(headers_get(h, "accept"), "application/json");
    must(negotiate_accepts(NULL, "application/json"), "who asks for nothing takes anything");
    negotiate_takes(HTTP_PATCH, headers_get(h, "content-type"));
    bool strong = negotiate_etag_listed(match, etag, false);
    must(!strong || negotiate_etag_listed(match, etag, true), "a strong match is a weak one too");
    host_check(hosts, "127.0.0.1", headers_get(h, "host"), &e);
    host_check_browser(h, true, false, &e);
    free(prefer);
    free(match);
}

static void read_fields(struct fuzz_input *in, struct headers *h)
{
    while (in->left) {
        size_t size;
        char *line = fuzz_take(in, '\n', &size);
        char *colon = memchr(line, ':', size);
        size_t name = colon ? (size_t)(colon - line) : size;
        char *value = colon ? colon + 1 : line + size;
        headers_add(h, line, name, value, size - (size_t)(value - line));
        free(line);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {(const char *)data, size};
    struct http_target target = {0};
    struct headers headers = {0};
    struct gate_framing framing;
    struct host_list hosts = {0};
    struct err e;
    char *raw = fuzz_line(&in), *version = fuzz_line(&in);
    if (http_target_parse(raw, &target, &e) == 0)
        check_target(&target);
    else
        must(e.code == ERR_MALFORMED && !target.path, "a bad target is malformed");
    http_target_finish(&target);

    /* A bare IPv6 address is fine in the config, and none in a Host. */
    if (host_list_add(&hosts, raw))
        must(host_check(&hosts, "", raw, &e) == 0 || (*raw != '[' && strchr(hosts.names[0], ':')),
             "a host that is listed is served");
    read_fields(&in, &headers);
    if (gate_check(version, &headers, &framing, &e) == 0) {
        check_framing(&headers, &framing);
        negotiate(&headers, &hosts);
    } else {
        must(e.code == ERR_MALFORMED, "what the gate refuses is malformed");
    }
    host_list_finish(&hosts);
    headers_finish(&headers);
    free(raw);
    free(version);
    return 0;
}

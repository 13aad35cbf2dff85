#include "server/outside/alibaba.h"

#include "acme/base/clock.h"
#include "acme/base/memory.h"
#include "acme/http.h"
#include "acme/json.h"
#include "server/outside/outside.h"
#include "server/outside/quote.h"

#include <json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int alibaba_credential_read(struct json_object *json, struct alibaba_credential *out, struct err *e)
{
    struct alibaba_credential read = {
        .access_key_id = json_text_of(json, "access_key_id"),
        .access_key_secret = json_text_of(json, "access_key_secret"),
        .security_token = json_text_of(json, "security_token"),
    };
    if (!read.access_key_id || !*read.access_key_id || !read.access_key_secret ||
        !*read.access_key_secret)
        return err_set(e, ERR_INVALID,
                       "the credential lacks its access_key_id or access_key_secret");
    *out = read;
    return 0;
}

/* ---- what the service answers ---- */

/* Codes that say nothing about the request: the same again may succeed. */
static bool code_is_transient(const char *code)
{
    static const char *const prefixes[] = {
        "Throttling",               /* .User, .Api, … */
        "ServiceUnavailable",       /* …Temporary */
        "InternalError",            /* also with a 4xx */
        "LastOperationNotFinished", /* changes of one zone too close together */
        "SignatureNonceUsed",       /* the next request has a nonce of its own */
        "ServiceBusy",              /* a domain of the CDN is being configured */
        "RepeatedCommit",           /* the API gateway is at the same change already */
    };
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (strncmp(code, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    return false;
}

/* Appends what is wrong with the clock, if the answer is about that. */
static void clock_explain(const struct acme_http_response *response, const char *code,
                          struct buf *out)
{
    int64_t theirs;
    if (strncmp(code, "InvalidTimeStamp", 16) != 0 && strncmp(code, "IllegalTimestamp", 16) != 0)
        return;
    char *date = acme_http_header(response, "date");
    if (date && clock_parse_http_date(date, &theirs) == 0) {
        int64_t ahead = (clock_wall_ms() - theirs) / CLOCK_SECOND_MS;
        buf_printf(out, "; this machine's clock is %lld s %s the service's",
                   (long long)(ahead < 0 ? -ahead : ahead), ahead < 0 ? "behind" : "ahead of");
    }
    free(date);
}

static void quote_member(const struct json_object *answer, const char *name, char out[QUOTE_SIZE])
{
    const char *text = answer ? json_text_of(answer, name) : NULL;
    out[0] = '\0';
    if (text)
        quote_text(text, strlen(text), out);
}

/* An answer that is no success, as an error. */
static int answer_refuse(const struct alibaba_request *request,
                         const struct acme_http_response *response,
                         const struct json_object *answer, char code[ALIBABA_CODE_SIZE],
                         struct err *e)
{
    char their_code[QUOTE_SIZE], message[QUOTE_SIZE], id[QUOTE_SIZE];
    struct buf text = {0};
    quote_member(answer, "Code", their_code);
    quote_member(answer, "Message", message);
    quote_member(answer, "RequestId", id);
    snprintf(code, ALIBABA_CODE_SIZE, "%.95s", their_code);

    bool later = response->status >= 500 || response->status == 429 || code_is_transient(code);
    bool success = response->status >= 200 && response->status <= 299;
    if (!answer || !*code)
        later = later || success; /* a proxy's page, say */
    buf_printf(&text, "%s answered %d to %s", request->endpoint, response->status, request->action);
    if (*code)
        buf_printf(&text, ": %s", their_code);
    if (*message)
        buf_printf(&text, ": %s", message);
    clock_explain(response, code, &text);
    if (*id)
        buf_printf(&text, " (request %s)", id);
    err_set(e, later ? ERR_PROVIDER_UNREACHABLE : ERR_PROVIDER_REFUSED, "%s", buf_string(&text));
    e->http_status = response->status;
    e->retry_after_ms = acme_http_retry_after_ms(response, clock_wall_ms());
    buf_finish(&text);
    return -1;
}

static int answer_read(const struct alibaba_request *request,
                       const struct acme_http_response *response, struct json_object **out,
                       char code[ALIBABA_CODE_SIZE], struct err *e)
{
    struct json_object *answer =
        json_parse_object(buf_string(&response->body), response->body.size);
    if (answer && response->status >= 200 && response->status <= 299) {
        *out = answer;
        return 0;
    }
    answer_refuse(request, response, answer, code, e);
    json_object_put(answer);
    return -1;
}

/* ---- the call ---- */

/* The header lines as acme_http wants them; they point into lines, which is cut up. */
static const char **header_list(struct buf *lines)
{
    size_t count = 0;
    for (size_t i = 0; i < lines->size; i++)
        count += lines->data[i] == '\n';
    const char **list = mem_new(count + 1, sizeof *list);
    char *rest = lines->data;
    for (size_t i = 0; i < count; i++) {
        char *end = strchr(rest, '\n');
        *end = '\0';
        list[i] = rest;
        rest = end + 1;
    }
    return list;
}

int alibaba_call(struct acme_http *http, const struct alibaba_credential *credential,
                 const struct alibaba_request *request, struct json_object **out,
                 char code[ALIBABA_CODE_SIZE], struct err *e)
{
    struct alibaba_signed s = {0};
    struct acme_http_response response = {0};
    code[0] = '\0';
    if (alibaba_sign(credential, request, &s, e))
        return -1;
    buf_add_string(&s.headers, "Accept: application/json\n");
    if (s.body.size == 0)
        buf_add_string(&s.headers, "Content-Type:\n"); /* or curl adds one that is not signed */
    const char **headers = header_list(&s.headers);
    const struct acme_http_request http_request = {
        .method = "POST",
        .url = buf_string(&s.url),
        .headers = headers,
        .body = buf_string(&s.body),
        .body_size = s.body.size,
    };
    int rc = acme_http_send(http, &http_request, &response, e);
    free(headers);
    alibaba_signed_finish(&s);
    if (rc)
        return outside_transport_error(e);
    rc = answer_read(request, &response, out, code, e);
    acme_http_response_finish(&response);
    return rc;
}

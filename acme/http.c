#include "acme/http.h"

#include "acme/base/clock.h"
#include "acme/base/failpoint.h"
#include "acme/base/memory.h"
#include "acme/http_private.h"
#include "acme/outgoing.h"
#include "acme/proxy.h"

#include <ctype.h>
#include <curl/curl.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

enum {
    DEFAULT_CONNECT_TIMEOUT_MS = 5000,
    DEFAULT_TIMEOUT_MS = 30000,
    DEFAULT_MAX_BODY = 1024 * 1024,
    MAX_HEADERS = 64 * 1024,
};

struct acme_http {
    CURL *curl;
    struct acme_http_options options; /* with the defaults filled in */
    char message[CURL_ERROR_SIZE];
};

/* One call under way, for curl's callbacks. */
struct call {
    struct acme_http *http;
    const struct acme_http_request *request;
    size_t sent; /* of the request's body */
    struct acme_http_response response;
    size_t header_bytes;    /* of all answers, interim ones too: those have no end otherwise */
    bool has_headers;       /* the empty line after them came */
    const char *broken_cap; /* what was too large, NULL: nothing */
    const char *proxy;      /* NULL: none */
    unsigned kinds;         /* of addresses that the URL may lead to */
    bool connects;          /* an address was permitted */
    struct sockaddr_storage refused; /* the last address that was not; AF_UNSPEC: none */
};

int acme_http_library_init(struct err *e)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return err_set(e, ERR_INTERNAL, "libcurl could not be initialized");
    signal(SIGPIPE, SIG_IGN);
    return 0;
}

struct acme_http *acme_http_create(const struct acme_http_options *options)
{
    CURL *curl = curl_easy_init();
    if (!curl)
        mem_exhausted();
    struct acme_http *http = mem_new(1, sizeof *http);
    http->curl = curl;
    http->options = *options;
    struct acme_http_options *o = &http->options;
    if (o->trust)
        acme_trust_share(o->trust);
    if (o->connect_timeout_ms == 0)
        o->connect_timeout_ms = DEFAULT_CONNECT_TIMEOUT_MS;
    if (o->timeout_ms == 0)
        o->timeout_ms = DEFAULT_TIMEOUT_MS;
    if (o->max_body == 0)
        o->max_body = DEFAULT_MAX_BODY;
    return http;
}

void acme_http_destroy(struct acme_http *http)
{
    if (!http)
        return;
    curl_easy_cleanup(http->curl);
    acme_trust_release(http->options.trust);
    free(http);
}

/*
 * Hands curl the request's body. There is no way back to its beginning, on purpose: when a kept
 * connection breaks after the body was sent, curl would send the same bytes again on a fresh one,
 * without knowing whether the first had an effect. So it fails, and the caller looks first.
 */
static size_t give_body(char *data, size_t size, size_t count, void *context)
{
    struct call *call = context;
    size_t room = size * count, left = call->request->body_size - call->sent;
    size_t n = left < room ? left : room;
    if (n)
        memcpy(data, call->request->body + call->sent, n);
    call->sent += n;
    return n;
}

static size_t take_body(char *data, size_t size, size_t count, void *context)
{
    struct call *call = context;
    size_t n = size * count;
    if (n > call->http->options.max_body - call->response.body.size) {
        call->broken_cap = "body";
        return 0;
    }
    buf_add(&call->response.body, data, n);
    return n;
}

/* Folded lines (obsolete, RFC 9112 section 5.2) go on with the one before. */
static void add_header_line(struct buf *headers, const char *line, size_t size)
{
    const char *colon = memchr(line, ':', size);
    bool folded = line[0] == ' ' || line[0] == '\t';
    if (folded && headers->size)
        headers->data[headers->size - 1] = ' ';
    else if (!colon)
        return;
    for (size_t i = 0; i < size; i++) {
        bool in_name = !folded && line + i < colon;
        char c = line[i] ? line[i] : ' ';
        buf_add_char(headers, in_name ? (char)tolower((unsigned char)c) : c);
    }
    buf_add_char(headers, '\n');
}

static size_t take_header(char *data, size_t size, size_t count, void *context)
{
    struct call *call = context;
    struct buf *headers = &call->response.headers;
    size_t n = size * count, length = n;
    while (length && (data[length - 1] == '\n' || data[length - 1] == '\r'))
        length--;
    if (n > MAX_HEADERS - call->header_bytes) {
        call->broken_cap = "header block";
        return 0;
    }
    call->header_bytes += n;
    /* A status line begins anew: what stood before belonged to an interim answer. */
    if (length >= 5 && !memcmp(data, "HTTP/", 5)) {
        buf_clear(headers);
        call->has_headers = false;
    } else if (length) {
        add_header_line(headers, data, length);
    } else {
        call->has_headers = true;
    }
    return n;
}

static int watch_abort(void *context, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    struct call *call = context;
    (void)a, (void)b, (void)c, (void)d;
    const atomic_bool *aborted = call->http->options.abort;
    return aborted && atomic_load(aborted);
}

/* curl reads no anchors of its own (20 ms a handle); all connections share one parsed store. */
static CURLcode use_trust(CURL *curl, void *ssl_context, void *trust)
{
    (void)curl;
    SSL_CTX_set1_cert_store(ssl_context, acme_trust_store(trust));
    return CURLE_OK;
}

/* Here a name has become an address, which no later answer of a name server can change. */
static curl_socket_t open_socket(void *context, curlsocktype purpose, struct curl_sockaddr *to)
{
    struct call *call = context;
    (void)purpose;
    if (!call->proxy && !outgoing_permits(call->http->options.outgoing, call->kinds, &to->addr)) {
        size_t size = to->addrlen < sizeof call->refused ? to->addrlen : sizeof call->refused;
        memcpy(&call->refused, &to->addr, size);
        return CURL_SOCKET_BAD;
    }
    call->connects = true;
    return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

static void set_transport(struct acme_http *http, struct call *call)
{
    CURL *c = http->curl;
    const struct acme_http_options *o = &http->options;
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, http->message);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, o->allow_http ? "https,http" : "https");
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(c, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
    curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    curl_easy_setopt(c, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)o->connect_timeout_ms);
    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)o->timeout_ms);
    curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, watch_abort);
    curl_easy_setopt(c, CURLOPT_XFERINFODATA, call);
    curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(c, CURLOPT_OPENSOCKETDATA, call);
    curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, o->unix_socket);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, call);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, call);
    if (o->trust) {
        curl_easy_setopt(c, CURLOPT_CAINFO, NULL);
        curl_easy_setopt(c, CURLOPT_CAPATH, NULL);
        curl_easy_setopt(c, CURLOPT_SSL_CTX_FUNCTION, use_trust);
        curl_easy_setopt(c, CURLOPT_SSL_CTX_DATA, o->trust);
    }
}

static void add_line(struct curl_slist **list, const char *line)
{
    struct curl_slist *longer = curl_slist_append(*list, line);
    if (!longer)
        mem_exhausted();
    *list = longer;
}

static struct curl_slist *header_list(const struct acme_http *http,
                                      const struct acme_http_request *request)
{
    struct curl_slist *list = NULL;
    if (http->options.accept_language) {
        char *line = mem_printf("Accept-Language: %s", http->options.accept_language);
        add_line(&list, line);
        free(line);
    }
    /* Waiting for "100 Continue" costs a round trip, or a second where nobody sends it. */
    add_line(&list, "Expect:");
    for (const char *const *h = request->headers; h && *h; h++)
        add_line(&list, *h);
    return list;
}

static void set_request(struct acme_http *http, struct call *call, struct curl_slist *headers)
{
    CURL *c = http->curl;
    const struct acme_http_request *request = call->request;
    curl_easy_setopt(c, CURLOPT_URL, request->url);
    /* Chosen here, so that open_socket knows whose address it is asked for. */
    curl_easy_setopt(c, CURLOPT_PROXY, call->proxy ? call->proxy : "");
    curl_easy_setopt(c, CURLOPT_NOPROXY, "");
    curl_easy_setopt(c, CURLOPT_USERAGENT, http->options.user_agent);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
    if (!strcmp(request->method, "HEAD"))
        curl_easy_setopt(c, CURLOPT_NOBODY, 1L);
    else
        curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, request->method);
    if (request->body) {
        curl_easy_setopt(c, CURLOPT_POST, 1L);
        curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_size);
        curl_easy_setopt(c, CURLOPT_READFUNCTION, give_body);
        curl_easy_setopt(c, CURLOPT_READDATA, call);
    }
    if (request->username) {
        curl_easy_setopt(c, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
        curl_easy_setopt(c, CURLOPT_USERNAME, request->username);
        curl_easy_setopt(c, CURLOPT_PASSWORD, request->password ? request->password : "");
    }
}

static enum err_code code_of(CURLcode rc)
{
    switch (rc) {
    case CURLE_OPERATION_TIMEDOUT:
        return ERR_CA_TIMEOUT;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
    case CURLE_SSL_CLIENTCERT:
        return ERR_CA_TLS;
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_WRITE_ERROR:
    case CURLE_BAD_CONTENT_ENCODING:
#if LIBCURL_VERSION_NUM >= 0x080600 /* a header line beyond curl's own cap … */
    case CURLE_TOO_LARGE:
#endif
    case CURLE_OUT_OF_MEMORY: /* … as older versions call it */
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
        return ERR_CA_PROTOCOL;
    default:
        return ERR_CA_UNREACHABLE;
    }
}

/* "host:port" of a URL, for messages: paths may hold what is nobody's business. */
static char *host_of(const char *url)
{
    char *host = NULL, *port = NULL, *out;
    CURLU *parts = curl_url();
    if (!parts)
        mem_exhausted();
    if (curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK) {
        curl_url_get(parts, CURLUPART_HOST, &host, 0);
        curl_url_get(parts, CURLUPART_PORT, &port, 0);
    }
    out = mem_printf("%s%s%s", host ? host : "the URL", port ? ":" : "", port ? port : "");
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(parts);
    return out;
}

/* Whether the server's certificate was refused for its dates, which a wrong clock of ours does. */
static bool is_about_time(const struct acme_http *http)
{
    long verdict = X509_V_OK;
    curl_easy_getinfo(http->curl, CURLINFO_SSL_VERIFYRESULT, &verdict);
    return verdict == X509_V_ERR_CERT_HAS_EXPIRED || verdict == X509_V_ERR_CERT_NOT_YET_VALID;
}

static void explain_time(const struct acme_http *http, const char *host, struct err *e)
{
    char now[CLOCK_RFC3339_SIZE];
    clock_rfc3339(clock_wall_ms(), now);
    err_set(e, ERR_CA_TLS, "%s: %s; this machine's clock says %s", host, http->message, now);
}

static int explain(const struct call *call, const char *url, CURLcode rc, struct err *e)
{
    const struct acme_http *http = call->http;
    const atomic_bool *aborted = http->options.abort;
    if (rc == CURLE_ABORTED_BY_CALLBACK && aborted && atomic_load(aborted))
        return err_set(e, ERR_SHUTDOWN, "the request was given up because the service is stopping");
    char *host = host_of(url);
    if (call->refused.ss_family != AF_UNSPEC && !call->connects)
        outgoing_refuse(host, (const struct sockaddr *)&call->refused, e);
    else if (call->broken_cap)
        err_set(e, ERR_CA_PROTOCOL, "%s: the answer's %s is too large", host, call->broken_cap);
    else if (is_about_time(http))
        explain_time(http, host, e);
    else
        err_set(e, code_of(rc), "%s: %s", host,
                *http->message ? http->message : curl_easy_strerror(rc));
    free(host);
    return -1;
}

static void trace(const struct acme_http *http, const struct acme_http_request *request, int status,
                  int64_t started)
{
    if (!http->options.traced)
        return;
    struct acme_http_trace told = {request->method, request->url, status,
                                   clock_monotonic_ms() - started};
    http->options.traced(http->options.trace_context, &told);
}

int acme_http_send(struct acme_http *http, const struct acme_http_request *request,
                   struct acme_http_response *response, struct err *e)
{
    struct call call = {.http = http, .request = request};
    const atomic_bool *aborted = http->options.abort;
    if (aborted && atomic_load(aborted))
        return err_set(e, ERR_SHUTDOWN, "the request was not sent: the service is stopping");

    /* Of an address, a proxy is not to be asked either. */
    if (outgoing_check_url(http->options.outgoing, request->url, e) < 0)
        return -1;
    call.kinds = outgoing_kinds(http->options.outgoing, request->url);
    call.proxy = http->options.is_local ? NULL : proxy_for(request->url);

    /* A reset forgets options, and keeps connections and TLS sessions. */
    curl_easy_reset(http->curl);
    http->message[0] = '\0';
    struct curl_slist *headers = header_list(http, request);
    set_transport(http, &call);
    set_request(http, &call, headers);

    int64_t started = clock_monotonic_ms();
    failpoint("request", request->url);
    CURLcode rc = curl_easy_perform(http->curl);
    failpoint("answer", request->url);
    /* curl takes a connection that ends among the headers for an answer without a body. */
    if (rc == CURLE_OK && !call.has_headers)
        rc = CURLE_GOT_NOTHING;
    long status = 0;
    curl_easy_getinfo(http->curl, CURLINFO_RESPONSE_CODE, &status);
    trace(http, request, rc == CURLE_OK ? (int)status : 0, started);
    curl_slist_free_all(headers);
    if (rc != CURLE_OK || status == 0) {
        acme_http_response_finish(&call.response);
        return explain(&call, request->url, rc ? rc : CURLE_WEIRD_SERVER_REPLY, e);
    }
    call.response.status = (int)status;
    *response = call.response;
    return 0;
}

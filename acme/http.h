/*
 * Requests of ours: one HTTPS client over libcurl that keeps its connections, with caps on time,
 * headers and body; by HTTP/2 where the server speaks it. One struct acme_http belongs to one
 * thread, and has one connection to a server.
 */
#ifndef CERTWRIGHT_ACME_HTTP_H
#define CERTWRIGHT_ACME_HTTP_H

#include "acme/base/buffer.h"
#include "acme/base/error.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Once per process, before any thread. SIGPIPE is ignored from then on: OpenSSL writes to sockets
   whose peer has gone without any way to say MSG_NOSIGNAL. */
int acme_http_library_init(struct err *e);

/* Trust anchors, parsed once and shared by all threads; immutable and reference counted. */
struct acme_trust;

enum { ACME_TRUST_MAX_BYTES = 1024 * 1024 };

/* The system's store (or SSL_CERT_FILE). Parsed at the first call (about 20 ms), shared afterwards.
   ERR_CONFIG if there is none. The caller releases *out. */
int acme_trust_system(struct acme_trust **out, struct err *e);
/* Only the certificates in pem, intermediates too. ERR_CERT_INVALID if there are none. */
int acme_trust_from_pem(const char *pem, size_t size, struct acme_trust **out, struct err *e);
struct acme_trust *acme_trust_share(struct acme_trust *trust);
void acme_trust_release(struct acme_trust *trust);

/* What is told of each finished request, for metrics and job histories. */
struct acme_http_trace {
    const char *method;
    const char *url;
    int status; /* 0: no answer */
    int64_t duration_ms;
};

struct outgoing; /* acme/outgoing.h */

struct acme_http_options {
    const char *user_agent;          /* borrowed for the client's life; required */
    const char *accept_language;     /* NULL: none is sent */
    struct acme_trust *trust;        /* borrowed; the client takes a share of its own */
    int connect_timeout_ms;          /* 0: 5000 */
    int timeout_ms;                  /* whole call; 0: 30000 */
    size_t max_body;                 /* 0: 1 MiB; more is ERR_CA_PROTOCOL */
    const atomic_bool *abort;        /* set: running calls end with ERR_SHUTDOWN; may be NULL */
    bool allow_http;                 /* plain http:// too (solvers on loopback); else https only */
    bool is_local;                   /* no proxy is asked: the server is on this machine */
    const char *unix_socket;         /* whatever host the URL names, it is there; NULL: no socket */
    const struct outgoing *outgoing; /* borrowed; NULL: requests may go to any address */
    void (*traced)(void *context, const struct acme_http_trace *trace); /* may be NULL */
    void *trace_context;
};

struct acme_http;

/* The caller destroys it. A handle that libcurl has no memory for ends the process, as memory of
   our own does. */
struct acme_http *acme_http_create(const struct acme_http_options *options);
void acme_http_destroy(struct acme_http *http);

struct acme_http_request {
    const char *method; /* "GET", "HEAD", "POST", … */
    const char *url;
    const char *const *headers; /* "Name: value" strings, NULL-terminated; NULL: none */
    const char *body;           /* NULL: none */
    size_t body_size;
    const char *username; /* Basic authentication; NULL: none */
    const char *password;
};

struct acme_http_response {
    int status;
    struct buf headers; /* "name: value\n" lines of the final answer, names in lower case */
    struct buf body;
};

/*
 * Redirects are not followed. The proxies of the environment (acme/proxy.h) are used; whom they
 * connect to for a name is theirs to decide. Any answer with a status is a success here.
 * ERR_CA_UNREACHABLE, ERR_CA_TLS, ERR_CA_TIMEOUT, ERR_CA_PROTOCOL (caps, garbage) or ERR_SHUTDOWN
 * otherwise; whether the server saw the request is then unknown. ERR_OUTGOING_REFUSED: it leads
 * to no address that it may go to, and was not sent.
 */
int acme_http_send(struct acme_http *http, const struct acme_http_request *request,
                   struct acme_http_response *response, struct err *e);
void acme_http_response_finish(struct acme_http_response *response);

/* The value of the first such header (name in lower case), or NULL; the caller frees. */
char *acme_http_header(const struct acme_http_response *response, const char *name);

/* The target of the first Link with that relation (RFC 8288), made absolute against base; NULL if
   none. index counts through several links of one relation, from 0. The caller frees. */
char *acme_http_link(const struct acme_http_response *response, const char *relation, size_t index,
                     const char *base);

/*
 * Retry-After in milliseconds from now (RFC 9110 section 10.2.3; seconds or an HTTP-date against
 * the answer's own Date when it has one), 0 if absent or not readable. Not clamped.
 */
int64_t acme_http_retry_after_ms(const struct acme_http_response *response, int64_t wall_now_ms);

#endif

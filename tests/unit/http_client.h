/* A client that sends raw bytes and reads what comes back. Included by the tests of server/http. */
#ifndef CERTWRIGHT_TESTS_UNIT_HTTP_CLIENT_H
#define CERTWRIGHT_TESTS_UNIT_HTTP_CLIENT_H

#include "acme/base/buffer.h"
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum { CLIENT_PATIENCE_SECONDS = 20 };

struct answer {
    int status; /* 0: the connection ended without an answer */
    char *head; /* up to the empty line */
    char *body;
    size_t body_size;
};

static inline void answer_finish(struct answer *a)
{
    free(a->head);
    free(a->body);
    *a = (struct answer){0};
}

/* Connects to "127.0.0.1:PORT" or "unix:PATH". */
static inline int client_connect(const char *address)
{
    struct timeval patience = {.tv_sec = CLIENT_PATIENCE_SECONDS};
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_un local;
    } to = {0};
    socklen_t size = sizeof to.v4;
    if (!strncmp(address, "unix:", 5)) {
        to.local.sun_family = AF_UNIX;
        size = sizeof to.local;
        assert_true(strlen(address + 5) < sizeof to.local.sun_path);
        memcpy(to.local.sun_path, address + 5, strlen(address + 5));
    } else {
        to.v4.sin_family = AF_INET;
        to.v4.sin_port = htons((uint16_t)strtol(strrchr(address, ':') + 1, NULL, 10));
        to.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    }
    int fd = socket(to.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    if (connect(fd, &to.any, size) == 0)
        return fd;
    close(fd);
    return -1;
}

/* The server may have hung up already: what it said before that is still to be read. */
static inline void client_send(int fd, const char *data, size_t size)
{
    while (size) {
        ssize_t sent = send(fd, data, size, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        data += sent;
        size -= (size_t)sent;
    }
}

static inline void client_send_text(int fd, const char *text)
{
    client_send(fd, text, strlen(text));
}

static inline const char *field(const char *head, const char *name)
{
    static _Thread_local char value[512];
    size_t size = strlen(name);
    for (const char *line = strstr(head, "\r\n"); line; line = strstr(line + 2, "\r\n")) {
        if (strncasecmp(line + 2, name, size) != 0 || line[2 + size] != ':')
            continue;
        const char *from = line + 3 + size;
        from += strspn(from, " ");
        size_t length = strcspn(from, "\r");
        assert_true(length < sizeof value);
        memcpy(value, from, length);
        value[length] = '\0';
        return value;
    }
    return NULL;
}

/* Reads more; false at the end of the stream. */
static inline bool client_read(int fd, struct buf *in)
{
    char piece[4096];
    ssize_t got = recv(fd, piece, sizeof piece, 0);
    if (got < 0)
        assert_int_equal(errno, ECONNRESET); /* anything else is a server that hangs */
    if (got <= 0)
        return false;
    buf_add(in, piece, (size_t)got);
    return true;
}

/* One answer from in and fd; what is left over stays in in. is_head: to a HEAD. */
static inline struct answer client_take(int fd, struct buf *in, bool is_head)
{
    struct answer a = {0};
    char *end;
    while (!(end = strstr(buf_string(in), "\r\n\r\n")))
        if (!client_read(fd, in))
            return a;
    size_t head_size = (size_t)(end - in->data) + 4;
    a.head = strndup(in->data, head_size);
    a.status = (int)strtol(a.head + strcspn(a.head, " "), NULL, 10);
    if (a.status == 100) {
        memmove(in->data, in->data + head_size, in->size - head_size + 1);
        in->size -= head_size;
        answer_finish(&a);
        return client_take(fd, in, is_head);
    }
    const char *length = field(a.head, "Content-Length");
    if (length && !is_head && a.status != 304 && a.status != 204)
        a.body_size = strtoul(length, NULL, 10);
    while (in->size < head_size + a.body_size)
        assert_true(client_read(fd, in));
    a.body = strndup(in->data + head_size, a.body_size);
    size_t used = head_size + a.body_size;
    memmove(in->data, in->data + used, in->size - used + 1);
    in->size -= used;
    return a;
}

/* A connection of its own for these bytes; the first answer, and in rest what came after it. */
static inline struct answer client_raw(const char *address, const char *data, size_t size,
                                       struct buf *rest)
{
    int fd = client_connect(address);
    assert_true(fd >= 0);
    client_send(fd, data, size);
    struct answer a = client_take(fd, rest, size > 4 && !memcmp(data, "HEAD", 4));
    shutdown(fd, SHUT_WR);
    while (client_read(fd, rest))
        continue;
    close(fd);
    return a;
}

/* The same for a whole request as text, that has one answer. */
static inline struct answer client_ask(const char *address, const char *request)
{
    struct buf rest = {0};
    struct answer a = client_raw(address, request, strlen(request), &rest);
    assert_int_equal(rest.size, 0);
    buf_finish(&rest);
    return a;
}

/* "METHOD PATH" with the usual header fields, more fields (each with its CRLF) and a body. */
static inline struct answer client_request(const char *address, const char *line,
                                           const char *fields, const char *body)
{
    struct buf request = {0};
    buf_printf(&request, "%s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer good\r\n%s", line,
               fields);
    if (body)
        buf_printf(&request, "Content-Length: %zu\r\n", strlen(body));
    buf_printf(&request, "\r\n%s", body ? body : "");
    struct answer a = client_ask(address, buf_string(&request));
    buf_finish(&request);
    return a;
}

#endif

/*
 * A load of GETs: CONNECTIONS that are kept alive, each asks again once it has its answer.
 *
 *   get PORT PATH TOKEN_FILE CONNECTIONS SECONDS [ETAG]
 *
 * One thread over epoll, so that little of the machine goes to the load itself. Every answer has to
 * be a 200 with a Content-Length, or with an ETAG, which goes as If-None-Match, a 304. Prints one
 * line of JSON.
 */
#include "acme/base/memory.h"
#include "tests/bench/bench.h"

#include <netinet/in.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 64, LATENCIES_MAX = 4000000 };

struct connection {
    int fd;
    double asked_at;
    size_t size; /* of what has come of the answer */
    char answer[16 * 1024];
};

struct load {
    struct buf request;
    struct connection connections[CONNECTIONS_MAX];
    int epoll;
    int unchanged; /* 304 is what is expected */
    double *latencies;
    size_t count;
};

static void die(const char *what)
{
    fprintf(stderr, "get: %s\n", what);
    exit(1);
}

static void ask(const struct load *load, struct connection *c)
{
    c->size = 0;
    c->asked_at = seconds_now();
    if (send(c->fd, load->request.data, load->request.size, MSG_NOSIGNAL) !=
        (ssize_t)load->request.size)
        die("the request could not be sent at once");
}

static void open_connection(struct load *load, struct connection *c, uint16_t port)
{
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(c->fd, (struct sockaddr *)&at, sizeof at) ||
        epoll_ctl(load->epoll, EPOLL_CTL_ADD, c->fd, &event))
        die("no connection");
}

/* Whether the answer is whole. */
static int is_whole(const struct load *load, const struct connection *c)
{
    const char *end = strstr(c->answer, "\r\n\r\n");
    if (!end)
        return 0;
    if (load->unchanged && !strncmp(c->answer, "HTTP/1.1 304 ", 13))
        return 1;
    const char *length = strcasestr(c->answer, "\r\nContent-Length:");
    if (strncmp(c->answer, "HTTP/1.1 200 ", 13) != 0 || !length || length > end) {
        fprintf(stderr, "%s\n", c->answer);
        die("the answer is no 200 with a Content-Length");
    }
    return c->size >= (size_t)(end - c->answer) + 4 + strtoul(length + 17, NULL, 10);
}

static void receive(struct load *load, struct connection *c)
{
    size_t room = sizeof c->answer - 1 - c->size;
    ssize_t n = recv(c->fd, c->answer + c->size, room, 0);
    if (n <= 0)
        die("the connection has ended, or the answer is too large");
    c->size += (size_t)n;
    c->answer[c->size] = '\0';
    if (!is_whole(load, c))
        return;
    if (load->count < LATENCIES_MAX)
        load->latencies[load->count++] = seconds_now() - c->asked_at;
    ask(load, c);
}

static void run(struct load *load, int connections, double seconds)
{
    double end = seconds_now() + seconds;
    for (int i = 0; i < connections; i++)
        ask(load, &load->connections[i]);
    while (seconds_now() < end) {
        struct epoll_event events[CONNECTIONS_MAX];
        int n = epoll_wait(load->epoll, events, CONNECTIONS_MAX, 5000);
        if (n <= 0)
            die("no answer for five seconds");
        for (int i = 0; i < n; i++)
            receive(load, events[i].data.ptr);
    }
}

int main(int count, char **argument)
{
    static struct load load;
    if (count != 6 && count != 7) {
        fprintf(stderr, "usage: %s PORT PATH TOKEN_FILE CONNECTIONS SECONDS [ETAG]\n", argument[0]);
        return 2;
    }
    uint16_t port = (uint16_t)strtoul(argument[1], NULL, 10);
    int connections = (int)strtol(argument[4], NULL, 10);
    double seconds = strtod(argument[5], NULL);
    if (connections < 1 || connections > CONNECTIONS_MAX)
        return 2;
    struct buf token = slurp(argument[3]);
    buf_printf(&load.request,
               "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nAuthorization: Bearer %.*s\r\n"
               "Accept: application/json\r\n",
               argument[2], port, (int)strcspn(buf_string(&token), "\n"), buf_string(&token));
    load.unchanged = count == 7;
    if (load.unchanged)
        buf_printf(&load.request, "If-None-Match: %s\r\n", argument[6]);
    buf_add_string(&load.request, "\r\n");
    load.latencies = mem_new(LATENCIES_MAX, sizeof *load.latencies);
    load.epoll = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 0; i < connections; i++)
        open_connection(&load, &load.connections[i], port);
    run(&load, connections, seconds);
    printf("{\"per_second\": %.1f, \"p50\": %.6f, \"p99\": %.6f}\n", (double)load.count / seconds,
           quantile(load.latencies, load.count, 0.5), quantile(load.latencies, load.count, 0.99));
    return 0;
}

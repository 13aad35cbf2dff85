/*
 * A load of requests: CONNECTIONS that are kept alive, each asks again once it has its answer.
 *
 *   load get PORT PATH TOKEN_FILE CONNECTIONS SECONDS [ETAG]
 *   load post PORT PATH TOKEN_FILE CONNECTIONS COUNT PREFIX
 *
 * One thread over epoll, so that little of the machine goes to the load itself. Every answer to a
 * GET has to be a 200, or with an ETAG, which goes as If-None-Match, a 304. COUNT certificates are
 * posted, PREFIXn.zM.example.com with M from 0 to 49; every answer has to be a 202. Prints one line
 * of JSON.
 */
#include "acme/base/memory.h"
#include "tests/bench/bench.h"

#include <netinet/in.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 64, LATENCIES_MAX = 4000000, ZONES = 50 };

static const double posts_seconds_max = 200;

struct connection {
    int fd;
    double asked_at;
    size_t size; /* of what has come of the answer */
    char answer[16 * 1024];
};

struct load {
    struct buf request; /* of a POST: the head, without the body's length */
    struct connection connections[CONNECTIONS_MAX];
    int epoll;
    const char *prefix; /* NULL: GETs */
    const char *expected;
    size_t asked, most; /* no more than that are asked */
    double *latencies;
    size_t count;
};

static void die(const char *what)
{
    fprintf(stderr, "load: %s\n", what);
    exit(1);
}

static void send_whole(const struct connection *c, const struct buf *request)
{
    if (send(c->fd, request->data, request->size, MSG_NOSIGNAL) != (ssize_t)request->size)
        die("the request could not be sent at once");
}

static void post(const struct load *load, const struct connection *c)
{
    struct buf body = {0}, request = {0};
    buf_printf(&body, "{\"identifiers\":[\"%s%zu.z%zu.example.com\"],\"account\":\"main\"}",
               load->prefix, load->asked, load->asked % ZONES);
    buf_add(&request, load->request.data, load->request.size);
    buf_printf(&request, "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
               body.size, buf_string(&body));
    send_whole(c, &request);
    buf_finish(&body);
    buf_finish(&request);
}

static void ask(struct load *load, struct connection *c)
{
    if (load->asked == load->most)
        return;
    c->size = 0;
    c->asked_at = seconds_now();
    if (load->prefix)
        post(load, c);
    else
        send_whole(c, &load->request);
    load->asked++;
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
    const char *length = strcasestr(c->answer, "\r\nContent-Length:");
    int is_right = !strncmp(c->answer + strlen("HTTP/1.1 "), load->expected, 3);
    if (is_right && !strcmp(load->expected, "304"))
        return 1;
    if (!is_right || !length || length > end) {
        fprintf(stderr, "%s\n", c->answer);
        die("the answer is none with that status and a Content-Length");
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
    while (seconds_now() < end && load->count < load->most) {
        struct epoll_event events[CONNECTIONS_MAX];
        int n = epoll_wait(load->epoll, events, CONNECTIONS_MAX, 5000);
        if (n <= 0)
            die("no answer for five seconds");
        for (int i = 0; i < n; i++)
            receive(load, events[i].data.ptr);
    }
}

static void write_request(struct load *load, const char *method, uint16_t port, const char *path,
                          const char *token_file)
{
    struct buf token = slurp(token_file);
    buf_printf(&load->request,
               "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nAuthorization: Bearer %.*s\r\n"
               "Accept: application/json\r\n",
               method, path, port, (int)strcspn(buf_string(&token), "\n"), buf_string(&token));
    buf_finish(&token);
}

int main(int count, char **argument)
{
    static struct load load;
    int posts = count == 8 && !strcmp(argument[1], "post");
    if (!posts && (count < 7 || count > 8 || strcmp(argument[1], "get") != 0)) {
        fprintf(stderr,
                "usage: %s get PORT PATH TOKEN_FILE CONNECTIONS SECONDS [ETAG]\n"
                "       %s post PORT PATH TOKEN_FILE CONNECTIONS COUNT PREFIX\n",
                argument[0], argument[0]);
        return 2;
    }
    uint16_t port = (uint16_t)strtoul(argument[2], NULL, 10);
    int connections = (int)strtol(argument[5], NULL, 10);
    double amount = strtod(argument[6], NULL);
    if (connections < 1 || connections > CONNECTIONS_MAX || amount <= 0 ||
        amount > (double)LATENCIES_MAX)
        return 2;
    write_request(&load, posts ? "POST" : "GET", port, argument[3], argument[4]);
    load.expected = posts ? "202" : count == 8 ? "304" : "200";
    load.most = posts ? (size_t)amount : SIZE_MAX;
    load.prefix = posts ? argument[7] : NULL;
    if (!posts && count == 8)
        buf_printf(&load.request, "If-None-Match: %s\r\n", argument[7]);
    if (!posts)
        buf_add_string(&load.request, "\r\n");
    load.latencies = mem_new(LATENCIES_MAX, sizeof *load.latencies);
    load.epoll = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 0; i < connections; i++)
        open_connection(&load, &load.connections[i], port);
    double began = seconds_now();
    run(&load, connections, posts ? posts_seconds_max : amount);
    double seconds = seconds_now() - began;
    if (posts && load.count < load.most)
        die("it takes too long");
    printf("{\"per_second\": %.1f, \"p50\": %.6f, \"p99\": %.6f}\n", (double)load.count / seconds,
           quantile(load.latencies, load.count, 0.5), quantile(load.latencies, load.count, 0.99));
    return 0;
}

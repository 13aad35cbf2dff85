#include "server/http/address.h"

#include "acme/base/memory.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static const char unix_prefix[] = "unix:";

int address_host(const struct sockaddr_storage *address, char *out, size_t size)
{
    const void *raw;
    if (address->ss_family == AF_INET)
        raw = &((const struct sockaddr_in *)address)->sin_addr;
    else if (address->ss_family == AF_INET6)
        raw = &((const struct sockaddr_in6 *)address)->sin6_addr;
    else
        return -1;
    return inet_ntop(address->ss_family, raw, out, (socklen_t)size) ? 0 : -1;
}

static bool is_loopback(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
        return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
    }
    return address->sa_family == AF_INET6 &&
           IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)address)->sin6_addr);
}

/* Splits "HOST:PORT" or "[v6]:PORT"; both results are the caller's. */
static int split(const char *address, char **host, char **port, struct err *e)
{
    const char *colon = strrchr(address, ':');
    bool bracketed = address[0] == '[';
    const char *end = bracketed ? strchr(address, ']') : colon;
    if (!colon || !end || colon == address || !colon[1] || (bracketed && end + 1 != colon) ||
        (!bracketed && strchr(address, ':') != colon))
        return err_set(e, ERR_CONFIG, "%s is no address: HOST:PORT, [v6]:PORT or unix:PATH",
                       address);
    if (strspn(colon + 1, "0123456789") != strlen(colon + 1) || strlen(colon + 1) > 5 ||
        strtol(colon + 1, NULL, 10) > 65535)
        return err_set(e, ERR_CONFIG, "%s: %s is no port", address, colon + 1);
    const char *start = address + (bracketed ? 1 : 0);
    *host = mem_strndup(start, (size_t)(end - start));
    *port = mem_strdup(colon + 1);
    return 0;
}

static int bind_tcp(const struct addrinfo *info, enum address_reach reach)
{
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
    if (fd < 0)
        return -1;
    int on = 1, v6_only = reach != ADDRESS_ALL_OF_ANY;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    /* Else "[::]" would answer for IPv4 too, under addresses that no rule knows. */
    if (info->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, sizeof v6_only);
    if (bind(fd, info->ai_addr, info->ai_addrlen) == 0 && listen(fd, SOMAXCONN) == 0)
        return fd;
    int reason = errno;
    close(fd);
    errno = reason;
    return -1;
}

/* What the socket is bound to in the end: the port may have been 0. */
static char *bound_name(int fd)
{
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof address;
    char host[INET6_ADDRSTRLEN];
    if (getsockname(fd, (struct sockaddr *)&address, &size) < 0 ||
        address_host(&address, host, sizeof host) < 0)
        return mem_strdup("?");
    if (address.ss_family == AF_INET6)
        return mem_printf("[%s]:%u", host,
                          (unsigned)ntohs(((struct sockaddr_in6 *)&address)->sin6_port));
    return mem_printf("%s:%u", host, (unsigned)ntohs(((struct sockaddr_in *)&address)->sin_port));
}

/* The host as it is written, and its addresses; both are the caller's. */
static int resolve(const char *address, char **out_host, struct addrinfo **out, struct err *e)
{
    char *host = NULL, *port = NULL;
    if (split(address, &host, &port, e) < 0)
        return -1;
    const struct addrinfo hints = {.ai_family = AF_UNSPEC,
                                   .ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *list = NULL;
    int failed = getaddrinfo(host, port, &hints, &list);
    free(port);
    if (failed) {
        free(host);
        return err_set(e, ERR_CONFIG, "%s: %s", address, gai_strerror(failed));
    }
    *out_host = host;
    *out = list;
    return 0;
}

static int listen_tcp(const char *address, enum address_reach reach, struct bound_address *out,
                      struct err *e)
{
    char *host;
    struct addrinfo *list;
    if (resolve(address, &host, &list, e) < 0)
        return -1;
    int fd = -1;
    const struct addrinfo *info = list;
    for (; info; info = info->ai_next)
        if ((fd = bind_tcp(info, reach)) >= 0)
            break;
    int reason = errno;
    bool is_local_only = info && is_loopback(info->ai_addr);
    freeaddrinfo(list);
    if (fd < 0) {
        free(host);
        return err_set(e, ERR_IO, "cannot listen on %s: %s%s", address, strerror(reason),
                       reason == EACCES ? " (ports below 1024 take root or CAP_NET_BIND_SERVICE)"
                                        : "");
    }
    *out = (struct bound_address){
        .fd = fd, .name = bound_name(fd), .given_host = host, .is_local_only = is_local_only};
    return 0;
}

/* Whether a socket file is left over from a process that has ended. */
static bool is_abandoned(const struct sockaddr_un *address)
{
    struct stat found;
    if (lstat(address->sun_path, &found) < 0 || !S_ISSOCK(found.st_mode))
        return false;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    int rc = connect(fd, (const struct sockaddr *)address, sizeof *address);
    bool refused = rc < 0 && errno == ECONNREFUSED;
    close(fd);
    return refused;
}

static int check_path(const char *path, struct err *e)
{
    enum { MOST = sizeof((struct sockaddr_un *)NULL)->sun_path - 1 };
    if (!*path || strlen(path) > MOST)
        return err_set(e, ERR_CONFIG, "unix:%s: a path has 1 to %d bytes", path, (int)MOST);
    return 0;
}

static int listen_unix(const char *path, mode_t mode, struct bound_address *out, struct err *e)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (check_path(path, e) < 0)
        return -1;
    memcpy(address.sun_path, path, strlen(path));
    if (is_abandoned(&address))
        unlink(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    /* The mode is set before listen: until then nobody can connect. */
    bool bound = fd >= 0 && bind(fd, (const struct sockaddr *)&address, sizeof address) == 0;
    if (!bound || chmod(path, mode) < 0 || listen(fd, SOMAXCONN) < 0) {
        err_set(e, ERR_IO, "cannot listen on unix:%s: %s", path, strerror(errno));
        if (bound)
            unlink(path);
        if (fd >= 0)
            close(fd);
        return -1;
    }
    *out = (struct bound_address){.fd = fd,
                                  .name = mem_printf("unix:%s", path),
                                  .unix_path = mem_strdup(path),
                                  .is_local_only = true};
    return 0;
}

int address_listen(const char *address, enum address_reach reach, struct bound_address *out,
                   struct err *e)
{
    size_t prefix = sizeof unix_prefix - 1;
    if (!strncmp(address, unix_prefix, prefix))
        return listen_unix(address + prefix, reach == ADDRESS_FOR_ALL ? 0666 : 0660, out, e);
    return listen_tcp(address, reach, out, e);
}

int address_look_up(const char *address, struct found_address *out, struct err *e)
{
    size_t prefix = sizeof unix_prefix - 1;
    struct found_address found = {.is_local_only = true};
    struct addrinfo *list;
    if (!strncmp(address, unix_prefix, prefix)) {
        if (check_path(address + prefix, e) < 0)
            return -1;
    } else {
        if (resolve(address, &found.host, &list, e) < 0)
            return -1;
        found.is_local_only = is_loopback(list->ai_addr);
        freeaddrinfo(list);
    }
    *out = found;
    return 0;
}

void address_stop(struct bound_address *bound)
{
    if (bound->fd >= 0)
        close(bound->fd);
    bound->fd = -1;
    if (bound->unix_path)
        unlink(bound->unix_path);
    free(bound->unix_path);
    bound->unix_path = NULL;
}

void address_finish(struct bound_address *bound)
{
    address_stop(bound);
    free(bound->name);
    free(bound->given_host);
    *bound = (struct bound_address){.fd = -1};
}

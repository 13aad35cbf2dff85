/*
 * The helper process and its supervisors. Both are forks of the service without its threads; they
 * leave by _exit, so that nothing of the service's own is flushed or torn down twice.
 */
#include "acme/base/memory.h"
#include "server/outside/commands_wire.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* A request with its descriptor, as received. */
struct packet {
    char bytes[COMMANDS_PACKET_MAX];
    size_t size;
    int socket; /* -1: none came */
};

/* Whether a packet was read; false when the service has gone. */
static bool packet_receive(int control, struct packet *packet)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } ancillary;
    struct iovec part = {.iov_base = packet->bytes, .iov_len = sizeof packet->bytes};
    struct msghdr message = {
        .msg_iov = &part,
        .msg_iovlen = 1,
        .msg_control = ancillary.bytes,
        .msg_controllen = sizeof ancillary.bytes,
    };
    ssize_t got;
    do
        got = recvmsg(control, &message, MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    if (got <= 0)
        return false;
    packet->size = (size_t)got;
    packet->socket = -1;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header && header->cmsg_type == SCM_RIGHTS && header->cmsg_len == CMSG_LEN(sizeof(int)))
        memcpy(&packet->socket, CMSG_DATA(header), sizeof packet->socket);
    return true;
}

/* Takes count NUL-terminated strings off the packet; false if it has fewer. */
static bool strings_take(const struct packet *packet, size_t *at, uint32_t count, char **out)
{
    for (uint32_t i = 0; i < count; i++) {
        const char *s = packet->bytes + *at;
        const char *end = memchr(s, '\0', packet->size - *at);
        if (!end)
            return false;
        out[i] = (char *)s;
        *at += (size_t)(end - s) + 1;
    }
    return true;
}

static char *environment_default(const char *name, const char *otherwise)
{
    const char *value = getenv(name);
    return mem_printf("%s=%s", name, value && *value ? value : otherwise);
}

/* Reads the request and becomes the command's supervisor. */
static _Noreturn void packet_serve(const struct packet *packet, const struct commands_table *table)
{
    struct commands_request request;
    size_t at = sizeof request;
    if (packet->size < sizeof request)
        _exit(1);
    memcpy(&request, packet->bytes, sizeof request);
    if (request.index >= table->count || request.argument_count > COMMANDS_REQUEST_MAX ||
        request.environment_count > COMMANDS_REQUEST_MAX)
        _exit(1);

    char **fixed = table->argv[request.index];
    size_t fixed_count = 0;
    while (fixed[fixed_count])
        fixed_count++;
    char **argv = mem_new(fixed_count + request.argument_count + 1, sizeof *argv);
    memcpy(argv, fixed, fixed_count * sizeof *argv);
    char **environment = mem_new(request.environment_count + 3, sizeof *environment);
    environment[0] =
        environment_default("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    environment[1] = environment_default("HOME", "/");
    if (!strings_take(packet, &at, request.argument_count, argv + fixed_count) ||
        !strings_take(packet, &at, request.environment_count, environment + 2))
        _exit(1);
    commands_supervise(packet->socket, argv, environment, (int)request.timeout_ms);
}

/* Leaves the service's terminal, signals and descriptors behind. */
static void helper_detach(int control)
{
    static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGCHLD};
    setsid(); /* so that Ctrl-C at the service's terminal does not reach a command */
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
        signal(ignored[i], SIG_IGN); /* SIGCHLD: supervisors leave no zombies */
    prctl(PR_SET_NAME, "certwright-cmd");
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null >= 0) {
        dup2(null, STDIN_FILENO);
        dup2(null, STDOUT_FILENO);
        close(null);
    }
    if (control > STDERR_FILENO + 1)
        close_range(STDERR_FILENO + 1, (unsigned)control - 1, 0);
    close_range((unsigned)control + 1, ~0U, 0);
}

_Noreturn void commands_helper(int control, const struct commands_table *table)
{
    static struct packet packet;
    helper_detach(control);
    while (packet_receive(control, &packet)) {
        if (packet.socket < 0)
            continue;
        if (fork() == 0) {
            close(control);
            packet_serve(&packet, table);
        }
        close(packet.socket); /* if fork failed, the caller reads the end of this */
    }
    _exit(0);
}

#include "server/outside/commands.h"

#include "acme/base/buffer.h"
#include "acme/base/clock.h"
#include "acme/base/failpoint.h"
#include "acme/base/memory.h"
#include "server/outside/commands_wire.h"
#include "server/outside/quote.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    ABORT_POLL_MS = 200, /* how late an abort may be noticed */
    GRACE_MS = 1000,     /* what the helper gets beyond the command's own limit */
};

struct commands {
    char **names;
    struct commands_table table;
    int control;
    pid_t helper;
};

static char **argv_copy(const char *const *argv)
{
    size_t count = 0;
    while (argv[count])
        count++;
    char **copy = mem_new(count + 1, sizeof *copy);
    for (size_t i = 0; i < count; i++)
        copy[i] = mem_strdup(argv[i]);
    return copy;
}

static void commands_free(struct commands *commands)
{
    for (size_t i = 0; i < commands->table.count; i++) {
        for (char **argument = commands->table.argv[i]; *argument; argument++)
            free(*argument);
        free(commands->table.argv[i]);
        free(commands->names[i]);
    }
    free(commands->table.argv);
    free(commands->names);
    free(commands);
}

static int helper_start(struct commands *commands, struct err *e)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
        return err_set(e, ERR_IO, "the command helper's socket: %s", strerror(errno));
    pid_t pid = fork();
    if (pid == 0) {
        close(pair[0]);
        commands_helper(pair[1], &commands->table);
    }
    close(pair[1]);
    if (pid < 0) {
        close(pair[0]);
        return err_set(e, ERR_IO, "the command helper does not start: %s", strerror(errno));
    }
    commands->control = pair[0];
    commands->helper = pid;
    return 0;
}

int commands_create(const struct command *list, size_t count, struct commands **out, struct err *e)
{
    for (size_t i = 0; i < count; i++)
        if (!list[i].argv || !list[i].argv[0] || !list[i].argv[0][0])
            return err_set(e, ERR_CONFIG, "the command %s is empty", list[i].name);

    struct commands *commands = mem_new(1, sizeof *commands);
    commands->control = -1;
    commands->helper = -1;
    commands->names = mem_new(count + 1, sizeof *commands->names);
    commands->table.argv = mem_new(count + 1, sizeof *commands->table.argv);
    commands->table.count = count;
    for (size_t i = 0; i < count; i++) {
        commands->names[i] = mem_strdup(list[i].name);
        commands->table.argv[i] = argv_copy(list[i].argv);
    }
    if (count > 0 && helper_start(commands, e)) {
        commands_free(commands);
        return -1;
    }
    *out = commands;
    return 0;
}

void commands_destroy(struct commands *commands)
{
    if (!commands)
        return;
    if (commands->helper > 0) {
        close(commands->control);
        while (waitpid(commands->helper, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    commands_free(commands);
}

static size_t commands_index(const struct commands *commands, const char *name)
{
    size_t i = 0;
    while (i < commands->table.count && strcmp(commands->names[i], name) != 0)
        i++;
    return i;
}

bool commands_has(const struct commands *commands, const char *name)
{
    return commands_index(commands, name) < commands->table.count;
}

static bool has_control_character(const char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7f)
            return true;
    return false;
}

/* Appends the strings with their NULs. */
static int request_add(const char *const *strings, struct buf *packet, uint32_t *count,
                       struct err *e)
{
    for (; strings && *strings; strings++) {
        size_t size = strlen(*strings) + 1;
        if (has_control_character(*strings))
            return err_set(e, ERR_INVALID, "an argument of a command has a control character");
        if (packet->size + size > COMMANDS_PACKET_MAX)
            return err_set(e, ERR_INVALID, "the arguments of a command are too long");
        buf_add(packet, *strings, size);
        (*count)++;
    }
    return 0;
}

static int request_build(const struct command_call *call, size_t index, struct buf *packet,
                         struct err *e)
{
    struct commands_request request = {
        .index = (uint32_t)index,
        .timeout_ms =
            (uint32_t)(call->timeout_ms > 0 ? call->timeout_ms : COMMANDS_DEFAULT_TIMEOUT_MS),
    };
    buf_add(packet, &request, sizeof request);
    if (request_add(call->arguments, packet, &request.argument_count, e) ||
        request_add(call->environment, packet, &request.environment_count, e))
        return -1;
    memcpy(packet->data, &request, sizeof request);
    return 0;
}

/* Sends the packet together with the descriptor that the helper answers on. */
static int request_send(int control, const struct buf *packet, int descriptor, struct err *e)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } ancillary = {.bytes = {0}};
    struct iovec part = {.iov_base = packet->data, .iov_len = packet->size};
    struct msghdr message = {
        .msg_iov = &part,
        .msg_iovlen = 1,
        .msg_control = ancillary.bytes,
        .msg_controllen = sizeof ancillary.bytes,
    };
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
    while (sendmsg(control, &message, MSG_NOSIGNAL) < 0)
        if (errno != EINTR)
            return err_set(e, ERR_IO, "the command helper is gone: %s", strerror(errno));
    return 0;
}

/* Waits until the call's socket can be read. */
static int reply_wait(int socket, const struct command_call *call, int64_t deadline_ms,
                      struct err *e)
{
    for (;;) {
        if (call->abort && atomic_load(call->abort))
            return err_set(e, ERR_SHUTDOWN, "the command %s was ended: the service is stopping",
                           call->name);
        int64_t left = deadline_ms - clock_monotonic_ms();
        if (left <= 0)
            return err_set(e, ERR_IO, "the command helper does not answer");
        if (call->abort && left > ABORT_POLL_MS)
            left = ABORT_POLL_MS;
        struct pollfd wait = {.fd = socket, .events = POLLIN};
        int ready = poll(&wait, 1, (int)left);
        if (ready > 0)
            return 0;
        if (ready < 0 && errno != EINTR)
            return err_set(e, ERR_IO, "waiting for a command: %s", strerror(errno));
    }
}

static int reply_read(int socket, const struct command_call *call, struct command_result *out,
                      struct err *e)
{
    struct {
        struct commands_reply head;
        char output[COMMANDS_OUTPUT_MAX];
    } packet;
    ssize_t got;
    do
        got = recv(socket, &packet, sizeof packet, 0);
    while (got < 0 && errno == EINTR);
    if (got < (ssize_t)sizeof packet.head || packet.head.output_size > sizeof packet.output ||
        (size_t)got != sizeof packet.head + packet.head.output_size)
        return err_set(e, ERR_IO, "the command helper failed while %s ran", call->name);

    struct command_result result = {
        .exit_status = packet.head.exit_status,
        .signal = packet.head.signal,
        .truncated = packet.head.truncated != 0,
    };
    memcpy(result.output, packet.output, packet.head.output_size);
    for (uint32_t i = 0; i < packet.head.output_size; i++)
        if (result.output[i] == '\0')
            result.output[i] = ' ';
    if (packet.head.timed_out) {
        char quote[QUOTE_SIZE];
        quote_tail(result.output, strlen(result.output), quote);
        return err_set(e, ERR_COMMAND_FAILED, "the command %s was killed after its time limit%s%s",
                       call->name, *quote ? "; its last words: " : "", quote);
    }
    *out = result;
    return 0;
}

int commands_run(const struct commands *commands, const struct command_call *call,
                 struct command_result *out, struct err *e)
{
    size_t index = commands_index(commands, call->name);
    if (index == commands->table.count)
        return err_set(e, ERR_NOT_FOUND, "the config has no command \"%s\"", call->name);

    struct buf packet = {0};
    int pair[2] = {-1, -1}, result = -1;
    int64_t limit = call->timeout_ms > 0 ? call->timeout_ms : COMMANDS_DEFAULT_TIMEOUT_MS;
    if (request_build(call, index, &packet, e))
        goto done;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
        err_set(e, ERR_IO, "a socket for the command %s: %s", call->name, strerror(errno));
        goto done;
    }
    failpoint("command", call->name);
    result = request_send(commands->control, &packet, pair[1], e);
    close(pair[1]);
    if (result == 0)
        result = reply_wait(pair[0], call, clock_monotonic_ms() + limit + GRACE_MS, e);
    if (result == 0)
        result = reply_read(pair[0], call, out, e);
    failpoint("command ended", call->name);
    close(pair[0]);
done:
    buf_finish(&packet);
    return result;
}

int command_result_check(const char *name, const struct command_result *result, struct err *e)
{
    if (result->exit_status == 0 && result->signal == 0)
        return 0;
    char quote[QUOTE_SIZE];
    quote_tail(result->output, strlen(result->output), quote);
    const char *colon = *quote ? ": " : "";
    if (result->signal)
        return err_set(e, ERR_COMMAND_FAILED, "the command %s was ended by signal %d%s%s", name,
                       result->signal, colon, quote);
    return err_set(e, ERR_COMMAND_FAILED, "the command %s exited with %d%s%s", name,
                   result->exit_status, colon, quote);
}

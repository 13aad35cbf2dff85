/* The supervisor: one process a command, from its start to its answer. */
#include "acme/base/clock.h"
#include "server/outside/commands_wire.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PIPE_PACKETS = 16 }; /* of COMMANDS_OUTPUT_MAX: what a pipe holds by default */

struct supervisor {
    int socket;  /* to whoever called */
    int output;  /* the command's standard output and error */
    int signals; /* tells of SIGCHLD */
    pid_t pid;   /* and its process group */
    struct commands_reply head;
    char tail[COMMANDS_OUTPUT_MAX];
};

/* The command's side of fork. */
static _Noreturn void command_exec(pid_t supervisor, int output, char *const *argv,
                                   char *const *environment)
{
    sigset_t none;
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != supervisor)
        _exit(127);
    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
    execvpe(argv[0], argv, environment);
    dprintf(STDERR_FILENO, "%s cannot be started: %s", argv[0], strerror(errno));
    _exit(127);
}

static void supervisor_start(struct supervisor *s, char *const *argv, char *const *environment)
{
    int ends[2];
    pid_t self = getpid();
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, NULL);
    signal(SIGCHLD, SIG_DFL);
    s->signals = signalfd(-1, &child, SFD_CLOEXEC);
    if (s->signals < 0 || pipe2(ends, O_CLOEXEC))
        _exit(1);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    s->output = ends[0];
    s->pid = fork();
    if (s->pid < 0)
        _exit(1);
    if (s->pid == 0)
        command_exec(self, ends[1], argv, environment);
    setpgid(s->pid, s->pid); /* whoever comes first, so that a kill finds the group */
    close(ends[1]);
}

static void tail_add(struct supervisor *s, const char *data, size_t size)
{
    size_t kept = s->head.output_size;
    if (kept + size > sizeof s->tail) {
        size_t dropped = kept + size - sizeof s->tail;
        s->head.truncated = 1;
        memmove(s->tail, s->tail + dropped, kept - dropped);
        kept -= dropped;
    }
    memcpy(s->tail + kept, data, size);
    s->head.output_size = (uint32_t)(kept + size);
}

/*
 * Reads what is there, up to a pipe's full: whoever writes without end must not hold up the clock.
 * At its end the pipe is closed, so that poll passes it over.
 */
static void output_drain(struct supervisor *s)
{
    char data[COMMANDS_OUTPUT_MAX];
    for (int i = 0; i < PIPE_PACKETS && s->output >= 0; i++) {
        ssize_t got = read(s->output, data, sizeof data);
        if (got < 0)
            return;
        tail_add(s, data, (size_t)got);
        if (got == 0) {
            close(s->output);
            s->output = -1;
        }
    }
}

static void command_kill(struct supervisor *s)
{
    int status;
    kill(-s->pid, SIGKILL);
    while (waitpid(s->pid, &status, 0) < 0 && errno == EINTR)
        ;
}

/* Whether the command has ended; its status is then in the reply. */
static bool command_reap(struct supervisor *s)
{
    int status;
    if (waitpid(s->pid, &status, WNOHANG) != s->pid)
        return false;
    if (WIFSIGNALED(status))
        s->head.signal = WTERMSIG(status);
    else
        s->head.exit_status = WEXITSTATUS(status);
    return true;
}

/* Until the command ends, the time is over or nobody waits any more. */
static void command_wait(struct supervisor *s, int64_t deadline_ms)
{
    for (;;) {
        int64_t left = deadline_ms - clock_monotonic_ms();
        if (left <= 0) {
            s->head.timed_out = 1;
            command_kill(s);
            return;
        }
        struct pollfd wait[] = {
            {.fd = s->socket, .events = POLLRDHUP},
            {.fd = s->signals, .events = POLLIN},
            {.fd = s->output, .events = POLLIN},
        };
        if (poll(wait, sizeof wait / sizeof *wait, (int)left) < 0)
            continue;
        if (wait[0].revents) {
            command_kill(s);
            _exit(0);
        }
        if (wait[2].revents)
            output_drain(s);
        if (wait[1].revents) {
            struct signalfd_siginfo info;
            if (read(s->signals, &info, sizeof info) > 0 && command_reap(s))
                return;
        }
    }
}

_Noreturn void commands_supervise(int socket, char *const *argv, char *const *environment,
                                  int timeout_ms)
{
    struct supervisor s = {.socket = socket};
    int64_t deadline = clock_monotonic_ms() + timeout_ms;
    supervisor_start(&s, argv, environment);
    command_wait(&s, deadline);
    output_drain(&s);

    char packet[sizeof s.head + sizeof s.tail];
    memcpy(packet, &s.head, sizeof s.head);
    memcpy(packet + sizeof s.head, s.tail, s.head.output_size);
    send(socket, packet, sizeof s.head + s.head.output_size, MSG_NOSIGNAL);
    _exit(0);
}

/*
 * The config's commands, run by a helper process.
 *
 * The helper is forked before any thread and before any sandbox. A call names one of the commands
 * the config defines; nothing that comes over the API can become a program, a shell or an option
 * of one. For each call the parent hands the helper one end of a fresh socket pair; the helper
 * forks a supervisor that starts the command in a process group of its own, keeps the tail of its
 * output, enforces the time limit and answers over that socket. So calls run side by side and
 * need no multiplexing, and whoever loses the other end (a killed parent too) ends the command.
 */
#ifndef CERTWRIGHT_SERVER_OUTSIDE_COMMANDS_H
#define CERTWRIGHT_SERVER_OUTSIDE_COMMANDS_H

#include "acme/base/error.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

enum {
    COMMANDS_OUTPUT_MAX = 4096,       /* bytes of the tail that are kept */
    COMMANDS_REQUEST_MAX = 64 * 1024, /* arguments and environment of a call, together */
    COMMANDS_DEFAULT_TIMEOUT_MS = 30000,
};

/* One entry of the config's `commands`. */
struct command {
    const char *name;
    const char *const *argv; /* NULL-terminated; argv[0] without a slash is looked up in PATH */
};

struct commands;

/*
 * Copies the list and forks the helper, so call it while the process has one thread. ERR_CONFIG if
 * an argv is empty, ERR_IO if the helper cannot be started. The helper ignores the terminal's
 * signals and ends by itself when this process does.
 */
int commands_create(const struct command *list, size_t count, struct commands **out, struct err *e);

/* Ends the helper. No call may be under way; what a command left in the background stays. */
void commands_destroy(struct commands *commands);

/* Whether the config has a command of that name. */
bool commands_has(const struct commands *commands, const char *name);

struct command_call {
    const char *name;
    const char *const *arguments;   /* appended to the argv; NULL-terminated; NULL: none */
    const char *const *environment; /* "NAME=value" beside PATH and HOME; NULL: none */
    int timeout_ms;                 /* 0: COMMANDS_DEFAULT_TIMEOUT_MS */
    const atomic_bool *abort;       /* set: the command is ended, ERR_SHUTDOWN; may be NULL */
};

struct command_result {
    int exit_status; /* 0 … 255; 127 if it could not be started, the reason is in the output */
    int signal;      /* that ended it; 0: it exited by itself */
    bool truncated;  /* it wrote more than the tail that is kept */
    char output[COMMANDS_OUTPUT_MAX + 1]; /* standard output and error; NULs become spaces */
};

/*
 * Runs a command to its end; blocks at most the time limit and a second. Success means that it
 * ran, whatever its status. ERR_NOT_FOUND: no such command. ERR_INVALID: an argument or variable
 * holds a control character or is too long. ERR_COMMAND_FAILED: the time limit passed; its process
 * group was killed and the tail of its output is in the detail. ERR_IO: the helper is gone.
 * Any thread; several at once.
 */
int commands_run(const struct commands *commands, const struct command_call *call,
                 struct command_result *out, struct err *e);

/* Fails with ERR_COMMAND_FAILED and a sentence that quotes the output, unless the status is 0. */
int command_result_check(const char *name, const struct command_result *result, struct err *e);

#endif

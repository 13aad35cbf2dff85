/* What passes between commands_run and the helper process. Private to commands. */
#ifndef CERTWRIGHT_SERVER_OUTSIDE_COMMANDS_WIRE_H
#define CERTWRIGHT_SERVER_OUTSIDE_COMMANDS_WIRE_H

#include "server/outside/commands.h"

#include <stdint.h>

/*
 * One packet over the control socket, with the call's socket as SCM_RIGHTS. The strings follow, a
 * NUL after each: first the arguments, then the environment.
 */
struct commands_request {
    uint32_t index; /* into the config's list */
    uint32_t timeout_ms;
    uint32_t argument_count;
    uint32_t environment_count;
};

/* One packet over the call's socket; output_size bytes of output follow. */
struct commands_reply {
    int32_t exit_status;
    int32_t signal;
    int32_t timed_out;
    int32_t truncated;
    uint32_t output_size;
};

enum { COMMANDS_PACKET_MAX = sizeof(struct commands_request) + COMMANDS_REQUEST_MAX };

/* The helper's list: argv of each command, each NULL-terminated. */
struct commands_table {
    char ***argv;
    size_t count;
};

/* Serves the control socket until its other end is closed. Never returns. */
_Noreturn void commands_helper(int control, const struct commands_table *table);

/* Runs one command, answers over socket and ends the process: the life of a supervisor. */
_Noreturn void commands_supervise(int socket, char *const *argv, char *const *environment,
                                  int timeout_ms);

#endif

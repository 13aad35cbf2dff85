/* The command line of the program. */
#ifndef CERTWRIGHT_SERVER_CONFIG_OPTIONS_H
#define CERTWRIGHT_SERVER_CONFIG_OPTIONS_H

#include "acme/base/error.h"
#include "server/config/config.h"

#include <stdio.h>

/* How the program ends; documented by options_usage. */
enum options_exit {
    OPTIONS_EXIT_DONE = 0,
    OPTIONS_EXIT_FAILED = 1, /* at run time: the log says why */
    OPTIONS_EXIT_USAGE = 2,
    OPTIONS_EXIT_CONFIG = 3, /* the configuration is not valid or cannot be read */
    OPTIONS_EXIT_IN_USE = 4, /* another process has the data directory; and cannot be asked */
};

enum options_verb {
    OPTIONS_SERVE,
    OPTIONS_REKEY,
    OPTIONS_CHECK_CONFIG,
    OPTIONS_VERSION,
    OPTIONS_HELP,
};

/* Texts are borrowed from argv. options_finish frees the rest. */
struct options {
    enum options_verb verb;
    struct config_flags flags;
    const char **listen; /* what flags.listen refers to */
    const char *new_key; /* of rekey: a file, "-" for standard input; NULL: none is given */
};

/* ERR_INVALID with a sentence for the person at the terminal. argv may be reordered. */
int options_parse(int argc, char **argv, struct options *out, struct err *e);
void options_finish(struct options *options);

void options_usage(FILE *to);

#endif

/* How those who read installed files are told that there are new ones. */
#ifndef CERTWRIGHT_SERVER_DEPLOY_RELOAD_H
#define CERTWRIGHT_SERVER_DEPLOY_RELOAD_H

#include "acme/base/error.h"

struct target_certificate;
struct target_context;
struct target_pidfile;

/* At most one of the three; none: nobody is told. Borrows from the settings and the config. */
struct reload {
    const char *command;
    const struct target_pidfile *pidfile;
    const char *signal_name;
    int signal;
    const char *webhook;
};

enum { RELOAD_MESSAGE_SIZE = 160 };

/*
 * Reads the settings' "reload": {"command": NAME}, {"signal": "HUP"|"USR1"|"USR2"|"TERM",
 * "pidfile": NAME} or {"webhook": URL on loopback}. ERR_INVALID, also for a command or pidfile that
 * the config does not have.
 */
int reload_read(const struct target_context *context, struct reload *out, struct err *e);

/* "run the command x", for a rehearsal; "" for none. */
void reload_describe(const struct reload *reload, char out[RELOAD_MESSAGE_SIZE]);

/* Whether it can be seen to fail without doing it: ERR_TARGET_RELOAD where there is no process. */
int reload_check(const struct reload *reload, struct err *e);

/*
 * Does it, and says what was done. ERR_TARGET_RELOAD, or ERR_SHUTDOWN. The pidfile is read anew
 * each time; the webhook gets {"certificate", "version"} and has to answer 2xx.
 */
int reload_run(const struct reload *reload, const struct target_context *context,
               const struct target_certificate *certificate, char message[RELOAD_MESSAGE_SIZE],
               struct err *e);

#endif

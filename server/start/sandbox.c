#include "server/start/sandbox.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

static int require(const char *what, int reason, struct err *e)
{
    return err_set(e, ERR_IO, "The sandbox is required, but the kernel has no %s: %s.", what,
                   strerror(reason));
}

int sandbox_enter(const struct sandbox_path *paths, size_t count, bool required,
                  struct sandbox_state *out, struct err *e)
{
    struct sandbox_state state = {0};
    state.no_new_privs = prctl(PR_SET_NO_NEW_PRIVS, 1L, 0L, 0L, 0L) == 0;
    if (required && !state.no_new_privs)
        return require("PR_SET_NO_NEW_PRIVS", errno, e);
    if (sandbox_landlock(paths, count, &state.landlock) < 0 && required)
        return require("Landlock", errno, e);
    state.seccomp = sandbox_seccomp() == 0;
    if (required && !state.seccomp)
        return require("seccomp filter", errno, e);
    *out = state;
    return 0;
}

/* A command of the config's, called as lego calls its: `present|cleanup FQDN. VALUE`. */
#include "acme/base/memory.h"
#include "acme/json.h"
#include "server/outside/commands.h"
#include "server/solver/provider.h"

#include <stdlib.h>

static const char *command_name(const struct solver_context *context, struct err *e)
{
    const char *name = json_text_of(context->settings, "command");
    if (!name)
        err_set(e, ERR_INVALID, "the solver names no command");
    return name;
}

static int exec_run(const struct solver_context *context, const char *verb,
                    const struct solver_record *record, struct err *e)
{
    const char *name = command_name(context, e);
    if (!name)
        return -1;
    char *fqdn = mem_printf("%s.", record->fqdn);
    const char *const arguments[] = {verb, fqdn, record->value, NULL};
    const struct command_call call = {
        .name = name,
        .arguments = arguments,
        .abort = context->abort,
    };
    struct command_result result;
    int rc = commands_run(context->commands, &call, &result, e);
    free(fqdn);
    return rc ? rc : command_result_check(name, &result, e);
}

static int exec_present(const struct solver_context *context, const struct solver_record *record,
                        struct buf *state, struct err *e)
{
    (void)state;
    return exec_run(context, "present", record, e);
}

static int exec_cleanup(const struct solver_context *context, const struct solver_record *record,
                        const char *state, struct err *e)
{
    (void)state;
    return exec_run(context, "cleanup", record, e);
}

static int exec_test(const struct solver_context *context, const char *zone, struct err *e)
{
    (void)zone;
    const char *name = command_name(context, e);
    if (!name)
        return -1;
    if (!commands_has(context->commands, name))
        return err_set(e, ERR_NOT_FOUND, "the config has no command \"%s\"", name);
    return 0;
}

const struct solver_provider provider_exec = {
    .name = "exec",
    .present = exec_present,
    .cleanup = exec_cleanup,
    .test = exec_test,
};

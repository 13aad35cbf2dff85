/* A person places the record: the job shows what is to be placed and waits for /continue. */
#include "server/solver/provider.h"

static int manual_present(const struct solver_context *context, const struct solver_record *record,
                          struct buf *state, struct err *e)
{
    (void)context, (void)record, (void)state, (void)e;
    return 0;
}

static int manual_cleanup(const struct solver_context *context, const struct solver_record *record,
                          const char *state, struct err *e)
{
    (void)context, (void)record, (void)state, (void)e;
    return 0;
}

const struct solver_provider provider_manual = {
    .name = "manual",
    .manual = true,
    .present = manual_present,
    .cleanup = manual_cleanup,
};

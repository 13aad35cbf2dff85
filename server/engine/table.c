#include "acme/base/buffer.h"
#include "server/engine/step.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static const struct job_kind *const kinds[] = {
    &account_create_kind,     &account_update_kind,     &account_refresh_kind,
    &account_rollover_kind,   &account_deactivate_kind, &authorization_deactivate_kind,
    &authority_refresh_kind,  &certificate_issue_kind,  &certificate_revoke_kind,
    &certificate_deploy_kind, &challenge_cleanup_kind,  &solver_test_kind,
    &target_test_kind,        &certificate_renew_kind,  &revocation_send_kind,
    &preflight_kind,
};

const struct job_kind *job_kind_by_name(const char *name)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (!strcmp(kinds[i]->name, name))
            return kinds[i];
    return NULL;
}

int job_kind_check(const char *name, struct err *e)
{
    struct buf names = {0};
    if (job_kind_by_name(name))
        return 0;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        buf_printf(&names, "%s%s", i ? ", " : "", kinds[i]->name);
    err_set(e, ERR_MALFORMED, "There is no kind of job \"%.40s\", but: %s.", name,
            buf_string(&names));
    buf_finish(&names);
    return -1;
}

const struct step *job_kind_step(const struct job_kind *kind, const char *name)
{
    for (size_t i = 0; i < kind->step_count; i++)
        if (!strcmp(kind->steps[i].name, name))
            return &kind->steps[i];
    return NULL;
}

bool step_may_follow(const struct step *step, const char *next)
{
    if (!strcmp(step->name, next))
        return true;
    for (size_t i = 0; i < STEP_NEXT_MAX && step->next[i]; i++)
        if (!strcmp(step->next[i], next))
            return true;
    return false;
}

bool step_may_join(const struct job_kind *kind, const struct step *step, const char *next)
{
    for (size_t i = 0; i < kind->join_count; i++)
        if (!strcmp(kind->joins[i].step, step->name) && !strcmp(kind->joins[i].next, next))
            return true;
    return false;
}

void lane_local(const struct step_context *c, char out[LANE_NAME_SIZE])
{
    (void)c;
    snprintf(out, LANE_NAME_SIZE, "local");
}

void lane_name_of_authority(const char *authority, char out[LANE_NAME_SIZE])
{
    snprintf(out, LANE_NAME_SIZE, "ca:%s", authority);
}

void lane_of_authority(const struct step_context *c, char out[LANE_NAME_SIZE])
{
    assert(c->authority.name);
    lane_name_of_authority(c->authority.name, out);
}

void lane_name_of_preflight(const char *authority, char out[LANE_NAME_SIZE])
{
    snprintf(out, LANE_NAME_SIZE, "preflight:%s", authority);
}

void lane_name_of_target(const char *target, char out[LANE_NAME_SIZE])
{
    snprintf(out, LANE_NAME_SIZE, "target:%s", target);
}

const char *lane_name_for_key(enum key_type type)
{
    return key_type_is_slow(type) ? "keys" : "local";
}

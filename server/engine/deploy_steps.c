/*
 * "certificate.deploy": brings one deployment to the version in use.
 *
 *   install ──► install ──► … ──► done
 *
 * Each round is one call of the target type's step, whose state is committed with it; a version
 * that is issued meanwhile is taken up by the next round. What fails for good is tried again by a
 * job of its own, ever more rarely: nobody may be there to ask for it when a renewal comes.
 *
 * "target.test" rehearses a target.
 */
#include "acme/base/clock.h"
#include "acme/base/memory.h"
#include "server/engine/deploy_use.h"
#include "server/engine/engine_private.h"
#include "server/engine/intake.h"
#include "server/engine/step.h"
#include "store/credential.h"
#include "store/deployment.h"
#include "store/target.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

struct round {
    struct deployment deployment;
    int64_t settings_at; /* the last change of the target or its credential when the round began */
    char *memory;        /* to be committed; NULL: nothing */
};

static void round_free(void *saved)
{
    struct round *round = saved;
    if (!round)
        return;
    deployment_finish(&round->deployment);
    free(round->memory);
    free(round);
}

static int read_settings_at(struct db *db, const char *name, int64_t *out, struct err *e)
{
    struct target target;
    struct credential credential = {0};
    if (target_load(db, name, &target, e) < 0)
        return -1;
    int64_t at = target.updated_at;
    int rc = target.credential ? credential_load(db, target.credential, &credential, e) : 0;
    target_finish(&target);
    if (rc < 0)
        return -1;
    *out = credential.updated_at > at ? credential.updated_at : at;
    credential_finish(&credential);
    return 0;
}

static int load_deployment(struct step_context *c, struct err *e)
{
    struct err missing;
    struct round *round = mem_new(1, sizeof *round);
    c->saved = round;
    c->saved_free = round_free;
    if (deployment_load(c->db, c->job.part, &round->deployment, &missing) < 0) {
        c->gone = missing.code == ERR_NOT_FOUND;
        return c->gone ? 0 : context_fail(e, &missing);
    }
    if (read_settings_at(c->db, round->deployment.target, &round->settings_at, e) < 0)
        return -1;
    return certificate_load_by_id(c->db, round->deployment.certificate_id, &c->certificate, e);
}

/* Of a deployment that was taken off the list under the step there is nothing to remember: what the
   step did is told, and the next one ends the job. */
static int save_memory(struct store_tx *tx, struct step_context *c, struct err *e)
{
    const struct round *round = c->saved;
    struct err error;
    if (deployment_set_memory(tx, round->deployment.id, round->memory, &error) == 0 ||
        error.code == ERR_NOT_FOUND)
        return 0;
    return context_fail(e, &error);
}

static int follow(struct step_context *c, const struct target_work *work)
{
    const char *message = work->message[0] ? work->message : NULL;
    switch (work->outcome) {
    case TARGET_DONE:
        return message
                   ? step_done(c, "version %lld: %s", (long long)c->certificate.version, message)
                   : step_done(c, "version %lld is installed", (long long)c->certificate.version);
    case TARGET_LATER:
        return step_wait(c, NULL, c->now + work->delay_ms, message ? "%s" : NULL, message);
    case TARGET_AGAIN:
    default:
        return step_next(c, "install", message ? "%s" : NULL, message);
    }
}

static int call_type(struct step_context *c, const struct deploy_use *use, struct err *e)
{
    struct round *round = c->saved;
    struct target_work work = {
        .certificate = &use->certificate,
        .state = json_tokener_parse(round->deployment.memory),
        .resumed = c->resumed,
        .polls = step_polls(c),
    };
    int rc = target_step(use->type, &use->context, &work, e);
    if (rc == 0) {
        round->memory = mem_strdup(json_object_to_json_string_ext(
            work.state, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
        c->save = save_memory;
        rc = follow(c, &work);
    }
    json_object_put(work.state);
    return rc;
}

static int install(struct step_context *c, struct err *e)
{
    const struct round *round = c->saved;
    struct deploy_use use;
    if (c->certificate.revoked)
        return err_set(e, ERR_CONFLICT,
                       "Version %lld of \"%s\" is revoked: the next one is installed.",
                       (long long)c->certificate.version, c->certificate.name);
    if (deploy_use_open(c, round->deployment.target, round->deployment.parameters, &use, e) < 0)
        return -1;
    int rc = use.has_certificate
                 ? deploy_use_check_trust(c, &use, e)
                 : err_set(e, ERR_CONFLICT, "\"%s\" was not issued yet.", c->certificate.name);
    if (rc == 0)
        rc = call_type(c, &use, e);
    deploy_use_finish(&use);
    return rc;
}

static void lane(const struct step_context *c, char out[LANE_NAME_SIZE])
{
    lane_name_of_target(context_arg(c, "target"), out);
}

/* ---- the end ---- */

/* An hour, then ever longer, up to a day. */
static int64_t pause_after(int64_t failures)
{
    int64_t hours = failures < 6 ? INT64_C(1) << (failures - 1) : 24;
    return (hours < 24 ? hours : 24) * CLOCK_HOUR_MS;
}

static int plan(struct store_tx *tx, const struct deployment *now, int64_t after_ms, struct err *e)
{
    struct certificate certificate;
    char id[ULID_SIZE];
    bool existing;
    if (certificate_load_by_id(store_tx_db(tx), now->certificate_id, &certificate, e) < 0)
        return -1;
    int rc = certificate.revoked ? 0
                                 : intake_certificate_deploy_later(tx, &certificate, now, after_ms,
                                                                   id, &existing, e);
    certificate_finish(&certificate);
    return rc;
}

/* Whether a version, or another target, came while the job's last round brought the one before. */
static int is_behind(struct db *db, const struct step_context *c, const struct deployment *now,
                     bool *behind, struct err *e)
{
    const struct round *round = c->saved;
    struct certificate certificate;
    int64_t settings_at;
    if (read_settings_at(db, now->target, &settings_at, e) < 0 ||
        certificate_load_by_id(db, now->certificate_id, &certificate, e) < 0)
        return -1;
    *behind = certificate.version > c->certificate.version || settings_at != round->settings_at;
    certificate_finish(&certificate);
    return 0;
}

static int settle(struct store_tx *tx, const struct step_context *c, enum job_state state,
                  const char *error, struct err *e)
{
    if (state == JOB_SUCCEEDED)
        return deployment_succeed(tx, c->job.part, c->certificate.version, e);
    if (state == JOB_FAILED)
        return deployment_fail(tx, c->job.part, error, e);
    return deployment_set_job(tx, c->job.part, NULL, e);
}

static int end_deploy(struct store_tx *tx, struct step_context *c, enum job_state state,
                      const char *error, struct err *e)
{
    struct deployment now;
    struct err missing;
    bool behind = false;
    if (deployment_load(store_tx_db(tx), c->job.part, &now, &missing) < 0)
        return missing.code == ERR_NOT_FOUND ? 0 : context_fail(e, &missing);
    /* A cancelled job may have a successor already. */
    bool active = now.active_job && !strcmp(now.active_job, c->job.id);
    deployment_finish(&now);
    if (!active)
        return 0;
    if (settle(tx, c, state, error, e) < 0 ||
        deployment_load(store_tx_db(tx), c->job.part, &now, e) < 0)
        return -1;
    int rc = is_behind(store_tx_db(tx), c, &now, &behind, e);
    if (rc == 0 && behind && state != JOB_CANCELLED)
        rc = plan(tx, &now, 0, e);
    else if (rc == 0 && state == JOB_FAILED)
        rc = plan(tx, &now, pause_after(now.failures), e);
    deployment_finish(&now);
    return rc;
}

static const struct step deploy_steps[] = {
    {"install", install, lane, false, {NULL}},
};

const struct job_kind certificate_deploy_kind = {
    .name = "certificate.deploy",
    .steps = deploy_steps,
    .step_count = 1,
    .load = load_deployment,
    .end = end_deploy,
};

/* ---- target.test ---- */

static int load_test(struct step_context *c, struct err *e)
{
    const char *certificate = context_arg(c, "certificate");
    return certificate ? certificate_load(c->db, certificate, &c->certificate, e) : 0;
}

static int rehearse(struct step_context *c, struct err *e)
{
    struct deploy_use use;
    char message[TARGET_MESSAGE_SIZE];
    if (deploy_use_open(c, c->job.resource_name, context_arg(c, "parameters"), &use, e) < 0)
        return -1;
    int rc = use.has_certificate ? deploy_use_check_trust(c, &use, e) : 0;
    if (rc == 0)
        rc = target_test(use.type, &use.context, use.has_certificate ? &use.certificate : NULL,
                         message, e);
    deploy_use_finish(&use);
    return rc < 0 ? -1 : step_done(c, "%s", message);
}

static int end_test(struct store_tx *tx, struct step_context *c, enum job_state state,
                    const char *error, struct err *e)
{
    (void)tx, (void)c, (void)state, (void)error, (void)e;
    return 0;
}

static const struct step test_steps[] = {
    {"test", rehearse, lane, false, {NULL}},
};

const struct job_kind target_test_kind = {
    .name = "target.test",
    .steps = test_steps,
    .step_count = 1,
    .load = load_test,
    .end = end_test,
};

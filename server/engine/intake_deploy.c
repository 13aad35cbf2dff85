#include "server/engine/intake_deploy.h"

#include "server/engine/intake.h"
#include "server/engine/lanes.h"
#include "server/engine/responders.h"
#include "server/engine/step.h"
#include "store/solver.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

/* ---- certificate.deploy ---- */

int intake_certificate_deploy_later(struct store_tx *tx, const struct certificate *certificate,
                                    const struct deployment *deployment, int64_t after_ms,
                                    char id[ULID_SIZE], bool *existing, struct err *e)
{
    char lane[LANE_NAME_SIZE];
    lane_name_of_target(deployment->target, lane);
    struct json_object *args = json_object_new_object();
    json_object_object_add(args, "target", json_object_new_string(deployment->target));
    int64_t due = store_tx_now(tx) + after_ms;
    bool forever = certificate->retry_for_ms == INTAKE_FOREVER;
    struct job_new job = {
        .kind = certificate_deploy_kind.name,
        .step = "install",
        .lane = lane,
        .due_at = due,
        .resource_type = "certificate",
        .resource_name = certificate->name,
        .resource_id = certificate->id,
        .part = deployment->id,
        .args = json_object_to_json_string_ext(args, JSON_C_TO_STRING_PLAIN),
        .deadline_at = forever ? INT64_MAX : due + certificate->retry_for_ms,
        .exclusive = true,
    };
    int rc = job_insert(tx, &job, id, existing, e);
    json_object_put(args);
    if (rc < 0)
        return -1;
    return *existing ? 0 : deployment_set_job(tx, deployment->id, id, e);
}

int intake_certificate_deploy(struct store_tx *tx, const struct certificate *certificate,
                              const struct deployment *deployment, char id[ULID_SIZE],
                              bool *existing, struct err *e)
{
    if (intake_certificate_deploy_later(tx, certificate, deployment, 0, id, existing, e) < 0)
        return -1;
    return *existing ? job_bring_forward(tx, id, e) : 0;
}

static int deploy_each(struct store_tx *tx, const struct certificate *certificate,
                       const struct deployment *list, size_t count, struct err *e)
{
    char id[ULID_SIZE];
    bool existing;
    for (size_t i = 0; i < count; i++)
        if (intake_certificate_deploy(tx, certificate, &list[i], id, &existing, e) < 0)
            return -1;
    return 0;
}

int intake_certificate_deploy_all(struct store_tx *tx, const struct certificate *certificate,
                                  struct err *e)
{
    struct deployment *list;
    size_t count;
    if (!certificate->version || certificate->revoked)
        return 0;
    if (deployment_list(store_tx_db(tx), certificate->id, &list, &count, e) < 0)
        return -1;
    int rc = deploy_each(tx, certificate, list, count, e);
    deployment_list_finish(list, count);
    return rc;
}

static int deploy_if_issued(struct store_tx *tx, const struct deployment *deployment, struct err *e)
{
    struct certificate certificate;
    if (certificate_load_by_id(store_tx_db(tx), deployment->certificate_id, &certificate, e) < 0)
        return -1;
    int rc = 0;
    if (certificate.version && !certificate.revoked)
        rc = deploy_each(tx, &certificate, deployment, 1, e);
    certificate_finish(&certificate);
    return rc;
}

int intake_target_deploy_all(struct store_tx *tx, const char *target, struct err *e)
{
    struct deployment *list;
    size_t count;
    if (deployment_list_of_target(store_tx_db(tx), target, &list, &count, e) < 0)
        return -1;
    int rc = 0;
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = deploy_if_issued(tx, &list[i], e);
    deployment_list_finish(list, count);
    return rc;
}

int intake_deploy_again(struct store_tx *tx, const struct job *job, char id[ULID_SIZE],
                        struct err *e)
{
    struct deployment deployment;
    struct certificate certificate;
    bool existing;
    if (deployment_load(store_tx_db(tx), job->part, &deployment, e) < 0)
        return -1;
    int rc = certificate_load_by_id(store_tx_db(tx), deployment.certificate_id, &certificate, e);
    if (rc == 0) {
        rc = intake_certificate_deploy(tx, &certificate, &deployment, id, &existing, e);
        certificate_finish(&certificate);
    }
    deployment_finish(&deployment);
    return rc;
}

/* ---- rehearsals ---- */

static int insert_test(struct store_tx *tx, struct job_new *job, char id[ULID_SIZE], struct err *e)
{
    bool existing;
    job->due_at = store_tx_now(tx);
    job->deadline_at = store_tx_now(tx); /* who rehearses wants to know now */
    return job_insert(tx, job, id, &existing, e);
}

static int insert_target_test(struct store_tx *tx, const char *target, const char *args,
                              char id[ULID_SIZE], struct err *e)
{
    char lane[LANE_NAME_SIZE];
    lane_name_of_target(target, lane);
    struct job_new job = {
        .kind = target_test_kind.name,
        .step = "test",
        .lane = lane,
        .resource_type = "target",
        .resource_name = target,
        .args = args,
    };
    return insert_test(tx, &job, id, e);
}

int intake_target_test(struct store_tx *tx, const char *target, const char *certificate,
                       const char *parameters, char id[ULID_SIZE], struct err *e)
{
    struct json_object *args = json_object_new_object();
    json_object_object_add(args, "target", json_object_new_string(target));
    if (certificate)
        json_object_object_add(args, "certificate", json_object_new_string(certificate));
    if (parameters)
        json_object_object_add(args, "parameters", json_object_new_string(parameters));
    int rc = insert_target_test(
        tx, target, json_object_to_json_string_ext(args, JSON_C_TO_STRING_PLAIN), id, e);
    json_object_put(args);
    return rc;
}

static int insert_solver_test(struct store_tx *tx, const char *solver, const char *args,
                              char id[ULID_SIZE], struct err *e)
{
    struct job_new job = {
        .kind = solver_test_kind.name,
        .step = "locate",
        .lane = "local",
        .resource_type = "solver",
        .resource_name = solver,
        .args = args,
    };
    return insert_test(tx, &job, id, e);
}

int intake_solver_test(struct store_tx *tx, const char *solver, const char *name,
                       char id[ULID_SIZE], struct err *e)
{
    struct solver row;
    if (solver_load(store_tx_db(tx), solver, &row, e) < 0)
        return -1;
    bool is_dns = !responders_do(row.type) && strcmp(row.type, "manual") != 0;
    solver_finish(&row);
    if (!is_dns)
        return err_set(e, ERR_CONFLICT, "The solver \"%s\" places no records by itself.", solver);
    struct json_object *args = json_object_new_object();
    json_object_object_add(args, "name", json_object_new_string(name));
    int rc = insert_solver_test(
        tx, solver, json_object_to_json_string_ext(args, JSON_C_TO_STRING_PLAIN), id, e);
    json_object_put(args);
    return rc;
}

int intake_test_again(struct store_tx *tx, const struct job *job, char id[ULID_SIZE], struct err *e)
{
    return !strcmp(job->kind, target_test_kind.name)
               ? insert_target_test(tx, job->resource_name, job->args, id, e)
               : insert_solver_test(tx, job->resource_name, job->args, id, e);
}

/*
 * "preflight": tells what would fail of an order for a certificate, and orders nothing.
 *
 *   ask ───────────► look ──► done
 *   the CA's         wait: what DNS says of every name
 *   directory
 *
 * What fails is a check's result, and not the job's failure; the result grows with each step. The
 * CA is asked in a lane of its own: whether it answers says nothing to the jobs that wait for it.
 */
#include "acme/base/clock.h"
#include "acme/base/memory.h"
#include "acme/json.h"
#include "server/engine/engine_private.h"
#include "server/engine/preflight.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>

/* What a step leaves for its commit. */
struct preflight {
    char *result;
};

static void preflight_free(void *saved)
{
    struct preflight *preflight = saved;
    if (preflight)
        free(preflight->result);
    free(preflight);
}

static char *text_of(struct json_object *args, const char *name)
{
    return mem_strdup(json_text_of(args, name));
}

static char *json_of(struct json_object *args, const char *name)
{
    struct json_object *value;
    return json_object_object_get_ex(args, name, &value) ? json_write(value) : NULL;
}

/* The certificate is what it would be: it has no row, or one that may have changed since. */
static int load(struct step_context *c, struct err *e)
{
    struct err missing;
    const char *account = context_arg(c, "account");
    c->certificate.name = mem_strdup(c->job.resource_name);
    c->certificate.identifiers = json_of(c->args, "identifiers");
    c->certificate.challenge = json_of(c->args, "challenge");
    c->certificate.profile = text_of(c->args, "profile");
    if (!account || !c->certificate.identifiers)
        return err_set(e, ERR_INTERNAL, "The job has lost what it is about.");
    if (account_load(c->db, account, &c->account, &missing) == 0 &&
        authority_load(c->db, c->account.authority, &c->authority, &missing) == 0)
        return 0;
    c->gone = missing.code == ERR_NOT_FOUND;
    return c->gone ? 0 : context_fail(e, &missing);
}

static int save_result(struct store_tx *tx, struct step_context *c, struct err *e)
{
    const struct preflight *preflight = c->saved;
    return job_set_result(tx, c->job.id, preflight->result, e);
}

static void keep(struct step_context *c, const struct preflight_report *report)
{
    struct preflight *preflight = mem_new(1, sizeof *preflight);
    preflight->result = preflight_report_write(report);
    c->saved = preflight;
    c->saved_free = preflight_free;
    c->save = save_result;
}

/* ---- ask ---- */

static void lane_to_ask(const struct step_context *c, char out[LANE_NAME_SIZE])
{
    lane_name_of_preflight(c->authority.name, out);
}

/* Many preflights at once do not ask the CA each. */
static bool was_just_fetched(const struct step_context *c)
{
    long long at = atomic_load(&c->ca->directory_at);
    return at && c->now - at < CLOCK_SECOND_MS;
}

static int fetch(struct step_context *c, struct err *e)
{
    struct acme_directory directory;
    if (context_anonymous_client(c, e) < 0)
        return -1;
    if (was_just_fetched(c)) {
        free(c->directory);
        c->directory = acme_ca_directory_document(c->client.ca);
        return 0;
    }
    if (acme_directory_fetch(c->client.http, c->authority.directory_url, &directory, e) < 0)
        return -1;
    int rc = acme_ca_set_directory(c->client.ca, directory.document, e);
    acme_directory_finish(&directory);
    if (rc == 0)
        context_take_directory(c);
    return rc;
}

static void tell_of_park(const struct step_context *c, struct preflight_report *report)
{
    char until[CLOCK_RFC3339_SIZE];
    clock_rfc3339(c->authority.parked_until, until);
    preflight_report_add(report, NULL, "directory", PREFLIGHT_WARNING,
                         "Orders wait until then, and go on by themselves.",
                         "\"%s\" is left alone until %s, and was not asked: %s", c->authority.name,
                         until, c->authority.parked_reason ? c->authority.parked_reason : "");
}

static int ask(struct step_context *c, struct err *e)
{
    struct preflight_report report;
    struct err error = {0};
    bool parked = c->authority.parked_until > c->now;
    int rc = parked ? 0 : fetch(c, &error);
    if (rc < 0 && error.code == ERR_SHUTDOWN)
        return context_fail(e, &error);
    preflight_report_init(&report, NULL);
    if (parked)
        tell_of_park(c, &report);
    else if (rc < 0)
        preflight_report_add(&report, NULL, "directory", PREFLIGHT_FAILED,
                             "Orders are tried again until retry_for_seconds are over.", "%s: %s",
                             err_info(error.code)->name, error.detail);
    else
        preflight_report_add(&report, NULL, "directory", PREFLIGHT_OK, NULL,
                             "\"%s\" answers with its directory", c->authority.name);
    keep(c, &report);
    preflight_report_finish(&report);
    return step_next(c, "look", NULL);
}

/* ---- look ---- */

static bool is_ready(struct step_context *c)
{
    return verdicts_ready(c->engine->verdicts, c->job.id);
}

static int wait_for_dns(struct step_context *c)
{
    c->ready = is_ready;
    return step_wait(c, NULL, c->now + CLOCK_MINUTE_MS, NULL);
}

static int judge(struct step_context *c, struct preflight_report *report,
                 const struct preflight_names *names, const struct survey *survey, struct err *e)
{
    if (preflight_check_account(c, report, e) < 0)
        return -1;
    preflight_check_profile(c, report);
    preflight_names_judge(c, names, survey, report);
    keep(c, report);
    return step_done(c, "of %zu checks %zu failed, and %zu warn",
                     report->counts[PREFLIGHT_OK] + report->counts[PREFLIGHT_WARNING] +
                         report->counts[PREFLIGHT_FAILED],
                     report->counts[PREFLIGHT_FAILED], report->counts[PREFLIGHT_WARNING]);
}

static int look_with(struct step_context *c, struct preflight_report *report,
                     const struct preflight_names *names, struct err *e)
{
    struct survey *survey = NULL;
    struct survey_subject *subjects = preflight_names_subjects(names);
    enum verdict_state state =
        verdicts_survey(c->engine->verdicts, c->job.id, subjects, names->count, &survey);
    free(subjects);
    if (state == VERDICT_PENDING)
        return wait_for_dns(c);
    int rc = judge(c, report, names, survey, e);
    survey_destroy(survey);
    return rc;
}

static int look(struct step_context *c, struct err *e)
{
    struct preflight_report report;
    struct preflight_names names;
    preflight_report_init(&report, c->job.result);
    int rc = preflight_names_choose(c, &report, &names, e);
    if (rc == 0) {
        rc = look_with(c, &report, &names, e);
        preflight_names_finish(&names);
    }
    preflight_report_finish(&report);
    return rc;
}

static int end(struct store_tx *tx, struct step_context *c, enum job_state state, const char *error,
               struct err *e)
{
    (void)tx, (void)c, (void)state, (void)error, (void)e;
    return 0;
}

static const struct step steps[] = {
    {"ask", ask, lane_to_ask, false, {"look"}},
    {"look", look, lane_local, false, {NULL}},
};

const struct job_kind preflight_kind = {
    .name = "preflight",
    .steps = steps,
    .step_count = sizeof steps / sizeof *steps,
    .load = load,
    .end = end,
};

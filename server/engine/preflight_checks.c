#include "acme/base/clock.h"
#include "acme/base/memory.h"
#include "acme/json.h"
#include "server/engine/backoff.h"
#include "server/engine/engine_private.h"
#include "server/engine/preflight.h"
#include "store/account_limit.h"
#include "store/failure.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

/* ---- the account ---- */

/* What an error that was kept says; the caller frees. */
static char *failure_detail(const char *failure)
{
    struct err error;
    char *document;
    failure_read(failure, &error, &document);
    free(document);
    return mem_strdup(error.detail);
}

static void tell_of_failure(struct preflight_report *report, const char *check,
                            enum preflight_status status, const char *hint, const char *what,
                            const char *failure)
{
    char *detail = failure_detail(failure);
    preflight_report_add(report, NULL, check, status, hint, "%s: %s", what, detail);
    free(detail);
}

/* One that the CA does not know yet. */
static void check_pending(const struct step_context *c, struct preflight_report *report)
{
    const struct account *account = &c->account;
    const char *person =
        account->person_error && account->person_error[0] ? account->person_error : NULL;
    const char *failure = person               ? person
                          : account->job_error ? account->job_error
                                               : account->last_error;
    enum preflight_status status =
        person || !account->active_job ? PREFLIGHT_FAILED : PREFLIGHT_WARNING;
    if (failure)
        tell_of_failure(report, "account", status, "PUT the account again once that is mended.",
                        "It is not registered at the CA", failure);
    else
        preflight_report_add(report, NULL, "account", status,
                             account->active_job ? "Orders wait until its job has ended."
                                                 : "PUT the account again.",
                             "\"%s\" is not registered at the CA yet", account->name);
}

static void check_status(const struct step_context *c, struct preflight_report *report)
{
    const struct account *account = &c->account;
    if (!strcmp(account->status, "valid"))
        preflight_report_add(report, NULL, "account", PREFLIGHT_OK, NULL,
                             "\"%s\" is valid at \"%s\"", account->name, account->authority);
    else if (!strcmp(account->status, "pending"))
        check_pending(c, report);
    else
        preflight_report_add(report, NULL, "account", PREFLIGHT_FAILED, "Take another account.",
                             "\"%s\" is %s at \"%s\"", account->name, account->status,
                             account->authority);
}

static bool has_new_terms(const struct account *account)
{
    return account->terms_current_url && account->terms_agreed_url &&
           strcmp(account->terms_current_url, account->terms_agreed_url) != 0;
}

static void check_terms(const struct step_context *c, struct preflight_report *report)
{
    static const char hint[] = "Read them, and PATCH the account with terms_of_service_agreed.";
    const struct account *account = &c->account;
    bool wants_any = account->terms_current_url && !account->only_existing &&
                     !account->terms_of_service_agreed && !strcmp(account->status, "pending");
    if (has_new_terms(account))
        preflight_report_add(report, NULL, "terms", PREFLIGHT_WARNING, hint,
                             "The CA's terms of service have changed since they were agreed to: %s",
                             account->terms_current_url);
    else if (wants_any)
        preflight_report_add(report, NULL, "terms", PREFLIGHT_FAILED, hint,
                             "The CA's terms of service are not agreed to: %s",
                             account->terms_current_url);
}

/* ---- limits ---- */

static void add_limit(struct preflight_report *report, const char *what, int64_t until)
{
    char text[CLOCK_RFC3339_SIZE];
    clock_rfc3339(until, text);
    preflight_report_add(report, NULL, "limits", PREFLIGHT_WARNING,
                         "Nothing is to be done: the job waits, and goes on by itself.",
                         "%s before %s", what, text);
}

static int check_account_limits(struct step_context *c, struct preflight_report *report,
                                size_t *found, struct err *e)
{
    for (size_t i = 0; i < certificate_issue_kind.step_count; i++) {
        const char *step = certificate_issue_kind.steps[i].name;
        int64_t until;
        if (account_limit_load(c->db, c->account.id, step, &until, e) < 0)
            return -1;
        if (until <= c->now)
            continue;
        char *what = mem_printf("The CA's rate limit lets the account's jobs do no \"%s\"", step);
        add_limit(report, what, until);
        free(what);
        ++*found;
    }
    return 0;
}

/* Since the preflight was asked for, its name may have gone to somebody else's certificate: what
   has become of that is not for whoever asked. */
static bool is_same(const struct step_context *c, const struct certificate *row)
{
    struct json_object *labels = NULL;
    json_object_object_get_ex(c->args, "labels", &labels);
    char *text = labels ? json_write(labels) : NULL;
    bool same = mem_same_text(row->identifiers, c->certificate.identifiers) &&
                mem_same_text(row->labels, text);
    free(text);
    return same;
}

/* Of the certificate that there may be: a job that fails again and again, or has for good. */
static int check_former(struct step_context *c, struct preflight_report *report, size_t *found,
                        struct err *e)
{
    struct certificate row;
    struct err missing;
    int64_t until;
    if (certificate_load(c->db, c->certificate.name, &row, &missing) < 0)
        return missing.code == ERR_NOT_FOUND ? 0 : context_fail(e, &missing);
    if (!is_same(c, &row)) {
        certificate_finish(&row);
        return 0;
    }
    int rc = backoff_until(c->db, certificate_issue_kind.name, "certificate", row.name, INT64_MAX,
                           &until, e);
    if (rc == 0 && until > c->now) {
        add_limit(report, "The last job failed, and no renewal begins", until);
        ++*found;
    }
    if (rc == 0 && row.active_job && row.active_error) {
        tell_of_failure(report, "limits", PREFLIGHT_WARNING, NULL, "The active job tries again",
                        row.active_error);
        ++*found;
    }
    certificate_finish(&row);
    return rc;
}

int preflight_check_account(struct step_context *c, struct preflight_report *report, struct err *e)
{
    size_t found = 0;
    check_status(c, report);
    check_terms(c, report);
    if (check_account_limits(c, report, &found, e) < 0 || check_former(c, report, &found, e) < 0)
        return -1;
    if (!found)
        preflight_report_add(report, NULL, "limits", PREFLIGHT_OK, NULL,
                             "No rate limit or back-off that is known of is in force");
    return 0;
}

/* ---- the directory ---- */

void preflight_check_profile(const struct step_context *c, struct preflight_report *report)
{
    const char *profile = c->certificate.profile;
    struct json_object *directory =
        c->authority.directory ? json_tokener_parse(c->authority.directory) : NULL;
    struct json_object *profiles = json_object_of(json_object_of(directory, "meta"), "profiles");
    if (profile && !directory)
        preflight_report_add(report, NULL, "profile", PREFLIGHT_WARNING, NULL,
                             "The CA's profiles are not known: its directory was never read");
    else if (profile && profiles && json_object_object_get_ex(profiles, profile, NULL))
        preflight_report_add(report, NULL, "profile", PREFLIGHT_OK, NULL,
                             "\"%s\" is one of the CA's profiles", profile);
    else if (profile)
        preflight_report_add(report, NULL, "profile", PREFLIGHT_FAILED,
                             "GET the authority tells its profiles.",
                             "The CA has no profile \"%s\"", profile);
    json_object_put(directory);
}

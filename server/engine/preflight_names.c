#include "acme/base/buffer.h"
#include "acme/base/memory.h"
#include "acme/caa.h"
#include "acme/challenge.h"
#include "acme/json.h"
#include "server/engine/issue.h"
#include "server/engine/preflight.h"
#include "server/engine/responders.h"
#include "server/engine/solver_use.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

/* ---- who proves it ---- */

/* Where the challenge's record would go. */
static char *record_of(const struct step_context *c, const struct preflight_name *name)
{
    char text[CHALLENGE_DNS_ACCOUNT01_NAME_SIZE];
    const char *base = identifier_base(&name->id);
    if (!strcmp(name->challenge_type, "dns-account-01")) {
        if (!c->account.url)
            return NULL;
        challenge_dns_account01_name(c->account.url, base, text);
    } else if (!strcmp(name->challenge_type, "dns-persist-01")) {
        challenge_dns_persist01_name(base, text);
    } else {
        challenge_dns01_name(base, text);
    }
    return mem_strdup(text);
}

/* What it takes to use the solver: its credential opens, and it has a zone for the name. */
static void check_use(struct step_context *c, struct preflight_name *name,
                      struct preflight_report *report)
{
    struct solver_use use;
    struct err error;
    if (solver_use_open(c, name->solver, &use, &error) < 0) {
        preflight_report_add(report, name->id.value, "solver", PREFLIGHT_FAILED, NULL, "%s: %s",
                             err_info(error.code)->name, error.detail);
        return;
    }
    const char *zone = solver_zone_for(use.context.settings, identifier_base(&name->id));
    name->hint = mem_strdup(zone);
    name->needs_zone = use.provider->needs_zone;
    preflight_report_add(
        report, name->id.value, "solver", use.provider->manual ? PREFLIGHT_WARNING : PREFLIGHT_OK,
        use.provider->manual ? "A person has to place the record each time."
                             : "POST /solvers/{name}/test places a record, and takes it back.",
        "%s by the solver \"%s\" (%s)%s%s", name->challenge_type, name->solver, use.row.type,
        zone ? ", by its zone " : "", zone ? zone : "");
    solver_use_finish(&use);
}

static void check_choice(struct step_context *c, struct preflight_name *name,
                         struct preflight_report *report)
{
    if (responders_do(name->challenge_type)) {
        preflight_report_add(report, name->id.value, "solver", PREFLIGHT_OK, NULL,
                             "%s, answered by this service", name->challenge_type);
        return;
    }
    name->record = record_of(c, name);
    if (name->solver)
        check_use(c, name, report);
    else
        preflight_report_add(report, name->id.value, "solver", PREFLIGHT_WARNING,
                             "The job will show the record, and wait for it.",
                             "%s: a person has to place the record", name->challenge_type);
}

static int choose(struct step_context *c, struct preflight_name *name,
                  struct preflight_report *report, struct err *e)
{
    /* A CA that offers everything: what it really offers is told by an order alone. */
    static char http01[] = "http-01", token[] = "token", dns[] = "dns", ip[] = "ip";
    struct acme_challenge offer = {.type = http01, .token = token};
    struct acme_authorization authorization = {
        .identifier_type = name->id.type == IDENTIFIER_IP ? ip : dns,
        .identifier_value = (char *)identifier_base(&name->id),
        .wildcard = identifier_is_wildcard(&name->id),
        .challenges = &offer,
        .challenge_count = 1,
    };
    struct issue_choice choice = {0};
    struct err error;
    if (issue_choose(c, &authorization, &choice, &error) == 0) {
        name->challenge_type = choice.type;
        name->solver = choice.solver;
        check_choice(c, name, report);
    } else if (error.code == ERR_SOLVER_MISSING || error.code == ERR_NOT_FOUND) {
        preflight_report_add(report, name->id.value, "solver", PREFLIGHT_FAILED,
                             "PUT a solver with a zone that holds the name.", "%s", error.detail);
    } else {
        return context_fail(e, &error);
    }
    return 0;
}

int preflight_names_choose(struct step_context *c, struct preflight_report *report,
                           struct preflight_names *out, struct err *e)
{
    struct identifier *ids;
    size_t count;
    if (issue_read_identifiers(c->certificate.identifiers, &ids, &count, e) < 0)
        return -1;
    struct preflight_names names = {mem_new(count, sizeof *names.items), count};
    int rc = 0;
    for (size_t i = 0; i < count; i++)
        names.items[i].id = ids[i];
    free(ids);
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = choose(c, &names.items[i], report, e);
    if (rc < 0) {
        preflight_names_finish(&names);
        return -1;
    }
    *out = names;
    return 0;
}

void preflight_names_finish(struct preflight_names *names)
{
    for (size_t i = 0; i < names->count; i++) {
        free(names->items[i].solver);
        free(names->items[i].record);
        free(names->items[i].hint);
    }
    free(names->items);
}

/* ---- DNS ---- */

/* An address is asked for nothing: it has neither CAA records nor a zone. */
struct survey_subject *preflight_names_subjects(const struct preflight_names *names)
{
    struct survey_subject *subjects = mem_new(names->count, sizeof *subjects);
    for (size_t i = 0; i < names->count; i++) {
        const struct preflight_name *name = &names->items[i];
        subjects[i] = (struct survey_subject){
            .name = name->id.type == IDENTIFIER_DNS ? identifier_base(&name->id) : "",
            .record = name->record,
            .hint = name->hint,
            .wants_addresses = name->challenge_type && responders_do(name->challenge_type),
        };
    }
    return subjects;
}

static char *join(const struct survey_texts *texts)
{
    struct buf joined = {0};
    for (size_t i = 0; i < texts->count; i++)
        buf_printf(&joined, "%s%s", i ? ", " : "", texts->items[i]);
    return joined.size ? buf_take(&joined) : mem_strdup("");
}

static void judge_addresses(const struct preflight_name *name, const struct survey_finding *finding,
                            struct preflight_report *report)
{
    char *addresses = join(&finding->addresses);
    if (finding->addresses.count)
        preflight_report_add(report, name->id.value, "addresses", PREFLIGHT_OK, NULL,
                             "The CA will connect to %s", addresses);
    else if (finding->address_error.code != ERR_NONE)
        preflight_report_add(report, name->id.value, "addresses", PREFLIGHT_FAILED, NULL, "%s: %s",
                             err_info(finding->address_error.code)->name,
                             finding->address_error.detail);
    else
        preflight_report_add(report, name->id.value, "addresses", PREFLIGHT_FAILED,
                             "Give it an A or AAAA record that leads here, or prove it by DNS.",
                             "The name has no address, so the CA cannot connect to it");
    free(addresses);
}

static void judge_zone(const struct preflight_name *name, const struct survey_finding *finding,
                       struct preflight_report *report)
{
    if (finding->zone_error.code != ERR_NONE) {
        preflight_report_add(
            report, name->id.value, "zone", name->needs_zone ? PREFLIGHT_FAILED : PREFLIGHT_WARNING,
            NULL, "%s: %s", err_info(finding->zone_error.code)->name, finding->zone_error.detail);
        return;
    }
    if (!finding->fqdn)
        return; /* the solver has changed while DNS was asked */
    struct buf text = {0};
    char *servers = join(&finding->servers);
    buf_printf(&text, "TXT %s goes to ", name->record);
    if (strcmp(finding->fqdn, name->record) != 0)
        buf_printf(&text, "%s, where its CNAME leads, in ", finding->fqdn);
    buf_printf(&text, finding->zone[0] ? "the zone %s" : "a zone that resolvers_only hides%s",
               finding->zone);
    if (servers[0])
        buf_printf(&text, ", which is served by %s", servers);
    preflight_report_add(report, name->id.value, "zone", PREFLIGHT_OK, NULL, "%s",
                         buf_string(&text));
    free(servers);
    buf_finish(&text);
}

/* ---- CAA ---- */

enum { IDENTITIES_MAX = 16 };

/* As the CA's directory has them; borrowed from it. */
static size_t identities_of(struct json_object *directory, const char *out[IDENTITIES_MAX])
{
    struct json_object *list = json_array_of(json_object_of(directory, "meta"), "caaIdentities");
    size_t count = 0;
    for (size_t i = 0; list && i < json_object_array_length(list) && count < IDENTITIES_MAX; i++) {
        struct json_object *item = json_object_array_get_idx(list, i);
        if (json_object_is_type(item, json_type_string))
            out[count++] = json_object_get_string(item);
    }
    return count;
}

/* Records that forbid others everything say so of a CA whose identities are not known as well. */
static void judge_records(const struct preflight_name *name, const struct survey_finding *finding,
                          const struct caa_question *question, struct preflight_report *report)
{
    struct buf why = {0};
    enum caa_verdict verdict =
        caa_judge((const char *const *)finding->caa.items, finding->caa.count, question, &why);
    bool unknown = verdict == CAA_FORBIDS && !question->identity_count;
    preflight_report_add(report, name->id.value, "caa",
                         verdict != CAA_FORBIDS ? PREFLIGHT_OK
                         : unknown              ? PREFLIGHT_WARNING
                                                : PREFLIGHT_FAILED,
                         verdict != CAA_FORBIDS ? NULL
                         : unknown
                             ? "The CA's directory does not tell which names it goes by there."
                             : "Add a CAA record that names this CA, or take away those.",
                         "The CAA records of %s %s", finding->caa_at, buf_string(&why));
    buf_finish(&why);
}

static void judge_caa(const struct preflight_name *name, const struct survey_finding *finding,
                      struct caa_question question, struct preflight_report *report)
{
    question.is_wildcard = identifier_is_wildcard(&name->id);
    question.challenge_type = name->challenge_type;
    if (finding->caa_error.code != ERR_NONE)
        preflight_report_add(report, name->id.value, "caa", PREFLIGHT_FAILED,
                             "A CA that cannot look must not issue.", "%s: %s",
                             err_info(finding->caa_error.code)->name, finding->caa_error.detail);
    else if (!finding->caa_at)
        preflight_report_add(report, name->id.value, "caa", PREFLIGHT_OK, NULL,
                             "Neither the name nor a domain above it has CAA records");
    else
        judge_records(name, finding, &question, report);
}

void preflight_names_judge(const struct step_context *c, const struct preflight_names *names,
                           const struct survey *survey, struct preflight_report *report)
{
    const char *identities[IDENTITIES_MAX];
    struct json_object *directory =
        c->authority.directory ? json_tokener_parse(c->authority.directory) : NULL;
    const struct caa_question question = {
        .identities = identities,
        .identity_count = identities_of(directory, identities),
        .account_url = c->account.url,
    };
    for (size_t i = 0; i < names->count && i < survey->count; i++) {
        const struct preflight_name *name = &names->items[i];
        const struct survey_finding *finding = &survey->findings[i];
        if (name->id.type != IDENTIFIER_DNS)
            continue;
        if (name->challenge_type && responders_do(name->challenge_type))
            judge_addresses(name, finding, report);
        else if (name->record)
            judge_zone(name, finding, report);
        judge_caa(name, finding, question, report);
    }
    json_object_put(directory);
}

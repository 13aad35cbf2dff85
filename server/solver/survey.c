#include "server/solver/survey.h"

#include "acme/base/memory.h"
#include "server/solver/dns_zone.h"
#include "server/solver/propagation_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Names that are asked for at a time: the checks of jobs under way want sockets too. */
enum { WIDTH = 8, TEXTS_MAX = 32, ALIAS_MAX = 8 };

struct survey_request;

/* One name that is asked for. */
struct look {
    struct survey_request *request;
    struct survey_finding *finding;
    char *name, *record, *hint; /* the last two may be NULL */
    bool wants_addresses;
    size_t pending; /* parts of it */
    char asked[DNS_NAME_SIZE];
    const char *at;            /* the domain within it whose CAA records are asked for */
    char alias[DNS_NAME_SIZE]; /* of that domain, and how many led there */
    int aliases;
};

struct survey_request {
    struct propagation *p;
    char *id;
    struct look *looks;
    size_t count;
    size_t next;   /* the first that has not begun */
    size_t active; /* that have, and have not ended */
    bool closed;
    struct survey *survey;
    survey_callback *callback;
    void *context;
    struct survey_request *next_request;
};

/* ---- findings ---- */

static void texts_add(struct survey_texts *texts, const char *text)
{
    if (texts->count == TEXTS_MAX)
        return;
    texts->items = mem_grow(texts->items, texts->count + 1, sizeof *texts->items);
    texts->items[texts->count++] = mem_strdup(text);
}

static void texts_finish(struct survey_texts *texts)
{
    for (size_t i = 0; i < texts->count; i++)
        free(texts->items[i]);
    free(texts->items);
}

void survey_destroy(struct survey *survey)
{
    if (!survey)
        return;
    for (size_t i = 0; i < survey->count; i++) {
        struct survey_finding *finding = &survey->findings[i];
        texts_finish(&finding->caa);
        texts_finish(&finding->addresses);
        texts_finish(&finding->servers);
        free(finding->caa_at);
        free(finding->fqdn);
        free(finding->zone);
    }
    free(survey->findings);
    free(survey);
}

/* ---- requests ---- */

static void survey_request_free(struct survey_request *request)
{
    for (size_t i = 0; i < request->count; i++) {
        free(request->looks[i].name);
        free(request->looks[i].record);
        free(request->looks[i].hint);
    }
    free(request->looks);
    survey_destroy(request->survey);
    free(request->id);
    free(request);
}

static void look_begin(struct look *look);

static void request_go_on(struct survey_request *request)
{
    while (!request->closed && request->active < WIDTH && request->next < request->count) {
        request->active++;
        look_begin(&request->looks[request->next++]);
    }
    if (request->active > 0)
        return;
    request->p->surveys--;
    if (!request->closed) {
        request->callback(request->context, request->id, request->survey);
        request->survey = NULL;
    }
    survey_request_free(request);
}

/* A part of it has its answer. */
static void look_advance(struct look *look)
{
    if (--look->pending > 0)
        return;
    look->request->active--;
    request_go_on(look->request);
}

/* Whether the outcome is an answer; else e tells why not, in a sentence about what. */
static bool is_answer(struct look *look, enum dns_outcome outcome, const struct dns_answer *answer,
                      const char *what, const char *name, struct err *e)
{
    if (outcome == DNS_CLOSED)
        look->request->closed = true;
    else if (outcome != DNS_ANSWERED)
        err_set(e, ERR_DNS_TIMEOUT, "the resolvers do not answer when asked for the %s of %s", what,
                name);
    else if (answer->rcode != DNS_NOERROR && answer->rcode != DNS_NXDOMAIN)
        err_set(e, ERR_DNS_SERVFAIL, "the resolvers answer %s when asked for the %s of %s",
                dns_rcode_name(answer->rcode), what, name);
    else
        return true;
    return false;
}

/* ---- CAA ---- */

/* Where a CNAME leads that the resolver itself has not followed to its end. */
static bool caa_follow(struct look *look, const struct dns_answer *answer)
{
    if (answer->value_count > 0 || !answer->alias || look->aliases == ALIAS_MAX)
        return false;
    look->aliases++;
    snprintf(look->alias, sizeof look->alias, "%s", answer->name);
    return true;
}

/* From the name upwards, to the first that has any, or is an alias of one (RFC 8659 section 3). */
static void caa_answered(void *context, enum dns_outcome outcome, const struct dns_answer *answer)
{
    struct look *look = context;
    struct survey_finding *finding = look->finding;
    if (!is_answer(look, outcome, answer, "CAA records", look->at, &finding->caa_error)) {
        look_advance(look);
        return;
    }
    if (caa_follow(look, answer)) {
        dns_lookup_ask(look->request->p->lookup, look->alias, DNS_CAA, caa_answered, look);
        return;
    }
    for (size_t i = 0; i < answer->value_count; i++)
        texts_add(&finding->caa, answer->values[i]);
    const char *dot = strchr(look->at, '.');
    if (answer->value_count > 0 || !dot) {
        finding->caa_at = answer->value_count > 0 ? mem_strdup(look->at) : NULL;
        look_advance(look);
        return;
    }
    look->at = dot + 1;
    look->aliases = 0;
    dns_lookup_ask(look->request->p->lookup, look->at, DNS_CAA, caa_answered, look);
}

/* ---- addresses ---- */

/* With one of either kind the other one's failure is none. */
static void address_answered(void *context, enum dns_outcome outcome,
                             const struct dns_answer *answer)
{
    struct look *look = context;
    if (is_answer(look, outcome, answer, "addresses", look->asked, &look->finding->address_error))
        for (size_t i = 0; i < answer->value_count; i++)
            texts_add(&look->finding->addresses, answer->values[i]);
    look_advance(look);
}

/* ---- the record's zone ---- */

static void servers_found(void *context, struct dns_authority *authorities, size_t count,
                          const struct err *e)
{
    struct look *look = context;
    for (size_t i = 0; i < count; i++)
        texts_add(&look->finding->servers, authorities[i].name);
    dns_authorities_free(authorities, count);
    if (e && e->code == ERR_SHUTDOWN)
        look->request->closed = true;
    else if (e)
        look->finding->zone_error = *e;
    look_advance(look);
}

static void zone_found(void *context, const char *zone, const char *name, const struct err *e)
{
    struct look *look = context;
    struct propagation *p = look->request->p;
    struct survey_finding *finding = look->finding;
    struct propagation_zone found;
    if (e && e->code == ERR_SHUTDOWN)
        look->request->closed = true;
    else if (e)
        finding->zone_error = *e;
    else if (zone_accept(p, zone, name, look->hint, &found, &finding->zone_error) == 0) {
        finding->fqdn = mem_strdup(found.fqdn);
        finding->zone = mem_strdup(found.zone);
        if (!p->resolvers_only) {
            dns_authorities_find(p->lookup, found.zone, p->authority_port, servers_found, look);
            return;
        }
    }
    look_advance(look);
}

/* ---- names ---- */

static void ask_for_zone(struct look *look)
{
    char record[DNS_NAME_SIZE], hint[DNS_NAME_SIZE];
    if (!look->record)
        return;
    if (!dns_name_read(look->record, record) || !hint_read(look->hint, hint)) {
        err_set(&look->finding->zone_error, ERR_INVALID,
                "%s is no DNS name that could be looked up", look->record);
        return;
    }
    free(look->hint);
    look->hint = mem_strdup(hint);
    look->pending++;
    dns_zone_find(look->request->p->lookup, record, zone_found, look);
}

/* No answer comes before this has returned. */
static void look_begin(struct look *look)
{
    struct dns_lookup *lookup = look->request->p->lookup;
    if (!dns_name_read(look->name, look->asked)) {
        err_set(&look->finding->caa_error, ERR_INVALID,
                "%.255s is no DNS name that could be looked up", look->name);
        look->request->active--;
        return;
    }
    look->at = look->asked;
    look->pending = 1;
    dns_lookup_ask(lookup, look->at, DNS_CAA, caa_answered, look);
    if (look->wants_addresses) {
        look->pending += 2;
        dns_lookup_ask(lookup, look->asked, DNS_A, address_answered, look);
        dns_lookup_ask(lookup, look->asked, DNS_AAAA, address_answered, look);
    }
    ask_for_zone(look);
}

/* ---- from any thread, and the inbox ---- */

static void look_init(struct look *look, struct survey_request *request, size_t i,
                      const struct survey_subject *subject)
{
    *look = (struct look){
        .request = request,
        .finding = &request->survey->findings[i],
        .name = mem_strdup(subject->name),
        .record = mem_strdup(subject->record),
        .hint = mem_strdup(subject->hint),
        .wants_addresses = subject->wants_addresses,
    };
}

void survey_submit(struct propagation *p, const char *id, const struct survey_subject *subjects,
                   size_t count, survey_callback *callback, void *context)
{
    struct survey_request *request = mem_new(1, sizeof *request);
    request->p = p;
    request->id = mem_strdup(id);
    request->count = count;
    request->callback = callback;
    request->context = context;
    request->survey = mem_new(1, sizeof *request->survey);
    request->survey->count = count;
    request->survey->findings = mem_new(count, sizeof *request->survey->findings);
    request->looks = mem_new(count, sizeof *request->looks);
    for (size_t i = 0; i < count; i++)
        look_init(&request->looks[i], request, i, &subjects[i]);
    pthread_mutex_lock(&p->lock);
    *p->survey_inbox_end = request;
    p->survey_inbox_end = &request->next_request;
    pthread_mutex_unlock(&p->lock);
    propagation_wake(p);
}

static struct survey_request *request_take(struct propagation *p)
{
    pthread_mutex_lock(&p->lock);
    struct survey_request *request = p->survey_inbox;
    if (request)
        p->survey_inbox = request->next_request;
    if (!p->survey_inbox)
        p->survey_inbox_end = &p->survey_inbox;
    pthread_mutex_unlock(&p->lock);
    return request;
}

void survey_requests_go_on(struct propagation *p)
{
    struct survey_request *request;
    while (p->surveys < p->surveys_max && (request = request_take(p))) {
        p->surveys++;
        request_go_on(request);
    }
}

void survey_requests_finish(struct propagation *p)
{
    struct survey_request *request;
    while ((request = request_take(p)))
        survey_request_free(request);
}

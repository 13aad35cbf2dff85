/*
 * "certificate.renew": waits until a certificate is due, and begins its next version.
 *
 *   plan ──► queue ──► begin ──► done: "certificate.issue" goes on, and its end plans the next one
 *   │  ▲     a place   the clocks
 *   ▼  │     in line   agree
 *   ask
 *   the CA's renewal information (RFC 9773)
 *
 * The plan is in wall time, which can jump: it is computed anew at least every six hours. The job
 * never fails for what it asks the CA: it ends when there is nothing to renew, and waits otherwise.
 */
#include "acme/base/clock.h"
#include "acme/base/log.h"
#include "acme/base/memory.h"
#include "acme/cert.h"
#include "server/engine/engine_private.h"
#include "server/engine/intake.h"
#include "server/engine/pace.h"
#include "server/engine/renewal.h"
#include "server/engine/step.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ASK_AGAIN_MS = 6 * CLOCK_HOUR_MS, /* after an error (RFC 9773 section 4.3.3) */
    ASK_SOON_MS = 2 * PACE_SILENCE_MS,
    CLOCKS_DIFFER_MS = CLOCK_HOUR_MS,
};

static int load(struct step_context *c, struct err *e)
{
    struct err missing;
    if (certificate_load_by_id(c->db, c->job.resource_id, &c->certificate, &missing) < 0) {
        c->gone = missing.code == ERR_NOT_FOUND;
        return c->gone ? 0 : context_fail(e, &missing);
    }
    if (account_load_by_id(c->db, c->certificate.account_id, &c->account, e) < 0)
        return -1;
    return authority_load(c->db, c->account.authority, &c->authority, e);
}

/* ---- what a step leaves in the certificate's row ---- */

struct draft {
    int64_t at;
    char *renewal;
};

static void draft_free(void *saved)
{
    struct draft *draft = saved;
    if (!draft)
        return;
    free(draft->renewal);
    free(draft);
}

static int save_draft(struct store_tx *tx, struct step_context *c, struct err *e)
{
    const struct draft *draft = c->saved;
    return certificate_set_renewal(tx, c->certificate.id, c->certificate.version, draft->at,
                                   draft->renewal, e);
}

static void leave(struct step_context *c, int64_t at, const struct renewal_memory *memory)
{
    struct draft *draft = mem_new(1, sizeof *draft);
    draft->at = at;
    draft->renewal = memory ? renewal_memory_write(memory, c->certificate.version) : NULL;
    c->save = save_draft;
    c->saved = draft;
    c->saved_free = draft_free;
    /* For the step that is joined to this one. */
    free(c->certificate.renewal);
    c->certificate.renewal = mem_strdup(draft->renewal);
    c->certificate.next_renewal_at = at;
}

/* ---- plan ---- */

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* When it is to begin, in wall time. */
static int find_time(struct step_context *c, const struct renewal_memory *memory, int64_t wall,
                     int64_t *at, struct err *e)
{
    int64_t held;
    if (renewal_held_until(c->db, &c->certificate, c->now, &held, e) < 0)
        return -1;
    *at = later(renewal_due_at(&c->certificate, memory), held ? wall + held - c->now : 0);
    return 0;
}

/* A time that is further away than any answer puts it is of a clock that was wrong. */
static bool is_to_ask(const struct step_context *c, const struct renewal_memory *memory,
                      int64_t wall)
{
    return c->certificate.renew_ari && wall < c->certificate.not_after &&
           (memory->ask_again_at <= wall || memory->ask_again_at > wall + CLOCK_DAY_MS);
}

static int wait_for_time(struct step_context *c, const struct renewal_memory *memory, int64_t wall,
                         int64_t at, bool is_news)
{
    char text[CLOCK_RFC3339_SIZE];
    int64_t wake = sooner(at, wall + renewal_jitter(RENEWAL_LOOK_MS));
    if (c->certificate.renew_ari && wall < c->certificate.not_after)
        wake = sooner(wake, memory->ask_again_at);
    clock_rfc3339(at, text);
    int64_t due = c->now + later(wake - wall, 1);
    return is_news ? step_wait(c, NULL, due, "the renewal is planned for %s", text)
                   : step_wait(c, NULL, due, NULL);
}

static int plan_with(struct step_context *c, const struct renewal_memory *memory, struct err *e)
{
    int64_t at, wall = clock_wall_ms();
    if (is_to_ask(c, memory, wall))
        return step_next(c, "ask", NULL);
    if (find_time(c, memory, wall, &at, e) < 0)
        return -1;
    bool has_moved = at != c->certificate.next_renewal_at;
    if (has_moved)
        leave(c, at, memory);
    if (at <= wall)
        return step_next(c, "queue", "it is due");
    /* The first plan, asked before it or not, in one commit or in three. */
    bool is_first = c->job.epoch <= 2 && c->job.state != JOB_WAITING;
    return wait_for_time(c, memory, wall, at, has_moved || is_first);
}

static int plan(struct step_context *c, struct err *e)
{
    struct renewal_memory memory;
    if (!renewal_is_wanted(&c->certificate)) {
        leave(c, 0, NULL);
        return step_done(c, "there is nothing to renew by itself");
    }
    renewal_memory_read(c->certificate.renewal, c->certificate.version, &memory);
    int rc = plan_with(c, &memory, e);
    renewal_memory_finish(&memory);
    return rc;
}

/* ---- ask ---- */

/* Of the version in use; the caller frees. */
static int find_renewal_id(struct step_context *c, char **out, struct err *e)
{
    struct version version;
    if (version_load(c->db, c->certificate.id, c->certificate.version, &version, e) < 0)
        return -1;
    int rc = cert_renewal_id(version.leaf, strlen(version.leaf), out, e);
    version_finish(&version);
    return rc;
}

/* What the CA says into *out, which is all zeros but for retry_after_ms if it has nothing to say.
 */
static int question(struct step_context *c, struct acme_renewal_info *out, struct err *e)
{
    char *id;
    if (context_anonymous_client(c, e) < 0 || context_directory(c, e) < 0)
        return -1;
    if (!acme_ca_has_renewal_info(c->client.ca)) {
        out->retry_after_ms = CLOCK_DAY_MS;
        return 0;
    }
    if (find_renewal_id(c, &id, e) < 0)
        return -1;
    int rc = acme_renewal_info_get(&c->client, id, out, e);
    free(id);
    return rc;
}

/* Moves the answer's text into memory. */
static int take_answer(struct step_context *c, struct renewal_memory *memory,
                       struct acme_renewal_info *info, int64_t wall)
{
    char start[CLOCK_RFC3339_SIZE], end[CLOCK_RFC3339_SIZE];
    bool is_news = info->start_ms != memory->window_start || info->end_ms != memory->window_end;
    renewal_memory_finish(memory);
    memory->window_start = info->start_ms;
    memory->window_end = info->end_ms;
    memory->explanation_url = info->explanation_url;
    memory->asked_at = info->end_ms ? wall : 0;
    memory->ask_again_at = wall + info->retry_after_ms;
    *info = (struct acme_renewal_info){0};
    if (!is_news || !memory->window_end)
        return step_next(c, "plan", NULL);
    clock_rfc3339(memory->window_start, start);
    clock_rfc3339(memory->window_end, end);
    const char *page = memory->explanation_url;
    return step_next(c, "plan", "the CA suggests a time from %s to %s%s%s", start, end,
                     page ? "; why: " : "", page ? page : "");
}

/* Whether what went wrong is likely to go wrong for others, and to take as long. */
static bool is_of_the_ca(const struct err *refusal)
{
    return refusal->code == ERR_CA_UNREACHABLE || refusal->code == ERR_CA_TIMEOUT ||
           refusal->code == ERR_CA_TLS || refusal->http_status / 100 == 5 ||
           refusal->http_status == 429;
}

static void spare_others(struct step_context *c, const struct err *refusal)
{
    if (!is_of_the_ca(refusal))
        return;
    pthread_mutex_lock(&c->engine->mutex);
    pace_silence(c->engine->pace, c->authority.name, c->now);
    pthread_mutex_unlock(&c->engine->mutex);
}

/* Without a question, since another one had no answer a moment ago. */
static bool is_spared(struct step_context *c)
{
    pthread_mutex_lock(&c->engine->mutex);
    bool silent = pace_is_silent(c->engine->pace, c->authority.name, c->now);
    pthread_mutex_unlock(&c->engine->mutex);
    return silent;
}

static int ask_soon(struct step_context *c, struct renewal_memory *memory, int64_t wall)
{
    memory->ask_again_at = wall + renewal_jitter(ASK_SOON_MS);
    return step_next(c, "plan", NULL);
}

/* No reason to fail: what the CA said before still counts, or the certificate's life does. */
static int take_refusal(struct step_context *c, struct renewal_memory *memory,
                        const struct err *refusal, int64_t wall)
{
    free(memory->error);
    memory->error = mem_strdup(refusal->detail);
    memory->asked_at = wall;
    memory->ask_again_at = wall + ASK_AGAIN_MS;
    return step_next(c, "plan", "no renewal information: %s", refusal->detail);
}

static int ask(struct step_context *c, struct err *e)
{
    struct renewal_memory memory;
    struct acme_renewal_info info = {0};
    struct err refusal;
    int64_t wall = clock_wall_ms();
    if (!renewal_is_wanted(&c->certificate))
        return step_next(c, "plan", NULL);
    bool is_silent = is_spared(c);
    int asked = is_silent ? 0 : question(c, &info, &refusal);
    if (asked < 0 && refusal.code == ERR_SHUTDOWN)
        return context_fail(e, &refusal);
    if (asked < 0)
        spare_others(c, &refusal);
    renewal_memory_read(c->certificate.renewal, c->certificate.version, &memory);
    int rc = is_silent   ? ask_soon(c, &memory, wall)
             : asked < 0 ? take_refusal(c, &memory, &refusal, wall)
                         : take_answer(c, &memory, &info, wall);
    /* The time that comes of it is for plan to see, and to tell if it is another one. */
    leave(c, c->certificate.next_renewal_at, &memory);
    renewal_memory_finish(&memory);
    acme_renewal_info_finish(&info);
    return rc;
}

/* ---- queue ---- */

/*
 * A CA that calls every new certificate due at once would be asked for one after the other. Two may
 * follow each other; the third within a tenth of the life, a day at most, waits for the rest of it.
 */
static int find_rest(struct step_context *c, int64_t *until, struct err *e)
{
    enum { RENEWALS_IN_A_ROW = 2 };
    int64_t issued;
    int64_t tenth = (c->certificate.not_after - c->certificate.not_before) / 10;
    if (version_issued_at(c->db, c->certificate.id, RENEWALS_IN_A_ROW, &issued, e) < 0)
        return -1;
    *until = issued ? sooner(issued + sooner(tenth, CLOCK_DAY_MS), c->now + CLOCK_DAY_MS) : 0;
    return 0;
}

static int queue(struct step_context *c, struct err *e)
{
    int64_t rest;
    if (find_rest(c, &rest, e) < 0)
        return -1;
    if (rest > c->now)
        return step_wait(c, "plan", sooner(rest, c->now + RENEWAL_LOOK_MS),
                         "it was renewed again and again: that rests for a while");
    pthread_mutex_lock(&c->engine->mutex);
    int64_t place = pace_take(c->engine->pace, c->authority.name, c->now);
    pthread_mutex_unlock(&c->engine->mutex);
    if (place <= c->now)
        return step_next(c, "begin", NULL);
    return step_wait(c, "begin", place, "many are due at once: it begins in %" PRId64 " s",
                     (place - c->now + CLOCK_SECOND_MS - 1) / CLOCK_SECOND_MS);
}

/* ---- begin ---- */

/* A job that was made meanwhile for another reason does for this one. */
static int save_begin(struct store_tx *tx, struct step_context *c, struct err *e)
{
    struct certificate now;
    struct err missing;
    char id[ULID_SIZE];
    bool existing;
    if (certificate_load_by_id(store_tx_db(tx), c->certificate.id, &now, &missing) < 0)
        return missing.code == ERR_NOT_FOUND ? 0 : context_fail(e, &missing);
    int rc = renewal_is_wanted(&now) ? intake_certificate_renewal(tx, &now, id, &existing, e) : 0;
    certificate_finish(&now);
    return rc;
}

/* 1: the CA sends no Date. Unless its answers of the last hour say that the clocks agree, the
   directory is fetched to tell: who was asleep meanwhile is not to be judged by what was. */
static int compare_clocks(struct step_context *c, int64_t *ahead, struct err *e)
{
    struct acme_ca *ca;
    if (context_anonymous_client(c, e) < 0)
        return -1;
    ca = c->client.ca;
    if (acme_ca_clock_ahead(ca, CLOCK_HOUR_MS, ahead) && llabs(*ahead) <= CLOCKS_DIFFER_MS)
        return 0;
    if (acme_client_refresh(&c->client, e) < 0)
        return -1;
    c->directory = acme_ca_directory_document(ca);
    return acme_ca_clock_ahead(ca, CLOCK_MINUTE_MS, ahead) ? 0 : 1;
}

static int refuse_clock(struct step_context *c, int64_t ahead)
{
    char by[64];
    snprintf(by, sizeof by, "%.1f hours %s", (double)llabs(ahead) / (double)CLOCK_HOUR_MS,
             ahead > 0 ? "ahead of" : "behind");
    log_warn("a renewal waits until this machine's clock agrees with the CA's", "certificate",
             c->certificate.name, "authority", c->authority.name, "clock", by, NULL);
    return step_wait(c, NULL, c->now + CLOCK_HOUR_MS,
                     "this machine's clock is %s the CA's: no renewal begins before they agree",
                     by);
}

static int begin(struct step_context *c, struct err *e)
{
    struct renewal_memory memory;
    struct err unknown;
    int64_t at, ahead = 0, wall = clock_wall_ms();
    /* The places of the process before are gone with it. */
    if (c->job.updated_at < c->engine->started_at)
        return step_next(c, "queue", NULL);
    renewal_memory_read(c->certificate.renewal, c->certificate.version, &memory);
    int rc = find_time(c, &memory, wall, &at, e);
    renewal_memory_finish(&memory);
    if (rc < 0)
        return -1;
    if (at > wall || !renewal_is_wanted(&c->certificate))
        return step_next(c, "plan", NULL);
    int compared = compare_clocks(c, &ahead, &unknown);
    /* What is wrong with the CA for good is for the order to meet, and to tell. */
    if (compared < 0 && (unknown.code == ERR_SHUTDOWN || err_info(unknown.code)->retryable))
        return context_fail(e, &unknown);
    if (compared == 0 && llabs(ahead) > CLOCKS_DIFFER_MS)
        return refuse_clock(c, ahead);
    c->save = save_begin;
    return step_done(c, compared == 0 ? "the renewal begins"
                                      : "the renewal begins; the CA's clock is not known");
}

/* A certificate that is to be renewed always has a job: this one, the issue that it began, or one
   more. */
static int end(struct store_tx *tx, struct step_context *c, enum job_state state, const char *error,
               struct err *e)
{
    struct certificate now;
    struct err missing;
    (void)error;
    if (certificate_load_by_id(store_tx_db(tx), c->job.resource_id, &now, &missing) < 0)
        return missing.code == ERR_NOT_FOUND ? 0 : context_fail(e, &missing);
    bool has_begun = state == JOB_SUCCEEDED && c->save == save_begin;
    int rc = 0;
    if (!has_begun && renewal_is_wanted(&now))
        rc = renewal_plan_later(tx, &now, state == JOB_SUCCEEDED ? 0 : CLOCK_HOUR_MS, e);
    certificate_finish(&now);
    return rc;
}

static const struct step steps[] = {
    {"plan", plan, lane_local, false, {"ask", "queue"}},
    {"ask", ask, lane_of_authority, false, {"plan"}},
    {"queue", queue, lane_local, false, {"plan", "begin"}},
    {"begin", begin, lane_of_authority, false, {"plan", "queue"}},
};

/* To ask is no effect: it can be done again. */
static const struct step_join joins[] = {{"plan", "ask"}, {"ask", "plan"}};

const struct job_kind certificate_renew_kind = {
    .name = "certificate.renew",
    .steps = steps,
    .step_count = sizeof steps / sizeof *steps,
    .joins = joins,
    .join_count = sizeof joins / sizeof *joins,
    .load = load,
    .end = end,
};

/*
 * Propagation against real name servers. Four Knot instances at 127.0.0.1 to .4 share a port: .1
 * plays the resolver (it holds everything that is looked up), .2 to .4 are authoritative. .5 takes
 * packets and says nothing, at .6 nobody listens, .7 is a server of this program's.
 */
#include "acme/base/clock.h"
#include "server/solver/propagation.h"
#include "server/solver/survey.h"
#include "tests/unit/knot.h"
#include "tests/unit/unit.h"

#include <pthread.h>
#include <stdatomic.h>

#define VALUE             "LHDhK3oGRvkiefQnx7OOczTY5Tic_xZ6HcMOc_gmtoM"
#define TXT               "_acme-challenge TXT \"other\"\n_acme-challenge TXT \"" VALUE "\"\n"
#define PERSIST           "_validation-persist TXT \"ca.example; \" \"accounturi=https://ca.example/1\"\n"
#define TWO_SERVERS(a, b) "@ NS ns1\n@ NS ns2\nns1 A " a "\nns2 A " b "\n"

static const char *const addresses[] = {"127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4",
                                        "127.0.0.5", "127.0.0.6", "127.0.0.7"};
static struct knot resolver, first, second, third;
static int port, silent, silent_v6;

/* What the resolver knows: delegations, addresses, aliases. */
static const struct knot_zone resolver_zones[] = {
    {".", "@ NS ns1.host.example.\n"},
    {"example", "@ NS ns1.host.example.\nhost A 127.0.0.1\n"},
    {"lan", "@ NS ns1\nns1 A 127.0.0.2\nprinter A 192.0.2.9\n"},
    {"good.example", TWO_SERVERS("127.0.0.2", "127.0.0.3")},
    {"lag.example", TWO_SERVERS("127.0.0.2", "127.0.0.3")},
    {"late.example", TWO_SERVERS("127.0.0.2", "127.0.0.3")},
    {"none.example", TWO_SERVERS("127.0.0.2", "127.0.0.3")},
    {"silent.example", TWO_SERVERS("127.0.0.2", "127.0.0.5")},
    {"closed.example", TWO_SERVERS("127.0.0.2", "127.0.0.6")},
    {"fail.example", TWO_SERVERS("127.0.0.2", "127.0.0.3")},
    {"lame.example", TWO_SERVERS("127.0.0.2", "127.0.0.4")},
    {"big.example", TWO_SERVERS("127.0.0.2", "127.0.0.3")},
    {"liar.example", TWO_SERVERS("127.0.0.2", "127.0.0.7")},
    {"six.example", "@ NS ns1\n@ NS ns2\nns1 A 127.0.0.2\nns1 AAAA ::1\nns2 A 127.0.0.3\n"},
    {"gone.example", "@ NS ns1\n@ NS ns2\nns1 A 127.0.0.2\n"},
    {"alias.example", "@ NS ns1\nns1 A 127.0.0.2\n"
                      "_acme-challenge CNAME hop.alias.example.\n"
                      "hop CNAME _acme-challenge.good.example.\n"
                      "www CNAME good.example.\n"
                      "_acme-challenge.loop CNAME loop2.alias.example.\n"
                      "loop2 CNAME _acme-challenge.loop.alias.example.\n"},
    {"broken.example", NULL},
    {"caa.example",
     TWO_SERVERS("127.0.0.2",
                 "127.0.0.3") "@ CAA 0 issue \"ca.test; accounturi=https://ca.test/1\"\n"
                              "@ CAA 128 tbs \"x\"\n"
                              "www A 192.0.2.1\nwww AAAA 2001:db8::1\n"
                              "own CAA 0 issue \";\"\n"
                              "link CNAME www.other.example.\n"
                              "_acme-challenge.www CNAME hop.other.example.\n"},
    {"other.example", "@ NS ns1.host.example.\n@ CAA 0 issue \"other.test\"\n"
                      "www CAA 0 issuewild \"third.test\"\n"},
};

static char big_records[64 * 80];

static struct knot_zone first_zones[] = {
    {"good.example", TXT PERSIST},
    {"lan", "printer A 192.0.2.9\n_acme-challenge.printer TXT \"" VALUE "\"\n"},
    {"lag.example", TXT},
    {"late.example", TXT},
    {"none.example", "www TXT other\n_acme-challenge.www.sub A 192.0.2.1\n"},
    {"silent.example", TXT},
    {"closed.example", TXT},
    {"fail.example", TXT},
    {"lame.example", TXT},
    {"big.example", big_records},
    {"liar.example", TXT},
    {"six.example", TXT},
    {"gone.example", TXT},
};

static struct knot_zone second_zones[] = {
    {"good.example", TXT PERSIST},
    {"lag.example", "www TXT other\n"},
    {"late.example", ""},
    {"none.example", "www TXT other\n_acme-challenge.www.sub A 192.0.2.1\n"},
    {"fail.example", NULL},
    {"big.example", big_records},
    {"six.example", TXT},
};

static const struct knot_zone third_zones[] = {{"example.net", ""}};

/* ---- verdicts ---- */

struct outcome {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int count;
    struct propagation_verdict verdict; /* the last */
    struct propagation_zone zone;
    struct err error;
    char id[PROPAGATION_ID_SIZE];
};

#define OUTCOME_INIT {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER}

static void outcome_tell(struct outcome *outcome, const char *id)
{
    outcome->count++;
    snprintf(outcome->id, sizeof outcome->id, "%s", id);
    pthread_cond_broadcast(&outcome->changed);
    pthread_mutex_unlock(&outcome->lock);
}

static void on_verdict(void *context, const char *id, const struct propagation_verdict *verdict)
{
    struct outcome *outcome = context;
    pthread_mutex_lock(&outcome->lock);
    outcome->verdict = *verdict;
    outcome_tell(outcome, id);
}

static void on_zone(void *context, const char *id, const struct propagation_zone *zone,
                    const struct err *e)
{
    struct outcome *outcome = context;
    pthread_mutex_lock(&outcome->lock);
    if (zone)
        outcome->zone = *zone;
    else
        outcome->error = *e;
    outcome_tell(outcome, id);
}

static void outcome_wait(struct outcome *outcome, int count)
{
    struct timespec limit;
    clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec += 30;
    int rc = 0;
    pthread_mutex_lock(&outcome->lock);
    while (outcome->count < count && rc == 0)
        rc = pthread_cond_timedwait(&outcome->changed, &outcome->lock, &limit);
    int got = outcome->count;
    pthread_mutex_unlock(&outcome->lock);
    assert_int_equal(got, count);
}

/* ---- the checker under test ---- */

static struct propagation *start_with(const char *const *resolvers, size_t count,
                                      bool resolvers_only)
{
    const struct propagation_options options = {
        .resolvers = resolvers,
        .resolver_count = count,
        .resolvers_only = resolvers_only,
        .authority_port = (uint16_t)port,
        .try_timeout_ms = 500,
        .max_sockets = 16,
    };
    struct propagation *p = NULL;
    struct err e = {0};
    if (propagation_create(&options, &p, &e))
        fail_msg("%s", e.detail);
    return p;
}

static char resolver_text[32];
static const char *const resolvers[] = {resolver_text};

static int checker_start(void **state)
{
    *state = start_with(resolvers, 1, false);
    return 0;
}

static int checker_stop(void **state)
{
    propagation_destroy(*state);
    return 0;
}

static void submit(struct propagation *p, const char *id, const char *fqdn, int64_t limit_ms,
                   struct outcome *outcome)
{
    struct propagation_check check = {
        .fqdn = fqdn,
        .value = VALUE,
        .deadline_ms = clock_engine_ms() + limit_ms,
        .interval_ms = 100,
    };
    struct err e = {0};
    snprintf(check.id, sizeof check.id, "%s", id);
    assert_int_equal(propagation_submit(p, &check, on_verdict, outcome, &e), 0);
}

static struct propagation_verdict check(struct propagation *p, const char *fqdn, int64_t limit_ms)
{
    struct outcome outcome = OUTCOME_INIT;
    submit(p, "the check", fqdn, limit_ms, &outcome);
    outcome_wait(&outcome, 1);
    assert_string_equal(outcome.id, "the check");
    return outcome.verdict;
}

static void check_finds(struct propagation *p, const char *fqdn, int total)
{
    struct propagation_verdict verdict = check(p, fqdn, 20000);
    if (!verdict.found)
        fail_msg("%s", verdict.error.detail);
    assert_int_equal(verdict.have, total);
    assert_int_equal(verdict.total, total);
}

static void check_fails(struct propagation *p, const char *fqdn, enum err_code code,
                        const char *words)
{
    struct propagation_verdict verdict = check(p, fqdn, 300);
    assert_false(verdict.found);
    if (verdict.error.code != code || strcmp(verdict.error.detail, words) != 0)
        fail_msg("%s: %s", err_info(verdict.error.code)->name, verdict.error.detail);
}

/* ---- what servers may do ---- */

static void all_have_it(void **state)
{
    check_finds(*state, "_acme-challenge.good.example", 2);
    check_finds(*state, "_ACME-challenge.Good.example.", 2);
}

static bool begins(const char *record, const char *value)
{
    return !strncmp(record, value, strlen(value));
}

/* A record's strings are one text. */
static void any_record_that_matches_will_do(void **state)
{
    static const struct {
        const char *name, *value;
        bool found;
    } cases[] = {
        {"_acme-challenge.good.example", "oth", true},
        {"_acme-challenge.good.example", "her", false},
        {"_validation-persist.good.example", "ca.example; accounturi=https://", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct outcome outcome = OUTCOME_INIT;
        struct err e = {0};
        const struct propagation_check check = {
            .id = "matching",
            .fqdn = cases[i].name,
            .value = cases[i].value,
            .matches = begins,
            .deadline_ms = clock_engine_ms(),
        };
        assert_int_equal(propagation_submit(*state, &check, on_verdict, &outcome, &e), 0);
        outcome_wait(&outcome, 1);
        assert_int_equal(outcome.verdict.found, cases[i].found);
        assert_int_equal(outcome.verdict.total, 2);
    }
}

static void one_lags(void **state)
{
    check_fails(*state, "_acme-challenge.lag.example", ERR_DNS_NOT_PROPAGATED,
                "TXT at _acme-challenge.lag.example: 1 of 2 name servers have it; "
                "ns2.lag.example still answers NXDOMAIN");
}

static void one_comes_late(void **state)
{
    struct propagation *p = *state;
    static const struct knot_zone caught_up = {"late.example", TXT};
    struct outcome outcome = OUTCOME_INIT;
    struct propagation_progress progress = {0};
    submit(p, "late", "_acme-challenge.late.example", 60000, &outcome);
    for (int i = 0; i < 500 && progress.have != 1; i++) {
        assert_true(propagation_progress(p, "late", &progress));
        poll(NULL, 0, 20);
    }
    assert_int_equal(progress.total, 2);
    assert_string_equal(progress.text, "1 of 2 name servers have it; "
                                       "ns2.late.example still answers NXDOMAIN");
    knot_publish(&second, &caught_up, 2);
    outcome_wait(&outcome, 1);
    assert_true(outcome.verdict.found);
    assert_int_equal(outcome.verdict.have, 2);
    assert_false(propagation_progress(p, "late", &progress));
}

static void nobody_has_it(void **state)
{
    check_fails(*state, "_acme-challenge.none.example", ERR_DNS_NXDOMAIN,
                "TXT at _acme-challenge.none.example: 0 of 2 name servers have it; "
                "ns1.none.example still answers NXDOMAIN; ns2.none.example still answers NXDOMAIN");
    check_fails(*state, "www.none.example", ERR_DNS_NOT_PROPAGATED,
                "TXT at www.none.example: 0 of 2 name servers have it; "
                "ns1.none.example still has other values; ns2.none.example still has other values");
    check_fails(*state, "_acme-challenge.www.sub.none.example", ERR_DNS_NOT_PROPAGATED,
                "TXT at _acme-challenge.www.sub.none.example: 0 of 2 name servers have it; "
                "ns1.none.example still has no TXT record there; "
                "ns2.none.example still has no TXT record there");
}

static void one_is_silent(void **state)
{
    check_fails(*state, "_acme-challenge.silent.example", ERR_DNS_TIMEOUT,
                "TXT at _acme-challenge.silent.example: 1 of 2 name servers have it; "
                "ns2.silent.example does not answer");
}

static void one_is_not_there(void **state)
{
    check_fails(*state, "_acme-challenge.closed.example", ERR_DNS_TIMEOUT,
                "TXT at _acme-challenge.closed.example: 1 of 2 name servers have it; "
                "ns2.closed.example cannot be reached");
}

static void one_fails(void **state)
{
    check_fails(*state, "_acme-challenge.fail.example", ERR_DNS_SERVFAIL,
                "TXT at _acme-challenge.fail.example: 1 of 2 name servers have it; "
                "ns2.fail.example answers SERVFAIL");
}

static void one_does_not_serve_the_zone(void **state)
{
    check_fails(*state, "_acme-challenge.lame.example", ERR_DNS_NOT_PROPAGATED,
                "TXT at _acme-challenge.lame.example: 1 of 2 name servers have it; "
                "ns2.lame.example answers REFUSED");
}

static void a_name_server_without_address_is_passed_over(void **state)
{
    check_finds(*state, "_acme-challenge.gone.example", 1);
}

static void silent_ipv6_is_passed_over(void **state)
{
    check_finds(*state, "_acme-challenge.six.example", 2);
}

static void a_long_answer_comes_by_tcp(void **state)
{
    check_finds(*state, "_acme-challenge.big.example", 2);
}

static void aliases_lead_to_another_zone(void **state)
{
    check_finds(*state, "_acme-challenge.alias.example", 2);
}

static void a_dead_zone_is_told(void **state)
{
    check_fails(*state, "_acme-challenge.broken.example", ERR_DNS_SERVFAIL,
                "the resolvers answer SERVFAIL for _acme-challenge.broken.example");
    check_fails(*state, "_acme-challenge.unknown.example", ERR_DNS_NO_ZONE,
                "_acme-challenge.unknown.example is in no zone of its own: "
                "the closest that exists is \"example\"");
}

/* ---- a server that lies ---- */

struct liar {
    pthread_t thread;
    int fd;
    atomic_int questions;
    int denial; /* this rcode without a SOA to everything; 0: it lies, then tells the truth */
};

static void liar_reply(const struct liar *liar, const unsigned char *packet, size_t size,
                       const struct sockaddr_in *to)
{
    if (sendto(liar->fd, packet, size, 0, (const struct sockaddr *)to, sizeof *to) < 0)
        perror("liar");
}

/* One string of a TXT record. */
static size_t liar_append_string(unsigned char *packet, size_t size, const char *text,
                                 size_t length)
{
    packet[size++] = (unsigned char)length;
    for (size_t i = 0; i < length; i++)
        packet[size++] = (unsigned char)text[i];
    return size;
}

/* The value in two strings, its owner a pointer to the question. */
static size_t liar_append_answer(unsigned char *packet, size_t size)
{
    static const unsigned char head[] = {0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 1, 0};
    size_t half = strlen(VALUE) / 2;
    memcpy(packet + size, head, sizeof head);
    size += sizeof head;
    packet[size++] = (unsigned char)(strlen(VALUE) + 2);
    packet[7] = 1;
    size = liar_append_string(packet, size, VALUE, half);
    return liar_append_string(packet, size, &VALUE[half], strlen(VALUE) - half);
}

static void liar_serve(struct liar *liar, unsigned char *packet, size_t size,
                       const struct sockaddr_in *from)
{
    if (liar->denial) {
        packet[2] |= 0x80;
        packet[3] = (unsigned char)liar->denial;
        liar_reply(liar, packet, size, from);
        return;
    }
    liar_reply(liar, (const unsigned char *)"no DNS", 6, from);
    liar_reply(liar, packet, size, from); /* a question is no answer */
    packet[2] |= 0x84;
    packet[1] ^= 1;
    packet[3] = 3;
    liar_reply(liar, packet, size, from); /* another id */
    packet[1] ^= 1;
    packet[13] ^= 1;
    liar_reply(liar, packet, size, from); /* another name */
    packet[13] ^= 1;
    packet[7] = 9;
    liar_reply(liar, packet, size, from); /* nine answers that are not there */
    packet[7] = 0;
    packet[3] = 0;
    liar_reply(liar, packet, liar_append_answer(packet, size), from);
}

static void *liar_run(void *argument)
{
    struct liar *liar = argument;
    unsigned char packet[1024];
    struct sockaddr_in from;
    socklen_t from_size = sizeof from;
    ssize_t size;
    while ((size = recvfrom(liar->fd, packet, sizeof packet / 2, 0, (struct sockaddr *)&from,
                            &from_size)) > 1) {
        liar->questions++;
        liar_serve(liar, packet, (size_t)size, &from);
    }
    return NULL;
}

static void liar_start(struct liar *liar)
{
    liar->fd = knot_bind("127.0.0.7", port, SOCK_DGRAM);
    assert_true(liar->fd >= 0);
    assert_int_equal(pthread_create(&liar->thread, NULL, liar_run, liar), 0);
}

/* A packet of one byte is its end. */
static void liar_stop(struct liar *liar)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    inet_pton(AF_INET, "127.0.0.7", &to.sin_addr);
    liar_reply(liar, (const unsigned char *)"", 1, &to);
    pthread_join(liar->thread, NULL);
    close(liar->fd);
}

static void lies_are_ignored(void **state)
{
    struct liar liar = {0};
    liar_start(&liar);
    check_finds(*state, "_acme-challenge.liar.example", 2);
    liar_stop(&liar);
}

/* ---- zones ---- */

static struct outcome find_zone(struct propagation *p, const char *name, const char *hint)
{
    struct outcome outcome = OUTCOME_INIT;
    struct err e = {0};
    assert_int_equal(propagation_find_zone(p, "z", name, hint, on_zone, &outcome, &e), 0);
    outcome_wait(&outcome, 1);
    return outcome;
}

static void finds_zone(struct propagation *p, const char *name, const char *hint, const char *zone,
                       const char *fqdn)
{
    struct outcome outcome = find_zone(p, name, hint);
    if (outcome.error.code)
        fail_msg("%s", outcome.error.detail);
    assert_string_equal(outcome.zone.zone, zone);
    assert_string_equal(outcome.zone.fqdn, fqdn);
}

static void zones_are_found(void **state)
{
    struct propagation *p = *state;
    finds_zone(p, "_acme-challenge.good.example", NULL, "good.example",
               "_acme-challenge.good.example");
    finds_zone(p, "_acme-challenge.A.B.good.example.", ".", "good.example",
               "_acme-challenge.a.b.good.example");
    finds_zone(p, "good.example", NULL, "good.example", "good.example");
    finds_zone(p, "_acme-challenge.alias.example", "alias.example", "good.example",
               "_acme-challenge.good.example");
    finds_zone(p, "_acme-challenge.www.alias.example", NULL, "alias.example",
               "_acme-challenge.www.alias.example");
    finds_zone(p, "_acme-challenge.printer.lan", "lan", "lan", "_acme-challenge.printer.lan");
    assert_int_equal(find_zone(p, "_acme-challenge.printer.lan", NULL).error.code, ERR_DNS_NO_ZONE);
    assert_int_equal(find_zone(p, "_acme-challenge.loop.alias.example", NULL).error.code,
                     ERR_DNS_NO_ZONE);
    assert_int_equal(find_zone(p, "_acme-challenge.nothing.test", NULL).error.code,
                     ERR_DNS_NO_ZONE);
    assert_int_equal(find_zone(p, "_acme-challenge.broken.example", NULL).error.code,
                     ERR_DNS_SERVFAIL);
}

/* ---- surveys ---- */

struct surveyed {
    struct outcome outcome;
    struct survey *survey;
};

static void on_survey(void *context, const char *id, struct survey *survey)
{
    struct surveyed *surveyed = context;
    pthread_mutex_lock(&surveyed->outcome.lock);
    surveyed->survey = survey;
    outcome_tell(&surveyed->outcome, id);
}

static struct survey *survey(struct propagation *p, const struct survey_subject *subjects,
                             size_t count)
{
    struct surveyed surveyed = {.outcome = OUTCOME_INIT};
    survey_submit(p, "s", subjects, count, on_survey, &surveyed);
    outcome_wait(&surveyed.outcome, 1);
    assert_int_equal(surveyed.survey->count, count);
    return surveyed.survey;
}

static void names_are_surveyed(void **state)
{
    static const struct survey_subject subjects[] = {
        {"www.caa.example", "_acme-challenge.www.caa.example", NULL, true},
        {"own.caa.example", NULL, NULL, true},
        {"link.caa.example", "_acme-challenge.nothing.test", NULL, false},
        {"a.good.example", NULL, NULL, false},
        {"x.broken.example", "_acme-challenge.x.broken.example", NULL, true},
        {"", NULL, NULL, false},
    };
    struct survey *found = survey(*state, subjects, sizeof subjects / sizeof *subjects);
    const struct survey_finding *www = &found->findings[0], *own = www + 1, *link = www + 2,
                                *good = www + 3, *broken = www + 4, *none = www + 5;
    assert_string_equal(www->caa_at, "caa.example");
    assert_int_equal(www->caa.count, 2);
    bool critical_first = www->caa.items[0][0] == '1';
    assert_string_equal(www->caa.items[critical_first],
                        "0 issue ca.test; accounturi=https://ca.test/1");
    assert_string_equal(www->caa.items[!critical_first], "128 tbs x");
    assert_int_equal(www->addresses.count, 2);
    assert_string_equal(www->fqdn, "hop.other.example");
    assert_string_equal(www->zone, "other.example");
    assert_int_equal(www->servers.count, 1);
    assert_string_equal(www->servers.items[0], "ns1.host.example");

    assert_string_equal(own->caa_at, "own.caa.example");
    assert_int_equal(own->addresses.count, 0);
    assert_int_equal(own->address_error.code, ERR_NONE);
    assert_null(own->fqdn);

    /* An alias's own records are those of where it leads (RFC 8659 section 3). */
    assert_string_equal(link->caa_at, "link.caa.example");
    assert_string_equal(link->caa.items[0], "0 issuewild third.test");
    assert_int_equal(link->zone_error.code, ERR_DNS_NO_ZONE);
    assert_null(good->caa_at);
    assert_int_equal(good->caa_error.code, ERR_NONE);

    assert_int_equal(broken->caa_error.code, ERR_DNS_SERVFAIL);
    assert_int_equal(broken->address_error.code, ERR_DNS_SERVFAIL);
    assert_int_equal(broken->zone_error.code, ERR_DNS_SERVFAIL);
    assert_int_equal(none->caa_error.code, ERR_INVALID);
    survey_destroy(found);
}

/* More than are looked at together; the same name again is the same answer. */
static void many_names_are_surveyed(void **state)
{
    enum { NAMES = 40 };
    struct survey_subject subjects[NAMES];
    for (int i = 0; i < NAMES; i++)
        subjects[i] = (struct survey_subject){i % 2 ? "own.caa.example" : "www.caa.example",
                                              "_acme-challenge.good.example", "good.example", true};
    struct survey *found = survey(*state, subjects, NAMES);
    for (int i = 0; i < NAMES; i++) {
        assert_string_equal(found->findings[i].caa_at, i % 2 ? "own.caa.example" : "caa.example");
        assert_int_equal(found->findings[i].addresses.count, i % 2 ? 0 : 2);
        assert_int_equal(found->findings[i].servers.count, 2);
    }
    survey_destroy(found);
    survey_destroy(survey(*state, subjects, 0));
}

enum { SURVEYS = 40, NAMES_OF_EACH = 40 };

static void count_survey(void *context, const char *id, struct survey *survey)
{
    (void)id;
    atomic_fetch_add((atomic_int *)context, 1);
    survey_destroy(survey);
}

/* Whoever asks much about silent names delays those who ask likewise, and no certificate. */
static void surveys_leave_room_for_zones(void **state)
{
    (void)state;
    static char names[SURVEYS * NAMES_OF_EACH][32];
    struct survey_subject subjects[NAMES_OF_EACH];
    char dead[32];
    snprintf(dead, sizeof dead, "127.0.0.5:%d", port);
    const char *const silent_resolver[] = {dead};
    struct propagation *p = start_with(silent_resolver, 1, false);
    atomic_int ended = 0;
    for (int i = 0; i < SURVEYS * NAMES_OF_EACH; i++) {
        snprintf(names[i], sizeof names[i], "n%d.example", i);
        subjects[i % NAMES_OF_EACH] = (struct survey_subject){names[i], names[i], NULL, true};
        if (i % NAMES_OF_EACH == NAMES_OF_EACH - 1)
            survey_submit(p, "s", subjects, NAMES_OF_EACH, count_survey, &ended);
    }
    poll(NULL, 0, 100); /* so that all have begun that may */
    struct outcome outcome = find_zone(p, "_acme-challenge.good.example", NULL);
    assert_int_equal(outcome.error.code, ERR_DNS_TIMEOUT);
    assert_int_equal(atomic_load(&ended), 0);
    propagation_destroy(p);
}

static void names_that_are_none_are_refused(void **state)
{
    static const char *const bad[] = {"", ".", "a..b", "a b.example", "\303\244.example"};
    struct propagation *p = *state;
    struct outcome outcome = OUTCOME_INIT;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct propagation_check check = {.id = "x", .fqdn = bad[i], .value = VALUE};
        struct err e = {0};
        assert_int_equal(propagation_submit(p, &check, on_verdict, &outcome, &e), -1);
        assert_int_equal(e.code, ERR_INVALID);
        assert_int_equal(propagation_find_zone(p, "x", bad[i], NULL, on_zone, &outcome, &e), -1);
        assert_int_equal(e.code, ERR_INVALID);
    }
    assert_int_equal(outcome.count, 0);
}

/* ---- resolvers ---- */

static void a_silent_resolver_is_passed_over(void **state)
{
    (void)state;
    char dead[32];
    snprintf(dead, sizeof dead, "127.0.0.5:%d", port);
    const char *const both[] = {dead, resolver_text};
    struct propagation *p = start_with(both, 2, false);
    finds_zone(p, "_acme-challenge.good.example", NULL, "good.example",
               "_acme-challenge.good.example");
    propagation_destroy(p);

    p = start_with(both, 2, true);
    char *words = mem_printf("TXT at www.good.example: 0 of 1 resolvers have it; "
                             "%s still answers NXDOMAIN",
                             resolver_text);
    struct propagation_verdict verdict = check(p, "www.good.example", 300);
    assert_string_equal(verdict.error.detail, words);
    propagation_destroy(p);
    free(words);

    p = start_with(both, 1, false);
    struct outcome outcome = find_zone(p, "_acme-challenge.good.example", NULL);
    assert_int_equal(outcome.error.code, ERR_DNS_TIMEOUT);
    propagation_destroy(p);
}

static void deny_and_count(int denial)
{
    char text[32];
    struct liar liar = {.denial = denial};
    snprintf(text, sizeof text, "127.0.0.7:%d", port);
    const char *const only[] = {text};
    liar_start(&liar);
    struct propagation *p = start_with(only, 1, true);
    struct outcome outcome = OUTCOME_INIT;
    struct err e = {0};
    for (int i = 0; i < 20; i++)
        assert_int_equal(
            propagation_find_zone(p, "z", "a.b.example", "example", on_zone, &outcome, &e), 0);
    outcome_wait(&outcome, 20);
    assert_string_equal(outcome.zone.zone, "example"); /* the hint, for want of a SOA */
    finds_zone(p, "a.b.example", NULL, "", "a.b.example");
    propagation_destroy(p);
    liar_stop(&liar);
    assert_int_equal(liar.questions, 3); /* a.b.example, b.example, example */
}

static void look_ups_are_kept(void **state)
{
    (void)state;
    deny_and_count(3); /* NXDOMAIN */
    deny_and_count(4); /* NOTIMP, as small servers answer to SOA */
}

enum { NAMES = 1200 }; /* more than are remembered */

static void ask_zone(struct propagation *p, int i, struct outcome *outcome)
{
    struct err e = {0};
    char name[64];
    snprintf(name, sizeof name, "n%d.b.example", i);
    assert_int_equal(propagation_find_zone(p, "z", name, "example", on_zone, outcome, &e), 0);
}

/* What was not asked for of late is forgotten; the domain above all of them is asked for all the
   time, and so by no means once a name. */
static void look_ups_beyond_a_number_are_forgotten(void **state)
{
    (void)state;
    char text[32];
    struct liar liar = {.denial = 4};
    snprintf(text, sizeof text, "127.0.0.7:%d", port);
    const char *const only[] = {text};
    liar_start(&liar);
    struct propagation *p = start_with(only, 1, true);
    struct outcome outcome = OUTCOME_INIT;
    for (int i = 0; i < NAMES; i++)
        ask_zone(p, i, &outcome);
    outcome_wait(&outcome, NAMES);
    int asked = liar.questions;
    assert_in_range(asked, NAMES + 2, NAMES * 3 / 2);
    ask_zone(p, 0, &outcome);
    outcome_wait(&outcome, NAMES + 1);
    assert_true(liar.questions > asked);
    propagation_destroy(p);
    liar_stop(&liar);
}

/* The instance at .2 as the only resolver: it has the TXT, and no authoritative server is asked. */
static void resolvers_alone_can_be_asked(void **state)
{
    (void)state;
    char text[2][32];
    snprintf(text[0], sizeof text[0], "127.0.0.2:%d", port);
    snprintf(text[1], sizeof text[1], "127.0.0.3:%d", port);
    const char *const both[] = {text[0], text[1]};
    struct propagation *p = start_with(both, 2, true);
    struct propagation_verdict verdict = check(p, "_acme-challenge.lag.example", 300);
    char *words = mem_printf("TXT at _acme-challenge.lag.example: 1 of 2 resolvers have it; "
                             "%s still answers NXDOMAIN",
                             text[1]);
    assert_string_equal(verdict.error.detail, words);
    check_finds(p, "_acme-challenge.good.example", 2);
    propagation_destroy(p);
    free(words);
}

static void bad_resolvers_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",     ":53",    "127.0.0.1:0",         "127.0.0.1:70000", "127.0.0.1:x",
        "[::1", "[::1]x", "no.such.host.invalid"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const struct propagation_options options = {.resolvers = &bad[i], .resolver_count = 1};
        struct propagation *p = NULL;
        struct err e = {0};
        assert_int_equal(propagation_create(&options, &p, &e), -1);
        assert_int_equal(e.code, ERR_CONFIG);
    }
    static const char *const good[] = {"127.0.0.1", "::1", "[::1]", "[::1]:5353", "localhost:53"};
    const struct propagation_options options = {.resolvers = good, .resolver_count = 5};
    struct propagation *p = NULL;
    struct err e = {0};
    assert_int_equal(propagation_create(&options, &p, &e), 0);
    propagation_destroy(p);
}

/* ---- many at a time ---- */

enum { MANY = 1000 };

static void many_checks_share_few_sockets(void **state)
{
    struct propagation *p = *state;
    struct outcome outcome = OUTCOME_INIT;
    char id[32];
    for (int i = 0; i < MANY; i++) {
        snprintf(id, sizeof id, "%d", i);
        submit(p, id, i % 2 ? "_acme-challenge.good.example" : "_acme-challenge.six.example", 60000,
               &outcome);
    }
    outcome_wait(&outcome, MANY);
    assert_true(outcome.verdict.found);
}

static void a_cancelled_check_is_silent(void **state)
{
    struct propagation *p = *state;
    struct outcome forgotten = OUTCOME_INIT, outcome = OUTCOME_INIT;
    struct propagation_progress progress;
    submit(p, "a", "_acme-challenge.lag.example", 200, &forgotten);
    propagation_cancel(p, "a");
    propagation_cancel(p, "nobody");
    assert_false(propagation_progress(p, "a", &progress));
    submit(p, "b", "_acme-challenge.lag.example", 200, &forgotten);
    submit(p, "b", "_acme-challenge.lag.example", 600, &outcome);
    outcome_wait(&outcome, 1);
    assert_int_equal(forgotten.count, 0);
}

static void forget_survey(void *context, const char *id, struct survey *survey)
{
    (void)context, (void)id;
    survey_destroy(survey);
}

static void it_ends_with_checks_under_way(void **state)
{
    (void)state;
    struct outcome outcome = OUTCOME_INIT;
    struct propagation *p = start_with(resolvers, 1, false);
    struct err e = {0};
    char id[32];
    const struct survey_subject wanted = {"a.silent.example", "_acme-challenge.silent.example",
                                          NULL, true};
    for (int i = 0; i < 100; i++) {
        snprintf(id, sizeof id, "%d", i);
        submit(p, id, i % 2 ? "_acme-challenge.silent.example" : "_acme-challenge.lag.example",
               60000, &outcome);
        assert_int_equal(propagation_find_zone(p, id, "_acme-challenge.lag.example", NULL, on_zone,
                                               &outcome, &e),
                         0);
        survey_submit(p, id, &wanted, 1, forget_survey, NULL);
        if (i == 50)
            poll(NULL, 0, 100);
    }
    propagation_destroy(p);
    struct outcome early = OUTCOME_INIT;
    p = start_with(resolvers, 1, false);
    submit(p, "at once", "_acme-challenge.silent.example", 60000, &early);
    propagation_destroy(p);
    assert_int_equal(early.count, 0);
}

/* ---- the servers ---- */

static void big_records_write(void)
{
    struct buf text = {0};
    for (int i = 0; i < 40; i++)
        buf_printf(&text, "_acme-challenge TXT \"%02d-%s\"\n", i, VALUE);
    buf_add_string(&text, TXT);
    assert_true(text.size < sizeof big_records);
    memcpy(big_records, text.data, text.size + 1);
    buf_finish(&text);
}

#define COUNT(list) (sizeof(list) / sizeof *(list))

static int servers_start(void **state)
{
    (void)state;
    big_records_write();
    port = knot_free_port(addresses, COUNT(addresses));
    snprintf(resolver_text, sizeof resolver_text, "127.0.0.1:%d", port);
    silent = knot_bind("127.0.0.5", port, SOCK_DGRAM);
    silent_v6 = knot_bind("::1", port, SOCK_DGRAM); /* -1 without IPv6: then it is unreachable */
    knot_start(&resolver, "127.0.0.1", port, resolver_zones, COUNT(resolver_zones));
    knot_start(&first, "127.0.0.2", port, first_zones, COUNT(first_zones));
    knot_start(&second, "127.0.0.3", port, second_zones, COUNT(second_zones));
    knot_start(&third, "127.0.0.4", port, third_zones, COUNT(third_zones));
    return 0;
}

static int servers_stop(void **state)
{
    (void)state;
    knot_stop(&resolver);
    knot_stop(&first);
    knot_stop(&second);
    knot_stop(&third);
    close(silent);
    if (silent_v6 >= 0)
        close(silent_v6);
    return 0;
}

#define WITH_CHECKER(test) cmocka_unit_test_setup_teardown(test, checker_start, checker_stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_CHECKER(all_have_it),
        WITH_CHECKER(any_record_that_matches_will_do),
        WITH_CHECKER(one_lags),
        WITH_CHECKER(one_comes_late),
        WITH_CHECKER(nobody_has_it),
        WITH_CHECKER(one_is_silent),
        WITH_CHECKER(one_is_not_there),
        WITH_CHECKER(one_fails),
        WITH_CHECKER(one_does_not_serve_the_zone),
        WITH_CHECKER(a_name_server_without_address_is_passed_over),
        WITH_CHECKER(silent_ipv6_is_passed_over),
        WITH_CHECKER(a_long_answer_comes_by_tcp),
        WITH_CHECKER(aliases_lead_to_another_zone),
        WITH_CHECKER(a_dead_zone_is_told),
        WITH_CHECKER(lies_are_ignored),
        WITH_CHECKER(zones_are_found),
        WITH_CHECKER(names_that_are_none_are_refused),
        WITH_CHECKER(names_are_surveyed),
        WITH_CHECKER(many_names_are_surveyed),
        cmocka_unit_test(surveys_leave_room_for_zones),
        WITH_CHECKER(many_checks_share_few_sockets),
        WITH_CHECKER(a_cancelled_check_is_silent),
        cmocka_unit_test(a_silent_resolver_is_passed_over),
        cmocka_unit_test(look_ups_are_kept),
        cmocka_unit_test(look_ups_beyond_a_number_are_forgotten),
        cmocka_unit_test(resolvers_alone_can_be_asked),
        cmocka_unit_test(bad_resolvers_are_refused),
        cmocka_unit_test(it_ends_with_checks_under_way),
    };
    return cmocka_run_group_tests(tests, servers_start, servers_stop);
}

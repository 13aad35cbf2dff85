/*
 * The Alibaba Cloud targets against the stand-in of the integration tests, which runs as a child;
 * step is called as the engine calls it: the state goes through text after each call.
 */
#include "acme/base/memory.h"
#include "acme/cert.h"
#include "acme/http.h"
#include "acme/json.h"
#include "server/deploy/target.h"
#include "tests/unit/unit.h"

#include <json.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CALLS_MAX = 60, LOST_NEVER = -1 };

static const char *const all_types[] = {"aliyun-cas", "aliyun-cdn", "aliyun-dcdn",
                                        "aliyun-apigateway"};
static const char *const names[] = {"www.example.com", "*.example.com", "192.0.2.1"};

/* One version of the certificate, and what holds it. */
struct version {
    struct target_certificate certificate;
    struct key *key;
    char *pem;
};

struct world {
    pid_t child;
    FILE *to, *from;
    struct acme_http *http;
    struct json_object *settings, *credential;
    struct target_context context;
    struct version first, second;
    char *state; /* as the database keeps it */
    char message[TARGET_MESSAGE_SIZE];
    int calls;
};

/* ---- certificates ---- */

static struct version version_make(int64_t serial)
{
    struct version v = {0};
    struct err e;
    assert_int_equal(key_generate(KEY_EC_P256, &v.key, &e), 0);
    X509 *x = X509_new();
    ASN1_INTEGER_set_int64(X509_get_serialNumber(x), serial);
    X509_set_version(x, X509_VERSION_3);
    X509_gmtime_adj(X509_getm_notBefore(x), -60);
    X509_gmtime_adj(X509_getm_notAfter(x), 86400);
    X509_set_pubkey(x, key_evp(v.key));
    X509_EXTENSION *san = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name,
                                              "critical,DNS:www.example.com,DNS:*.example.com");
    X509_add_ext(x, san, -1);
    X509_EXTENSION_free(san);
    assert_true(X509_sign(x, key_evp(v.key), EVP_sha256()) > 0);
    BIO *out = BIO_new(BIO_s_mem());
    char *data;
    PEM_write_bio_X509(out, x);
    size_t size = (size_t)BIO_get_mem_data(out, &data);
    v.pem = mem_strndup(data, size);
    unsigned char digest[SHA256_DIGEST_LENGTH];
    assert_true(X509_digest(x, EVP_sha256(), digest, NULL));
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(v.certificate.fingerprint + 2 * i, 3, "%02x", digest[i]);
    BIO_free(out);
    X509_free(x);
    v.certificate.name = "a-certificate.with-a-long-name.example.com";
    v.certificate.version = serial;
    v.certificate.identifiers = names;
    v.certificate.identifier_count = sizeof names / sizeof *names;
    v.certificate.leaf = v.pem;
    v.certificate.chain = "";
    v.certificate.key = v.key;
    v.certificate.serial = "01";
    return v;
}

static void version_finish(struct version *v)
{
    key_destroy(v->key);
    free(v->pem);
}

/* ---- the stand-in ---- */

/* Runs one command; what the stand-in tells then passes to the caller. */
static struct json_object *ask(struct world *w, const char *command)
{
    char *line = NULL;
    size_t room = 0;
    if (command)
        fprintf(w->to, "%s\n", command);
    fflush(w->to);
    if (getline(&line, &room, w->from) <= 0)
        fail_msg("the stand-in is gone after %s", command ? command : "its start");
    struct json_object *told = json_tokener_parse(line);
    free(line);
    assert_non_null(told);
    return told;
}

static void tell(struct world *w, const char *command)
{
    json_object_put(ask(w, command));
}

static void spawn(struct world *w)
{
    int in[2], out[2];
    assert_int_equal(pipe(in), 0);
    assert_int_equal(pipe(out), 0);
    w->child = fork();
    assert_true(w->child >= 0);
    if (w->child == 0) {
        dup2(in[0], STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
        for (int fd = 3; fd < 64; fd++)
            close(fd);
        execl("/usr/bin/python3", "python3", "tests/integration/alibaba.py", (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    w->to = fdopen(in[1], "w");
    w->from = fdopen(out[0], "r");
}

static int world_make(void **state)
{
    struct world *w = mem_new(1, sizeof *w);
    const struct acme_http_options options = {
        .user_agent = "test", .allow_http = true, .timeout_ms = 10000};
    spawn(w);
    w->http = acme_http_create(&options);
    struct json_object *told = ask(w, NULL);
    w->settings = json_object_new_object();
    json_object_object_add(w->settings, "endpoint",
                           json_object_new_string(json_text_of(told, "endpoint")));
    json_object_object_add(w->settings, "group_id", json_object_new_string("group1"));
    json_object_put(told);
    w->credential = json_tokener_parse(
        "{\"access_key_id\": \"LTAI-test\", \"access_key_secret\": \"test-secret\"}");
    w->context.http = w->http;
    w->context.settings = w->settings;
    w->context.credential = w->credential;
    w->first = version_make(1);
    w->second = version_make(2);
    w->state = mem_strdup("{}");
    tell(w, "[\"add_domain\", \"www.example.com\"]");
    tell(w, "[\"add_domain\", \".example.com\"]");
    tell(w, "[\"add_domain\", \"www.example.com\", \"dcdn\"]");
    tell(w, "[\"add_domain\", \".example.com\", \"dcdn\"]");
    tell(w, "[\"add_group\", \"group1\", \"www.example.com\", \"*.example.com\"]");
    *state = w;
    return 0;
}

static int world_end(void **state)
{
    struct world *w = *state;
    int status;
    fclose(w->to);
    fclose(w->from);
    kill(w->child, SIGTERM);
    waitpid(w->child, &status, 0);
    acme_http_destroy(w->http);
    json_object_put(w->settings);
    json_object_put(w->credential);
    version_finish(&w->first);
    version_finish(&w->second);
    free(w->state);
    free(w);
    return 0;
}

/* ---- what the stand-in holds ---- */

static size_t count_of(struct world *w, const char *what)
{
    struct json_object *told = ask(w, "[\"told\"]"), *member = NULL;
    assert_true(json_object_object_get_ex(told, what, &member));
    size_t count = json_object_is_type(member, json_type_array)
                       ? json_object_array_length(member)
                       : (size_t)json_object_object_length(member);
    json_object_put(told);
    return count;
}

static size_t count_of_action(struct world *w, const char *action)
{
    struct json_object *told = ask(w, "[\"told\"]");
    struct json_object *actions = json_array_of(told, "actions");
    size_t count = 0;
    for (size_t i = 0; i < json_object_array_length(actions); i++)
        count += !strcmp(json_object_get_string(json_object_array_get_idx(actions, i)), action);
    json_object_put(told);
    return count;
}

static bool all_show(const struct json_object *domains, const char *fingerprint)
{
    bool all = true;
    json_object_object_foreach(domains, name, shown)
    {
        const char *is = shown ? json_text_of(shown, "fingerprint") : NULL;
        all = all && *name && is && !strcmp(is, fingerprint);
    }
    return all;
}

/* Whether the version is what the type's service has, everywhere. */
static bool is_installed(struct world *w, const char *type, const struct version *v)
{
    struct json_object *told = ask(w, "[\"told\"]");
    const struct json_object *domains;
    if (!strcmp(type, "aliyun-cas"))
        domains = json_object_of(told, "certificates");
    else if (!strcmp(type, "aliyun-apigateway"))
        domains = json_object_of(json_object_of(told, "groups"), "group1");
    else
        domains = json_object_of(told, type + strlen("aliyun-"));
    bool all =
        json_object_object_length(domains) > 0 && all_show(domains, v->certificate.fingerprint);
    json_object_put(told);
    return all;
}

/* ---- the engine's loop ---- */

/* One call; the state is kept if it succeeds and its answer is not lost. */
static int call(struct world *w, const char *type, const struct version *v, bool resumed,
                int64_t *polls, bool lose, enum target_outcome *outcome, struct err *e)
{
    struct target_work work = {
        .certificate = &v->certificate,
        .state = json_tokener_parse(w->state),
        .resumed = resumed,
        .polls = *polls,
    };
    int rc = target_step(target_type_by_name(type), &w->context, &work, e);
    char *text = json_write(work.state);
    if (rc)
        assert_string_equal(text, w->state);
    w->calls++;
    *outcome = rc || lose ? TARGET_AGAIN : work.outcome;
    *polls = rc == 0 && work.outcome == TARGET_LATER ? *polls + 1 : 0;
    if (rc == 0 && work.outcome == TARGET_LATER)
        assert_true(work.delay_ms >= 1000 && work.delay_ms <= 60000);
    if (rc == 0 && !lose) {
        snprintf(w->message, sizeof w->message, "%s", work.message);
        free(w->state);
        w->state = mem_strdup(text);
    }
    free(text);
    json_object_put(work.state);
    assert_null(strstr(w->state, "PRIVATE"));
    assert_true(strlen(w->state) < 64 * 1024);
    return rc;
}

/*
 * Steps to the end. The outcome of call number `lost` is dropped, as by a crash; calls that fail
 * because the service cannot be reached are made again. 0, or the first other error.
 */
static int deploy(struct world *w, const char *type, const struct version *v, int lost,
                  struct err *e)
{
    enum target_outcome outcome = TARGET_AGAIN;
    bool resumed = false;
    int64_t polls = 0;
    w->calls = 0;
    while (outcome != TARGET_DONE && w->calls < CALLS_MAX) {
        bool lose = w->calls == lost;
        int rc = call(w, type, v, resumed, &polls, lose, &outcome, e);
        if (rc && e->code != ERR_PROVIDER_UNREACHABLE)
            return -1;
        resumed = rc || lose;
    }
    assert_int_equal(outcome, TARGET_DONE);
    return 0;
}

static void deployed(struct world *w, const char *type, const struct version *v, int lost)
{
    struct err e;
    if (deploy(w, type, v, lost, &e))
        fail_msg("%s, outcome %d lost: %s", type, lost, e.detail);
    assert_true(is_installed(w, type, v));
}

static void restart(struct world *w)
{
    free(w->state);
    w->state = mem_strdup("{}");
}

static void refused(struct world *w, const char *type, enum err_code code, const char *words)
{
    struct err e = {0};
    restart(w);
    assert_int_equal(deploy(w, type, &w->first, LOST_NEVER, &e), -1);
    assert_int_equal(e.code, code);
    if (!strstr(e.detail, words))
        fail_msg("\"%s\" is not in \"%s\"", words, e.detail);
}

/* ---- tests ---- */

static void installs_each_version(void **state)
{
    struct world *w = *state;
    for (size_t i = 0; i < sizeof all_types / sizeof *all_types; i++) {
        restart(w);
        deployed(w, all_types[i], &w->first, LOST_NEVER);
        deployed(w, all_types[i], &w->second, LOST_NEVER);
        assert_true(*w->message);
    }
    assert_int_equal(count_of(w, "certificates"), 1);
    assert_int_equal(count_of_action(w, "SetCdnDomainSSLCertificate"), 4);
    assert_int_equal(count_of_action(w, "SetDcdnDomainSSLCertificate"), 4);
    assert_int_equal(count_of_action(w, "SetDomainCertificate"), 4);
}

static void installs_nothing_twice(void **state)
{
    struct world *w = *state;
    for (size_t i = 0; i < sizeof all_types / sizeof *all_types; i++) {
        restart(w);
        deployed(w, all_types[i], &w->first, LOST_NEVER);
        tell(w, "[\"forget_requests\"]");
        deployed(w, all_types[i], &w->first, LOST_NEVER); /* the state knows it */
        restart(w);
        deployed(w, all_types[i], &w->first, LOST_NEVER); /* the state is lost */
        assert_int_equal(count_of_action(w, "UploadUserCertificate"), 0);
        assert_int_equal(count_of_action(w, "SetCdnDomainSSLCertificate"), 0);
        assert_int_equal(count_of_action(w, "SetDcdnDomainSSLCertificate"), 0);
        assert_int_equal(count_of_action(w, "SetDomainCertificate"), 0);
    }
}

/* Each call's outcome is lost once, for the first version and for the one after it. */
static void survives_a_crash_at_each_call(void **state)
{
    struct world *w = *state;
    for (size_t i = 0; i < sizeof all_types / sizeof *all_types; i++) {
        int calls = CALLS_MAX;
        for (int lost = 0; lost < calls; lost++) {
            struct version fresh = version_make(100 + lost);
            tell(w, "[\"forget_requests\"]");
            deployed(w, all_types[i], &fresh, lost);
            if (lost == 0)
                calls = w->calls + 1;
            assert_true(count_of_action(w, "UploadUserCertificate") <= 1);
            assert_true(count_of_action(w, "SetDomainCertificate") <= 2);
            assert_true(count_of_action(w, "SetCdnDomainSSLCertificate") <= 2);
            assert_true(count_of_action(w, "SetDcdnDomainSSLCertificate") <= 2);
            version_finish(&fresh);
        }
        assert_true(calls > 4 && calls < CALLS_MAX);
    }
    assert_int_equal(count_of(w, "certificates"), 1);
}

/* The first two are carried out, the others are not. */
static void finds_what_a_lost_answer_did(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *type, *action;
    } cases[] = {{"aliyun-cas", "UploadUserCertificate"},
                 {"aliyun-cas", "DeleteUserCertificate"},
                 {"aliyun-cdn", "SetCdnDomainSSLCertificate"},
                 {"aliyun-dcdn", "SetDcdnDomainSSLCertificate"},
                 {"aliyun-apigateway", "SetDomainCertificate"}};
    static const char *const kinds[] = {"lose", "drop", "throttle", "broken", "busy"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
            struct version former = version_make(10), fresh = version_make(11);
            restart(w);
            tell(w, "[\"set\", \"certificates\", {}]");
            deployed(w, cases[i].type, &former, LOST_NEVER);
            char *fault = mem_printf("[\"fault\", \"%s\", \"%s\"]", cases[i].action, kinds[k]);
            tell(w, fault);
            free(fault);
            tell(w, "[\"forget_requests\"]");
            deployed(w, cases[i].type, &fresh, LOST_NEVER);
            bool is_cas = !strcmp(cases[i].type, "aliyun-cas");
            size_t changes = count_of_action(w, cases[i].action), wanted = is_cas ? 1 : 2;
            assert_int_equal(changes, wanted + (k >= 2));
            if (is_cas)
                assert_int_equal(count_of(w, "certificates"), 1);
            version_finish(&former);
            version_finish(&fresh);
        }
}

static void waits_for_a_change_to_show(void **state)
{
    struct world *w = *state;
    tell(w, "[\"set\", \"slow_reads\", 3]");
    for (size_t i = 1; i < sizeof all_types / sizeof *all_types; i++) {
        restart(w);
        deployed(w, all_types[i], &w->first, LOST_NEVER);
    }
    tell(w, "[\"set\", \"slow_reads\", 0]");
    tell(w, "[\"set\", \"tells_pem\", false]"); /* then the names tell */
    for (size_t i = 1; i < sizeof all_types / sizeof *all_types; i++)
        deployed(w, all_types[i], &w->second, LOST_NEVER);
}

static void notices_a_change_that_is_forgotten(void **state)
{
    struct world *w = *state;
    tell(w, "[\"fault\", \"*\", \"forget\", 1000]");
    for (size_t i = 1; i < sizeof all_types / sizeof *all_types; i++)
        refused(w, all_types[i], ERR_TARGET_MISMATCH, "still shows none");
}

/* The engine tries again after a mismatch: reading alone would never mend it. */
static void gives_again_what_was_forgotten(void **state)
{
    struct world *w = *state;
    static const char *const actions[] = {"SetCdnDomainSSLCertificate",
                                          "SetDcdnDomainSSLCertificate", "SetDomainCertificate"};
    for (size_t i = 1; i < sizeof all_types / sizeof *all_types; i++) {
        enum target_outcome outcome = TARGET_AGAIN;
        int64_t polls = 0;
        int mismatches = 0;
        struct err e;
        bool resumed = false;
        char *fault = mem_printf("[\"fault\", \"%s\", \"forget\"]", actions[i - 1]);
        restart(w);
        tell(w, fault);
        free(fault);
        for (int n = 0; outcome != TARGET_DONE && n < CALLS_MAX; n++) {
            int rc = call(w, all_types[i], &w->first, resumed, &polls, false, &outcome, &e);
            resumed = rc < 0;
            mismatches += rc < 0 && e.code == ERR_TARGET_MISMATCH;
        }
        assert_int_equal(outcome, TARGET_DONE);
        assert_int_equal(mismatches, 1);
        assert_true(is_installed(w, all_types[i], &w->first));
        assert_int_equal(count_of_action(w, actions[i - 1]), 3);
    }
}

static void takes_another_name_if_one_is_taken(void **state)
{
    struct world *w = *state;
    tell(w, "[\"fault\", \"SetCdnDomainSSLCertificate\", \"duplicate\", 2]");
    deployed(w, "aliyun-cdn", &w->first, LOST_NEVER);
    tell(w, "[\"fault\", \"SetCdnDomainSSLCertificate\", \"duplicate\", 3]");
    struct err e;
    assert_int_equal(deploy(w, "aliyun-cdn", &w->second, LOST_NEVER, &e), -1);
    assert_int_equal(e.code, ERR_PROVIDER_REFUSED);
    assert_non_null(strstr(e.detail, "Certificate.Duplicated"));
    tell(w, "[\"fault\", \"UploadUserCertificate\", \"duplicate\"]");
    refused(w, "aliyun-cas", ERR_PROVIDER_REFUSED, "lists no upload of that name");
}

/* The gateway says so of a change that is under way: that is waited for, under the same name. */
static void waits_for_the_same_change(void **state)
{
    struct world *w = *state;
    enum target_outcome outcome;
    int64_t polls = 0;
    struct err e;
    int rc = 0;
    tell(w, "[\"fault\", \"SetDomainCertificate\", \"repeated\"]");
    for (int i = 0; rc == 0 && i < CALLS_MAX; i++)
        rc = call(w, "aliyun-apigateway", &w->first, false, &polls, false, &outcome, &e);
    assert_int_equal(rc, -1);
    assert_int_equal(e.code, ERR_PROVIDER_UNREACHABLE);
    deployed(w, "aliyun-apigateway", &w->first, LOST_NEVER);
    assert_int_equal(count_of_action(w, "SetDomainCertificate"), 3);
}

static void says_what_is_missing(void **state)
{
    struct world *w = *state;
    tell(w, "[\"set\", \"domains\", {\"cdn\": {\"www.example.com\": null}, \"dcdn\": {}}]");
    refused(w, "aliyun-cdn", ERR_TARGET_MISSING,
            "the CDN does not serve the domain .example.com in this account: add it there");
    refused(w, "aliyun-cdn", ERR_TARGET_MISSING, "InvalidDomain.NotFound");
    refused(w, "aliyun-dcdn", ERR_TARGET_MISSING, "DCDN does not serve the domain www.example.com");
    assert_int_equal(count_of_action(w, "SetCdnDomainSSLCertificate"), 0);
    tell(w, "[\"set\", \"groups\", {\"group1\": {\"www.example.com\": null}}]");
    refused(w, "aliyun-apigateway", ERR_TARGET_MISSING,
            "the domain *.example.com is not bound to the API group group1: bind it first");
    refused(w, "aliyun-apigateway", ERR_TARGET_MISSING, "NotFoundDomain");
    tell(w, "[\"set\", \"groups\", {}]");
    refused(w, "aliyun-apigateway", ERR_TARGET_MISSING, "there is no API group group1");
    json_object_object_del(w->settings, "group_id");
    refused(w, "aliyun-apigateway", ERR_INVALID, "group_id");
    json_object_object_add(w->settings, "group_id", json_object_new_string("group1"));
    json_object_object_del(w->settings, "endpoint");
    refused(w, "aliyun-apigateway", ERR_INVALID, "region");
    json_object_object_add(w->settings, "region", json_object_new_string("evil.example/"));
    refused(w, "aliyun-apigateway", ERR_INVALID, "region");
}

static void refuses_a_bad_credential(void **state)
{
    struct world *w = *state;
    tell(w, "[\"set\", \"secret\", \"another\"]");
    for (size_t i = 0; i < sizeof all_types / sizeof *all_types; i++)
        refused(w, all_types[i], ERR_PROVIDER_REFUSED, "SignatureDoesNotMatch");
    tell(w, "[\"set\", \"key_id\", \"another\"]");
    for (size_t i = 0; i < sizeof all_types / sizeof *all_types; i++)
        refused(w, all_types[i], ERR_PROVIDER_REFUSED, "InvalidAccessKeyId.NotFound");
    w->context.credential = NULL;
    refused(w, "aliyun-cas", ERR_INVALID, "credential");
}

static void deletes_former_uploads_that_nothing_uses(void **state)
{
    struct world *w = *state;
    struct version third = version_make(3);
    deployed(w, "aliyun-cas", &w->first, LOST_NEVER);
    tell(w, "[\"set\", \"in_use\", [8001]]");
    struct err e;
    assert_int_equal(deploy(w, "aliyun-cas", &w->second, LOST_NEVER, &e), 0);
    assert_string_equal(w->message, "in place as CertId 8002; former uploads that stay: 1");
    assert_int_equal(count_of(w, "certificates"), 2);
    assert_int_equal(count_of_action(w, "DeleteUserCertificate"), 1);
    tell(w, "[\"set\", \"in_use\", []]");
    deployed(w, "aliyun-cas", &third, LOST_NEVER);
    assert_string_equal(w->message, "in place as CertId 8003");
    assert_int_equal(count_of(w, "certificates"), 1);
    version_finish(&third);
}

/* Ids count anew in another account or region: what bears a former one there is not ours. */
static void deletes_only_what_it_uploaded(void **state)
{
    struct world *w = *state;
    struct version strange = version_make(4);
    struct err e;
    deployed(w, "aliyun-cas", &w->first, LOST_NEVER);
    char *ours = mem_strdup(w->state);
    tell(w, "[\"set\", \"certificates\", {}]");
    tell(w, "[\"set\", \"_next_id\", 8000]");
    restart(w);
    deployed(w, "aliyun-cas", &strange, LOST_NEVER);
    free(w->state);
    w->state = ours;
    assert_int_equal(deploy(w, "aliyun-cas", &w->second, LOST_NEVER, &e), 0);
    assert_string_equal(w->message, "in place as CertId 8002");
    assert_int_equal(count_of(w, "certificates"), 2);
    assert_int_equal(count_of_action(w, "DeleteUserCertificate"), 0);
    version_finish(&strange);
}

/* An upload's answer is lost, and before it is looked for there is another version. */
static void deletes_uploads_that_were_given_up(void **state)
{
    struct world *w = *state;
    enum target_outcome outcome;
    int64_t polls = 0;
    struct err e;
    tell(w, "[\"fault\", \"UploadUserCertificate\", \"drop\"]");
    int rc = 0;
    for (int i = 0; rc == 0 && i < CALLS_MAX; i++)
        rc = call(w, "aliyun-cas", &w->first, false, &polls, false, &outcome, &e);
    assert_int_equal(e.code, ERR_PROVIDER_UNREACHABLE);
    assert_int_equal(count_of(w, "certificates"), 1);
    deployed(w, "aliyun-cas", &w->second, LOST_NEVER);
    assert_int_equal(count_of(w, "certificates"), 1);
}

/* Steps until the service was asked for the change, and no further. */
static void until_changed(struct world *w, const char *type, const char *action)
{
    enum target_outcome outcome;
    int64_t polls = 0;
    struct err e;
    tell(w, "[\"forget_requests\"]");
    for (int i = 0; i < CALLS_MAX && !count_of_action(w, action); i++)
        assert_int_equal(call(w, type, &w->first, false, &polls, false, &outcome, &e), 0);
    assert_int_equal(count_of_action(w, action), 1);
}

static void set_text(struct json_object *object, const char *name, const char *text)
{
    json_object_object_add(object, name, json_object_new_string(text));
}

/* What is half done for one group, or one account, is not done for another. */
static void begins_anew_at_another_place(void **state)
{
    struct world *w = *state;
    tell(w, "[\"add_group\", \"group2\", \"www.example.com\", \"*.example.com\"]");
    until_changed(w, "aliyun-apigateway", "SetDomainCertificate");
    set_text(w->settings, "group_id", "group2");
    assert_int_equal(deploy(w, "aliyun-apigateway", &w->first, LOST_NEVER, &(struct err){0}), 0);
    struct json_object *told = ask(w, "[\"told\"]");
    assert_true(all_show(json_object_of(json_object_of(told, "groups"), "group2"),
                         w->first.certificate.fingerprint));
    json_object_put(told);

    restart(w);
    until_changed(w, "aliyun-cas", "UploadUserCertificate");
    tell(w, "[\"set\", \"certificates\", {}]");
    tell(w, "[\"set\", \"key_id\", \"LTAI-other\"]");
    set_text(w->credential, "access_key_id", "LTAI-other");
    deployed(w, "aliyun-cas", &w->first, LOST_NEVER);
}

/* Its successor looks before it believes. */
static void a_new_job_looks_anew(void **state)
{
    struct world *w = *state;
    w->context.job = "01JD0000000000000000000001";
    until_changed(w, "aliyun-cas", "UploadUserCertificate");
    tell(w, "[\"set\", \"certificates\", {}]");
    w->context.job = "01JD0000000000000000000002";
    deployed(w, "aliyun-cas", &w->first, LOST_NEVER);

    restart(w);
    tell(w, "[\"fault\", \"SetDomainCertificate\", \"forget\"]");
    until_changed(w, "aliyun-apigateway", "SetDomainCertificate");
    w->context.job = "01JD0000000000000000000003";
    deployed(w, "aliyun-apigateway", &w->first, LOST_NEVER);
}

static void rehearses(void **state)
{
    struct world *w = *state;
    char message[TARGET_MESSAGE_SIZE];
    struct err e = {0};
    for (size_t i = 0; i < sizeof all_types / sizeof *all_types; i++) {
        const struct target_type *type = target_type_by_name(all_types[i]);
        assert_int_equal(target_test(type, &w->context, NULL, message, &e), 0);
        assert_true(*message);
        assert_int_equal(target_test(type, &w->context, &w->first.certificate, message, &e), 0);
        assert_non_null(strstr(message, "would "));
        if (i > 0)
            assert_string_equal(message, "would install for www.example.com (now none), "
                                         "*.example.com (now none)");
    }
    tell(w, "[\"set\", \"groups\", {}]");
    assert_int_equal(
        target_test(target_type_by_name("aliyun-apigateway"), &w->context, NULL, message, &e), -1);
    assert_int_equal(e.code, ERR_TARGET_MISSING);
    tell(w, "[\"set\", \"secret\", \"another\"]");
    for (size_t i = 0; i < sizeof all_types / sizeof *all_types; i++) {
        const struct target_type *type = target_type_by_name(all_types[i]);
        assert_int_equal(target_test(type, &w->context, NULL, message, &e), -1);
        assert_int_equal(e.code, ERR_PROVIDER_REFUSED);
    }
    struct target_certificate keyless = w->first.certificate;
    keyless.key = NULL;
    assert_int_equal(
        target_test(target_type_by_name("aliyun-cas"), &w->context, &keyless, message, &e), -1);
    assert_int_equal(e.code, ERR_CONFLICT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(installs_each_version, world_make, world_end),
        cmocka_unit_test_setup_teardown(installs_nothing_twice, world_make, world_end),
        cmocka_unit_test_setup_teardown(survives_a_crash_at_each_call, world_make, world_end),
        cmocka_unit_test_setup_teardown(finds_what_a_lost_answer_did, world_make, world_end),
        cmocka_unit_test_setup_teardown(waits_for_a_change_to_show, world_make, world_end),
        cmocka_unit_test_setup_teardown(notices_a_change_that_is_forgotten, world_make, world_end),
        cmocka_unit_test_setup_teardown(gives_again_what_was_forgotten, world_make, world_end),
        cmocka_unit_test_setup_teardown(takes_another_name_if_one_is_taken, world_make, world_end),
        cmocka_unit_test_setup_teardown(waits_for_the_same_change, world_make, world_end),
        cmocka_unit_test_setup_teardown(says_what_is_missing, world_make, world_end),
        cmocka_unit_test_setup_teardown(refuses_a_bad_credential, world_make, world_end),
        cmocka_unit_test_setup_teardown(deletes_former_uploads_that_nothing_uses, world_make,
                                        world_end),
        cmocka_unit_test_setup_teardown(deletes_only_what_it_uploaded, world_make, world_end),
        cmocka_unit_test_setup_teardown(deletes_uploads_that_were_given_up, world_make, world_end),
        cmocka_unit_test_setup_teardown(begins_anew_at_another_place, world_make, world_end),
        cmocka_unit_test_setup_teardown(a_new_job_looks_anew, world_make, world_end),
        cmocka_unit_test_setup_teardown(rehearses, world_make, world_end),
    };
    struct err e;
    if (acme_http_library_init(&e) < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}

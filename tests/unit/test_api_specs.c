/* server/api/spec_*: bodies of resources, what they become, and every mistake at once. */
#include "acme/base/buffer.h"
#include "acme/base/memory.h"
#include "server/api/body.h"
#include "server/api/spec_account.h"
#include "server/api/spec_authority.h"
#include "server/api/spec_certificate.h"
#include "server/api/spec_credential.h"
#include "server/api/spec_solver.h"
#include "server/api/spec_target.h"
#include "tests/unit/fixture.h"
#include "tests/unit/unit.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

/* A body, with @NAME replaced by the fixture of that name as the content of a JSON string. */
static struct json_object *body(const char *json)
{
    struct buf text = {0};
    for (const char *c = json; *c; c++) {
        if (*c != '@' || c[1] != '{') {
            buf_add_char(&text, *c);
            continue;
        }
        const char *end = strchr(c, '}');
        char *name = mem_strndup(c + 2, (size_t)(end - c) - 2);
        struct buf file = fixture(name);
        for (size_t i = 0; i < file.size; i++) {
            if (file.data[i] == '\n')
                buf_add_string(&text, "\\n");
            else
                buf_add_char(&text, file.data[i]);
        }
        buf_finish(&file);
        free(name);
        c = end;
    }
    struct json_object *parsed = NULL;
    struct err e = {0};
    if (body_parse(text.data, text.size, &parsed, &e) < 0)
        fail_msg("%s: %s", json, e.detail);
    buf_finish(&text);
    return parsed;
}

/* The pointers complained of are these, in this order, separated by spaces. */
static void complains(struct fields *errors, const char *json, const char *pointers)
{
    struct buf told = {0};
    for (size_t i = 0; i < errors->count; i++)
        buf_printf(&told, "%s%s", i ? " " : "", errors->items[i].pointer);
    if (strcmp(buf_string(&told), pointers))
        fail_msg("complains of '%s', not of '%s', in %s", buf_string(&told), pointers, json);
    buf_finish(&told);
    fields_finish(errors);
}

/* Stands in for the keyed fingerprint of the store. */
static void fingerprint(void *context, const void *data, size_t size,
                        char out[SPEC_FINGERPRINT_SIZE])
{
    (void)context;
    spec_sha256(data, size, out);
}

static void refused_certificate(const char *json, const char *pointers)
{
    struct fields errors = {0};
    struct spec_certificate spec = {0};
    struct json_object *given = body(json);
    assert_int_equal(spec_certificate_read(given, true, &errors, &spec), -1);
    assert_null(spec.ids);
    complains(&errors, json, pointers);
    body_destroy(given);
}

static void read_certificate(const char *json, struct spec_certificate *out)
{
    struct fields errors = {0};
    struct json_object *given = body(json);
    if (spec_certificate_read(given, true, &errors, out) < 0)
        complains(&errors, json, "");
    body_destroy(given);
}

/* The certificate is called name and normalized as given. */
static void reads_certificate(const char *json, const char *name, const char *normalized)
{
    struct spec_certificate spec;
    read_certificate(json, &spec);
    assert_string_equal(spec.name, name);
    char *text = spec_certificate_normalized(&spec);
    assert_string_equal(text, normalized);
    free(text);
    spec_certificate_finish(&spec);
}

static void test_a_list_of_names_is_a_whole_body(void **state)
{
    (void)state;
    reads_certificate("{\"identifiers\":[\"www.example.com\"]}", "www.example.com",
                      "{\"account\":null,\"authority\":null,\"challenge\":null,\"email\":null,"
                      "\"identifiers\":[\"www.example.com\"],\"key\":null,"
                      "\"preferred_chain\":null,\"profile\":null,\"reuse\":false}");
}

static void test_names_are_normalized_and_sorted(void **state)
{
    (void)state;
    reads_certificate("{\"identifiers\":[\"*.B\xc3\xbc"
                      "cher.example\",\"WWW.example.com.\",\"www.example.com\",\"2001:DB8:0::1\"],"
                      "\"labels\":{\"a\":\"b\"},\"retry_for_seconds\":5}",
                      "wildcard.xn--bcher-kva.example",
                      "{\"account\":null,\"authority\":null,\"challenge\":null,\"email\":null,"
                      "\"identifiers\":[\"*.xn--bcher-kva.example\",\"www.example.com\","
                      "\"2001:db8::1\"],\"key\":null,"
                      "\"preferred_chain\":null,\"profile\":null,\"reuse\":false}");
}

static void test_all_members_of_a_certificate(void **state)
{
    (void)state;
    struct spec_certificate spec;
    read_certificate("{\"name\":\"x\",\"identifiers\":[\"example.com\"],\"authority\":\"ca\","
                     "\"profile\":\"tlsserver\",\"key\":{\"type\":\"rsa-3072\",\"reuse\":true},"
                     "\"email\":\"a@example.com\",\"challenge\":{\"type\":\"dns-01\","
                     "\"solver\":\"dns\"},\"preferred_chain\":\"ISRG Root X2\","
                     "\"labels\":{\"z\":\"1\",\"a\":\"2\"},\"retry_for_seconds\":60}",
                     &spec);
    assert_string_equal(spec.name, "x");
    assert_null(spec.account);
    assert_string_equal(spec.authority, "ca");
    assert_string_equal(spec.profile, "tlsserver");
    assert_int_equal(spec.key.type, KEY_RSA_3072);
    assert_true(spec.key_reuse);
    assert_string_equal(spec.email, "a@example.com");
    assert_string_equal(spec.preferred_chain, "ISRG Root X2");
    assert_string_equal(spec.labels, "{\"a\":\"2\",\"z\":\"1\"}");
    assert_int_equal(spec.retry_for_ms, 60000);
    char *challenge = spec_certificate_challenge(&spec);
    assert_string_equal(challenge, "{\"solver\":\"dns\",\"type\":\"dns-01\"}");
    free(challenge);
    char *ids = spec_certificate_identifiers(&spec);
    assert_string_equal(ids, "[\"example.com\"]");
    free(ids);
    spec_certificate_finish(&spec);
}

static void test_a_given_key_is_known_by_its_public_half(void **state)
{
    (void)state;
    struct spec_certificate spec;
    read_certificate("{\"identifiers\":[\"a.example\"],"
                     "\"key\":{\"pem\":\"@{keys/p384-sec1.pem}\"}}",
                     &spec);
    assert_non_null(spec.key.key);
    assert_int_equal(spec.key.type, KEY_EC_P384);
    char spki[KEY_SPKI_SHA256_SIZE];
    struct err e;
    assert_int_equal(key_spki_sha256(spec.key.key, spki, &e), 0);
    char *text = spec_certificate_normalized(&spec);
    assert_non_null(strstr(text, spki));
    assert_null(strstr(text, "PRIVATE"));
    free(text);
    spec_certificate_finish(&spec);
}

static void test_a_csr_brings_names_and_key(void **state)
{
    (void)state;
    struct spec_certificate spec;
    read_certificate("{\"name\":\"x\",\"account\":\"main\","
                     "\"csr\":\"@{csr/rsa2048.pem}\"}",
                     &spec);
    assert_true(spec.id_count > 0);
    assert_true(spec.csr.size > 0);
    assert_int_equal(spec.key.type, KEY_RSA_2048);
    assert_int_equal(strlen(spec.csr_spki_sha256), 64);
    char *text = spec_certificate_normalized(&spec);
    assert_non_null(strstr(text, "\"csr_sha256\":\""));
    free(text);
    spec_certificate_finish(&spec);
    refused_certificate("{\"csr\":\"@{csr/rsa2048.pem}\",\"identifiers\":[\"a.example\"],"
                        "\"key\":{\"type\":\"ec-p256\"},\"email\":\"a@example.com\"}",
                        "/identifiers /key /email");
    refused_certificate("{\"name\":\"x\",\"csr\":\"@{csr/tampered.pem}\"}", "/csr");
    refused_certificate("{\"name\":\"x\",\"csr\":\"not PEM\"}", "/csr");
}

static void test_all_mistakes_of_a_certificate_at_once(void **state)
{
    (void)state;
    refused_certificate("{}", "/identifiers");
    refused_certificate("{\"identifiers\":[]}", "/identifiers");
    refused_certificate("{\"identifiers\":\"www.example.com\"}", "/identifiers");
    refused_certificate("{\"identifiers\":[\"ok.example\",\"a b\",1,\"single\"],\"colour\":1,"
                        "\"name\":\"No\",\"key\":{\"type\":\"dsa\",\"size\":1},"
                        "\"account\":\"a/b\",\"labels\":[],\"retry_for_seconds\":-1}",
                        "/colour /key/size /key/type /identifiers/2 /identifiers/1 /identifiers/3 "
                        "/name /account /labels /retry_for_seconds");
    refused_certificate("{\"identifiers\":[\"a.example\"],\"account\":\"a\",\"authority\":\"b\"}",
                        "/authority");
    refused_certificate("{\"identifiers\":[\"a.example\"],\"key\":{\"type\":\"ec-p256\","
                        "\"pem\":\"x\"}}",
                        "/key /key/pem");
    refused_certificate("{\"identifiers\":[\"a.example\"],\"email\":\"nobody\"}", "/email");
    refused_certificate("{\"identifiers\":[\"a.example\"],\"key\":null}", "/key");
}

static void test_a_challenge_has_to_fit_the_names(void **state)
{
    (void)state;
    refused_certificate("{\"identifiers\":[\"*.a.example\",\"b.example\"],"
                        "\"challenge\":{\"type\":\"http-01\"}}",
                        "/challenge/type");
    refused_certificate("{\"identifiers\":[\"192.0.2.1\"],\"challenge\":{\"type\":\"dns-01\"}}",
                        "/challenge/type");
    refused_certificate("{\"identifiers\":[\"*.a.example\"],"
                        "\"challenge\":{\"type\":\"tls-alpn-01\"}}",
                        "/challenge/type");
    refused_certificate("{\"identifiers\":[\"2001:db8::1\"],"
                        "\"challenge\":{\"type\":\"dns-persist-01\"}}",
                        "/challenge/type");
    refused_certificate(
        "{\"identifiers\":[\"a.example\"],\"challenge\":{\"type\":\"dns-persist-01\","
        "\"persist_until\":\"soon\"}}",
        "/challenge/persist_until");
    refused_certificate("{\"identifiers\":[\"a.example\"],\"challenge\":{\"solver\":\"x\"}}",
                        "/challenge/type");
}

static void test_a_put_has_no_name(void **state)
{
    (void)state;
    struct fields errors = {0};
    struct spec_certificate spec;
    struct json_object *given = body("{\"name\":\"x\",\"identifiers\":[\"a.example\"]}");
    assert_int_equal(spec_certificate_read(given, false, &errors, &spec), -1);
    complains(&errors, "a PUT", "/name");
    body_destroy(given);
}

static void test_a_patch_is_labels_and_targets(void **state)
{
    (void)state;
    struct fields errors = {0};
    struct spec_certificate_patch patch;
    struct json_object *given = body("{\"labels\":{\"a\":\"b\"}}");
    assert_int_equal(spec_certificate_patch_read(given, &errors, &patch), 0);
    assert_string_equal(patch.labels, "{\"a\":\"b\"}");
    assert_false(patch.targets_given);
    spec_certificate_patch_finish(&patch);
    body_destroy(given);
    given = body("{\"targets\":[]}");
    assert_int_equal(spec_certificate_patch_read(given, &errors, &patch), 0);
    assert_null(patch.labels);
    assert_true(patch.targets_given);
    assert_int_equal(patch.targets.count, 0);
    spec_certificate_patch_finish(&patch);
    body_destroy(given);
    given = body("{\"identifiers\":[\"a.example\"]}");
    assert_int_equal(spec_certificate_patch_read(given, &errors, &patch), -1);
    complains(&errors, "a PATCH", "/identifiers /labels");
    body_destroy(given);
}

static void test_items_of_targets(void **state)
{
    (void)state;
    struct spec_certificate spec;
    read_certificate("{\"identifiers\":[\"a.example\"],\"targets\":[\"cdn\",{\"target\":\"cdn\","
                     "\"domains\":[\"B.example\",\"a.example\",\"b.example\"]},"
                     "{\"target\":\"f\",\"path\":\"a/b\"}]}",
                     &spec);
    assert_true(spec.targets_given);
    assert_int_equal(spec.targets.count, 3);
    assert_string_equal(spec.targets.items[0].target, "cdn");
    assert_string_equal(spec.targets.items[0].parameters, "{}");
    assert_string_equal(spec.targets.items[1].parameters,
                        "{\"domains\":[\"a.example\",\"b.example\"]}");
    assert_string_equal(spec.targets.items[2].parameters, "{\"path\":\"a/b\"}");
    spec_certificate_finish(&spec);
    refused_certificate("{\"identifiers\":[\"a.example\"],\"targets\":[1,\"No\",{},"
                        "{\"target\":\"x\",\"path\":\"../a\",\"colour\":1,\"domains\":[],"
                        "\"group_id\":\"a b\"},"
                        "{\"target\":\"x\",\"domains\":[\"*.b.example\"]},"
                        "{\"target\":\"x\",\"domains\":[\"*.B.example\"]}]}",
                        "/targets/0 /targets/1/target /targets/2/target /targets/3/colour "
                        "/targets/3/domains /targets/3/group_id /targets/3/path /targets/5");
    refused_certificate("{\"identifiers\":[\"a.example\"],\"targets\":\"x\"}", "/targets");
}

static void refused_account(const char *json, const char *pointers)
{
    struct fields errors = {0};
    struct spec_account spec;
    struct json_object *given = body(json);
    assert_int_equal(spec_account_read(given, true, &errors, &spec), -1);
    complains(&errors, json, pointers);
    body_destroy(given);
}

static char *read_account(const char *json, struct spec_account *out)
{
    struct fields errors = {0};
    struct json_object *given = body(json);
    if (spec_account_read(given, true, &errors, out) < 0)
        complains(&errors, json, "");
    body_destroy(given);
    return spec_account_normalized(out, fingerprint, NULL);
}

static void test_accounts(void **state)
{
    (void)state;
    struct spec_account spec;
    char *text = read_account("{\"authority\":\"ca\"}", &spec);
    assert_null(spec.name);
    assert_int_equal(spec.key.type, KEY_EC_P256);
    assert_int_equal(spec.retry_for_ms, -1);
    assert_string_equal(text, "{\"authority\":\"ca\",\"contacts\":[],\"key\":null,"
                              "\"only_existing\":false,\"terms_of_service_agreed\":false}");
    free(text);
    spec_account_finish(&spec);

    text = read_account("{\"name\":\"main\",\"authority\":\"ca\",\"contacts\":["
                        "\"mailto:b@example.com\",\"mailto:a@example.com\","
                        "\"mailto:b@example.com\"],"
                        "\"terms_of_service_agreed\":true,\"key\":{\"type\":\"ec-p384\"},"
                        "\"eab\":{\"kid\":\"k1\",\"hmac_key\":\"c2VjcmV0\"}}",
                        &spec);
    assert_string_equal(spec.name, "main");
    assert_string_equal(spec.contacts, "[\"mailto:a@example.com\",\"mailto:b@example.com\"]");
    assert_string_equal(spec.eab_kid, "k1");
    assert_int_equal(spec.eab_mac, JWS_HS256);
    assert_int_equal(spec.eab_key.size, 6);
    assert_memory_equal(spec.eab_key.data, "secret", 6);
    assert_non_null(strstr(text, "\"kid\":\"k1\""));
    assert_null(strstr(text, "c2VjcmV0"));
    free(text);
    spec_account_finish(&spec);
}

static void test_mistakes_of_accounts(void **state)
{
    (void)state;
    refused_account("{}", "/authority");
    refused_account("{\"authority\":\"ca\",\"only_existing\":true}", "/only_existing");
    refused_account(
        "{\"authority\":\"ca\",\"contacts\":[\"a@example.com\",3],"
        "\"eab\":{\"kid\":\"\",\"hmac_key\":\"a+b=\",\"algorithm\":\"HS1\",\"x\":1},"
        "\"key\":{\"reuse\":true}}",
        "/contacts/1 /contacts/0 /key/reuse /eab/x /eab/kid /eab/hmac_key /eab/algorithm");
    refused_account("{\"authority\":\"ca\",\"key\":{\"pem\":\"@{keys/p256-public.pem}\"}}",
                    "/key/pem");
    refused_account("{\"authority\":\"ca\",\"key\":{\"pem\":\"@{keys/rsa1024.pem}\"}}", "/key/pem");
}

static void refused_patch(const char *text, const char *pointers)
{
    struct fields errors = {0};
    struct spec_account_patch patch = {0};
    struct json_object *given = body(text);
    assert_int_equal(spec_account_patch_read(given, &errors, &patch), -1);
    complains(&errors, "a PATCH", pointers);
    body_destroy(given);
}

static void test_patches_of_accounts(void **state)
{
    (void)state;
    struct fields errors = {0};
    struct spec_account_patch patch = {0};
    struct json_object *given = body("{\"contacts\":[]}");
    assert_int_equal(spec_account_patch_read(given, &errors, &patch), 0);
    assert_string_equal(patch.contacts, "[]");
    assert_false(patch.terms_of_service_agreed);
    spec_account_patch_finish(&patch);
    body_destroy(given);
    given = body("{\"terms_of_service_agreed\":true}");
    assert_int_equal(spec_account_patch_read(given, &errors, &patch), 0);
    assert_null(patch.contacts);
    assert_true(patch.terms_of_service_agreed);
    spec_account_patch_finish(&patch);
    body_destroy(given);
    refused_patch("{}", "/contacts");
    refused_patch("{\"terms_of_service_agreed\":false}", "/terms_of_service_agreed");
    refused_patch("{\"contacts\":[],\"key\":{}}", "/key");
}

static void test_authorities(void **state)
{
    (void)state;
    struct fields errors = {0};
    struct spec_authority spec;
    struct json_object *given = body("{\"directory_url\":\"https://ca.example/dir\","
                                     "\"trust_bundle\":\"@{certs/leaf.pem}\",\"test\":true}");
    if (spec_authority_read(given, &errors, &spec) < 0)
        complains(&errors, "an authority", "");
    assert_string_equal(spec.directory_url, "https://ca.example/dir");
    assert_non_null(spec.trust_bundle);
    assert_true(spec.test);
    assert_false(spec.eab_required);
    spec_authority_finish(&spec);
    body_destroy(given);
    given = body("{\"directory_url\":\"ca.example\",\"trust_bundle\":\"no PEM\",\"test\":1,"
                 "\"url\":\"\"}");
    assert_int_equal(spec_authority_read(given, &errors, &spec), -1);
    complains(&errors, "an authority", "/url /directory_url /trust_bundle /test");
    body_destroy(given);
}

static void test_credentials(void **state)
{
    (void)state;
    struct fields errors = {0};
    struct spec_credential spec;
    struct json_object *given = body("{\"type\":\"alibaba-cloud\",\"access_key_id\":\"id\","
                                     "\"access_key_secret\":\"s3\"}");
    assert_int_equal(spec_credential_read(given, &errors, &spec), 0);
    assert_string_equal(spec.type, "alibaba-cloud");
    assert_string_equal(spec.settings, "{\"access_key_id\":\"id\"}");
    assert_string_equal(spec.sealed, "{\"access_key_id\":\"id\",\"access_key_secret\":\"s3\"}");
    assert_string_equal(spec.secrets_set, "[\"access_key_secret\"]");
    spec_credential_finish(&spec);
    body_destroy(given);
    given = body("{\"type\":\"basic\",\"username\":\"a:b\",\"access_key_id\":\"id\"}");
    assert_int_equal(spec_credential_read(given, &errors, &spec), -1);
    complains(&errors, "basic", "/access_key_id /password /username");
    body_destroy(given);
    given = body("{\"type\":\"password\",\"password\":\"p\"}");
    assert_int_equal(spec_credential_read(given, &errors, &spec), 0);
    assert_string_equal(spec.settings, "{}");
    assert_string_equal(spec.sealed, "{\"password\":\"p\"}");
    spec_credential_finish(&spec);
    body_destroy(given);
    given = body("{\"type\":\"webhook-secret\",\"password\":\"p\"}");
    assert_int_equal(spec_credential_read(given, &errors, &spec), -1);
    complains(&errors, "webhook-secret", "/password /secret");
    body_destroy(given);
    given = body("{\"type\":\"other\"}");
    assert_int_equal(spec_credential_read(given, &errors, &spec), -1);
    complains(&errors, "other", "/type");
    body_destroy(given);
    assert_string_equal(spec_credential_secrets_of("alibaba-cloud")[1], "security_token");
    assert_null(spec_credential_secrets_of("other"));
}

static void refused_solver(const char *json, const char *pointers)
{
    struct fields errors = {0};
    struct spec_solver spec;
    struct json_object *given = body(json);
    assert_int_equal(spec_solver_read(given, &errors, &spec), -1);
    complains(&errors, json, pointers);
    body_destroy(given);
}

static void reads_solver(const char *json, const char *zones, const char *settings)
{
    struct fields errors = {0};
    struct spec_solver spec;
    struct json_object *given = body(json);
    if (spec_solver_read(given, &errors, &spec) < 0)
        complains(&errors, json, "");
    assert_string_equal(spec.zones, zones);
    assert_string_equal(spec.settings, settings);
    spec_solver_finish(&spec);
    body_destroy(given);
}

static void test_solvers(void **state)
{
    (void)state;
    reads_solver("{\"type\":\"http-01\"}", "[]", "{}");
    reads_solver("{\"type\":\"manual\",\"zones\":[\"B\xc3\xbc"
                 "cher.example\",\"a.example\",\"a.example.\"],\"propagation\":false}",
                 "[\"a.example\",\"xn--bcher-kva.example\"]", "{\"propagation\":false}");
    reads_solver("{\"type\":\"exec\",\"command\":\"hook\"}", "[]", "{\"command\":\"hook\"}");
    reads_solver("{\"type\":\"httpreq\",\"endpoint\":\"http://127.0.0.1:8080\"}", "[]",
                 "{\"endpoint\":\"http://127.0.0.1:8080\"}");
    reads_solver("{\"type\":\"alidns\",\"credential\":\"ali\",\"region\":\"cn-hangzhou\","
                 "\"ttl_seconds\":600,\"propagation_timeout_seconds\":60}",
                 "[]",
                 "{\"propagation_timeout_seconds\":60,\"region\":\"cn-hangzhou\","
                 "\"ttl_seconds\":600}");
}

static void test_mistakes_of_solvers(void **state)
{
    (void)state;
    refused_solver("{}", "/type");
    refused_solver("{\"type\":\"http-01\",\"command\":\"x\",\"propagation\":true}",
                   "/command /propagation");
    refused_solver("{\"type\":\"exec\",\"zones\":[\"*.a.example\",\"192.0.2.1\",\"a b\"]}",
                   "/command /zones/0 /zones/1 /zones/2");
    refused_solver("{\"type\":\"httpreq\",\"credential\":\"No\"}", "/endpoint /credential");
    refused_solver("{\"type\":\"alidns\",\"region\":\"CN\",\"ttl_seconds\":0}",
                   "/region /ttl_seconds /credential");
}

static void refused_target(const char *json, const char *pointers)
{
    struct fields errors = {0};
    struct spec_target spec;
    struct json_object *given = body(json);
    assert_int_equal(spec_target_read(given, &errors, &spec), -1);
    complains(&errors, json, pointers);
    body_destroy(given);
}

static void reads_target(const char *json, const char *credential, const char *settings)
{
    struct fields errors = {0};
    struct spec_target spec;
    struct json_object *given = body(json);
    if (spec_target_read(given, &errors, &spec) < 0)
        complains(&errors, json, "");
    if (credential)
        assert_string_equal(spec.credential, credential);
    else
        assert_null(spec.credential);
    assert_string_equal(spec.settings, settings);
    spec_target_finish(&spec);
    body_destroy(given);
}

static void test_targets(void **state)
{
    (void)state;
    reads_target("{\"type\":\"aliyun-cas\",\"credential\":\"ali\"}", "ali", "{}");
    reads_target("{\"type\":\"aliyun-cdn\",\"credential\":\"ali\",\"allow_test\":true,"
                 "\"endpoint\":\"http://127.0.0.1:1\",\"domains\":[\"*.B.example\",\"a.example\"]}",
                 "ali",
                 "{\"allow_test\":true,\"domains\":[\"*.b.example\",\"a.example\"],"
                 "\"endpoint\":\"http://127.0.0.1:1\"}");
    reads_target("{\"type\":\"aliyun-apigateway\",\"credential\":\"ali\","
                 "\"region\":\"cn-hangzhou\",\"group_id\":\"g\"}",
                 "ali", "{\"group_id\":\"g\",\"region\":\"cn-hangzhou\"}");
    reads_target(
        "{\"type\":\"files\",\"directory\":\"/certs/a\",\"path\":\".\",\"files\":["
        "\"certificate.p12\",\"cert.pem\",\"cert.pem\"],\"mode\":\"0640\",\"owner\":\"www\","
        "\"pkcs12\":{\"encryption\":\"legacy\"},\"credential\":\"p\","
        "\"reload\":{\"pidfile\":\"nginx\",\"signal\":\"HUP\"}}",
        "p",
        "{\"directory\":\"/certs/a\",\"files\":[\"cert.pem\",\"certificate.p12\"],"
        "\"mode\":\"0640\",\"owner\":\"www\",\"path\":\".\","
        "\"pkcs12\":{\"encryption\":\"legacy\"},"
        "\"reload\":{\"pidfile\":\"nginx\",\"signal\":\"HUP\"}}");
    reads_target("{\"type\":\"webhook\",\"url\":\"http://[::1]:8/x\"}", NULL,
                 "{\"url\":\"http://[::1]:8/x\"}");
    reads_target("{\"type\":\"exec\",\"command\":\"c\"}", NULL, "{\"command\":\"c\"}");
    assert_true(spec_target_is_cloud("aliyun-cas"));
    assert_false(spec_target_is_cloud("files"));
}

static void test_mistakes_of_targets(void **state)
{
    (void)state;
    refused_target("{}", "/type");
    refused_target("{\"type\":\"ftp\"}", "/type");
    refused_target("{\"type\":\"aliyun-cas\",\"domains\":[],\"url\":\"\"}",
                   "/domains /url /credential");
    refused_target(
        "{\"type\":\"aliyun-cdn\",\"credential\":\"a\",\"endpoint\":\"http://a.example\","
        "\"region\":\"CN\",\"allow_test\":1,\"domains\":[\"192.0.2.1\"],\"group_id\":\"g\"}",
        "/group_id /domains/0 /endpoint /region /allow_test");
    refused_target("{\"type\":\"aliyun-apigateway\",\"credential\":\"a\"}", "/region");
    refused_target("{\"type\":\"files\",\"directory\":\"/a/../b\",\"path\":\"/x\",\"mode\":\"666\","
                   "\"files\":[\"key.pem\"],\"pkcs12\":{\"x\":1},\"reload\":{}}",
                   "/path /directory /files/0 /mode /pkcs12/x /pkcs12 /reload");
    refused_target("{\"type\":\"files\",\"directory\":\"certs\",\"files\":[\"certificate.p12\"],"
                   "\"mode\":\"rw\",\"reload\":{\"signal\":\"KILL\",\"command\":\"x\"}}",
                   "/directory /credential /mode /reload /reload/signal /reload/pidfile");
    refused_target("{\"type\":\"files\",\"directory\":\"/certs/\",\"files\":[],"
                   "\"reload\":{\"webhook\":\"http://127.example.com\"}}",
                   "/directory /files /reload/webhook");
    refused_target("{\"type\":\"webhook\",\"url\":\"http://a.example\",\"command\":\"x\"}",
                   "/command /url");
    refused_target("{\"type\":\"exec\",\"credential\":\"x\"}", "/credential /command");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_list_of_names_is_a_whole_body),
        cmocka_unit_test(test_names_are_normalized_and_sorted),
        cmocka_unit_test(test_all_members_of_a_certificate),
        cmocka_unit_test(test_a_given_key_is_known_by_its_public_half),
        cmocka_unit_test(test_a_csr_brings_names_and_key),
        cmocka_unit_test(test_all_mistakes_of_a_certificate_at_once),
        cmocka_unit_test(test_a_challenge_has_to_fit_the_names),
        cmocka_unit_test(test_a_put_has_no_name),
        cmocka_unit_test(test_a_patch_is_labels_and_targets),
        cmocka_unit_test(test_items_of_targets),
        cmocka_unit_test(test_accounts),
        cmocka_unit_test(test_mistakes_of_accounts),
        cmocka_unit_test(test_patches_of_accounts),
        cmocka_unit_test(test_authorities),
        cmocka_unit_test(test_credentials),
        cmocka_unit_test(test_solvers),
        cmocka_unit_test(test_mistakes_of_solvers),
        cmocka_unit_test(test_targets),
        cmocka_unit_test(test_mistakes_of_targets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Signature v3 of Alibaba Cloud, by the documentation's example and an independent computation. */
#include "server/outside/alibaba.h"
#include "tests/unit/unit.h"

#include <string.h>

enum { OCTOBER_2023 = 1698315752 }; /* 2023-10-26T10:22:32Z in seconds */

static void has_line(const struct alibaba_signed *s, const char *line)
{
    const char *found = strstr(buf_string(&s->headers), line);
    assert_non_null(found);
    assert_true(found == s->headers.data || found[-1] == '\n');
    assert_int_equal(found[strlen(line)], '\n');
}

static void signs_the_documented_request(void **state)
{
    (void)state;
    const struct alibaba_credential credential = {"YourAccessKeyId", "YourAccessKeySecret", NULL};
    const struct alibaba_parameter parameters[] = {
        {"RegionId", "cn-shanghai", false},
        {"ImageId", "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd", false},
        {"ClientToken", NULL, false},
        {NULL, NULL, false},
    };
    const struct alibaba_request request = {
        .endpoint = "https://ecs.cn-shanghai.aliyuncs.com",
        .action = "RunInstances",
        .version = "2014-05-26",
        .parameters = parameters,
        .date_ms = (int64_t)OCTOBER_2023 * 1000 + 999,
        .nonce = "3156853299f313e23d1673dc12e1703d",
    };
    struct alibaba_signed s = {0};
    struct err e = {0};
    assert_int_equal(alibaba_sign(&credential, &request, &s, &e), 0);
    assert_string_equal(
        buf_string(&s.authorization),
        "ACS3-HMAC-SHA256 Credential=YourAccessKeyId,SignedHeaders=host;x-acs-action;"
        "x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version,"
        "Signature=06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0");
    assert_string_equal(buf_string(&s.url),
                        "https://ecs.cn-shanghai.aliyuncs.com/"
                        "?ImageId=win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd"
                        "&RegionId=cn-shanghai");
    assert_int_equal(s.body.size, 0);
    has_line(&s, "x-acs-date: 2023-10-26T10:22:32Z");
    has_line(&s, "x-acs-action: RunInstances");
    assert_null(strstr(s.headers.data, "content-type"));
    alibaba_signed_finish(&s);
}

/* A form, a token, a port, and characters to encode; the signature is one of a Python program. */
static void signs_a_form_with_a_token(void **state)
{
    (void)state;
    const struct alibaba_credential credential = {"id", "secret", "STS.token"};
    const struct alibaba_parameter parameters[] = {
        {"SSLPub", "x\n", true},     {"DomainName", "www.example.com", false},
        {"SSLPri", "a+b */~", true}, {"A b", "\303\274", false},
        {NULL, NULL, false},
    };
    const struct alibaba_request request = {
        .endpoint = "http://127.0.0.1:8080/",
        .action = "SetCdnDomainSSLCertificate",
        .version = "2018-05-10",
        .parameters = parameters,
        .date_ms = 1795254110000,
        .nonce = "00112233445566778899aabbccddeeff",
    };
    struct alibaba_signed s = {0};
    struct err e = {0};
    assert_int_equal(alibaba_sign(&credential, &request, &s, &e), 0);
    assert_string_equal(buf_string(&s.url),
                        "http://127.0.0.1:8080/?A%20b=%C3%BC&DomainName=www.example.com");
    assert_string_equal(buf_string(&s.body), "SSLPri=a%2Bb%20%2A%2F~&SSLPub=x%0A");
    has_line(&s, "x-acs-date: 2026-11-21T09:41:50Z");
    has_line(&s, "x-acs-security-token: STS.token");
    has_line(&s, "content-type: application/x-www-form-urlencoded");
    assert_non_null(
        strstr(buf_string(&s.authorization),
               "Signature=6f8b4f87683a7278e85ceae5da713a6b693864b9a9024e02313885ce6fbc2c4c"));
    alibaba_signed_finish(&s);
}

static void draws_a_new_nonce_each_time(void **state)
{
    (void)state;
    const struct alibaba_credential credential = {"id", "secret", NULL};
    const struct alibaba_request request = {
        .endpoint = "https://alidns.aliyuncs.com",
        .action = "DescribeDomains",
        .version = "2015-01-09",
    };
    struct alibaba_signed s = {0};
    char nonce[2][33];
    struct err e = {0};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(alibaba_sign(&credential, &request, &s, &e), 0);
        const char *line = strstr(buf_string(&s.headers), "x-acs-signature-nonce: ");
        assert_non_null(line);
        memcpy(nonce[i], line + strlen("x-acs-signature-nonce: "), 32);
        nonce[i][32] = '\0';
        assert_int_equal(strspn(nonce[i], "0123456789abcdef"), 32);
        alibaba_signed_finish(&s);
    }
    assert_string_not_equal(nonce[0], nonce[1]);
}

static void refuses_what_would_break_the_request(void **state)
{
    (void)state;
    static const char *const endpoints[] = {"http://alidns.aliyuncs.com",
                                            "https://alidns.aliyuncs.com/path",
                                            "https://u:p@alidns.aliyuncs.com",
                                            "https://alidns.aliyuncs.com?x=y",
                                            "ftp://127.0.0.1",
                                            ""};
    const struct alibaba_credential good = {"id", "secret", NULL};
    const struct alibaba_credential forged = {"id\nX-Evil: 1", "secret", NULL};
    struct alibaba_request request = {.action = "DescribeDomains", .version = "2015-01-09"};
    struct alibaba_signed s = {0};
    for (size_t i = 0; i < sizeof endpoints / sizeof *endpoints; i++) {
        struct err e = {0};
        request.endpoint = endpoints[i];
        assert_int_equal(alibaba_sign(&good, &request, &s, &e), -1);
        assert_int_equal(e.code, ERR_INVALID);
    }
    struct err e = {0};
    request.endpoint = "https://alidns.aliyuncs.com";
    assert_int_equal(alibaba_sign(&forged, &request, &s, &e), -1);
    assert_int_equal(e.code, ERR_INVALID);
    assert_int_equal(s.url.size, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signs_the_documented_request),
        cmocka_unit_test(signs_a_form_with_a_token),
        cmocka_unit_test(draws_a_new_nonce_each_time),
        cmocka_unit_test(refuses_what_would_break_the_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Renewal information (RFC 9773). */
#include "acme/base/base64url.h"
#include "acme/base/clock.h"
#include "acme/base/memory.h"
#include "acme/cert.h"
#include "acme/client_private.h"
#include "acme/crypto.h"
#include "acme/json.h"

#include <assert.h>
#include <json-c/json.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

/* A form of DER's that holds any serial number fit for a certificate (RFC 5280 section 4.1.2.2). */
enum { SERIAL_HEADER_BYTES = 2, SHORT_LENGTH_MAX = 127, KEY_ID_MAX = 64 };

/* Appends base64url of the value alone, without its tag and length. */
static int add_serial(const X509 *x, struct buf *out, struct err *e)
{
    unsigned char *der = NULL;
    int size = i2d_ASN1_INTEGER(X509_get0_serialNumber(x), &der);
    bool usable = size > SERIAL_HEADER_BYTES && size <= SERIAL_HEADER_BYTES + SHORT_LENGTH_MAX;
    if (usable)
        base64url_encode(der + SERIAL_HEADER_BYTES, (size_t)(size - SERIAL_HEADER_BYTES), out);
    OPENSSL_free(der);
    return usable ? 0 : crypto_error(e, ERR_CERT_INVALID, "its serial number is not usable");
}

static int add_renewal_id(X509 *x, struct buf *out, struct err *e)
{
    const ASN1_OCTET_STRING *key_id = X509_get0_authority_key_id(x);
    int size = key_id ? ASN1_STRING_length(key_id) : 0;
    if (size <= 0 || size > KEY_ID_MAX)
        return crypto_error(e, ERR_CERT_INVALID, "it does not name its issuer's key");
    base64url_encode(ASN1_STRING_get0_data(key_id), (size_t)size, out);
    buf_add_char(out, '.');
    return add_serial(x, out, e);
}

int cert_renewal_id(const char *pem, size_t size, char **out, struct err *e)
{
    struct buf der = {0}, id = {0};
    if (cert_to_der(pem, size, &der, e) < 0)
        return -1;
    const unsigned char *p = (const unsigned char *)der.data;
    X509 *x = crypto_alive(d2i_X509(NULL, &p, (long)der.size));
    int rc = add_renewal_id(x, &id, e);
    if (rc == 0)
        *out = buf_take(&id);
    ERR_clear_error();
    X509_free(x);
    buf_finish(&der);
    buf_finish(&id);
    return rc;
}

void acme_renewal_info_finish(struct acme_renewal_info *info)
{
    free(info->explanation_url);
    *info = (struct acme_renewal_info){0};
}

int64_t acme_renewal_time(const struct acme_renewal_info *info, uint64_t random)
{
    assert(info->start_ms < info->end_ms);
    return info->start_ms + (int64_t)(random % (uint64_t)(info->end_ms - info->start_ms));
}

/* Section 4.3.2: the wait is the least and the most at once, within reason. */
static int64_t next_question(const struct acme_http_response *response)
{
    int64_t wait = acme_http_retry_after_ms(response, clock_wall_ms());
    if (wait == 0)
        return 6 * (int64_t)CLOCK_HOUR_MS;
    if (wait < CLOCK_MINUTE_MS)
        return CLOCK_MINUTE_MS;
    return wait > CLOCK_DAY_MS ? CLOCK_DAY_MS : wait;
}

static int read_info(const struct acme_client *client, const struct acme_http_response *response,
                     const struct json_object *json, struct acme_renewal_info *out, struct err *e)
{
    const struct json_object *window = json_object_of(json, "suggestedWindow");
    const char *start = json_text_of(window, "start"), *end = json_text_of(window, "end");
    struct acme_renewal_info info = {.retry_after_ms = next_question(response)};
    if (!start || !end || clock_parse_rfc3339(start, &info.start_ms) < 0 ||
        clock_parse_rfc3339(end, &info.end_ms) < 0)
        return err_set(e, ERR_CA_PROTOCOL, "the CA suggests no window that can be read");
    if (info.end_ms <= info.start_ms)
        return err_set(e, ERR_CA_PROTOCOL,
                       "the CA suggests a window that ends before it starts (%.40s, %.40s)", start,
                       end);
    const char *page = json_text_of(json, "explanationURL");
    if (page && directory_allows_url(ca_directory_url(client->ca), page))
        info.explanation_url = mem_strdup(page);
    *out = info;
    return 0;
}

/* Takes the answer apart; response is the caller's. */
static int take_answer(struct acme_client *client, const char *url,
                       const struct acme_http_response *response, struct acme_renewal_info *out,
                       struct err *e)
{
    ca_note_date(client->ca, response);
    ca_put_nonce(client->ca, ca_nonce_of(response));
    if (response->status != 200)
        return directory_refusal(response, url, &client->problem, e);
    struct json_object *json = json_parse_object(buf_string(&response->body), response->body.size);
    if (!json)
        return err_set(e, ERR_CA_PROTOCOL, "the CA's renewal information is not a JSON object");
    int rc = read_info(client, response, json, out, e);
    json_object_put(json);
    return rc;
}

int acme_renewal_info_get(struct acme_client *client, const char *renewal_id,
                          struct acme_renewal_info *out, struct err *e)
{
    char *base = NULL;
    if (acme_client_prepare(client, e) < 0 ||
        ca_endpoint_url(client->ca, CA_RENEWAL_INFO, &base, e) < 0)
        return -1;
    char *url = mem_printf("%s/%s", base, renewal_id);
    struct acme_http_request request = {.method = "GET", .url = url};
    struct acme_http_response response = {0};
    int rc = acme_http_send(client->http, &request, &response, e);
    if (rc == 0)
        rc = take_answer(client, url, &response, out, e);
    acme_http_response_finish(&response);
    free(url);
    free(base);
    return rc;
}

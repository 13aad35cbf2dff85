/*
 * Signature v3 (ACS3-HMAC-SHA256): over the sorted query, the host and all x-acs-* headers, and the
 * body's hash.
 */
#include "acme/base/clock.h"
#include "acme/base/memory.h"
#include "server/outside/alibaba.h"
#include "server/outside/outside.h"

#include <assert.h>
#include <curl/curl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HASH_BYTES = 32, HEX_SIZE = 2 * HASH_BYTES + 1, NONCE_BYTES = 16, HEADERS_MAX = 8 };

static const char algorithm[] = "ACS3-HMAC-SHA256";

struct header {
    const char *name; /* in lower case, and added in order */
    const char *value;
};

static void hex(const unsigned char *data, size_t size, char *out)
{
    for (size_t i = 0; i < size; i++)
        snprintf(out + 2 * i, 3, "%02x", data[i]);
}

static int hash_hex(const char *data, size_t size, char out[HEX_SIZE], struct err *e)
{
    unsigned char hash[HASH_BYTES];
    if (!EVP_Digest(data, size, hash, NULL, EVP_sha256(), NULL))
        return err_set(e, ERR_CRYPTO, "SHA-256 failed");
    hex(hash, sizeof hash, out);
    return 0;
}

/* RFC 3986: all but the unreserved characters as %XX. */
static void add_encoded(struct buf *out, const char *text)
{
    static const char unreserved[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                     "0123456789-_.~";
    for (; *text; text++) {
        if (strchr(unreserved, *text))
            buf_add_char(out, *text);
        else
            buf_printf(out, "%%%02X", (unsigned)(unsigned char)*text);
    }
}

static int parameter_compare(const void *a, const void *b)
{
    const struct alibaba_parameter *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

/* The parameters of one place as name=value&…, sorted by byte. */
static void add_parameters(const struct alibaba_parameter *parameters, bool in_body,
                           struct buf *out)
{
    size_t count = 0;
    for (const struct alibaba_parameter *p = parameters; p && p->name; p++)
        count++;
    const struct alibaba_parameter **sorted = mem_new(count + 1, sizeof *sorted);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (parameters[i].value && parameters[i].in_body == in_body)
            sorted[kept++] = &parameters[i];
    qsort(sorted, kept, sizeof *sorted, parameter_compare);
    for (size_t i = 0; i < kept; i++) {
        if (i > 0)
            buf_add_char(out, '&');
        add_encoded(out, sorted[i]->name);
        buf_add_char(out, '=');
        add_encoded(out, sorted[i]->value);
    }
    free(sorted);
}

/* Takes the endpoint apart: "https://host[:port]/" into base, "host[:port]" as curl sends it. */
static int endpoint_split(const char *endpoint, struct buf *base, struct buf *host, struct err *e)
{
    char *scheme = NULL, *name = NULL, *port = NULL, *path = NULL;
    if (outside_endpoint_check(endpoint, e))
        return -1;
    CURLU *url = curl_url();
    if (!url)
        mem_exhausted();
    curl_url_set(url, CURLUPART_URL, endpoint, 0);
    curl_url_get(url, CURLUPART_SCHEME, &scheme, 0);
    curl_url_get(url, CURLUPART_HOST, &name, 0);
    curl_url_get(url, CURLUPART_PORT, &port, CURLU_NO_DEFAULT_PORT);
    curl_url_get(url, CURLUPART_PATH, &path, 0);
    int rc = 0;
    if (path && strcmp(path, "/") != 0)
        rc = err_set(e, ERR_INVALID, "an endpoint of Alibaba Cloud has no path");
    else
        buf_printf(host, "%s%s%s", name, port ? ":" : "", port ? port : "");
    if (rc == 0)
        buf_printf(base, "%s://%s/", scheme, buf_string(host));
    curl_free(scheme);
    curl_free(name);
    curl_free(port);
    curl_free(path);
    curl_url_cleanup(url);
    return rc;
}

/* CanonicalHeaders and SignedHeaders. */
static void add_headers(const struct header *headers, size_t count, struct buf *canonical,
                        struct buf *names)
{
    for (size_t i = 0; i < count; i++) {
        assert(i == 0 || strcmp(headers[i - 1].name, headers[i].name) < 0);
        buf_printf(canonical, "%s:%s\n", headers[i].name, headers[i].value);
        buf_printf(names, "%s%s", i > 0 ? ";" : "", headers[i].name);
    }
}

static int sign(const struct alibaba_credential *credential, const char *query,
                const struct header *headers, size_t count, const char *body_hash,
                struct buf *authorization, struct err *e)
{
    struct buf canonical = {0}, names = {0}, to_sign = {0};
    char request_hash[HEX_SIZE], signature[HEX_SIZE];
    unsigned char mac[HASH_BYTES];
    buf_printf(&canonical, "POST\n/\n%s\n", query);
    add_headers(headers, count, &canonical, &names);
    buf_printf(&canonical, "\n%s\n%s", buf_string(&names), body_hash);

    int rc = hash_hex(canonical.data, canonical.size, request_hash, e);
    buf_printf(&to_sign, "%s\n%s", algorithm, request_hash);
    size_t key_size = strlen(credential->access_key_secret);
    if (rc == 0 && !HMAC(EVP_sha256(), credential->access_key_secret, (int)key_size,
                         (const unsigned char *)to_sign.data, to_sign.size, mac, NULL))
        rc = err_set(e, ERR_CRYPTO, "HMAC-SHA256 failed");
    if (rc == 0) {
        hex(mac, sizeof mac, signature);
        buf_printf(authorization, "%s Credential=%s,SignedHeaders=%s,Signature=%s", algorithm,
                   credential->access_key_id, buf_string(&names), signature);
    }
    buf_finish(&canonical);
    buf_finish(&names);
    buf_finish(&to_sign);
    return rc;
}

static int nonce_make(const char *given, char out[2 * NONCE_BYTES + 1], struct err *e)
{
    unsigned char bytes[NONCE_BYTES];
    if (given) {
        snprintf(out, 2 * NONCE_BYTES + 1, "%s", given);
        return 0;
    }
    if (RAND_bytes(bytes, sizeof bytes) != 1)
        return err_set(e, ERR_CRYPTO, "no random numbers for a nonce");
    hex(bytes, sizeof bytes, out);
    return 0;
}

/* Everything that is signed, with query, body and host made. */
static int sign_parts(const struct alibaba_credential *credential,
                      const struct alibaba_request *request, const char *query, const char *host,
                      struct alibaba_signed *out, struct err *e)
{
    char body_hash[HEX_SIZE], nonce[2 * NONCE_BYTES + 1], date[CLOCK_RFC3339_SIZE];
    struct header headers[HEADERS_MAX];
    size_t n = 0;
    if (nonce_make(request->nonce, nonce, e) ||
        hash_hex(buf_string(&out->body), out->body.size, body_hash, e))
        return -1;
    clock_rfc3339(request->date_ms ? request->date_ms : clock_wall_ms(), date);
    memcpy(strchr(date, '.'), "Z", 2); /* whole seconds */

    if (out->body.size)
        headers[n++] = (struct header){"content-type", "application/x-www-form-urlencoded"};
    headers[n++] = (struct header){"host", host};
    headers[n++] = (struct header){"x-acs-action", request->action};
    headers[n++] = (struct header){"x-acs-content-sha256", body_hash};
    headers[n++] = (struct header){"x-acs-date", date};
    if (credential->security_token)
        headers[n++] = (struct header){"x-acs-security-token", credential->security_token};
    headers[n++] = (struct header){"x-acs-signature-nonce", nonce};
    headers[n++] = (struct header){"x-acs-version", request->version};
    if (sign(credential, query, headers, n, body_hash, &out->authorization, e))
        return -1;
    for (size_t i = 0; i < n; i++)
        if (strcmp(headers[i].name, "host") != 0)
            buf_printf(&out->headers, "%s: %s\n", headers[i].name, headers[i].value);
    buf_printf(&out->headers, "Authorization: %s\n", buf_string(&out->authorization));
    return 0;
}

/* What becomes a header line of its own must not be able to make two. */
static int credential_check(const struct alibaba_credential *credential, struct err *e)
{
    const char *const values[] = {credential->access_key_id, credential->security_token};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        for (const char *s = values[i]; s && *s; s++)
            if ((unsigned char)*s <= 0x20 || (unsigned char)*s >= 0x7f)
                return err_set(e, ERR_INVALID,
                               "the credential's access_key_id or security_token is not plain "
                               "text without spaces");
    return 0;
}

int alibaba_sign(const struct alibaba_credential *credential, const struct alibaba_request *request,
                 struct alibaba_signed *out, struct err *e)
{
    struct alibaba_signed s = {0};
    struct buf query = {0}, host = {0};
    int rc = credential_check(credential, e);
    if (rc == 0)
        rc = endpoint_split(request->endpoint, &s.url, &host, e);
    if (rc == 0) {
        add_parameters(request->parameters, false, &query);
        add_parameters(request->parameters, true, &s.body);
        rc = sign_parts(credential, request, buf_string(&query), buf_string(&host), &s, e);
    }
    if (rc == 0) {
        if (query.size)
            buf_printf(&s.url, "?%s", buf_string(&query));
        *out = s;
    } else {
        alibaba_signed_finish(&s);
    }
    buf_finish(&query);
    buf_finish(&host);
    return rc;
}

void alibaba_signed_finish(struct alibaba_signed *s)
{
    buf_finish(&s->url);
    buf_finish_secret(&s->body); /* private keys go into forms */
    buf_finish_secret(&s->headers);
    buf_finish(&s->authorization);
}

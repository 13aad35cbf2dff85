/* Downloading and revoking certificates (RFC 8555 sections 7.4.2 and 7.6). */
#include "acme/base/base64url.h"
#include "acme/base/memory.h"
#include "acme/cert.h"
#include "acme/client_private.h"

#include <stdlib.h>
#include <string.h>

enum { ALTERNATES_MAX = 10 };

static int fetch(struct acme_client *client, const char *url, struct acme_http_response *response,
                 struct err *e)
{
    struct client_post post = {
        .url = url, .payload = "", .accept = "application/pem-certificate-chain"};
    return client_post(client, &post, response, e);
}

static bool is_wanted(const struct acme_http_response *response, const char *issuer)
{
    return cert_chain_has_issuer(buf_string(&response->body), response->body.size, issuer);
}

/* The URLs of the other chains, each once: alternates link back to the first and to each other. */
static size_t list_alternates(const struct acme_client *client,
                              const struct acme_http_response *response, const char *url,
                              char *out[ALTERNATES_MAX])
{
    size_t count = 0;
    char *link;
    for (size_t i = 0; i < 2 * ALTERNATES_MAX && count < ALTERNATES_MAX; i++) {
        link = acme_http_link(response, "alternate", i, url);
        if (!link)
            break;
        bool known = !strcmp(link, url);
        for (size_t j = 0; j < count && !known; j++)
            known = !strcmp(link, out[j]);
        if (known || !directory_allows_url(ca_directory_url(client->ca), link))
            free(link);
        else
            out[count++] = link;
    }
    return count;
}

/*
 * Puts the first alternate of that issuer in the place of *chain. One that cannot be had is passed
 * over: the default chain is good too. A shutdown is an error, and so is a nonce refused for ever,
 * which says nothing about the alternate: the download can be had again.
 */
static int prefer(struct acme_client *client, const char *url, const char *issuer,
                  struct acme_http_response *chain, struct err *e)
{
    char *urls[ALTERNATES_MAX];
    size_t count = list_alternates(client, chain, url, urls);
    int rc = 0;
    bool found = false;
    for (size_t i = 0; i < count && !found && rc == 0; i++) {
        struct acme_http_response other = {0};
        struct err why;
        if (fetch(client, urls[i], &other, &why) < 0) {
            if (why.code == ERR_SHUTDOWN || why.code == ERR_CA_BAD_NONCE) {
                *e = why;
                rc = -1;
            } else {
                acme_problem_finish(&client->problem);
            }
            continue;
        }
        found = is_wanted(&other, issuer);
        struct acme_http_response *loser = found ? chain : &other;
        acme_http_response_finish(loser);
        if (found)
            *chain = other;
    }
    for (size_t i = 0; i < count; i++)
        free(urls[i]);
    return rc;
}

int acme_certificate_download(struct acme_client *client, const char *url,
                              const char *preferred_chain, struct buf *chain, struct err *e)
{
    struct acme_http_response response = {0};
    if (fetch(client, url, &response, e) < 0)
        return -1;
    int rc = 0;
    if (preferred_chain && !is_wanted(&response, preferred_chain))
        rc = prefer(client, url, preferred_chain, &response, e);
    if (rc == 0 && response.body.size > CERT_CHAIN_MAX_BYTES)
        rc = err_set(e, ERR_CA_PROTOCOL, "the CA sent a chain of %zu bytes", response.body.size);
    if (rc == 0)
        buf_add(chain, response.body.data, response.body.size);
    acme_http_response_finish(&response);
    return rc;
}

int acme_certificate_revoke(struct acme_client *client, const void *der, size_t size, int reason,
                            struct err *e)
{
    char *url = NULL;
    if (acme_client_prepare(client, e) < 0 ||
        ca_endpoint_url(client->ca, CA_REVOKE_CERT, &url, e) < 0)
        return -1;
    char *certificate = base64url_string(der, size);
    char *payload = reason < 0
                        ? mem_printf("{\"certificate\":\"%s\"}", certificate)
                        : mem_printf("{\"certificate\":\"%s\",\"reason\":%d}", certificate, reason);
    struct client_post post = {.url = url, .payload = payload, .with_jwk = !client->kid};
    struct acme_http_response response = {0};
    int rc = client_post(client, &post, &response, e);
    acme_http_response_finish(&response);
    free(payload);
    free(certificate);
    free(url);
    return rc;
}

/* Signed requests and their nonces (RFC 8555 sections 6.2 to 6.7). */
#include "acme/base/clock.h"
#include "acme/base/memory.h"
#include "acme/client_private.h"
#include "acme/json.h"
#include "acme/jws.h"

#include <assert.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

enum { BAD_NONCE_RETRIES = 8 };

void acme_client_finish(struct acme_client *client)
{
    acme_problem_finish(&client->problem);
    *client = (struct acme_client){0};
}

int acme_client_refresh(struct acme_client *client, struct err *e)
{
    acme_problem_finish(&client->problem);
    struct acme_http_response response = {0};
    if (directory_request(client->http, ca_directory_url(client->ca), &response, &client->problem,
                          e) < 0)
        return -1;
    ca_note_date(client->ca, &response);
    ca_put_nonce(client->ca, ca_nonce_of(&response));
    int rc = acme_ca_set_directory(client->ca, buf_string(&response.body), e);
    acme_http_response_finish(&response);
    return rc;
}

int acme_client_prepare(struct acme_client *client, struct err *e)
{
    acme_problem_finish(&client->problem);
    return ca_has_directory(client->ca) ? 0 : acme_client_refresh(client, e);
}

/* HEAD newNonce (section 7.2). */
static int fetch_nonce(struct acme_client *client, char **out, struct err *e)
{
    char *url = NULL;
    if (ca_endpoint_url(client->ca, CA_NEW_NONCE, &url, e) < 0)
        return -1;
    struct acme_http_request request = {.method = "HEAD", .url = url};
    struct acme_http_response response = {0};
    int rc = acme_http_send(client->http, &request, &response, e);
    if (rc == 0 && response.status / 100 != 2)
        rc = directory_refusal(&response, url, &client->problem, e);
    if (rc == 0) {
        ca_note_date(client->ca, &response);
        char *nonce = ca_nonce_of(&response);
        if (nonce)
            *out = nonce;
        else
            rc = err_set(e, ERR_CA_PROTOCOL, "the CA gave no usable Replay-Nonce");
    }
    acme_http_response_finish(&response);
    free(url);
    return rc;
}

static int send_signed(struct acme_client *client, const struct client_post *post,
                       const char *nonce, struct acme_http_response *response, struct err *e)
{
    assert(post->with_jwk || client->kid);
    struct buf body = {0};
    if (jws_sign(client->key, post->with_jwk ? NULL : client->kid, nonce, post->url, post->payload,
                 &body, e) < 0)
        return -1;
    char *accept = post->accept ? mem_printf("Accept: %s", post->accept) : NULL;
    const char *const headers[] = {"Content-Type: application/jose+json", accept, NULL};
    struct acme_http_request request = {.method = "POST",
                                        .url = post->url,
                                        .headers = headers,
                                        .body = body.data,
                                        .body_size = body.size};
    int rc = acme_http_send(client->http, &request, response, e);
    free(accept);
    buf_finish(&body);
    return rc;
}

/*
 * Sends once under *nonce, which it uses up. 1 if the CA refused the nonce; *nonce is then the one
 * of that very error, or NULL. 0 and -1 are final.
 */
static int attempt(struct acme_client *client, const struct client_post *post, char **nonce,
                   struct acme_http_response *response, struct err *e)
{
    struct acme_http_response got = {0};
    int rc = send_signed(client, post, *nonce, &got, e);
    free(*nonce);
    *nonce = NULL;
    if (rc < 0)
        return -1;
    ca_note_date(client->ca, &got);
    char *fresh = ca_nonce_of(&got);
    if (got.status / 100 == 2) {
        ca_put_nonce(client->ca, fresh);
        *response = got;
        return 0;
    }
    directory_refusal(&got, post->url, &client->problem, e);
    acme_http_response_finish(&got);
    if (e->code == ERR_CA_BAD_NONCE) {
        *nonce = fresh;
        return 1;
    }
    ca_put_nonce(client->ca, fresh);
    return -1;
}

int client_post(struct acme_client *client, const struct client_post *post,
                struct acme_http_response *response, struct err *e)
{
    if (acme_client_prepare(client, e) < 0)
        return -1;
    char *nonce = ca_take_nonce(client->ca);
    struct err why;
    for (int tries = 0; tries <= BAD_NONCE_RETRIES; tries++) {
        if (!nonce && fetch_nonce(client, &nonce, e) < 0)
            return -1;
        int rc = attempt(client, post, &nonce, response, &why);
        if (rc < 0)
            *e = why;
        if (rc == 0)
            acme_problem_finish(&client->problem);
        if (rc <= 0)
            return rc;
    }
    ca_put_nonce(client->ca, nonce);
    *e = why;
    return -1;
}

static int refuse_body(struct acme_http_response *response, struct err *e, const char *what)
{
    int status = response->status;
    acme_http_response_finish(response);
    err_set(e, ERR_CA_PROTOCOL, "the CA answered %d with %s", status, what);
    e->http_status = status;
    return -1;
}

int client_post_json(struct acme_client *client, const struct client_post *post, size_t max,
                     struct acme_http_response *response, struct json_object **json, struct err *e)
{
    struct acme_http_response got = {0};
    if (client_post(client, post, &got, e) < 0)
        return -1;
    if (got.body.size > max)
        return refuse_body(&got, e, "a larger document than any of its kind");
    struct json_object *object = json_parse_object(buf_string(&got.body), got.body.size);
    if (!object)
        return refuse_body(&got, e, "a body that is not a JSON object");
    *response = got;
    *json = object;
    return 0;
}

int client_check_url(const struct acme_client *client, const char *what, const char *url,
                     char **out, struct err *e)
{
    if (!directory_allows_url(ca_directory_url(client->ca), url))
        return err_set(e, ERR_CA_PROTOCOL, "the CA's %s is no usable https URL", what);
    *out = mem_strdup(url);
    return 0;
}

int client_url_member(const struct acme_client *client, const struct json_object *json,
                      const char *name, char **out, struct err *e)
{
    const char *url = json_text_of(json, name);
    if (!url) {
        *out = NULL;
        return 0;
    }
    return client_check_url(client, name, url, out, e);
}

/* Changing an account's key (RFC 8555 section 7.3.5). */
#include "acme/base/memory.h"
#include "acme/client_private.h"
#include "acme/json.h"
#include "acme/jws.h"

#include <assert.h>
#include <stdlib.h>

enum { HTTP_CONFLICT = 409 };

/* Appends {account, oldKey}, signed by the new key; nothing but the outer request has a nonce. */
static int add_consent(const struct acme_client *client, const struct key *new_key, const char *url,
                       struct buf *out, struct err *e)
{
    struct buf payload = {0};
    buf_add_string(&payload, "{\"account\":");
    json_add_text(client->kid, &payload);
    buf_add_string(&payload, ",\"oldKey\":");
    int rc = key_jwk(client->key, &payload, e);
    if (rc == 0) {
        buf_add_char(&payload, '}');
        rc = jws_sign(new_key, NULL, NULL, url, payload.data, out, e);
    }
    buf_finish(&payload);
    return rc;
}

int acme_account_key_change(struct acme_client *client, const struct key *new_key, struct err *e)
{
    assert(client->kid);
    char *url = NULL;
    if (acme_client_prepare(client, e) < 0 ||
        ca_endpoint_url(client->ca, CA_KEY_CHANGE, &url, e) < 0)
        return -1;
    struct buf consent = {0};
    struct acme_http_response response = {0};
    int rc = add_consent(client, new_key, url, &consent, e);
    if (rc == 0) {
        struct client_post post = {.url = url, .payload = consent.data};
        rc = client_post(client, &post, &response, e);
        /* The status is the RFC's; the type that comes with it differs from CA to CA. */
        if (rc < 0 && e->http_status == HTTP_CONFLICT)
            e->code = ERR_CA_CONFLICT;
    }
    acme_http_response_finish(&response);
    buf_finish(&consent);
    free(url);
    return rc;
}

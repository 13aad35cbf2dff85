/* Authorizations and challenges (RFC 8555 sections 7.1.4, 7.5 and 8). */
#include "acme/base/base64url.h"
#include "acme/base/clock.h"
#include "acme/base/memory.h"
#include "acme/challenge.h"
#include "acme/client_private.h"
#include "acme/json.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

enum { CHALLENGES_MAX = 64 };

static const char *const status_names[] = {
    [ACME_AUTHORIZATION_PENDING] = "pending", [ACME_AUTHORIZATION_VALID] = "valid",
    [ACME_AUTHORIZATION_INVALID] = "invalid", [ACME_AUTHORIZATION_DEACTIVATED] = "deactivated",
    [ACME_AUTHORIZATION_EXPIRED] = "expired", [ACME_AUTHORIZATION_REVOKED] = "revoked",
};

static void challenge_finish(struct acme_challenge *challenge)
{
    free(challenge->type);
    free(challenge->url);
    free(challenge->token);
    free(challenge->status);
    for (size_t i = 0; i < challenge->issuer_name_count; i++)
        free(challenge->issuer_names[i]);
    free(challenge->issuer_names);
    free(challenge->account_url);
    acme_problem_finish(&challenge->problem);
}

void acme_authorization_finish(struct acme_authorization *authorization)
{
    free(authorization->url);
    free(authorization->document);
    free(authorization->identifier_type);
    free(authorization->identifier_value);
    for (size_t i = 0; i < authorization->challenge_count; i++)
        challenge_finish(&authorization->challenges[i]);
    free(authorization->challenges);
    *authorization = (struct acme_authorization){0};
}

const struct acme_challenge *acme_authorization_failure(const struct acme_authorization *a)
{
    for (size_t i = 0; i < a->challenge_count; i++)
        if (a->challenges[i].error.code != ERR_NONE)
            return &a->challenges[i];
    return NULL;
}

static int read_status(const struct json_object *json, enum acme_authorization_status *out,
                       struct err *e)
{
    const char *text = json_text_of(json, "status");
    for (size_t i = 0; text && i < sizeof status_names / sizeof *status_names; i++) {
        if (!strcmp(text, status_names[i])) {
            *out = (enum acme_authorization_status)i;
            return 0;
        }
    }
    return err_set(e, ERR_CA_PROTOCOL,
                   "the authorization's status is '%.40s', which RFC 8555 has not",
                   text ? text : "missing");
}

static bool is_token(const char *token)
{
    return base64url_is(token) && strlen(token) <= CHALLENGE_TOKEN_MAX;
}

/* A bad token must not reach a path or a record (section 8.3, 11.1). */
static int read_token(const struct json_object *json, struct acme_challenge *challenge,
                      struct err *e)
{
    const char *token = json_text_of(json, "token");
    if (token && !is_token(token))
        return err_set(e, ERR_CA_PROTOCOL, "the token of %.40s is not base64url", challenge->type);
    challenge->token = mem_strdup(token);
    return 0;
}

/* The members of dns-persist-01. Odd ones are as if absent: another type may be the one in use. */
static void read_persist(const struct json_object *json, struct acme_challenge *challenge)
{
    challenge->account_url = mem_strdup(json_text_of(json, "accounturi"));
    struct json_object *array = json_array_of(json, "issuer-domain-names");
    size_t count = array ? json_object_array_length(array) : 0;
    if (count == 0 || count > ACME_ISSUER_NAMES_MAX)
        return;
    challenge->issuer_names = mem_new(count, sizeof *challenge->issuer_names);
    for (size_t i = 0; i < count; i++) {
        struct json_object *item = json_object_array_get_idx(array, i);
        if (json_object_is_type(item, json_type_string))
            challenge->issuer_names[challenge->issuer_name_count++] =
                mem_strdup(json_object_get_string(item));
    }
}

/* Returns 1 if it was read, 0 if it has no type or URL and so is of no use, -1 with e. */
static int read_challenge(const struct acme_client *client, const struct json_object *json,
                          struct acme_challenge *out, struct err *e)
{
    const char *type = json_text_of(json, "type"), *url = json_text_of(json, "url");
    if (!type || !url)
        return 0;
    struct acme_challenge challenge = {.type = mem_strdup(type)};
    const char *status = json_text_of(json, "status");
    challenge.status = mem_strdup(status ? status : "pending");
    read_persist(json, &challenge);
    const struct json_object *error = json_object_of(json, "error");
    if (error)
        acme_problem_from_json(error, 0, &challenge.problem, &challenge.error);
    if (client_check_url(client, "challenge", url, &challenge.url, e) < 0 ||
        read_token(json, &challenge, e) < 0) {
        challenge_finish(&challenge);
        return -1;
    }
    *out = challenge;
    return 1;
}

static int read_challenges(const struct acme_client *client, const struct json_object *json,
                           struct acme_authorization *a, struct err *e)
{
    struct json_object *array = json_array_of(json, "challenges");
    size_t count = array ? json_object_array_length(array) : 0;
    if (count > CHALLENGES_MAX)
        return err_set(e, ERR_CA_PROTOCOL, "the authorization has %zu challenges", count);
    a->challenges = mem_new(count, sizeof *a->challenges);
    for (size_t i = 0; i < count; i++) {
        int rc = read_challenge(client, json_object_array_get_idx(array, i),
                                &a->challenges[a->challenge_count], e);
        if (rc < 0)
            return -1;
        a->challenge_count += (size_t)rc;
    }
    return 0;
}

/* The authorization is to be finished also on failure. */
static int read_members(const struct acme_client *client, const struct json_object *json,
                        struct acme_authorization *a, struct err *e)
{
    const struct json_object *identifier = json_object_of(json, "identifier");
    const char *type = json_text_of(identifier, "type");
    const char *value = json_text_of(identifier, "value");
    if (!type || !value)
        return err_set(e, ERR_CA_PROTOCOL, "the authorization names no identifier");
    a->identifier_type = mem_strdup(type);
    a->identifier_value = mem_strdup(value);
    a->wildcard = json_bool_of(json, "wildcard");
    const char *expires = json_text_of(json, "expires");
    if (expires)
        clock_parse_rfc3339(expires, &a->expires_ms);
    return read_status(json, &a->status, e) < 0 ? -1 : read_challenges(client, json, a, e);
}

int acme_authorization_get(struct acme_client *client, const char *url,
                           struct acme_authorization *out, struct err *e)
{
    struct client_post post = {.url = url, .payload = ""};
    struct acme_http_response response = {0};
    struct json_object *json = NULL;
    if (client_post_json(client, &post, ACME_DOCUMENT_MAX_BYTES, &response, &json, e) < 0)
        return -1;
    struct acme_authorization a = {.url = mem_strdup(url)};
    int rc = read_members(client, json, &a, e);
    if (rc == 0) {
        a.document = mem_strdup(response.body.data);
        a.retry_after_ms = acme_http_retry_after_ms(&response, clock_wall_ms());
        *out = a;
    } else {
        acme_authorization_finish(&a);
    }
    json_object_put(json);
    acme_http_response_finish(&response);
    return rc;
}

/* What the CA answers to these two is looked at by the next poll. */
static int post_only(struct acme_client *client, const char *url, const char *payload,
                     int64_t *retry_after_ms, struct err *e)
{
    struct client_post post = {.url = url, .payload = payload};
    struct acme_http_response response = {0};
    if (client_post(client, &post, &response, e) < 0)
        return -1;
    if (retry_after_ms)
        *retry_after_ms = acme_http_retry_after_ms(&response, clock_wall_ms());
    acme_http_response_finish(&response);
    return 0;
}

int acme_authorization_deactivate(struct acme_client *client, const char *url, struct err *e)
{
    return post_only(client, url, "{\"status\":\"deactivated\"}", NULL, e);
}

int acme_challenge_respond(struct acme_client *client, const char *url, int64_t *retry_after_ms,
                           struct err *e)
{
    return post_only(client, url, "{}", retry_after_ms, e);
}

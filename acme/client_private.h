/* What the files behind client.h share. Private to acme. */
#ifndef CERTWRIGHT_ACME_CLIENT_PRIVATE_H
#define CERTWRIGHT_ACME_CLIENT_PRIVATE_H

#include "acme/client.h"

struct json_object;

/* directory.c */

/* Whether a URL that a CA gave may be used: https (http only if the directory's own is), printable,
   of bearable length. */
bool directory_allows_url(const char *directory_url, const char *url);

/* GETs the directory. On failure problem tells what the CA said. */
int directory_request(struct acme_http *http, const char *url, struct acme_http_response *response,
                      struct acme_problem *problem, struct err *e);

/* Fills e and problem from an answer that is no success, and returns -1. */
int directory_refusal(const struct acme_http_response *response, const char *url,
                      struct acme_problem *problem, struct err *e);

/* ca.c */

enum ca_endpoint {
    CA_NEW_NONCE,
    CA_NEW_ACCOUNT,
    CA_NEW_ORDER,
    CA_REVOKE_CERT,
    CA_KEY_CHANGE,
    CA_RENEWAL_INFO,
};

/* The endpoint's URL, which the caller frees. ERR_CA_PROTOCOL if the CA has none. The directory has
   to be there. */
int ca_endpoint_url(struct acme_ca *ca, enum ca_endpoint which, char **out, struct err *e);

const char *ca_directory_url(const struct acme_ca *ca);
bool ca_has_directory(struct acme_ca *ca);

/* The oldest nonce that is young enough, NULL if there is none; the caller frees. */
char *ca_take_nonce(struct acme_ca *ca);
/* Takes over a nonce; NULL is fine. */
void ca_put_nonce(struct acme_ca *ca, char *nonce);
/* The Replay-Nonce of an answer if it is one (RFC 8555 section 6.5.1), or NULL; the caller frees.
 */
char *ca_nonce_of(const struct acme_http_response *response);

/* Takes note of the answer's Date, if it has one; for every answer of the CA. */
void ca_note_date(struct acme_ca *ca, const struct acme_http_response *response);

/* request.c */

struct client_post {
    const char *url;
    const char *payload; /* JSON, or "" for POST-as-GET */
    const char *accept;  /* NULL: whatever the CA sends */
    bool with_jwk;       /* signed by the key itself instead of the account's URL */
};

/* Sends one signed request, anew while the CA refuses the nonce. Success is a 2xx answer; else
   client->problem and e tell. */
int client_post(struct acme_client *client, const struct client_post *post,
                struct acme_http_response *response, struct err *e);

/* The same for an answer that has to be a JSON object of at most max bytes; the caller ends both.
 */
int client_post_json(struct acme_client *client, const struct client_post *post, size_t max,
                     struct acme_http_response *response, struct json_object **json, struct err *e);

/* A URL of the CA's document, checked; *out is NULL if it is absent. The caller frees. */
int client_url_member(const struct acme_client *client, const struct json_object *json,
                      const char *name, char **out, struct err *e);
/* The same for text that is a URL, copied. */
int client_check_url(const struct acme_client *client, const char *what, const char *url,
                     char **out, struct err *e);

#endif

/*
 * The ACME client (RFC 8555, and what came after it): one function a request of the protocol.
 *
 *   struct acme_ca      one CA, shared by all threads: its directory and its pool of nonces
 *   struct acme_client  one thread's way to that CA: a connection, and the last problem it told
 *
 * It stands alone; tests/examples/issue.c is a whole client. The way to a certificate:
 *
 *   acme_http_library_init, acme_trust_system, acme_http_create, acme_ca_create
 *   acme_account_new             the account's URL is client.kid from then on
 *   acme_order_new               and for each of its authorizations:
 *     acme_authorization_get       what the CA offers as proof; challenge.h derives the answer
 *     acme_challenge_respond       and acme_authorization_get until it is pending no more
 *   acme_order_finalize          with a CSR (csr.h), and acme_order_get while it is processing
 *   acme_certificate_download    cert.h reads and checks what came
 *
 * Times are in milliseconds, points in time since 1970. What a function puts into *out is the
 * caller's, who ends it with the finish function of its type; a call that failed leaves *out alone.
 * Polling is the caller's too: where an answer has a Retry-After, it is retry_after_ms from now as
 * the CA has it, be it a second or a day.
 *
 * A function sends its request once, and again only where the protocol says that the first one had
 * no effect (badNonce, at most 8 times, with the nonce of the very error). After a transport
 * failure nothing is sent again: the caller looks at the object's state first.
 *
 * Every function that asks the CA can fail with ERR_CA_UNREACHABLE, ERR_CA_TLS, ERR_CA_TIMEOUT or
 * ERR_SHUTDOWN (nothing came back), ERR_CA_PROTOCOL (it makes no sense), or the code of the CA's
 * error (acme_problem_code: ERR_CA_RATE_LIMITED, ERR_CA_MALFORMED …); below stand only those that a
 * caller will want to treat by themselves. client->problem then holds what the CA said, until the
 * next call; e->http_status and e->retry_after_ms are its status and its Retry-After.
 *
 * URLs the CA gives must be https (http only if the directory's own is), printable ASCII, at most
 * 2048 bytes and without a user name; any other is ERR_CA_PROTOCOL. They may name other hosts and
 * ports than the directory's, as CAs behind several names do (RFC 8555 section 7.1): the same trust
 * anchors count there, what is sent is signed for that URL alone, and redirects are not followed.
 */
#ifndef CERTWRIGHT_ACME_CLIENT_H
#define CERTWRIGHT_ACME_CLIENT_H

#include "acme/base/error.h"
#include "acme/http.h"
#include "acme/identifier.h"
#include "acme/jws.h"
#include "acme/key.h"
#include "acme/problem.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * Caps on the documents that are handed on, in bytes. A directory, order or authorization that is
 * larger is ERR_CA_PROTOCOL; of an account only the document is dropped, since the account is there
 * whatever is said about it. An order of IDENTIFIER_MAX_COUNT names fits.
 */
enum { ACME_DOCUMENT_MAX_BYTES = 64 * 1024, ACME_ORDER_MAX_BYTES = 512 * 1024 };

/* RFC 8555 section 7.1.1. Texts are owned and NULL where the CA has none. */
struct acme_directory {
    char *document; /* the JSON as the CA sent it */
    char *new_nonce;
    char *new_account;
    char *new_order;
    char *revoke_cert;
    char *key_change;
    char *renewal_info;
    char *terms_of_service;
    bool external_account_required;
};

/* Fetches the directory at url. ERR_CA_PROTOCOL if an endpoint that everyone needs is missing. */
int acme_directory_fetch(struct acme_http *http, const char *url, struct acme_directory *out,
                         struct err *e);
/* The same from a stored document. */
int acme_directory_read(const char *document, const char *url, struct acme_directory *out,
                        struct err *e);
void acme_directory_finish(struct acme_directory *directory);

struct acme_ca;

/* Asks nothing yet: the directory is fetched by the first call that needs it, then kept. Every
   client of the CA has to have ended before it is destroyed. */
struct acme_ca *acme_ca_create(const char *directory_url);
void acme_ca_destroy(struct acme_ca *ca);

/* Sets the directory from a stored document, so that none is fetched. */
int acme_ca_set_directory(struct acme_ca *ca, const char *document, struct err *e);
/* Whether the CA has renewal information (RFC 9773): false before the directory is there. */
bool acme_ca_has_renewal_info(struct acme_ca *ca);
/* A copy of the document in use, NULL if none was fetched or set yet; the caller frees. */
char *acme_ca_directory_document(struct acme_ca *ca);
/*
 * By how much this machine's wall clock is ahead of the CA's now, in ms (negative: behind): by the
 * Date of the CA's last answer (RFC 9110 section 6.6.1) and the monotonic clock since then. False
 * if no answer of the last max_age_ms had one.
 */
bool acme_ca_clock_ahead(struct acme_ca *ca, int64_t max_age_ms, int64_t *ahead_ms);

/* For one thread at a time; made by filling in what is borrowed. */
struct acme_client {
    struct acme_http *http;      /* borrowed */
    struct acme_ca *ca;          /* borrowed */
    const struct key *key;       /* the account's; borrowed */
    const char *kid;             /* the account's URL; borrowed; NULL before newAccount */
    struct acme_problem problem; /* owned; of the last failed call */
};

/* Frees the problem, and forgets what is borrowed. */
void acme_client_finish(struct acme_client *client);

/* Makes sure the directory is there; one request at most. */
int acme_client_prepare(struct acme_client *client, struct err *e);
/* Fetches the directory anew; one request. The one in use stays after a failure. */
int acme_client_refresh(struct acme_client *client, struct err *e);

/* RFC 8555 section 7.1.2. */
struct acme_account {
    char *url;
    char *status;     /* "valid", "deactivated", "revoked" */
    char *document;   /* the account object as the CA sent it; "{}" if it was empty or too large */
    char *initial_ip; /* NULL unless the CA tells */
    char *created_at; /* the CA's text; NULL unless it tells */
    char *orders_url; /* of its list of orders; NULL where the CA keeps none */
    bool created;     /* 201: made now; else it existed */
};
void acme_account_finish(struct acme_account *account);

struct acme_account_request {
    const char *const *contacts; /* "mailto:…" */
    size_t contact_count;
    bool terms_of_service_agreed;
    bool only_existing;  /* find by key, never make: ERR_CA_ACCOUNT_MISSING */
    const char *eab_kid; /* NULL: no external account binding (section 7.3.4) */
    const void *eab_key; /* the MAC key's bytes */
    size_t eab_key_size;
    enum jws_mac eab_mac;
};

/*
 * Registers client->key, or finds the account that has it already (section 7.3): client->kid is not
 * used, and for the caller to set. What it asks for is all in request; terms are never agreed to
 * without it. ERR_CA_EAB_REQUIRED, ERR_CA_ACCOUNT_MISSING (only_existing), ERR_CA_UNAUTHORIZED (the
 * account is deactivated), ERR_CA_BAD_SIGNATURE_ALGORITHM (the CA takes no key of this type).
 */
int acme_account_new(struct acme_client *client, const struct acme_account_request *request,
                     struct acme_account *out, struct err *e);
/* The account of client->kid as the CA has it (section 7.3.3). ERR_CA_ACCOUNT_MISSING or
   ERR_CA_UNAUTHORIZED where it is none of the CA's any more. */
int acme_account_get(struct acme_client *client, struct acme_account *out, struct err *e);
/* All contacts anew (section 7.3.2); none if count is 0. ERR_CA_INVALID_CONTACT,
   ERR_CA_UNSUPPORTED_CONTACT. CAs that keep none answer as if nothing had been sent. */
int acme_account_update_contacts(struct acme_client *client, const char *const *contacts,
                                 size_t count, struct acme_account *out, struct err *e);
/* Final: the account cannot be used again (section 7.3.6). */
int acme_account_deactivate(struct acme_client *client, struct acme_account *out, struct err *e);

enum { ACME_ORDER_LIST_MAX = 1000, ACME_ORDER_LIST_PAGES_MAX = 100 };

/* RFC 8555 section 7.1.2.1. */
struct acme_order_list {
    char **urls; /* in the CA's order */
    size_t count;
    bool truncated; /* there is more than the caps above, or its pages go round in a circle */
};
void acme_order_list_finish(struct acme_order_list *list);

/*
 * The account's orders, by the orders_url of its object: page after page, one request each. Takes
 * the RFC's object and the bare array that some servers send. A CA may leave out invalid orders,
 * and forget old ones.
 */
int acme_account_list_orders(struct acme_client *client, const char *orders_url,
                             struct acme_order_list *out, struct err *e);

/*
 * Gives the account a new key (section 7.3.5). client->key, the old one, signs the request and
 * new_key, borrowed, the consent inside it; on success client->key is for the caller to replace.
 * ERR_CA_CONFLICT: another account has new_key; client->problem.location is its URL if the CA told.
 *
 * Store both keys before the call. After a crash, or an error that leaves open whether the CA saw
 * the request (ERR_CA_UNREACHABLE, ERR_CA_TIMEOUT, ERR_CA_SERVER_INTERNAL, ERR_SHUTDOWN), ask which
 * key it holds: acme_account_new with only_existing, first with the new key, then with the old one;
 * the other gives ERR_CA_ACCOUNT_MISSING. Compare the URL: it tells the account from others.
 */
int acme_account_key_change(struct acme_client *client, const struct key *new_key, struct err *e);

enum acme_order_status {
    ACME_ORDER_PENDING,
    ACME_ORDER_READY,
    ACME_ORDER_PROCESSING,
    ACME_ORDER_VALID,
    ACME_ORDER_INVALID,
};

/* RFC 8555 section 7.1.3. */
struct acme_order {
    char *url;
    enum acme_order_status status;
    char *document;
    char *finalize;
    char *certificate;     /* NULL until valid */
    char **authorizations; /* each URL once */
    size_t authorization_count;
    int64_t expires_ms;          /* 0: not told */
    int64_t retry_after_ms;      /* of this answer; 0: none */
    struct acme_problem problem; /* of an invalid order; empty if it told none */
    struct err error;            /* its translation; code ERR_NONE if none */
};
void acme_order_finish(struct acme_order *order);

struct acme_order_request {
    const struct identifier *ids;
    size_t count;
    /* Wanted validity (RFC 8555 section 7.4), wall time, cut to the second; 0: as the CA has it.
       Let's Encrypt refuses any: ERR_CA_MALFORMED. */
    int64_t not_before_ms;
    int64_t not_after_ms;
    const char *profile; /* NULL: the CA's default */
    /* The certificate this one follows, by its cert_renewal_id (RFC 9773 section 5); NULL. It is
       sent only to a CA that has renewal information. ERR_CA_ALREADY_REPLACED, and any other
       refusal that may be about it, is left to the caller, who asks once more without it. */
    const char *replaces;
};

/*
 * Orders a certificate for these identifiers (section 7.4). The CA may hand back an order that it
 * has, and authorizations that are valid: look at both states. ERR_CA_RATE_LIMITED, ERR_CA_PAUSED,
 * ERR_CA_REJECTED_IDENTIFIER, ERR_CA_UNSUPPORTED_IDENTIFIER, ERR_CA_COMPOUND (its subproblems tell
 * of each identifier), ERR_CA_INVALID_PROFILE, ERR_CA_USER_ACTION_REQUIRED.
 */
int acme_order_new(struct acme_client *client, const struct acme_order_request *request,
                   struct acme_order *out, struct err *e);
/* The order as it stands; url is out->url of acme_order_new. An invalid one is a success here. */
int acme_order_get(struct acme_client *client, const char *url, struct acme_order *out,
                   struct err *e);
/*
 * Sends the CSR, DER, for exactly the order's identifiers (section 7.4). The order must be ready;
 * it is then processing, or valid at once. ERR_CA_BAD_CSR leaves it ready: another CSR may do.
 * ERR_CA_ORDER_NOT_READY: acme_order_get tells why, also after a CSR whose answer was lost.
 */
int acme_order_finalize(struct acme_client *client, const char *finalize_url, const char *order_url,
                        const void *csr_der, size_t csr_size, struct acme_order *out,
                        struct err *e);

enum acme_authorization_status {
    ACME_AUTHORIZATION_PENDING,
    ACME_AUTHORIZATION_VALID,
    ACME_AUTHORIZATION_INVALID,
    ACME_AUTHORIZATION_DEACTIVATED,
    ACME_AUTHORIZATION_EXPIRED,
    ACME_AUTHORIZATION_REVOKED,
};

enum { ACME_ISSUER_NAMES_MAX = 10 };

struct acme_challenge {
    char *type; /* "http-01", "dns-01", … whatever the CA offers */
    char *url;
    char *token;  /* NULL where the type has none; else base64url, checked */
    char *status; /* "pending", "processing", "valid", "invalid" */
    /* Of dns-persist-01: what its record may name (challenge_dns_persist01_value). Texts of the CA,
       not checked; no names where it gave none or more than ACME_ISSUER_NAMES_MAX. */
    char **issuer_names;
    size_t issuer_name_count;
    char *account_url; /* NULL where the challenge has no accounturi */
    struct acme_problem problem;
    struct err error; /* code ERR_NONE if it told none */
};

/* RFC 8555 section 7.1.4. */
struct acme_authorization {
    char *url;
    enum acme_authorization_status status;
    char *document;
    char *identifier_type;
    char *identifier_value; /* without "*." */
    bool wildcard;
    struct acme_challenge *challenges;
    size_t challenge_count;
    int64_t expires_ms;
    int64_t retry_after_ms;
};
void acme_authorization_finish(struct acme_authorization *authorization);

/* The challenge that explains the authorization's failure: the one with an error, or NULL. */
const struct acme_challenge *acme_authorization_failure(const struct acme_authorization *a);

/* Section 7.5. Asked for the first time it tells the challenges, later whether one has worked. */
int acme_authorization_get(struct acme_client *client, const char *url,
                           struct acme_authorization *out, struct err *e);
/* Gives up the authorization, one that is valid too (section 7.5.2). */
int acme_authorization_deactivate(struct acme_client *client, const char *url, struct err *e);

/* Tells the CA that what the challenge wants is in place (section 7.5.1). *retry_after_ms says when
   the authorization is worth a look; 0 where the CA does not. */
int acme_challenge_respond(struct acme_client *client, const char *url, int64_t *retry_after_ms,
                           struct err *e);

/*
 * Downloads the certificate and, if preferred_chain is not NULL, the alternates, ten at most, until
 * one has an issuer of that CN or that key identifier in hex (section 7.4.2;
 * cert_chain_has_issuer); the default chain if none has. Appends PEM to chain.
 */
int acme_certificate_download(struct acme_client *client, const char *url,
                              const char *preferred_chain, struct buf *chain, struct err *e);

/* RFC 5280 section 5.3.1 reason code, -1: none. With client->kid NULL it is signed by client->key
   as the certificate's own key. ERR_CA_ALREADY_REVOKED is left to the caller to take as success. */
int acme_certificate_revoke(struct acme_client *client, const void *der, size_t size, int reason,
                            struct err *e);

/* RFC 9773 section 4.2. */
struct acme_renewal_info {
    int64_t start_ms; /* the suggested window, wall time; start < end */
    int64_t end_ms;
    char *explanation_url;  /* a page for a person; NULL unless the CA gives one */
    int64_t retry_after_ms; /* when to ask again, never sooner: 1 min to 1 day, 6 h if untold */
};
void acme_renewal_info_finish(struct acme_renewal_info *info);

/*
 * When the CA wants the certificate with this cert_renewal_id renewed. The request is not signed:
 * client's key and kid may be NULL. ERR_CA_PROTOCOL if the CA has no renewal information, or if the
 * window is none. After an error that lasts, ask again in six hours (section 4.3.3).
 */
int acme_renewal_info_get(struct acme_client *client, const char *renewal_id,
                          struct acme_renewal_info *out, struct err *e);

/* A moment in the window, wall time in ms: every one is as likely as the others if random is (see
   section 4.2). It may lie in the past, and then means now. */
int64_t acme_renewal_time(const struct acme_renewal_info *info, uint64_t random);

#endif

/*
 * The REST API (api-spec/openapi.yaml): one file a resource. A handler reads and validates, queues
 * one write, and answers; it never speaks ACME and never blocks on the network.
 */
#ifndef CERTWRIGHT_SERVER_API_API_H
#define CERTWRIGHT_SERVER_API_API_H

#include "acme/base/error.h"
#include "acme/key.h"
#include "server/api/spec_common.h"
#include "server/api/target_items.h"
#include "server/http/exchange.h"
#include "store/seal.h"

#include <stdbool.h>
#include <stdint.h>

struct api;
struct config;
struct engine;
struct fields;
struct http01_table;
struct http_caller;
struct http_served;
struct json_object;
struct principal;
struct store;

/* The config's `defaults`: what fills the gaps of a certificate's body. */
struct api_defaults {
    char *account; /* NULL: none */
    enum key_type key_type;
    struct target_items targets;
    struct spec_renew renew;
    bool answers_tls_alpn01; /* whether there is a listener for it */
};

/*
 * Reads them as the other readers do (see spec_common.h); json NULL gives what stands without any
 * config. api_defaults_finish frees what out holds.
 */
int api_defaults_read(struct json_object *json, struct fields *errors, struct api_defaults *out);
void api_defaults_finish(struct api_defaults *defaults);

/* How the master key is replaced: what the API cannot know of where it comes from. */
struct api_master {
    /* The new one, from the text of the request or NULL. ERR_INVALID, ERR_CONFIG; ERR_CONFLICT
       while another one waits for its place. One rekey at a time. */
    int (*next)(void *context, const char *given, unsigned char out[SEAL_KEY_SIZE], struct err *e);
    /* Once the database opens with it. settled: whether it is where the next start finds it; false
       if this fails. */
    int (*settle)(void *context, bool *settled, struct err *e);
    void *context;
};

/* All borrowed for the API's life. */
struct api_options {
    struct api_master master;
    struct store *store;
    const struct config *config;
    const struct api_defaults *defaults; /* read from it */
    struct http01_table *http01;
    const struct engine *engine; /* for metrics */
    /* Has those who wait for an answer look whether they may still have it. Never blocks. */
    void (*wake)(void *context);
    void *wake_context;
};

/* Reads the tokens, so after the first start has made one. */
int api_create(const struct api_options *options, struct api **out, struct err *e);
/* After the HTTP server's end. */
void api_destroy(struct api *api);

/* To be called every few seconds, and once after the HTTP server's end: writes down what was
   refused. */
void api_tend(struct api *api, bool is_end);

/* Whether /readyz says so: once everything is started, until the end begins. */
void api_set_ready(struct api *api, bool ready);

/* For struct http_server_options: context is the struct api. */
extern const struct http_route *const api_routes[];
int api_authenticate(void *context, const struct http_caller *caller, struct principal *principal,
                     struct err *e);
int api_permit(void *context, const struct http_exchange *x, struct err *e);
void api_served(void *context, const struct http_served *request);
const void *api_news(void *context);

#endif

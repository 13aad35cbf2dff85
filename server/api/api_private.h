/* What the files of the API share. */
#ifndef CERTWRIGHT_SERVER_API_API_PRIVATE_H
#define CERTWRIGHT_SERVER_API_API_PRIVATE_H

#include "server/api/api.h"
#include "server/api/refused.h"
#include "server/api/served.h"
#include "store/store.h"

#include <stdatomic.h>
#include <stddef.h>

struct token_set;

struct api {
    struct api_options options;
    struct token_set *tokens;
    struct served served;
    struct refused refused;
    struct event_news *news; /* of the HTTP server's thread for streams */
    atomic_bool ready;
};

/* What the streams of events share (event_stream.c). */
struct event_news *event_news_create(void);
void event_news_destroy(struct event_news *news);

/* Route tables; each ends with a route whose path is NULL. */
extern const struct http_route authorities_routes[];
extern const struct http_route accounts_routes[];
extern const struct http_route account_actions_routes[];
extern const struct http_route certificates_routes[];
extern const struct http_route certificate_files_routes[];
extern const struct http_route certificate_pkcs12_routes[];
extern const struct http_route certificate_actions_routes[];
extern const struct http_route imports_routes[];
extern const struct http_route revocations_routes[];
extern const struct http_route preflight_routes[];
extern const struct http_route credentials_routes[];
extern const struct http_route solvers_routes[];
extern const struct http_route targets_routes[];
extern const struct http_route orders_routes[];
extern const struct http_route jobs_routes[];
extern const struct http_route tokens_routes[];
extern const struct http_route audit_routes[];
extern const struct http_route rekey_routes[];
extern const struct http_route events_routes[];
extern const struct http_route service_routes[];

#endif

/*
 * What the audit trail gets from the API: each write that was done, in its transaction, and each
 * secret that was given away, before it is. What was refused comes from refused.h.
 */
#ifndef CERTWRIGHT_SERVER_API_AUDIT_H
#define CERTWRIGHT_SERVER_API_AUDIT_H

#include "server/api/api_private.h"

/* Inside a transaction, for a request whose http_request_id has been asked for; job may be NULL. */
int audit_note_success(struct store_tx *tx, struct http_exchange *x, int status,
                       const char *resource, const char *job, struct err *e);

/*
 * Answers x with 200 and a secret, body, whose content is taken over, once the audit trail tells
 * of it durably. If it cannot be written, the secret is not given: ERR_STORE (503) or
 * ERR_STORE_FULL (507). Headers are added before.
 */
void audit_disclose(struct api *api, struct http_exchange *x, const char *content_type,
                    struct buf *body);

#endif

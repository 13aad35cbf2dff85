/*
 * What the http-01 responder answers (RFC 8555 section 8.3): token → key authorization, in memory.
 * The engine fills it, at the start from the store; any HTTP thread asks it.
 */
#ifndef CERTWRIGHT_SERVER_SOLVER_HTTP01_H
#define CERTWRIGHT_SERVER_SOLVER_HTTP01_H

#include "acme/base/buffer.h"
#include "acme/base/error.h"

#include <stdbool.h>
#include <stddef.h>

struct http01_table;

struct http01_table *http01_create(void);
void http01_destroy(struct http01_table *table);

/*
 * From now on the token is answered. An authorization can be shared by several orders, hence the
 * owner (any text that names who wants it): the token stays until its last owner removes it, and
 * adding twice for one owner is the same as once. ERR_CA_PROTOCOL if the token is not base64url
 * or the key authorization does not begin with the token and a dot.
 */
int http01_add(struct http01_table *table, const char *owner, const char *token,
               const char *key_authorization, struct err *e);

/* Takes the owner's claim on the token back; fine if there is none. */
void http01_remove(struct http01_table *table, const char *owner, const char *token);

/* Appends the key authorization to out. False if the token is unknown. */
bool http01_lookup(struct http01_table *table, const char *token, struct buf *out);

/* How many tokens are answered at present. */
size_t http01_count(struct http01_table *table);

#endif

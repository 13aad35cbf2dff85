/* The body of POST /tokens, and what is stored of it. */
#ifndef CERTWRIGHT_SERVER_API_SPEC_TOKEN_H
#define CERTWRIGHT_SERVER_API_SPEC_TOKEN_H

#include "server/api/fields.h"

#include <stdint.h>

struct grant;
struct token;

struct spec_token {
    char *name;
    uint32_t scopes;
    char *scope_names;   /* JSON array, "admin" alone or in the order of their bits */
    char *restrictions;  /* JSON object as given: identifiers, labels, addresses */
    struct grant *grant; /* the same with the times; held */
    int64_t not_before;  /* wall time; 0: always */
    int64_t expires_at;  /* wall time; 0: never */
};

int spec_token_read(struct json_object *body, struct fields *errors, struct spec_token *out);
void spec_token_finish(struct spec_token *spec);

/* What a stored token may do; the caller releases *grant. ERR_INTERNAL if the row is not one that
   spec_token_read has made. */
int spec_token_restore(const struct token *row, uint32_t *scopes, struct grant **grant,
                       struct err *e);

#endif

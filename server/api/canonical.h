/* JSON in one form only, so that comparing texts compares values. */
#ifndef CERTWRIGHT_SERVER_API_CANONICAL_H
#define CERTWRIGHT_SERVER_API_CANONICAL_H

struct json_object;

/* value as compact JSON with the members sorted by their bytes at every level; the caller frees. */
char *canonical_json(struct json_object *value);

#endif

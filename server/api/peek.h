/*
 * Looking at members of a body that may be wrong otherwise: what the database has to say of them is
 * told together with the body's own mistakes.
 */
#ifndef CERTWRIGHT_SERVER_API_PEEK_H
#define CERTWRIGHT_SERVER_API_PEEK_H

#include <stdbool.h>

struct json_object;

/* The member if it is a good resource name, else NULL. Borrowed. */
const char *peek_name(struct json_object *body, const char *member);
/* The member if it is a text, else NULL. Borrowed. */
const char *peek_text(struct json_object *body, const char *member);
/* The member if it is an object, else NULL. Borrowed. */
struct json_object *peek_object(struct json_object *body, const char *member);
/* The member if it is an array, else NULL. Borrowed. */
struct json_object *peek_array(struct json_object *body, const char *member);
bool peek_has(struct json_object *body, const char *member);
bool peek_true(struct json_object *body, const char *member);

#endif

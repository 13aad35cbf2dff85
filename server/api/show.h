/* Values as the API shows them. All return new JSON; NULL is JSON's null. */
#ifndef CERTWRIGHT_SERVER_API_SHOW_H
#define CERTWRIGHT_SERVER_API_SHOW_H

#include <stdbool.h>
#include <stdint.h>

struct json_object;

struct json_object *show_text(const char *text);
/* RFC 3339; null for 0. */
struct json_object *show_time(int64_t ms);
/* Stored JSON text; null for NULL. */
struct json_object *show_stored(const char *json);
/* A stored failure (store/failure.h) as a problem; null for NULL. */
struct json_object *show_failure(const char *failure);
/* A resource's last_error: what its active job waits for a person with ("": without an error) goes
   before what went wrong the last time. */
struct json_object *show_last_error(const char *last_error, const char *person_error);

/* {type, name, href}. */
struct json_object *show_resource(const char *type, const char *name);

void show_add_text(struct json_object *object, const char *name, const char *text);
void show_add_bool(struct json_object *object, const char *name, bool value);
void show_add_int(struct json_object *object, const char *name, int64_t value);
void show_add_time(struct json_object *object, const char *name, int64_t ms);

#endif

/* What the config allows the API to name: its commands, pidfiles, roots for files, and addresses
   that requests may go to. */
#ifndef CERTWRIGHT_SERVER_API_ALLOWED_H
#define CERTWRIGHT_SERVER_API_ALLOWED_H

struct config;
struct fields;
struct json_object;

/* Complains of a URL that leads to an address where requests do not go, so far as the URL itself
   shows that. */
void allowed_check_authority(const struct config *config, struct json_object *body,
                             struct fields *errors);

/* The same, and of a command that the config does not have. */
void allowed_check_solver(const struct config *config, struct json_object *body,
                          struct fields *errors);

/* The same, and of a directory below none of its roots, and of a pidfile that it does not name. */
void allowed_check_target(const struct config *config, struct json_object *body,
                          struct fields *errors);

#endif

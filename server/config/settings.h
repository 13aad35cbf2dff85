/* Reading the config file's members strictly: every mistake is complained of, nothing stops the
   reading. Private to server/config. */
#ifndef CERTWRIGHT_SERVER_CONFIG_SETTINGS_H
#define CERTWRIGHT_SERVER_CONFIG_SETTINGS_H

#include "server/config/complaints.h"
#include "server/config/config.h"

#include <stdbool.h>

struct json_object;

/* One object of the file. */
struct settings {
    struct json_object *object;
    const char *source;
    const char *pointer;
    struct complaints *complaints;
};

/* What is wrong with a text, or NULL. */
typedef const char *settings_check(const char *text);

/* What is wrong with a value that has to be a text, or NULL. */
const char *settings_fault(struct json_object *value, settings_check *check);

/* parent with one more token (RFC 6901 section 3); the caller frees. */
char *settings_pointer(const char *parent, const char *name);

/* Complains of members that are not among names (ends with NULL). */
void settings_only(const struct settings *s, const char *const *names);

/* Each leaves *out alone if the member is absent or wrong. For a text, null is as good as absent.
 */
void settings_text(const struct settings *s, const char *name, settings_check *check, char **out);
void settings_texts(const struct settings *s, const char *name, settings_check *check,
                    struct config_texts *out);
void settings_bool(const struct settings *s, const char *name, bool *out);
void settings_int(const struct settings *s, const char *name, int min, int max, int *out);

/* The member if it is an object, else NULL. Borrowed. */
struct json_object *settings_object(const struct settings *s, const char *name);

void config_texts_finish(struct config_texts *texts);
void config_texts_add(struct config_texts *texts, const char *text);

#endif

/* {"$file": PATH} and {"$env": NAME} in the config's resources. Private to server/config. */
#ifndef CERTWRIGHT_SERVER_CONFIG_EXPAND_H
#define CERTWRIGHT_SERVER_CONFIG_EXPAND_H

#include "server/config/complaints.h"

struct json_object;

/*
 * Replaces every reference below json, which stands at pointer in source, by its text. Relative
 * paths start at the directory of source. What cannot be replaced is complained of.
 */
void expand_references(struct json_object *json, const char *source, const char *pointer,
                       struct complaints *complaints);

#endif

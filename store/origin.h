/* Who owns a resource: the API's callers, the config file, or this program. */
#ifndef CERTWRIGHT_STORE_ORIGIN_H
#define CERTWRIGHT_STORE_ORIGIN_H

enum origin { ORIGIN_API, ORIGIN_CONFIG, ORIGIN_BUILTIN };

/* "api", "config", "builtin". */
const char *origin_name(enum origin origin);
/* Of a name from above. */
enum origin origin_by_name(const char *name);

#endif

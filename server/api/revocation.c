#include "server/api/revocation.h"

#include <json-c/json.h>
#include <string.h>

/* 7 is not used. */
static const char *const reasons[] = {
    "unspecified",     "key_compromise",         "ca_compromise",    "affiliation_changed",
    "superseded",      "cessation_of_operation", "certificate_hold", "",
    "remove_from_crl", "privilege_withdrawn",    "aa_compromise",
};

enum { REASONS = sizeof reasons / sizeof *reasons };

const char *revocation_reason_name(int64_t reason)
{
    return reason >= 0 && reason < REASONS && *reasons[reason] ? reasons[reason] : NULL;
}

int revocation_reason_read(const struct members *m)
{
    struct json_object *value = json_object_object_get(m->object, "reason");
    if (!members_has(m, "reason"))
        return 0;
    if (json_object_is_type(value, json_type_int)) {
        int64_t number = json_object_get_int64(value);
        if (revocation_reason_name(number))
            return (int)number;
    } else if (json_object_is_type(value, json_type_string)) {
        for (int i = 0; i < REASONS; i++)
            if (*reasons[i] && !strcmp(reasons[i], json_object_get_string(value)))
                return i;
    }
    members_wrong(m, "reason",
                  "must be one of RFC 5280's: a number from 0 to 10 but 7, or its name, such as "
                  "key_compromise or superseded");
    return 0;
}

#include "server/api/labels.h"

#include "acme/base/memory.h"
#include "server/api/canonical.h"

#include <ctype.h>
#include <json-c/json.h>
#include <string.h>

enum { LABELS_MAX = 64, KEY_MAX = 63, VALUE_MAX = 255 };

static bool is_key(const char *key)
{
    size_t length = strlen(key);
    if (length == 0 || length > KEY_MAX || !isalnum((unsigned char)key[0]))
        return false;
    for (const char *c = key; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("._/-", *c))
            return false;
    return true;
}

static bool is_value(struct json_object *value)
{
    if (!value || !json_object_is_type(value, json_type_string))
        return false;
    const char *text = json_object_get_string(value);
    int length = json_object_get_string_len(value);
    if (length > VALUE_MAX)
        return false;
    for (int i = 0; i < length; i++)
        if ((unsigned char)text[i] < ' ' || text[i] == 127)
            return false;
    return true;
}

char *labels_read(const struct members *m, enum members_need need)
{
    struct members labels;
    if (!members_object(m, "labels", need, &labels))
        return mem_strdup("{}");
    if (json_object_object_length(labels.object) > LABELS_MAX)
        members_wrong(m, "labels", "must have at most %d members", LABELS_MAX);
    json_object_object_foreach(labels.object, key, value)
    {
        if (!is_key(key))
            members_wrong(m, "labels",
                          "must have keys of 1 to 63 characters of A-Z, a-z, 0-9, '.', '_', '/' "
                          "and '-' that begin with a letter or digit");
        else if (!is_value(value))
            members_wrong(&labels, key,
                          "must be a string of at most 255 bytes without control characters");
    }
    return canonical_json(labels.object);
}

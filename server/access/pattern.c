#include "server/access/pattern.h"

#include <string.h>

int pattern_parse(const char *text, struct pattern *out, struct err *e)
{
    struct pattern pattern = {.kind = PATTERN_NAME};
    bool is_literal = *text == '=';
    const char *name = text + is_literal;
    if (strchr(text, '/')) {
        const char *fault = network_parse(text, &pattern.network);
        if (fault)
            return err_set(e, ERR_INVALID, "\"%.100s\" %s", text, fault);
        pattern.kind = PATTERN_NETWORK;
        *out = pattern;
        return 0;
    }
    if (identifier_parse(name, &pattern.name, e) < 0)
        return -1;
    if (is_literal && !identifier_is_wildcard(&pattern.name))
        return err_set(e, ERR_INVALID, "\"%.100s\": = is for a wildcard's own name", text);
    if (!is_literal && identifier_is_wildcard(&pattern.name))
        pattern.kind = PATTERN_BELOW;
    *out = pattern;
    return 0;
}

/* One label more than base, which is no wildcard. */
static bool is_below(const struct identifier *id, const char *base)
{
    const char *dot = strchr(id->value, '.');
    return id->type == IDENTIFIER_DNS && !identifier_is_wildcard(id) && dot &&
           !strcmp(dot + 1, base);
}

static bool is_within(const struct identifier *id, const struct network *network)
{
    struct network address;
    return id->type == IDENTIFIER_IP && !network_parse(id->value, &address) &&
           network_contains(network, &address);
}

bool pattern_matches(const struct pattern *pattern, const struct identifier *id)
{
    switch (pattern->kind) {
    case PATTERN_NAME:
        return identifier_compare(&pattern->name, id) == 0;
    case PATTERN_BELOW:
        return is_below(id, identifier_base(&pattern->name));
    case PATTERN_NETWORK:
        return is_within(id, &pattern->network);
    }
    return false;
}

/* Reading the records of dns-persist-01: an issue-value as CAA has it (RFC 8659 section 4.2). */
#include "acme/challenge.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* A part of a text. */
struct piece {
    const char *start;
    size_t size;
};

struct persist_record {
    struct piece issuer;
    struct piece account_url;
    struct piece policy;
    struct piece until;
};

static struct piece trimmed(const char *start, size_t size)
{
    while (size && isspace((unsigned char)*start))
        start++, size--;
    while (size && isspace((unsigned char)start[size - 1]))
        size--;
    return (struct piece){start, size};
}

/* Up to the next separator; *rest goes behind it, NULL at the end. */
static struct piece cut(const char **rest, char separator)
{
    const char *start = *rest, *end = strchr(start, separator);
    size_t size = end ? (size_t)(end - start) : strlen(start);
    *rest = end ? end + 1 : NULL;
    return trimmed(start, size);
}

static bool piece_is(const struct piece *piece, const char *text)
{
    return piece->start && piece->size == strlen(text) &&
           !strncasecmp(piece->start, text, piece->size);
}

/* False if there is no "=", or a tag that we know is there twice. */
static bool take_parameter(const struct piece *parameter, struct persist_record *out)
{
    const char *equals = memchr(parameter->start, '=', parameter->size);
    if (!equals)
        return false;
    struct piece tag = trimmed(parameter->start, (size_t)(equals - parameter->start));
    struct piece value =
        trimmed(equals + 1, parameter->size - (size_t)(equals + 1 - parameter->start));
    struct piece *place = piece_is(&tag, "accounturi")     ? &out->account_url
                          : piece_is(&tag, "policy")       ? &out->policy
                          : piece_is(&tag, "persistUntil") ? &out->until
                                                           : NULL;
    if (place && place->start)
        return false;
    if (place)
        *place = value;
    return true;
}

static bool read_record(const char *text, struct persist_record *out)
{
    *out = (struct persist_record){0};
    out->issuer = cut(&text, ';');
    while (text) {
        struct piece parameter = cut(&text, ';');
        if (parameter.size && !take_parameter(&parameter, out))
            return false;
    }
    return out->issuer.size && out->account_url.size;
}

static struct piece without_dot(struct piece name)
{
    if (name.size && name.start[name.size - 1] == '.')
        name.size--;
    return name;
}

/* list: names with commas between them. */
static bool is_one_of(struct piece issuer, struct piece list)
{
    issuer = without_dot(issuer);
    const char *end = list.start + list.size;
    for (const char *at = list.start; at <= end;) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        struct piece name = without_dot(trimmed(at, (size_t)((comma ? comma : end) - at)));
        if (name.size == issuer.size && !strncasecmp(name.start, issuer.start, name.size))
            return true;
        at = (comma ? comma : end) + 1;
    }
    return false;
}

static bool lasts(const struct piece *until, int64_t now)
{
    if (!until->start)
        return true;
    size_t digits = 0;
    while (digits < until->size && isdigit((unsigned char)until->start[digits]))
        digits++;
    return digits && digits == until->size && digits <= 18 && strtoll(until->start, NULL, 10) > now;
}

bool challenge_dns_persist01_fits(const char *value, const char *wanted, int64_t now)
{
    struct persist_record there, asked;
    if (!read_record(value, &there) || !read_record(wanted, &asked))
        return false;
    return is_one_of(there.issuer, asked.issuer) &&
           there.account_url.size == asked.account_url.size &&
           !memcmp(there.account_url.start, asked.account_url.start, asked.account_url.size) &&
           (!piece_is(&asked.policy, "wildcard") || piece_is(&there.policy, "wildcard")) &&
           lasts(&there.until, now);
}

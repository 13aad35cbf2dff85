/*
 * Patterns of identifiers.
 *
 *   www.example.com     that name
 *   *.example.com       each name that has one label more: www.example.com, but neither
 *                       a.b.example.com nor example.com nor the wildcard *.example.com
 *   =*.example.com      the wildcard itself
 *   192.0.2.0/24        each address in it; 192.0.2.1 is that address
 */
#ifndef CERTWRIGHT_SERVER_ACCESS_PATTERN_H
#define CERTWRIGHT_SERVER_ACCESS_PATTERN_H

#include "acme/base/error.h"
#include "acme/identifier.h"
#include "server/access/network.h"

#include <stdbool.h>

enum pattern_kind { PATTERN_NAME, PATTERN_BELOW, PATTERN_NETWORK };

struct pattern {
    enum pattern_kind kind;
    struct identifier name; /* of PATTERN_NAME; of PATTERN_BELOW with its "*." */
    struct network network; /* of PATTERN_NETWORK */
};

/* Names are normalized as identifiers are. ERR_INVALID. */
int pattern_parse(const char *text, struct pattern *out, struct err *e);

bool pattern_matches(const struct pattern *pattern, const struct identifier *id);

#endif

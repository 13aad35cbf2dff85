#include "server/solver/dns_zone.h"

#include "acme/base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ALIAS_MAX = 8 }; /* look-ups that lead to another name */

struct zone_walk {
    struct dns_lookup *lookup;
    dns_zone_done *done;
    void *context;
    char *first;    /* as it was given, for messages */
    char *name;     /* after CNAMEs so far */
    const char *at; /* the name or a domain above it, within name */
    int aliases;
};

static void walk_end(struct zone_walk *walk, const char *zone, const struct err *e)
{
    walk->done(walk->context, zone, walk->name, e);
    free(walk->first);
    free(walk->name);
    free(walk);
}

static void walk_fail(struct zone_walk *walk, enum dns_outcome outcome,
                      const struct dns_answer *answer)
{
    struct err e = {0};
    if (outcome == DNS_CLOSED)
        err_set(&e, ERR_SHUTDOWN, "the service is stopping");
    else if (outcome != DNS_ANSWERED)
        err_set(&e, ERR_DNS_TIMEOUT,
                "the resolvers do not answer: the zone of %s cannot be looked up", walk->name);
    else
        err_set(&e, ERR_DNS_SERVFAIL, "the resolvers answer %s for %s",
                dns_rcode_name(answer->rcode), walk->at);
    walk_end(walk, "", &e);
}

static void walk_ask(struct zone_walk *walk);

/* The name is a CNAME that leads on: the walk starts again from there. */
static void walk_follow(struct zone_walk *walk, const struct dns_answer *answer)
{
    if (++walk->aliases > ALIAS_MAX) {
        struct err e = {0};
        err_set(&e, ERR_DNS_NO_ZONE, "the CNAMEs from %s come to no end", walk->first);
        walk_end(walk, "", &e);
        return;
    }
    free(walk->name);
    walk->name = mem_strdup(answer->name);
    walk->at = walk->name;
    if (answer->zone[0])
        walk_end(walk, answer->zone, NULL);
    else
        walk_ask(walk);
}

/* A server that knows no SOA says as much about the zone as one that has none. */
static bool walk_can_use(enum dns_outcome outcome, const struct dns_answer *answer)
{
    return outcome == DNS_ANSWERED &&
           (answer->rcode == DNS_NOERROR || answer->rcode == DNS_NXDOMAIN ||
            answer->rcode == DNS_NOTIMP);
}

static void walk_answered(void *context, enum dns_outcome outcome, const struct dns_answer *answer)
{
    struct zone_walk *walk = context;
    if (!walk_can_use(outcome, answer)) {
        walk_fail(walk, outcome, answer);
        return;
    }
    if (answer->alias && walk->at == walk->name) {
        walk_follow(walk, answer);
        return;
    }
    /* A domain above the name that is a CNAME itself is no zone, and its SOA somebody else's. */
    if (answer->zone[0] && !answer->alias) {
        walk_end(walk, answer->zone, NULL);
        return;
    }
    const char *dot = strchr(walk->at, '.');
    walk->at = dot ? dot + 1 : NULL;
    if (walk->at)
        walk_ask(walk);
    else
        walk_end(walk, "", NULL);
}

static void walk_ask(struct zone_walk *walk)
{
    dns_lookup_ask(walk->lookup, walk->at, DNS_SOA, walk_answered, walk);
}

void dns_zone_find(struct dns_lookup *lookup, const char *name, dns_zone_done *done, void *context)
{
    struct zone_walk *walk = mem_new(1, sizeof *walk);
    walk->lookup = lookup;
    walk->done = done;
    walk->context = context;
    walk->first = mem_strdup(name);
    walk->name = mem_strdup(name);
    walk->at = walk->name;
    walk_ask(walk);
}

/* ---- name servers ---- */

enum { AUTHORITIES_MAX = 32, ADDRESSES_MAX = 16 };

struct authority_walk {
    struct dns_lookup *lookup;
    dns_authorities_done *done;
    void *context;
    char zone[DNS_NAME_SIZE];
    uint16_t port;
    struct dns_authority *authorities;
    size_t count;
    size_t pending;
    bool closed;
};

/* One of the questions for a name server's address. */
struct address_question {
    struct authority_walk *walk;
    struct dns_authority *authority;
};

void dns_authorities_free(struct dns_authority *authorities, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(authorities[i].addresses);
    free(authorities);
}

static void authorities_end(struct authority_walk *walk, const struct err *e)
{
    if (e) {
        dns_authorities_free(walk->authorities, walk->count);
        walk->done(walk->context, NULL, 0, e);
    } else {
        walk->done(walk->context, walk->authorities, walk->count, NULL);
    }
    free(walk);
}

static void authorities_finish_when_complete(struct authority_walk *walk)
{
    struct err e = {0};
    if (walk->pending > 0)
        return;
    if (walk->closed)
        err_set(&e, ERR_SHUTDOWN, "the service is stopping");
    authorities_end(walk, walk->closed ? &e : NULL);
}

static void authority_add(struct dns_authority *authority, const char *ip, uint16_t port)
{
    struct dns_address address;
    if (authority->address_count == ADDRESSES_MAX || !dns_address_from_ip(ip, port, &address))
        return;
    authority->addresses =
        mem_grow(authority->addresses, authority->address_count + 1, sizeof *authority->addresses);
    authority->addresses[authority->address_count++] = address;
}

static void address_answered(void *context, enum dns_outcome outcome,
                             const struct dns_answer *answer)
{
    struct address_question *question = context;
    struct authority_walk *walk = question->walk;
    bool known =
        outcome == DNS_ANSWERED && (answer->rcode == DNS_NOERROR || answer->rcode == DNS_NXDOMAIN);
    if (!known)
        question->authority->failed = true;
    for (size_t i = 0; known && i < answer->value_count; i++)
        authority_add(question->authority, answer->values[i], walk->port);
    if (outcome == DNS_CLOSED)
        walk->closed = true;
    walk->pending--;
    free(question);
    authorities_finish_when_complete(walk);
}

static void address_ask(struct authority_walk *walk, struct dns_authority *authority,
                        enum dns_type type)
{
    struct address_question *question = mem_new(1, sizeof *question);
    question->walk = walk;
    question->authority = authority;
    walk->pending++;
    dns_lookup_ask(walk->lookup, authority->name, type, address_answered, question);
}

static void servers_answered(void *context, enum dns_outcome outcome,
                             const struct dns_answer *answer)
{
    struct authority_walk *walk = context;
    struct err e = {0};
    if (outcome == DNS_CLOSED)
        err_set(&e, ERR_SHUTDOWN, "the service is stopping");
    else if (outcome != DNS_ANSWERED)
        err_set(&e, ERR_DNS_TIMEOUT,
                "the resolvers do not answer: the name servers of %s cannot be looked up",
                walk->zone);
    else if (answer->rcode != DNS_NOERROR && answer->rcode != DNS_NXDOMAIN)
        err_set(&e, ERR_DNS_SERVFAIL, "the resolvers answer %s for the name servers of %s",
                dns_rcode_name(answer->rcode), walk->zone);
    else if (answer->value_count == 0)
        err_set(&e, ERR_DNS_NO_ZONE, "the zone %s has no name servers", walk->zone);
    if (e.code != ERR_NONE) {
        authorities_end(walk, &e);
        return;
    }
    size_t count = answer->value_count < AUTHORITIES_MAX ? answer->value_count : AUTHORITIES_MAX;
    walk->authorities = mem_new(count, sizeof *walk->authorities);
    walk->count = count;
    for (size_t i = 0; i < count; i++) {
        snprintf(walk->authorities[i].name, DNS_NAME_SIZE, "%s", answer->values[i]);
        address_ask(walk, &walk->authorities[i], DNS_A);
        address_ask(walk, &walk->authorities[i], DNS_AAAA);
    }
}

void dns_authorities_find(struct dns_lookup *lookup, const char *zone, uint16_t port,
                          dns_authorities_done *done, void *context)
{
    struct authority_walk *walk = mem_new(1, sizeof *walk);
    walk->lookup = lookup;
    walk->done = done;
    walk->context = context;
    walk->port = port;
    snprintf(walk->zone, sizeof walk->zone, "%s", zone);
    dns_lookup_ask(lookup, walk->zone, DNS_NS, servers_answered, walk);
}

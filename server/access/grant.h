/*
 * What narrows the scopes of a token, and what ends it. A grant is shared by all who were let in by
 * it, so that its end reaches those that are under way. It is filled before it is shared, and only
 * ended afterwards.
 */
#ifndef CERTWRIGHT_SERVER_ACCESS_GRANT_H
#define CERTWRIGHT_SERVER_ACCESS_GRANT_H

#include "acme/base/error.h"
#include "acme/identifier.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct grant;

/* Nothing narrows it; one holder. */
struct grant *grant_create(void);
struct grant *grant_hold(struct grant *grant);
/* Ends one hold; NULL is fine. */
void grant_release(struct grant *grant);

/* Until the first of a kind is added, that kind does not narrow. ERR_INVALID. */
int grant_add_identifier(struct grant *grant, const char *pattern, struct err *e);
int grant_add_address(struct grant *grant, const char *network, struct err *e);
void grant_add_label(struct grant *grant, const char *key, const char *value);
/* Wall time, ms; 0: no limit. */
void grant_set_times(struct grant *grant, int64_t not_before, int64_t expires_at);

/* From now on it is good for nothing. Any thread. */
void grant_end(struct grant *grant);

/* 0 at that wall time, else ERR_UNAUTHENTICATED that tells why. */
int grant_check_time(const struct grant *grant, int64_t now, struct err *e);

/* Whether a caller may come from there; address NULL: over a Unix socket. */
bool grant_takes_address(const struct grant *grant, const char *address);

/* ---- of certificates; a grant that is NULL narrows nothing ---- */

/* Whether it is for some certificates only. */
bool grant_is_narrow(const struct grant *grant);

bool grant_takes_identifier(const struct grant *grant, const struct identifier *id);

/* Calls missing for each label that the grant wants and labels (a JSON object as text) lack. */
void grant_compare_labels(const struct grant *grant, const char *labels,
                          void (*missing)(void *context, const char *key, const char *value),
                          void *context);

/* A certificate of these identifiers (a JSON array of normalized texts) and labels. */
bool grant_takes(const struct grant *grant, const char *identifiers, const char *labels);

/* ---- */

/* Whether what inner is good for, by address and time, outer is good for too. */
bool grant_covers(const struct grant *outer, const struct grant *inner);

#endif

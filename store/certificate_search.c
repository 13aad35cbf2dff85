#include "store/certificate_search.h"

#include "acme/base/memory.h"

#include <stdlib.h>

/*
 * ?1, ?2 are where to go on, ?3 … ?10 what is looked for, ?11 how many. Where an index gives the
 * order a statement of its own sees to it that it is used: CROSS JOIN keeps its side first, and a
 * plus keeps a column from being looked up.
 */
#define BY_ACCOUNT "c.account_id = (SELECT id FROM account WHERE name = ?6)"
#define WANTED                                                                                     \
    " AND (?3 IS NULL OR EXISTS (SELECT 1 FROM certificate_identifier i"                           \
    "  WHERE i.identifier = ?3 AND i.name = c.name))"                                              \
    " AND (?4 IS NULL OR EXISTS (SELECT 1 FROM certificate_label l"                                \
    "  WHERE l.key = ?4 AND l.value = ?5 AND l.name = c.name))"                                    \
    " AND (?6 IS NULL OR +" BY_ACCOUNT ")"                                                         \
    " AND (?7 IS NULL OR EXISTS (SELECT 1 FROM account a"                                          \
    "  WHERE a.id = c.account_id AND a.authority = ?7))"                                           \
    " AND (?8 < 0 OR ?8 = CASE WHEN c.version = 0 THEN 0 WHEN EXISTS (SELECT 1 FROM version v"     \
    "  WHERE v.certificate_id = c.id AND v.n = c.version AND v.state = 'revoked') THEN 3"          \
    "  WHEN c.not_after < ?9 THEN 2 ELSE 1 END)"                                                   \
    " AND (?10 = 9223372036854775807 OR c.version > 0)"

#define ALL      "SELECT c.id FROM certificate c WHERE c.not_after <= ?10"
#define ALL_LONG "SELECT c.id FROM certificate c WHERE +c.not_after <= ?10"
#define IDENTIFIER                                                                                 \
    "SELECT c.id FROM certificate_identifier k CROSS JOIN certificate c ON c.name = k.name"        \
    " WHERE k.identifier = ?3 AND +c.not_after <= ?10"
#define LABEL                                                                                      \
    "SELECT c.id FROM certificate_label k CROSS JOIN certificate c ON c.name = k.name"             \
    " WHERE k.key = ?4 AND k.value = ?5 AND +c.not_after <= ?10"
#define ACCOUNT ALL_LONG " AND " BY_ACCOUNT
#define PENDING ALL_LONG " AND c.version = 0"
#define REVOKED                                                                                    \
    "SELECT c.id FROM version k CROSS JOIN certificate c ON c.id = k.certificate_id"               \
    " AND c.version = k.n WHERE k.state = 'revoked' AND +c.not_after <= ?10"

#define NAME(column) WANTED " AND " column " > ?2 ORDER BY " column " LIMIT ?11"
#define TIME(time)   WANTED " AND (" time ", c.name) > (?1, ?2) ORDER BY " time ", c.name LIMIT ?11"
#define STATEMENTS(from, name)                                                                     \
    {from NAME(name), from TIME("+c.not_after"), from TIME("+c.created_at")}

#define AUTHORITY                                                                                  \
    "SELECT c.id FROM account k CROSS JOIN certificate c ON c.account_id = k.id"                   \
    " WHERE k.authority = ?7 AND +c.not_after <= ?10"
/* A page of each of the authority's accounts, and the first of all these. */
#define AUTHORITY_BY_NAME                                                                          \
    "SELECT o.id FROM account k CROSS JOIN certificate o WHERE k.authority = ?7 AND o.id IN"       \
    " (SELECT c.id FROM certificate c WHERE c.account_id = k.id AND +c.not_after <= ?10" NAME(     \
        "c.name") ") ORDER BY o.name LIMIT ?11"

enum way {
    WAY_ALL,
    WAY_IDENTIFIER,
    WAY_LABEL,
    WAY_ACCOUNT,
    WAY_AUTHORITY,
    WAY_PENDING,
    WAY_EXPIRY,
    WAY_REVOKED,
};

/* By the way in, and by the order. */
static const char *const statements[][3] = {
    [WAY_ALL] = {ALL_LONG NAME("c.name"), ALL TIME("c.not_after"), ALL_LONG TIME("c.created_at")},
    [WAY_IDENTIFIER] = STATEMENTS(IDENTIFIER, "k.name"),
    [WAY_LABEL] = STATEMENTS(LABEL, "k.name"),
    [WAY_ACCOUNT] = STATEMENTS(ACCOUNT, "c.name"),
    [WAY_AUTHORITY] = {AUTHORITY_BY_NAME, AUTHORITY TIME("+c.not_after"),
                       AUTHORITY TIME("+c.created_at")},
    [WAY_PENDING] = STATEMENTS(PENDING, "c.name"),
    [WAY_REVOKED] = STATEMENTS(REVOKED, "c.name"),
    [WAY_EXPIRY] = {ALL NAME("+c.name"), ALL TIME("c.not_after"), ALL TIME("+c.created_at")},
};

/* Whether there are more than ?11 by this way in; NULL where that does not matter. */
#define MANY " LIMIT 1 OFFSET ?11"
static const char *const probes[] = {
    [WAY_ALL] = NULL,
    [WAY_IDENTIFIER] = IDENTIFIER MANY,
    [WAY_LABEL] = LABEL MANY,
    [WAY_ACCOUNT] = ACCOUNT MANY,
    [WAY_AUTHORITY] = AUTHORITY MANY,
    [WAY_PENDING] = PENDING MANY,
    [WAY_EXPIRY] = ALL " AND c.not_after > 0" MANY, /* those pending have 0 */
    [WAY_REVOKED] = REVOKED MANY,
};

/* The one that is likely to leave the fewest. */
static enum way choose(const struct certificate_search *search)
{
    if (search->identifier)
        return WAY_IDENTIFIER;
    if (search->label)
        return WAY_LABEL;
    if (search->status == CERTIFICATE_PENDING)
        return WAY_PENDING;
    if (search->status == CERTIFICATE_REVOKED)
        return WAY_REVOKED;
    if (search->expires_before || search->status == CERTIFICATE_EXPIRED)
        return WAY_EXPIRY;
    if (search->account)
        return WAY_ACCOUNT;
    return search->authority ? WAY_AUTHORITY : WAY_ALL;
}

const char *certificate_find_sql(const struct certificate_search *search)
{
    return statements[choose(search)][search->order];
}

/* The last moment that not_after may be. */
static int64_t last_moment(const struct certificate_search *search)
{
    int64_t last = search->expires_before ? search->expires_before : INT64_MAX;
    return search->status == CERTIFICATE_EXPIRED && search->now < last ? search->now : last;
}

/* Where a search begins: behind that place, with so many at most. */
struct range {
    const char *after;
    int64_t after_value;
    int64_t limit;
};

static int query(struct db *db, const char *sql, const struct certificate_search *search,
                 const struct range *range, struct db_row **row, struct err *e)
{
    return db_query(db, row, e, sql, "ittttttiiii", range->after ? range->after_value : -1,
                    range->after ? range->after : "", search->identifier, search->label,
                    search->label_value, search->account, search->authority,
                    (int64_t)search->status, search->now, last_moment(search), range->limit);
}

/* Whether what the way finds is not in that order. */
static bool is_sorted(enum way way, enum certificate_order order)
{
    if (way == WAY_EXPIRY)
        return order != CERTIFICATE_BY_NOT_AFTER;
    return way == WAY_REVOKED || (way != WAY_ALL && order != CERTIFICATE_BY_NAME);
}

/* Too many to be sorted for each page are instead soon met among all, whose order an index has. */
static int settle(struct db *db, const struct certificate_search *search, enum way *way,
                  struct err *e)
{
    enum { SORTED_MAX = 10000 };
    const struct range many = {NULL, 0, SORTED_MAX};
    struct db_row *row;
    *way = choose(search);
    if (!is_sorted(*way, search->order))
        return 0;
    if (query(db, probes[*way], search, &many, &row, e) < 0)
        return -1;
    int rc = db_next(row, e);
    db_row_finish(row);
    if (rc > 0)
        *way = WAY_ALL;
    return rc < 0 ? -1 : 0;
}

static int find_ids(struct db *db, const struct certificate_search *search,
                    const struct range *range, int64_t *ids, size_t *count, struct err *e)
{
    struct db_row *row;
    enum way way;
    int rc;
    size_t n = 0;
    if (settle(db, search, &way, e) < 0 ||
        query(db, statements[way][search->order], search, range, &row, e) < 0)
        return -1;
    while ((rc = db_next(row, e)) > 0)
        ids[n++] = db_int(row, 0);
    db_row_finish(row);
    *count = n;
    return rc;
}

static int load_all(struct db *db, const int64_t *ids, size_t count, struct certificate *list,
                    struct err *e)
{
    for (size_t i = 0; i < count; i++)
        if (certificate_load_by_id(db, ids[i], &list[i], e) < 0) {
            while (i > 0)
                certificate_finish(&list[--i]);
            return -1;
        }
    return 0;
}

int certificate_find(struct db *db, const struct certificate_search *search, const char *after,
                     int64_t after_value, size_t limit, struct certificate **out, size_t *count,
                     struct err *e)
{
    int64_t *ids = mem_new(limit, sizeof *ids);
    struct certificate *list = NULL;
    size_t found;
    const struct range range = {after, after_value, (int64_t)limit};
    int rc = find_ids(db, search, &range, ids, &found, e);
    if (rc == 0) {
        list = mem_new(found, sizeof *list);
        rc = load_all(db, ids, found, list, e);
    }
    free(ids);
    if (rc < 0) {
        free(list);
        return -1;
    }
    *out = list;
    *count = found;
    return 0;
}

#include "store/claims.h"

#include "acme/base/memory.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* As many as there are workers, so a list does. */
struct claims {
    pthread_mutex_t mutex;
    char (*ids)[ULID_SIZE];
    size_t count;
    size_t capacity;
};

struct claims *claims_create(void)
{
    struct claims *claims = mem_new(1, sizeof *claims);
    pthread_mutex_init(&claims->mutex, NULL);
    return claims;
}

void claims_destroy(struct claims *claims)
{
    if (!claims)
        return;
    pthread_mutex_destroy(&claims->mutex);
    free(claims->ids);
    free(claims);
}

/* The id's place; the count if it is not claimed. */
static size_t place_of(const struct claims *claims, const char *id)
{
    size_t i = 0;
    while (i < claims->count && strcmp(claims->ids[i], id) != 0)
        i++;
    return i;
}

static void add(struct claims *claims, const char *id)
{
    if (claims->count == claims->capacity) {
        claims->capacity = claims->capacity ? 2 * claims->capacity : 16;
        claims->ids = mem_grow(claims->ids, claims->capacity, sizeof *claims->ids);
    }
    memcpy(claims->ids[claims->count++], id, ULID_SIZE);
}

static void drop(struct claims *claims, const char *id)
{
    size_t i = place_of(claims, id);
    if (i < claims->count)
        memcpy(claims->ids[i], claims->ids[--claims->count], ULID_SIZE);
}

struct unclaimed {
    char id[ULID_SIZE];
    int64_t due;
};

/* The lane's earliest jobs that no one has claimed, max of them at most; how many, or -1. */
static int find_unclaimed(const struct claims *claims, struct db *db, const char *lane,
                          struct unclaimed *out, int max, struct err *e)
{
    struct db_row *row;
    int rc, count = 0;
    if (db_query(db, &row, e,
                 "SELECT id, due_at FROM job WHERE lane = ?1 AND finished_at = 0"
                 " ORDER BY due_at, n",
                 "t", lane) < 0)
        return -1;
    while ((rc = db_next(row, e)) > 0 && count < max) {
        const char *id = db_text(row, 0);
        if (place_of(claims, id) < claims->count)
            continue;
        memcpy(out[count].id, id, ULID_SIZE);
        out[count++].due = db_int(row, 1);
    }
    db_row_finish(row);
    return rc < 0 ? -1 : count;
}

int claims_take_job(struct store *store, struct db *db, const char *lane, int64_t now,
                    struct job *out, bool *found, int64_t *next_due, struct err *e)
{
    struct claims *claims = store_claims(store);
    struct unclaimed first[2] = {{.due = INT64_MAX}, {.due = INT64_MAX}};
    pthread_mutex_lock(&claims->mutex);
    int count = find_unclaimed(claims, db, lane, first, 2, e);
    bool take = count > 0 && first[0].due <= now;
    if (take)
        add(claims, first[0].id);
    pthread_mutex_unlock(&claims->mutex);
    if (count < 0)
        return -1;
    if (take && job_load(db, first[0].id, out, e) < 0) {
        claims_drop_job(store, first[0].id);
        return -1;
    }
    *found = take;
    *next_due = first[take].due;
    return 0;
}

void claims_drop_job(struct store *store, const char *id)
{
    struct claims *claims = store_claims(store);
    pthread_mutex_lock(&claims->mutex);
    drop(claims, id);
    pthread_mutex_unlock(&claims->mutex);
}

int claims_lane_due(struct store *store, struct db *db, const char *lane, int64_t *due,
                    struct err *e)
{
    struct claims *claims = store_claims(store);
    struct unclaimed first = {.due = INT64_MAX};
    pthread_mutex_lock(&claims->mutex);
    int count = find_unclaimed(claims, db, lane, &first, 1, e);
    pthread_mutex_unlock(&claims->mutex);
    if (count < 0)
        return -1;
    *due = first.due;
    return 0;
}

/* Kinds of resources that are listed and read by their name: what their handlers have in common. */
#ifndef CERTWRIGHT_SERVER_API_NAMED_H
#define CERTWRIGHT_SERVER_API_NAMED_H

#include "server/api/call.h"

struct json_object;

/* A kind, and how its rows are had; each function is the store's or the kind's own. */
struct named {
    const char *what; /* in problems: "solver" */
    const char *path; /* "/solvers" */
    size_t row_size;
    int (*load)(struct db *db, const char *name, void *row, struct err *e); /* ERR_NOT_FOUND */
    /* *rows gets an array of up to limit, by name, from behind after (NULL: the first). */
    int (*list)(struct db *db, const char *after, size_t limit, void *rows, size_t *count,
                struct err *e);
    struct json_object *(*show)(const void *row);
    char *(*key)(const void *row);          /* its name; caller frees */
    enum origin (*origin)(const void *row); /* NULL: all are the API's */
    void (*finish)(void *row);
};

/* Answer x with a page of the kind, and with the one of its path. */
void named_list(struct api *api, struct http_exchange *x, const struct named *kind);
void named_get(struct api *api, struct http_exchange *x, const struct named *kind);

/*
 * Inside apply: whether the call may change the resource of its path, by its origin and If-Match.
 * ERR_NOT_FOUND if there is none and it must_exist, ERR_MANAGED, ERR_PRECONDITION.
 */
int named_check_change(const struct call *call, struct db *db, const struct named *kind,
                       bool must_exist, struct err *e);

/* Inside apply: answers with the resource of the path as it is now, 201 if it was created. */
int named_answer(struct call *call, struct db *db, const struct named *kind, bool created,
                 struct err *e);

#endif

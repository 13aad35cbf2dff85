/*
 * Lists: {items, next}. The cursor is opaque to callers: it holds the last item's key and a hash of
 * what was asked for, so that it is good only for the list it came from.
 */
#ifndef CERTWRIGHT_SERVER_API_PAGE_H
#define CERTWRIGHT_SERVER_API_PAGE_H

#include "server/api/api_private.h"

enum { PAGE_SIZE_DEFAULT = 50, PAGE_SIZE_MAX = 1000 };

/* One page of a list, as asked for. */
struct page {
    struct http_exchange *x;
    struct db *db;
    const void *context; /* the source's */
    const char *after;   /* key of the last item of the page before; NULL: the first page */
    size_t limit;        /* rows to load: one more than the page holds, to know of a next one */
    char **reached;      /* for load, if it found fewer and there may be more: behind which key */
};

/* How the rows of a list are had; key's result is borrowed from the row. */
struct page_source {
    const void *context; /* for the functions, as page->context */
    size_t row_size;
    /* *rows gets an array that is freed after each of its rows was finished. */
    int (*load)(const struct page *page, void *rows, size_t *count, struct err *e);
    /* 1 if the caller may see the row, 0 if it is to be left out, -1. NULL: who may list may see
     * all. */
    int (*sees)(const struct page *page, const void *row, struct err *e);
    /* Fills *out; -1 on failure. */
    int (*show)(const struct page *page, const void *row, struct json_object **out, struct err *e);
    /* Adds members to the page beside items and next; NULL: none. */
    int (*add)(const struct page *page, struct json_object *out, struct err *e);
    /* The key of a row, to be found after it; caller frees. */
    char *(*key)(const void *row);
    void (*finish)(void *row);
    bool has_lines;             /* may be had as JSON lines (application/jsonl) too */
    const char *const *filters; /* query parameters beside cursor and page_size; ends with NULL */
};

/*
 * Answers x with the page that it asks for, or with its items as JSON lines, if only these are
 * accepted: then Link (RFC 8288) leads to the next page. ERR_MALFORMED for a wrong or unknown
 * parameter.
 */
void page_answer(struct api *api, struct http_exchange *x, const struct page_source *source);

/* ERR_MALFORMED if there is a query parameter that is not among names (ends with NULL). */
int page_check_query(const struct http_exchange *x, const char *const *names, struct err *e);

#endif

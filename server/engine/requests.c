#include "server/engine/requests.h"

#include "acme/base/buffer.h"
#include "acme/base/memory.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORD_MAX_BYTES = 200 };

static void finish(struct request *request)
{
    free(request->method);
    free(request->step);
    free(request->identifier);
    free(request->path);
}

void requests_finish(struct requests *log)
{
    for (size_t i = 0; i < log->count; i++)
        finish(&log->items[i]);
    *log = (struct requests){0};
}

static bool are_alike(const struct request *a, const struct request *b)
{
    return a->status == b->status && mem_same_text(a->method, b->method) &&
           mem_same_text(a->step, b->step) && mem_same_text(a->identifier, b->identifier) &&
           mem_same_text(a->path, b->path);
}

/* Takes over the texts. */
static void take(struct requests *log, struct request *request)
{
    for (size_t i = 0; i < log->count; i++) {
        struct request *known = &log->items[i];
        if (!are_alike(known, request))
            continue;
        known->count += request->count;
        known->duration_ms += request->duration_ms;
        known->last_at = request->last_at;
        finish(request);
        return;
    }
    if (log->count == REQUESTS_MAX) {
        log->omitted += log->items[0].count;
        finish(&log->items[0]);
        memmove(log->items, log->items + 1, --log->count * sizeof *log->items);
    }
    log->items[log->count++] = *request;
}

/* A word of a line: nothing in it that would end it. */
static char *word(const char *text, size_t size)
{
    char *copy = mem_strndup(text, size < WORD_MAX_BYTES ? size : WORD_MAX_BYTES);
    for (char *c = copy; *c; c++)
        if (*c <= ' ' || *c > '~')
            *c = '?';
    return copy;
}

static char *path_of(const char *url)
{
    const char *host = strstr(url, "://");
    const char *path = strchr(host ? host + 3 : url, '/');
    return path ? word(path, strcspn(path, "?#")) : mem_strdup("/");
}

void requests_add(struct requests *log, const struct request *request, const char *url)
{
    struct request made = *request;
    made.method = word(request->method, strlen(request->method));
    made.step = word(request->step, strlen(request->step));
    made.identifier =
        request->identifier ? word(request->identifier, strlen(request->identifier)) : NULL;
    made.path = path_of(url);
    take(log, &made);
}

/* ---- as it is stored: a line each, "+N" before them if N are not there ---- */

/* The number that *at leads to, and moves *at behind it and a blank. */
static bool read_number(const char **at, int64_t *out)
{
    char *end;
    errno = 0;
    *out = strtoll(*at, &end, 10);
    if (end == *at || errno || (*end && *end != ' '))
        return false;
    *at = end + (*end == ' ');
    return true;
}

/* The same for a word; NULL if there is none. */
static char *read_word(const char **at)
{
    size_t size = strcspn(*at, " ");
    char *found = size ? mem_strndup(*at, size) : NULL;
    *at += size + ((*at)[size] == ' ');
    return found;
}

static void read_line(const char *line, struct requests *out)
{
    struct request r = {0};
    int64_t status = 0;
    const char *at = line + (*line == '+');
    if (*line == '+') {
        read_number(&at, &out->omitted);
        return;
    }
    if (!read_number(&at, &r.at) || !read_number(&at, &r.last_at) || !read_number(&at, &r.count) ||
        !read_number(&at, &r.duration_ms))
        return;
    r.method = read_word(&at);
    bool has_status = read_number(&at, &status);
    r.status = (int)status;
    r.step = read_word(&at);
    r.identifier = read_word(&at);
    r.path = read_word(&at);
    if (!has_status || !r.path) {
        finish(&r);
        return;
    }
    if (!strcmp(r.identifier, "-")) {
        free(r.identifier);
        r.identifier = NULL;
    }
    take(out, &r);
}

void requests_read(const char *stored, struct requests *out)
{
    *out = (struct requests){0};
    while (stored && *stored) {
        size_t size = strcspn(stored, "\n");
        char *line = mem_strndup(stored, size);
        read_line(line, out);
        free(line);
        stored += size + (stored[size] == '\n');
    }
}

char *requests_append(const char *stored, const struct requests *log)
{
    struct requests all;
    struct buf text = {0};
    if (!log->count)
        return NULL;
    requests_read(stored, &all);
    for (size_t i = 0; i < log->count; i++) {
        struct request copy = log->items[i];
        copy.method = mem_strdup(copy.method);
        copy.step = mem_strdup(copy.step);
        copy.identifier = mem_strdup(copy.identifier);
        copy.path = mem_strdup(copy.path);
        take(&all, &copy);
    }
    all.omitted += log->omitted;
    if (all.omitted)
        buf_printf(&text, "+%" PRId64 "\n", all.omitted);
    for (size_t i = 0; i < all.count; i++) {
        const struct request *r = &all.items[i];
        buf_printf(&text, "%" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %s %d %s %s %s\n", r->at,
                   r->last_at, r->count, r->duration_ms, r->method, r->status, r->step,
                   r->identifier ? r->identifier : "-", r->path);
    }
    requests_finish(&all);
    return text.size ? buf_take(&text) : NULL;
}

/* /events, and a job's own */
#include "acme/base/memory.h"
#include "acme/base/ulid.h"
#include "server/access/principal.h"
#include "server/access/scope.h"
#include "server/api/call.h"
#include "server/api/event_stream.h"
#include "server/api/event_view.h"
#include "server/api/page.h"
#include "server/engine/step.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

static const char stream_type[] = "text/event-stream";
static const char *const filters[] = {"after", "certificate", "job", "kind", "type", NULL};
static const char *const filters_in_job[] = {"after", NULL};

/* ---- what is asked for ---- */

static int read_seq(const char *text, const char *what, int64_t *out, struct err *e)
{
    enum { DIGITS_MAX = 18 };
    size_t size = strlen(text);
    if (!size || size > DIGITS_MAX || strspn(text, "0123456789") != size)
        return err_set(e, ERR_MALFORMED, "%s has to be the seq of an event.", what);
    *out = strtoll(text, NULL, 10);
    return 0;
}

/* *after is untouched without it. A client that comes again keeps its URL, so its header counts. */
static int read_after(const struct http_exchange *x, bool is_stream, int64_t *after, struct err *e)
{
    const char *last = is_stream ? http_header(x, "Last-Event-ID") : NULL;
    const char *query = http_query(x, "after");
    if (query && read_seq(query, "after", after, e) < 0)
        return -1;
    return last && *last ? read_seq(last, "Last-Event-ID", after, e) : 0;
}

static int read_type(const char *type, int *out, struct err *e)
{
    enum job_state state;
    *out = -1;
    if (!type)
        return 0;
    if (event_type_state(type, &state) < 0)
        return err_set(e, ERR_MALFORMED,
                       "There is no type of event \"%.40s\"; each is \"job.\" and the job's state, "
                       "such as job.succeeded.",
                       type);
    *out = (int)state;
    return 0;
}

static bool is_of_job(const struct http_exchange *x)
{
    return strcmp(http_path(x), "/events") != 0;
}

static int read_filter(const struct http_exchange *x, struct event_filter *out, struct err *e)
{
    if (is_of_job(x)) {
        *out = (struct event_filter){.job = http_param(x, "id"), .state = -1};
        return 0;
    }
    *out = (struct event_filter){.job = http_query(x, "job"),
                                 .certificate = http_query(x, "certificate"),
                                 .kind = http_query(x, "kind")};
    if (out->kind && job_kind_check(out->kind, e) < 0)
        return -1;
    if (out->job && !ulid_is(out->job))
        return err_set(e, ERR_MALFORMED, "\"%.40s\" is no job's id.", out->job);
    return read_type(http_query(x, "type"), &out->state, e);
}

/* ---- a page ---- */

/* *ended may be NULL. */
static int check_job(struct db *db, const char *id, bool *ended, struct err *e)
{
    struct job job;
    if (job_load(db, id, &job, e) < 0)
        return -1;
    if (ended)
        *ended = job_state_is_final(job.state);
    job_finish(&job);
    return 0;
}

/* Leaves those that the caller may see. */
static int keep_own(const struct page *page, struct event *events, size_t *count, struct err *e)
{
    size_t kept = 0;
    int rc = 0;
    for (size_t i = 0; i < *count; i++) {
        int is_for =
            rc == 0 ? event_is_for(page->db, http_rights(page->x)->grant, &events[i], e) : 0;
        rc = is_for < 0 ? -1 : rc;
        if (is_for > 0)
            events[kept++] = events[i];
        else
            event_finish(&events[i]);
    }
    *count = kept;
    return rc;
}

static int load_page(const struct page *page, void *rows, size_t *count, struct err *e)
{
    struct event_filter filter;
    struct event **events = rows;
    int64_t after = 0, last, reached;
    if (read_filter(page->x, &filter, e) < 0 || read_after(page->x, false, &after, e) < 0 ||
        (is_of_job(page->x) && check_job(page->db, filter.job, NULL, e) < 0))
        return -1;
    if (page->after)
        after = strtoll(page->after, NULL, 10);
    if (event_last_seq(page->db, &last, e) < 0 ||
        event_find(page->db, &filter, after, page->limit, events, count, &reached, e) < 0)
        return -1;
    if (keep_own(page, *events, count, e) < 0) {
        while (*count > 0)
            event_finish(&(*events)[--*count]);
        return -1; /* the array is the page's */
    }
    if (*count < page->limit && reached < last)
        *page->reached = mem_printf("%lld", (long long)reached);
    return 0;
}

static int show_row(const struct page *page, const void *row, struct json_object **out,
                    struct err *e)
{
    (void)page, (void)e;
    *out = event_view(row);
    return 0;
}

/* Where a stream takes up what the page shows, and from where on nothing is missing. */
static int add_bounds(const struct page *page, struct json_object *out, struct err *e)
{
    struct event_bounds bounds;
    if (event_bounds(page->db, &bounds, e) < 0)
        return -1;
    json_object_object_add(out, "last_seq", json_object_new_int64(bounds.last));
    json_object_object_add(out, "complete_after", json_object_new_int64(bounds.swept));
    return 0;
}

static char *key_of(const void *row)
{
    const struct event *event = row;
    return mem_printf("%lld", (long long)event->seq);
}

static void finish_row(void *row)
{
    event_finish(row);
}

static const struct page_source source = {
    .row_size = sizeof(struct event),
    .load = load_page,
    .show = show_row,
    .add = add_bounds,
    .key = key_of,
    .finish = finish_row,
    .filters = filters,
};

/* ---- a stream ---- */

/* Whether all was said: the job has ended, and the client has its last event. */
static int find_rest(struct db *db, const struct event_filter *filter, int64_t after, bool *none,
                     struct err *e)
{
    struct event *events;
    size_t count;
    int64_t reached;
    bool ended;
    if (check_job(db, filter->job, &ended, e) < 0 ||
        event_find(db, filter, after, 1, &events, &count, &reached, e) < 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        event_finish(&events[i]);
    free(events);
    *none = ended && count == 0;
    return 0;
}

/* Where it begins: a job's timeline at its beginning, all events with what comes next. */
static int find_beginning(const struct http_exchange *x, struct db *db,
                          const struct event_filter *filter, int64_t *after, bool *none,
                          struct err *e)
{
    *after = 0;
    *none = false;
    if (!is_of_job(x) && event_last_seq(db, after, e) < 0)
        return -1;
    if (read_after(x, true, after, e) < 0)
        return -1;
    return is_of_job(x) ? find_rest(db, filter, *after, none, e) : 0;
}

static int begin_stream(struct api *api, struct http_exchange *x, struct db *db, struct err *e)
{
    struct event_filter filter;
    int64_t after;
    bool none;
    if (page_check_query(x, is_of_job(x) ? filters_in_job : filters, e) < 0 ||
        read_filter(x, &filter, e) < 0 || find_beginning(x, db, &filter, &after, &none, e) < 0)
        return -1;
    if (none) /* by which a browser learns not to come again */
        http_respond(x, 204, NULL, NULL);
    else
        event_stream_answer(api, x, &filter, after);
    return 0;
}

static void stream(struct http_exchange *x, struct api *api)
{
    struct err e;
    struct db *db = call_reader(api, x);
    if (db && begin_stream(api, x, db, &e) < 0)
        http_respond_error(x, &e, NULL, NULL);
}

/* ---- routes ---- */

static void get_all(struct http_exchange *x, void *context)
{
    http_add_header(x, "Vary", "Accept");
    if (http_asks_for(x, stream_type))
        stream(x, context);
    else
        page_answer(context, x, &source);
}

static void get_of_job(struct http_exchange *x, void *context)
{
    static const struct page_source of_job = {
        .row_size = sizeof(struct event),
        .load = load_page,
        .show = show_row,
        .add = add_bounds,
        .key = key_of,
        .finish = finish_row,
        .filters = filters_in_job,
    };
    const char *id = http_param(x, "id");
    struct err e;
    http_add_header(x, "Vary", "Accept");
    if (!ulid_is(id)) {
        err_set(&e, ERR_NOT_FOUND, "There is no job \"%.40s\".", id);
        http_respond_error(x, &e, NULL, NULL);
    } else if (http_asks_for(x, stream_type)) {
        stream(x, context);
    } else {
        page_answer(context, x, &of_job);
    }
}

const struct http_route events_routes[] = {
    {HTTP_GET, "/events", get_all, HTTP_ROUTE_QUERY, SCOPE_JOBS_READ},
    {HTTP_GET, "/jobs/{id}/events", get_of_job, HTTP_ROUTE_QUERY, SCOPE_JOBS_READ},
    {0},
};

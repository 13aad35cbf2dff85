#include "server/api/page.h"

#include "acme/base/buffer.h"
#include "acme/base/memory.h"
#include "server/api/check.h"
#include "server/api/cursor.h"
#include "server/api/rights.h"
#include "server/api/spec_common.h"

#include <ctype.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

enum {
    SEEN_AT_ONCE = 256,
    SEEN_MAX = 16 * SEEN_AT_ONCE, /* of one page: to look at a million takes a thread too long */
};

struct seen {
    char *rows;
    size_t count;
};

static const char type_lines[] = "application/jsonl";

static bool is_among(const char *const *names, const char *name)
{
    for (; *names; names++)
        if (!strcmp(*names, name))
            return true;
    return false;
}

struct check {
    const char *const *names;
    const char *unknown;
};

static void check_one(void *context, const char *name, const char *value)
{
    struct check *check = context;
    (void)value;
    if (!is_among(check->names, name))
        check->unknown = name;
}

static int refuse_parameter(const char *name, const char *const *names, struct err *e)
{
    struct buf known = {0};
    for (; *names; names++)
        buf_printf(&known, "%s%s", known.size ? ", " : "", *names);
    err_set(e, ERR_MALFORMED, "There is no query parameter \"%.100s\" here%s%s.", name,
            known.size ? ", but: " : "", buf_string(&known));
    buf_finish(&known);
    return -1;
}

static size_t count_characters(const char *utf8)
{
    size_t count = 0;
    for (; *utf8; utf8++)
        count += ((unsigned char)*utf8 & 0xc0) != 0x80;
    return count;
}

/* Filters by what nothing here can be called. */
static int check_filters(const struct http_exchange *x, struct err *e)
{
    static const struct {
        const char *parameter;
        size_t max; /* characters; 0: a resource's name */
    } filters[] = {{"account", 0}, {"authority", 0},   {"certificate", 0},
                   {"label", 319}, {"principal", 255}, {"resource", 1024}};
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++) {
        const char *value = http_query(x, filters[i].parameter);
        const char *fault = value && !filters[i].max ? check_name(value) : NULL;
        if (fault)
            return err_set(e, ERR_MALFORMED, "%s %s.", filters[i].parameter, fault);
        if (value && filters[i].max && count_characters(value) > filters[i].max)
            return err_set(e, ERR_MALFORMED, "%s must have at most %zu characters.",
                           filters[i].parameter, filters[i].max);
    }
    return 0;
}

int page_check_query(const struct http_exchange *x, const char *const *names, struct err *e)
{
    struct check check = {.names = names};
    http_query_each(x, check_one, &check);
    return check.unknown ? refuse_parameter(check.unknown, names, e) : check_filters(x, e);
}

static int check_query(const struct http_exchange *x, const char *const *filters, struct err *e)
{
    const char *names[16] = {"cursor", "page_size"};
    size_t count = 2;
    for (; filters && *filters; filters++)
        names[count++] = *filters;
    return page_check_query(x, names, e);
}

/* A hash of path and filters. */
static void make_scope(const struct http_exchange *x, const char *const *filters,
                       char out[CURSOR_SCOPE_SIZE + 1])
{
    struct buf text = {0};
    char hash[SPEC_FINGERPRINT_SIZE];
    buf_add_string(&text, http_path(x));
    for (; filters && *filters; filters++) {
        const char *value = http_query(x, *filters);
        buf_printf(&text, "\n%s%s", value ? "=" : "", value ? value : "");
    }
    spec_sha256(text.data, text.size, hash);
    buf_finish(&text);
    memcpy(out, hash, CURSOR_SCOPE_SIZE);
    out[CURSOR_SCOPE_SIZE] = '\0';
}

static int read_size(const struct http_exchange *x, size_t *out, struct err *e)
{
    const char *text = http_query(x, "page_size");
    *out = PAGE_SIZE_DEFAULT;
    if (!text)
        return 0;
    char *end;
    unsigned long size = strtoul(text, &end, 10);
    if (*end || strspn(text, "0123456789") != strlen(text) || size < 1 || size > PAGE_SIZE_MAX)
        return err_set(e, ERR_MALFORMED, "page_size has to be from 1 to %d.", PAGE_SIZE_MAX);
    *out = size;
    return 0;
}

/* The key that the cursor holds into *after (the caller frees), NULL without one. */
static int read_cursor(const struct http_exchange *x, const char *scope, char **after,
                       struct err *e)
{
    const char *cursor = http_query(x, "cursor");
    *after = NULL;
    return cursor ? cursor_read(cursor, scope, after, e) : 0;
}

static struct json_object *make_cursor(const char *scope, const char *key)
{
    char *cursor = cursor_make(scope, key);
    struct json_object *json = json_object_new_string(cursor);
    free(cursor);
    return json;
}

/* Rows are finished whatever happens. */
static int show_rows(const struct page *page, const struct page_source *source, char *rows,
                     size_t count, const char *scope, struct json_object **out, struct err *e)
{
    size_t shown = count < page->limit ? count : page->limit - 1;
    struct json_object *items = json_object_new_array();
    struct json_object *next = NULL;
    int rc = 0;
    for (size_t i = 0; i < count; i++) {
        void *row = rows + i * source->row_size;
        struct json_object *item;
        if (rc == 0 && i < shown && (rc = source->show(page, row, &item, e)) == 0)
            json_object_array_add(items, item);
        if (rc == 0 && i + 1 == shown && shown < count) {
            char *key = source->key(row);
            next = make_cursor(scope, key);
            free(key);
        }
        source->finish(row);
    }
    if (rc < 0) {
        json_object_put(items);
        json_object_put(next);
        return -1;
    }
    if (!next && *page->reached)
        next = make_cursor(scope, *page->reached);
    *out = json_object_new_object();
    json_object_object_add(*out, "items", items);
    json_object_object_add(*out, "next", next);
    return 0;
}

/* Percent-encodes the value (RFC 3986 section 2.3). */
static void add_query(struct buf *out, const char *name, const char *value)
{
    if (!value)
        return;
    buf_printf(out, "&%s=", name);
    for (const char *p = value; *p; p++) {
        bool is_plain = isalnum((unsigned char)*p) || strchr("-._~/:", *p);
        buf_printf(out, is_plain ? "%c" : "%%%02X", (unsigned char)*p);
    }
}

/* Where the page after this one is: the same query with its cursor. */
static void add_next_link(struct http_exchange *x, const struct page_source *source,
                          const char *cursor)
{
    struct buf link = {0};
    const char *size = http_query(x, "page_size");
    buf_printf(&link, "<%s?cursor=%s", http_path(x), cursor);
    if (size)
        buf_printf(&link, "&page_size=%s", size);
    for (const char *const *filter = source->filters; filter && *filter; filter++)
        add_query(&link, *filter, http_query(x, *filter));
    buf_add_string(&link, ">; rel=\"next\"");
    http_add_header(x, "Link", buf_string(&link));
    buf_finish(&link);
}

/* Takes over json, a page. */
static void respond_lines(struct http_exchange *x, const struct page_source *source,
                          struct json_object *json)
{
    struct buf body = {0};
    struct json_object *items = json_object_object_get(json, "items");
    struct json_object *next = json_object_object_get(json, "next");
    for (size_t i = 0; i < json_object_array_length(items); i++)
        buf_printf(&body, "%s\n",
                   json_object_to_json_string_ext(json_object_array_get_idx(items, i),
                                                  JSON_C_TO_STRING_PLAIN |
                                                      JSON_C_TO_STRING_NOSLASHESCAPE));
    if (next)
        add_next_link(x, source, json_object_get_string(next));
    json_object_put(json);
    http_respond(x, 200, type_lines, &body);
}

static bool wants_lines(const struct http_exchange *x, const struct page_source *source)
{
    return source->has_lines && !http_accepts(x, "application/json") && http_accepts(x, type_lines);
}

/* Rows that the caller may see, copied to the end of kept; the others are finished. */
static int keep_seen(const struct page *page, const struct page_source *source, char *rows,
                     size_t count, struct seen *kept, struct err *e)
{
    int rc = 0;
    for (size_t i = 0; i < count; i++) {
        char *row = rows + i * source->row_size;
        int sees = rc == 0 && kept->count < page->limit ? source->sees(page, row, e) : 0;
        if (sees < 0)
            rc = -1;
        if (sees > 0)
            memcpy(kept->rows + kept->count++ * source->row_size, row, source->row_size);
        else
            source->finish(row);
    }
    return rc;
}

/* Loads from behind *after on, and moves it to the last row that was looked at. */
static int load_some(const struct page *page, const struct page_source *source, char **after,
                     struct seen *kept, bool *is_end, struct err *e)
{
    struct page part = *page;
    char *rows = NULL;
    size_t count = 0;
    part.after = *after;
    part.limit = SEEN_AT_ONCE;
    if (source->load(&part, &rows, &count, e) < 0)
        return -1;
    *is_end = count < part.limit;
    if (count > 0) {
        free(*after);
        *after = source->key(rows + (count - 1) * source->row_size);
    }
    int rc = keep_seen(page, source, rows, count, kept, e);
    free(rows);
    return rc;
}

/* As source->load, for a caller who may not see all rows. */
static int load_seen(const struct page *page, const struct page_source *source, void *rows,
                     size_t *count, struct err *e)
{
    struct seen kept = {.rows = mem_new(page->limit, source->row_size)};
    char *after = mem_strdup(page->after);
    bool is_end = false;
    int rc = 0;
    for (int seen = 0; rc == 0 && !is_end && kept.count < page->limit && seen < SEEN_MAX;
         seen += SEEN_AT_ONCE)
        rc = load_some(page, source, &after, &kept, &is_end, e);
    if (rc == 0 && !is_end && kept.count < page->limit) {
        *page->reached = after;
        after = NULL;
    }
    free(after);
    for (size_t i = 0; rc < 0 && i < kept.count; i++)
        source->finish(kept.rows + i * source->row_size);
    if (rc < 0) {
        free(kept.rows);
        return -1;
    }
    memcpy(rows, &kept.rows, sizeof kept.rows);
    *count = kept.count;
    return 0;
}

static int make_page(const struct page *page, const struct page_source *source, const char *scope,
                     struct json_object **out, struct err *e)
{
    void *rows = NULL;
    size_t count = 0;
    if (db_snapshot_begin(page->db, e) < 0)
        return -1;
    bool sees_all = !source->sees || !rights_are_narrow(page->x);
    int rc =
        sees_all ? source->load(page, &rows, &count, e) : load_seen(page, source, &rows, &count, e);
    if (rc == 0)
        rc = show_rows(page, source, rows, count, scope, out, e);
    if (rc == 0 && source->add && (rc = source->add(page, *out, e)) < 0) {
        json_object_put(*out);
        *out = NULL;
    }
    db_snapshot_end(page->db);
    free(rows);
    return rc;
}

void page_answer(struct api *api, struct http_exchange *x, const struct page_source *source)
{
    struct err e;
    char scope[CURSOR_SCOPE_SIZE + 1];
    char *after = NULL, *reached = NULL;
    struct json_object *json = NULL;
    struct page page = {.x = x, .context = source->context, .reached = &reached};
    make_scope(x, source->filters, scope);
    int rc = check_query(x, source->filters, &e);
    if (rc == 0)
        rc = read_size(x, &page.limit, &e);
    if (rc == 0)
        rc = read_cursor(x, scope, &after, &e);
    if (rc == 0)
        rc = store_reader(api->options.store, &page.db, &e);
    page.after = after;
    page.limit++;
    if (rc == 0)
        rc = make_page(&page, source, scope, &json, &e);
    free(after);
    free(reached);
    if (rc < 0)
        http_respond_error(x, &e, NULL, NULL);
    else if (wants_lines(x, source))
        respond_lines(x, source, json);
    else
        http_respond_json(x, 200, json);
}

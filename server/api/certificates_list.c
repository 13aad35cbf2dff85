/* GET /certificates: filters and orders. */
#include "server/api/certificates_list.h"

#include "acme/base/clock.h"
#include "acme/base/memory.h"
#include "server/api/certificate_view.h"
#include "server/api/page.h"
#include "server/api/rights.h"
#include "store/certificate_search.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char *const filters[] = {"status", "identifier",     "authority", "account",
                                      "label",  "expires_within", "sort",      NULL};

/* ---- reading the query ---- */

/* A query as a search, with what it borrows from. */
struct query {
    struct certificate_search search;
    struct identifier identifier;
    char *label;
};

/* The index of word in words (ends with NULL), -1 for NULL; ERR_MALFORMED names them. */
static int read_word(const char *name, const char *word, const char *const *words, int *out,
                     struct err *e)
{
    struct buf known = {0};
    *out = -1;
    for (int i = 0; word && words[i]; i++) {
        buf_printf(&known, "%s%s", i ? ", " : "", words[i]);
        if (!strcmp(words[i], word))
            *out = i;
    }
    int rc = word && *out < 0
                 ? err_set(e, ERR_MALFORMED, "%s has to be one of: %s.", name, buf_string(&known))
                 : 0;
    buf_finish(&known);
    return rc;
}

static int read_order(const struct http_exchange *x, int *out, struct err *e)
{
    static const char *const words[] = {"name", "not_after", "created_at", NULL};
    if (read_word("sort", http_query(x, "sort"), words, out, e) < 0)
        return -1;
    *out = *out < 0 ? CERTIFICATE_BY_NAME : *out;
    return 0;
}

static int read_expiry(const struct http_exchange *x, struct query *out, struct err *e)
{
    enum { DIGITS_MAX = 10 };
    const char *text = http_query(x, "expires_within");
    if (!text)
        return 0;
    size_t size = strlen(text);
    if (!size || size > DIGITS_MAX || strspn(text, "0123456789") != size)
        return err_set(e, ERR_MALFORMED, "expires_within has to be a number of seconds.");
    out->search.expires_before = out->search.now + strtoll(text, NULL, 10) * CLOCK_SECOND_MS;
    return 0;
}

static int read_label(const struct http_exchange *x, struct query *out, struct err *e)
{
    const char *text = http_query(x, "label");
    if (!text)
        return 0;
    const char *equals = strchr(text, '=');
    if (!equals || equals == text)
        return err_set(e, ERR_MALFORMED, "label has to be KEY=VALUE.");
    out->label = mem_strdup(text);
    out->label[equals - text] = '\0';
    out->search.label = out->label;
    out->search.label_value = out->label + (equals - text) + 1;
    return 0;
}

static int read_identifier(const struct http_exchange *x, struct query *out, struct err *e)
{
    const char *text = http_query(x, "identifier");
    if (!text)
        return 0;
    if (identifier_parse(text, &out->identifier, e) < 0) {
        e->code = ERR_MALFORMED;
        return err_prefix(e, "identifier: ");
    }
    out->search.identifier = out->identifier.value;
    return 0;
}

static int read_query(const struct http_exchange *x, struct query *out, struct err *e)
{
    static const char *const words[] = {"pending", "valid", "expired", "revoked", NULL};
    int order;
    *out = (struct query){.search = {.now = clock_wall_ms(),
                                     .account = http_query(x, "account"),
                                     .authority = http_query(x, "authority")}};
    if (read_order(x, &order, e) < 0 ||
        read_word("status", http_query(x, "status"), words, &out->search.status, e) < 0 ||
        read_expiry(x, out, e) < 0 || read_identifier(x, out, e) < 0 || read_label(x, out, e) < 0)
        return -1;
    out->search.order = (enum certificate_order)order;
    return 0;
}

/* ---- the page ---- */

/* A key holds what it was ordered by before the name, with a blank between: no name has one. */
static int load_page(const struct page *page, void *rows, size_t *count, struct err *e)
{
    struct query query;
    const char *after = page->after, *blank = after ? strchr(after, ' ') : NULL;
    int64_t value = blank ? strtoll(after, NULL, 10) : 0;
    if (read_query(page->x, &query, e) < 0)
        return -1;
    int rc = certificate_find(page->db, &query.search, blank ? blank + 1 : after, value,
                              page->limit, rows, count, e);
    free(query.label);
    return rc;
}

static int sees_row(const struct page *page, const void *row, struct err *e)
{
    (void)e;
    return rights_see_certificate(page->x, row);
}

static int show_row(const struct page *page, const void *row, struct json_object **out,
                    struct err *e)
{
    return certificate_show(page->db, row, out, e);
}

static char *name_of(const void *row)
{
    const struct certificate *certificate = row;
    return mem_strdup(certificate->name);
}

static char *expiry_of(const void *row)
{
    const struct certificate *certificate = row;
    return mem_printf("%" PRId64 " %s", certificate->not_after, certificate->name);
}

static char *creation_of(const void *row)
{
    const struct certificate *certificate = row;
    return mem_printf("%" PRId64 " %s", certificate->created_at, certificate->name);
}

static void finish_row(void *row)
{
    certificate_finish(row);
}

void certificates_list(struct http_exchange *x, void *context)
{
    static char *(*const keys[])(const void *row) = {name_of, expiry_of, creation_of};
    struct page_source source = {
        .row_size = sizeof(struct certificate),
        .load = load_page,
        .sees = sees_row,
        .show = show_row,
        .finish = finish_row,
        .filters = filters,
    };
    struct err ignored; /* load_page meets it again */
    int order = CERTIFICATE_BY_NAME;
    if (read_order(x, &order, &ignored) < 0)
        order = CERTIFICATE_BY_NAME;
    source.key = keys[order];
    page_answer(context, x, &source);
}

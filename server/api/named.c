#include "server/api/named.h"

#include "acme/base/memory.h"
#include "server/api/page.h"

#include <stdlib.h>

/* ---- reading ---- */

static int load_page(const struct page *page, void *rows, size_t *count, struct err *e)
{
    const struct named *kind = page->context;
    return kind->list(page->db, page->after, page->limit, rows, count, e);
}

static int show_row(const struct page *page, const void *row, struct json_object **out,
                    struct err *e)
{
    const struct named *kind = page->context;
    (void)e;
    *out = kind->show(row);
    return 0;
}

void named_list(struct api *api, struct http_exchange *x, const struct named *kind)
{
    const struct page_source source = {
        .context = kind,
        .row_size = kind->row_size,
        .load = load_page,
        .show = show_row,
        .key = kind->key,
        .finish = kind->finish,
    };
    page_answer(api, x, &source);
}

void named_get(struct api *api, struct http_exchange *x, const struct named *kind)
{
    struct err e;
    struct db *db = call_reader(api, x);
    if (!db)
        return;
    void *row = mem_new(1, kind->row_size);
    if (kind->load(db, http_param(x, "name"), row, &e) < 0) {
        http_respond_error(x, &e, NULL, NULL);
    } else {
        http_respond_json(x, 200, kind->show(row));
        kind->finish(row);
    }
    free(row);
}

/* ---- changing ---- */

static int check_row(const struct call *call, const struct named *kind, const void *row,
                     struct err *e)
{
    const char *name = http_param(call->x, "name");
    if (kind->origin && call_check_origin(kind->origin(row), kind->what, name, e) < 0)
        return -1;
    return call_if_match(call, kind->show(row), e);
}

int named_check_change(const struct call *call, struct db *db, const struct named *kind,
                       bool must_exist, struct err *e)
{
    void *row = mem_new(1, kind->row_size);
    int rc = kind->load(db, http_param(call->x, "name"), row, e);
    if (rc == 0) {
        rc = check_row(call, kind, row, e);
        kind->finish(row);
    } else if (e->code == ERR_NOT_FOUND && !must_exist) {
        rc = call_if_match(call, NULL, e);
    }
    free(row);
    return rc;
}

int named_answer(struct call *call, struct db *db, const struct named *kind, bool created,
                 struct err *e)
{
    const char *name = http_param(call->x, "name");
    void *row = mem_new(1, kind->row_size);
    int rc = kind->load(db, name, row, e);
    if (rc == 0) {
        call_answer(call, created ? 201 : 200, kind->show(row));
        if (created)
            call->out.location = mem_printf("%s/%s", kind->path, name);
        kind->finish(row);
    }
    free(row);
    return rc;
}

#include "server/solver/remarks.h"

#include "acme/base/memory.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

struct remark {
    size_t users;
    char text[];
};

static int remark_compare(const void *a, const void *b)
{
    const struct remark *x = a, *y = b;
    return strcmp(x->text, y->text);
}

static int text_compare(const void *text, const void *remark)
{
    return strcmp(text, ((const struct remark *)remark)->text);
}

static struct remark *find(const struct remarks *remarks, const char *text)
{
    struct remark **found = tfind(text, &remarks->root, text_compare);
    return found ? *found : NULL;
}

void remarks_finish(struct remarks *remarks)
{
    tdestroy(remarks->root, free);
    remarks->root = NULL;
}

const char *remarks_take(struct remarks *remarks, const char *text)
{
    struct remark *remark = find(remarks, text);
    if (!remark) {
        size_t size = strlen(text) + 1;
        remark = mem_new(1, sizeof *remark + size);
        memcpy(remark->text, text, size);
        if (!tsearch(remark, &remarks->root, remark_compare))
            mem_exhausted();
    }
    remark->users++;
    return remark->text;
}

void remarks_release(struct remarks *remarks, const char *text)
{
    struct remark *remark = text ? find(remarks, text) : NULL;
    if (!remark || --remark->users > 0)
        return;
    tdelete(remark, &remarks->root, remark_compare);
    free(remark);
}

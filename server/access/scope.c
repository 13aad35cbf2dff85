#include "server/access/scope.h"

#include <assert.h>
#include <string.h>

/* In the order of their bits. */
static const char *const names[] = {
    "certificates:read", "certificates:issue", "certificates:revoke", "certificates:delete",
    "keys:read",         "accounts:read",      "accounts:write",      "authorities:read",
    "authorities:write", "credentials:read",   "credentials:write",   "solvers:read",
    "solvers:write",     "targets:read",       "targets:write",       "jobs:read",
    "jobs:write",        "tokens:read",        "tokens:write",        "audit:read",
    "metrics:read",
};

_Static_assert(sizeof names / sizeof *names == SCOPE_COUNT, "each scope has its name");

const char *scope_name(int number)
{
    assert(number >= 0 && number < SCOPE_COUNT);
    return names[number];
}

uint32_t scope_by_name(const char *name)
{
    if (!strcmp(name, "admin"))
        return SCOPE_ALL;
    for (int i = 0; i < SCOPE_COUNT; i++)
        if (!strcmp(name, names[i]))
            return UINT32_C(1) << i;
    return 0;
}

void scope_list(uint32_t scopes, struct buf *out)
{
    const char *before = "";
    for (int i = 0; i < SCOPE_COUNT; i++) {
        if (!(scopes & UINT32_C(1) << i))
            continue;
        buf_printf(out, "%s%s", before, names[i]);
        before = ", ";
    }
}

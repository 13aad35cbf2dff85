#include "store/origin.h"

#include "store/record.h"

#include <assert.h>

static const char *const names[] = {"api", "config", "builtin"};

const char *origin_name(enum origin origin)
{
    return names[origin];
}

enum origin origin_by_name(const char *name)
{
    int origin = record_word(name, names, sizeof names / sizeof *names);
    assert(origin >= 0);
    return (enum origin)origin;
}

#include "server/config/checks.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_MAX_BYTES = 200, PORT_MAX = 65535, PORT_DIGITS = 5 };

static bool is_port(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    return digits > 0 && digits <= PORT_DIGITS && !text[digits] &&
           strtol(text, NULL, 10) <= PORT_MAX;
}

const char *checks_address(const char *text)
{
    static const char fault[] = "this has to be HOST:PORT, [v6]:PORT or unix:PATH";
    if (!strncmp(text, "unix:", 5))
        return text[5] ? NULL : fault;
    const char *colon = strrchr(text, ':');
    if (!colon || colon == text || !is_port(colon + 1))
        return fault;
    bool is_v6 = *text == '[' && colon[-1] == ']';
    return is_v6 || strchr(text, ':') == colon ? NULL : fault;
}

const char *checks_absolute(const char *text)
{
    return *text == '/' ? NULL : "this has to be an absolute path";
}

const char *checks_name(const char *text)
{
    static const char first[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    static const char others[] = "abcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t size = strlen(text);
    if (strspn(text, first) > 0 && strspn(text, others) == size && size <= NAME_MAX_BYTES)
        return NULL;
    return "a name is of lower-case letters, digits, '.', '_' and '-', and begins with neither of "
           "the last three";
}

const char *checks_nothing(const char *text)
{
    (void)text;
    return NULL;
}

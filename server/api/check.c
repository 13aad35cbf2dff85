#include "server/api/check.h"

#include "acme/base/ulid.h"
#include "acme/url.h"

#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static bool is_name_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c && strchr("._-", c));
}

const char *check_name(const char *text)
{
    size_t length = strlen(text);
    if (length == 0 || length > CHECK_NAME_MAX)
        return "must have 1 to 200 characters";
    if (strchr("._-", text[0]))
        return "must begin with a letter or digit";
    for (size_t i = 0; i < length; i++)
        if (!is_name_character(text[i]))
            return "must consist of a-z, 0-9, '.', '_' and '-'";
    if (ulid_is(text))
        return "must not look like a job's id (a ULID)";
    return NULL;
}

/* Printable ASCII without space, and without what RFC 3986 never allows. */
static bool is_url_text(const char *text)
{
    for (; *text; text++)
        if (*text <= ' ' || *text >= 127 || strchr("\"<>\\^`{|}", *text))
            return false;
    return true;
}

static bool is_port(const char *text, size_t length)
{
    long port = 0;
    for (size_t i = 0; i < length; i++) {
        if (!isdigit((unsigned char)text[i]) || i == 5)
            return false;
        port = port * 10 + (text[i] - '0');
    }
    return length > 0 && port > 0 && port <= 65535;
}

/* HOST, HOST:PORT or [V6]:PORT. */
static bool is_authority(const char *text, size_t length)
{
    size_t host = 0;
    if (length > 0 && text[0] == '[') {
        const char *end = memchr(text, ']', length);
        host = end ? (size_t)(end - text) + 1 : 0;
        if (host < 4 || strspn(text + 1, "0123456789abcdefABCDEF:.") != host - 2)
            return false;
    } else {
        while (host < length && (isalnum((unsigned char)text[host]) || strchr(".-_", text[host])))
            host++;
    }
    if (host == 0)
        return false;
    return host == length || (text[host] == ':' && is_port(text + host + 1, length - host - 1));
}

const char *check_url(const char *text)
{
    if (strlen(text) > CHECK_URL_MAX)
        return "must have at most 2000 characters";
    if (!is_url_text(text))
        return "must be a URL in ASCII, other characters percent-encoded";
    size_t scheme = !strncmp(text, "https://", 8) ? 8 : !strncmp(text, "http://", 7) ? 7 : 0;
    if (!scheme)
        return "must begin with https:// or http://";
    const char *authority = text + scheme;
    size_t length = strcspn(authority, "/?#");
    if (memchr(authority, '@', length))
        return "must not hold a user or password";
    if (!is_authority(authority, length))
        return "must have a host, and after ':' a port";
    if (strchr(text, '#'))
        return "must not have a fragment";
    return NULL;
}

const char *check_region(const char *text)
{
    for (const char *c = text; *c; c++)
        if (!(*c >= 'a' && *c <= 'z') && !isdigit((unsigned char)*c) && *c != '-')
            return "must consist of a-z, 0-9 and '-'";
    return strlen(text) > CHECK_REGION_MAX ? "must have at most 64 characters" : NULL;
}

const char *check_safe_url(const char *text)
{
    const char *fault = check_url(text);
    if (fault || !strncmp(text, "https://", 8) || url_is_loopback(text))
        return fault;
    return "must begin with https://, unless it leads to this machine itself";
}

const char *check_loopback_url(const char *text)
{
    const char *fault = check_url(text);
    if (fault || (!strncmp(text, "http://", 7) && url_is_loopback(text)))
        return fault;
    return "must be an http:// URL of this machine's own: 127.0.0.1, [::1] or localhost";
}

static bool is_domain(const char *text)
{
    size_t label = 0;
    for (; *text; text++) {
        if (*text == '.') {
            if (label == 0 || text[-1] == '-')
                return false;
            label = 0;
        } else if (isalnum((unsigned char)*text) || (*text == '-' && label > 0)) {
            if (++label > 63)
                return false;
        } else {
            return false;
        }
    }
    return label > 0 && text[-1] != '-';
}

/* RFC 5322's dot-atom. */
static bool is_local_part(const char *text, size_t length)
{
    if (length == 0 || length > 64 || text[0] == '.' || text[length - 1] == '.')
        return false;
    for (size_t i = 0; i < length; i++) {
        if (!isalnum((unsigned char)text[i]) && !strchr(".!#$%&'*+-/=?^_`{|}~", text[i]))
            return false;
        if (text[i] == '.' && text[i + 1] == '.')
            return false;
    }
    return true;
}

const char *check_email(const char *text)
{
    const char *at = strchr(text, '@');
    if (strlen(text) > CHECK_EMAIL_MAX)
        return "must have at most 254 characters";
    if (!at || !is_local_part(text, (size_t)(at - text)) || !is_domain(at + 1))
        return "must be one address of the form name@example.com";
    return NULL;
}

const char *check_contact(const char *text)
{
    if (strncmp(text, "mailto:", 7))
        return "must begin with mailto:";
    if (strpbrk(text, "?,"))
        return "must hold one address and no header fields";
    return check_email(text + 7);
}

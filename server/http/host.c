#include "server/http/host.h"

#include "acme/base/memory.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool is_port(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    return !text[digits] && digits > 0 && digits < 6;
}

/* How much of "host[:port]" is the host, its brackets included. */
static bool split_port(const char *text, size_t *host_size)
{
    size_t length = strlen(text);
    size_t size = *text == '[' ? strcspn(text, "]") + 1 : strcspn(text, ":");
    if (!length || size > length ||
        (text[size] && (text[size] != ':' || !is_port(text + size + 1))))
        return false;
    *host_size = size;
    return true;
}

static char *canonical_v6(const char *text)
{
    struct in6_addr raw;
    char out[INET6_ADDRSTRLEN];
    if (inet_pton(AF_INET6, text, &raw) != 1 || !inet_ntop(AF_INET6, &raw, out, sizeof out))
        return NULL;
    return mem_strdup(out);
}

static char *canonical_name(const char *text, size_t size)
{
    if (size > 1 && text[size - 1] == '.')
        size--;
    char *name = mem_strndup(text, size);
    for (char *p = name; *p; p++) {
        *p = (char)tolower((unsigned char)*p);
        if (!isalnum((unsigned char)*p) && !strchr("-._", *p)) {
            free(name);
            return NULL;
        }
    }
    return name;
}

/* The host of "host[:port]" in one text for all its spellings; NULL if it is none. The caller
   frees. */
static char *canonical(const char *text)
{
    size_t size;
    if (!split_port(text, &size))
        return NULL;
    if (*text != '[')
        return size ? canonical_name(text, size) : NULL;
    char *inner = mem_strndup(text + 1, size - 2);
    char *name = canonical_v6(inner);
    free(inner);
    return name;
}

bool host_list_add(struct host_list *list, const char *host)
{
    char *name = canonical_v6(host);
    if (!name)
        name = canonical(host);
    if (!name)
        return false;
    list->names = mem_grow(list->names, list->count + 1, sizeof *list->names);
    list->names[list->count++] = name;
    return true;
}

void host_list_finish(struct host_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->names[i]);
    free(list->names);
    *list = (struct host_list){0};
}

int host_check(const struct host_list *list, const char *own_address, const char *host,
               struct err *e)
{
    char *name = canonical(host);
    bool allowed = name && *own_address && !strcmp(name, own_address);
    for (size_t i = 0; name && !allowed && i < list->count; i++)
        allowed = !strcmp(name, list->names[i]);
    free(name);
    return allowed ? 0 : err_set(e, ERR_HOST_REFUSED, "the Host %s is not served here", host);
}

/* A wildcard stands for neighbours too, whose pages are not ours; a subject is no name. */
enum { NAMES_ALONE = X509_CHECK_FLAG_NO_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT };

bool host_is_of(X509 *certificate, const char *host)
{
    char *name = canonical(host);
    bool is = name && (X509_check_host(certificate, name, 0, NAMES_ALONE, NULL) == 1 ||
                       X509_check_ip_asc(certificate, name, 0) == 1);
    free(name);
    return is;
}

/* Whether an Origin such as "http://localhost:8555" is where this request went to. */
static bool is_own_origin(const char *origin, const char *host, bool is_tls)
{
    const char *authority = strstr(origin, "://");
    if (is_tls && strncasecmp(origin, "https://", 8) != 0)
        return false;
    return authority && host && !strcasecmp(authority + 3, host);
}

int host_check_browser(const struct headers *h, bool is_write, bool is_tls, struct err *e)
{
    const char *mode = headers_get(h, "Sec-Fetch-Mode");
    const char *site = headers_get(h, "Sec-Fetch-Site");
    const char *origin = headers_get(h, "Origin");
    /* A page of our own loads its scripts and styles in no-cors mode too. */
    if (mode && !strcasecmp(mode, "no-cors") && !(site && !strcasecmp(site, "same-origin")))
        return err_set(e, ERR_FORBIDDEN, "another page may not fetch this (Sec-Fetch-Mode)");
    if (origin && !strcasecmp(origin, "null"))
        return err_set(e, ERR_FORBIDDEN, "a page without an origin may not ask (Origin)");
    if (is_write && origin && !is_own_origin(origin, headers_get(h, "Host"), is_tls))
        return err_set(e, ERR_FORBIDDEN, "the page at %s may not write here (Origin)", origin);
    return 0;
}

#include "acme/proxy.h"

#include "acme/base/memory.h"
#include "acme/outgoing.h"
#include "acme/url.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *variable(const char *name, const char *other)
{
    const char *value = getenv(name);
    if ((!value || !*value) && other)
        value = getenv(other);
    return value && *value ? value : NULL;
}

/* Whether the host is that domain or below it; dots at either end of an entry say nothing. */
static bool is_below(const char *host, const char *entry)
{
    size_t size = strlen(entry), length = strlen(host);
    while (size && entry[size - 1] == '.')
        size--;
    while (length && host[length - 1] == '.')
        length--;
    while (size && *entry == '.')
        entry++, size--;
    if (!size || size > length || strncasecmp(host + length - size, entry, size) != 0)
        return false;
    return size == length || host[length - size - 1] == '.';
}

static bool entry_holds(const char *entry, const char *host)
{
    struct sockaddr_storage address;
    if (outgoing_literal(host, &address))
        return outgoing_in_range(entry, (struct sockaddr *)&address);
    return is_below(host, entry);
}

static bool is_exempt(const char *host)
{
    const char *list = variable("no_proxy", "NO_PROXY");
    bool exempt = list && !strcmp(list, "*");
    char *rest = NULL, *copy = list && !exempt ? mem_strdup(list) : NULL;
    for (char *entry = copy ? strtok_r(copy, ", ", &rest) : NULL; entry && !exempt;
         entry = strtok_r(NULL, ", ", &rest))
        exempt = entry_holds(entry, host);
    free(copy);
    return exempt;
}

static const char *proxy_by(const char *scheme)
{
    /* HTTP_PROXY is what a CGI program gets for a header "Proxy". */
    const char *proxy = !strcmp(scheme, "https") ? variable("https_proxy", "HTTPS_PROXY")
                                                 : variable("http_proxy", NULL);
    return proxy ? proxy : variable("all_proxy", "ALL_PROXY");
}

const char *proxy_for(const char *url)
{
    CURLU *parsed = curl_url();
    char *host = NULL, *scheme = NULL;
    const char *proxy = NULL;
    if (!parsed)
        mem_exhausted();
    if (curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK &&
        curl_url_get(parsed, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
        curl_url_get(parsed, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
        !url_host_is_loopback(host) && !is_exempt(host))
        proxy = proxy_by(scheme);
    curl_free(host);
    curl_free(scheme);
    curl_url_cleanup(parsed);
    return proxy;
}

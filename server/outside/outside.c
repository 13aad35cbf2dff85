#include "server/outside/outside.h"

#include "acme/base/memory.h"
#include "acme/url.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

int outside_transport_error(struct err *e)
{
    if (e->code != ERR_SHUTDOWN && e->code != ERR_OUTGOING_REFUSED)
        e->code = ERR_PROVIDER_UNREACHABLE;
    return -1;
}

static bool url_has(CURLU *url, CURLUPart part)
{
    char *value = NULL;
    bool has = curl_url_get(url, part, &value, 0) == CURLUE_OK;
    curl_free(value);
    return has;
}

/* what: "the endpoint", for the sentence. */
static int judge_parts(CURLU *url, const char *what, bool query_allowed, struct err *e)
{
    char *scheme = NULL, *host = NULL;
    int rc = 0;
    curl_url_get(url, CURLUPART_SCHEME, &scheme, 0);
    curl_url_get(url, CURLUPART_HOST, &host, 0);
    if (!scheme || !host || !*host)
        rc = err_set(e, ERR_INVALID, "%s has no host", what);
    else if (strcmp(scheme, "https") != 0 && strcmp(scheme, "http") != 0)
        rc = err_set(e, ERR_INVALID, "%s must be an https URL", what);
    else if (strcmp(scheme, "http") == 0 && !url_host_is_loopback(host))
        rc = err_set(e, ERR_INVALID, "%s must be an https URL, since it leads beyond this machine",
                     what);
    else if (!query_allowed && url_has(url, CURLUPART_QUERY))
        rc = err_set(e, ERR_INVALID, "%s must have no query", what);
    else if (url_has(url, CURLUPART_FRAGMENT))
        rc = err_set(e, ERR_INVALID, "%s must have no fragment", what);
    curl_free(scheme);
    curl_free(host);
    return rc;
}

static int check(const char *url, const char *what, bool query_allowed, struct err *e)
{
    CURLU *parsed = curl_url();
    if (!parsed)
        mem_exhausted();
    int rc;
    if (curl_url_set(parsed, CURLUPART_URL, url, CURLU_DISALLOW_USER) != CURLUE_OK)
        rc = err_set(e, ERR_INVALID, "%s is not a URL without user name and password", what);
    else
        rc = judge_parts(parsed, what, query_allowed, e);
    curl_url_cleanup(parsed);
    return rc;
}

int outside_endpoint_check(const char *url, struct err *e)
{
    return check(url, "the endpoint", false, e);
}

int outside_url_check(const char *url, struct err *e)
{
    return check(url, "the url", true, e);
}

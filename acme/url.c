#include "acme/url.h"

#include "acme/base/memory.h"
#include "acme/client_private.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool url_host_is_loopback(const char *host)
{
    struct in_addr address;
    if (strcasecmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0)
        return true;
    return inet_pton(AF_INET, host, &address) == 1 && ntohl(address.s_addr) >> 24 == 127;
}

bool url_is_loopback(const char *url)
{
    CURLU *parsed = curl_url();
    char *host = NULL;
    if (!parsed)
        mem_exhausted();
    bool is = curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK &&
              curl_url_get(parsed, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
              url_host_is_loopback(host);
    curl_free(host);
    curl_url_cleanup(parsed);
    return is;
}

bool url_is_page(const char *url)
{
    return directory_allows_url("http://", url);
}

/*
 * Where requests may go: the first line is a range that the config allows, the second a URL that a
 * caller has written, the third a list of hosts without a proxy.
 */
#include "acme/outgoing.h"
#include "acme/proxy.h"
#include "server/api/check.h"
#include "tests/fuzz/fuzz.h"

#include <arpa/inet.h>

static void *address_in(struct sockaddr_storage *address)
{
    return address->ss_family == AF_INET ? (void *)&((struct sockaddr_in *)address)->sin_addr
                                         : (void *)&((struct sockaddr_in6 *)address)->sin6_addr;
}

static bool is_global(struct sockaddr_storage *address)
{
    return outgoing_kind_of((struct sockaddr *)address) == OUTGOING_PUBLIC;
}

/* An address in the place of the host: it is judged as it is connected to. */
static void check_literal(const char *host)
{
    struct sockaddr_storage address;
    char text[INET6_ADDRSTRLEN], url[sizeof text + 16];
    struct outgoing *rule = outgoing_create();
    struct err e;
    if (outgoing_literal(host, &address)) {
        bool v4 = address.ss_family == AF_INET;
        must(inet_ntop(address.ss_family, address_in(&address), text, sizeof text), "it is one");
        snprintf(url, sizeof url, v4 ? "https://%s/" : "https://[%s]/", text);
        bool passes = outgoing_check_url(rule, url, &e) == 0;
        must(passes == is_global(&address), "a URL is judged as the address that it leads to");
        must(passes == outgoing_permits(rule, outgoing_kinds(rule, url), (void *)&address),
             "a URL is judged in one way");
        must(outgoing_in_range(text, (void *)&address), "an address is a range");
        outgoing_trust(rule, url);
        must(outgoing_check_url(rule, url, &e) == 0, "what is trusted passes");
    }
    outgoing_destroy(rule);
}

static void check_range(const char *text)
{
    struct outgoing *rule = outgoing_create();
    char base[INET6_ADDRSTRLEN + 3] = "";
    struct sockaddr_storage address;
    if (!outgoing_range_fault(text)) {
        outgoing_allow(rule, text);
        bool v6 = strchr(text, ':') != NULL;
        size_t size = strcspn(text, "/");
        must(size < sizeof base - 2, "a range begins with an address");
        snprintf(base, sizeof base, v6 ? "[%.*s]" : "%.*s", (int)size, text);
        must(outgoing_literal(base, &address), "a range begins with an address");
        must(outgoing_in_range(text, (void *)&address), "a range holds its first address");
        must(outgoing_permits(rule, 0, (void *)&address), "what is listed is permitted");
    }
    outgoing_destroy(rule);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {(const char *)data, size};
    char *range = fuzz_line(&in), *url = fuzz_line(&in), *exempt = fuzz_line(&in);
    struct outgoing *rule = outgoing_create();
    struct err e;
    check_range(range);
    check_literal(url);
    if (!check_url(url)) {
        if (outgoing_check_url(rule, url, &e) < 0)
            must(e.code == ERR_OUTGOING_REFUSED && !outgoing_check_url(NULL, url, &e),
                 "without a rule all passes");
        setenv("no_proxy", exempt, 1);
        proxy_for(url);
        outgoing_trust(rule, url);
        must(outgoing_check_url(rule, url, &e) == 0, "what is trusted passes");
    }
    outgoing_destroy(rule);
    free(range);
    free(url);
    free(exempt);
    return 0;
}

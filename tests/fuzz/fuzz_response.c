/* The headers of a CA's answer: the input is their lines. */
#include "acme/http.h"
#include "tests/fuzz/fuzz.h"

#include <strings.h>

enum { LINKS_MAX = 8 };

static void check_links(const struct acme_http_response *response, const char *relation)
{
    for (size_t i = 0; i < LINKS_MAX; i++) {
        char *url = acme_http_link(response, relation, i, "https://ca.example/acme/cert/1");
        if (!url)
            return;
        must(*url, "a link leads somewhere");
        free(url);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"link", "location", "replay-nonce", "retry-after", "date"};
    struct acme_http_response response = {.status = 200};
    buf_add(&response.headers, data, size);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *value = acme_http_header(&response, names[i]);
        must(!value || !strchr(value, '\n'), "a header's value is of one line");
        free(value);
    }
    check_links(&response, "alternate");
    check_links(&response, "help");
    must(acme_http_retry_after_ms(&response, 1795000000000) >= 0, "nobody waits for the past");
    acme_http_response_finish(&response);
    return 0;
}

/* Small readers of text: base64url, UTF-8, times, ULIDs. */
#include "acme/base/base64url.h"
#include "acme/base/clock.h"
#include "acme/base/ulid.h"
#include "acme/base/utf8.h"
#include "tests/fuzz/fuzz.h"

static void check_base64url(const char *text, size_t size)
{
    struct buf decoded = {0};
    struct err e;
    char *encoded = base64url_string(text, size);
    must(size == 0 || base64url_is(encoded), "what was encoded is base64url");
    must(base64url_decode(encoded, strlen(encoded), &decoded, &e) == 0, "what was encoded decodes");
    must(decoded.size == size && (!size || !memcmp(decoded.data, text, size)),
         "base64url goes there and back");
    free(encoded);

    buf_clear(&decoded);
    if (base64url_decode(text, size, &decoded, &e) == 0) {
        encoded = base64url_string(decoded.data, decoded.size);
        must(strlen(encoded) == size && (!size || !memcmp(encoded, text, size)),
             "bytes have one spelling in base64url");
        free(encoded);
    }
    buf_finish(&decoded);
}

static void check_utf8(const char *text, size_t size)
{
    size_t at = 0, step;
    while (at < size && (step = utf8_character_size(text + at, size - at))) {
        must(step <= size - at, "a character lies within the text");
        at += step;
    }
    must(utf8_is(text, size) == (at == size), "text is UTF-8 if its characters are");
}

static void check_times(const char *text)
{
    int64_t ms, again;
    char written[CLOCK_RFC3339_SIZE];
    bool read = clock_parse_rfc3339(text, &ms) == 0 || clock_parse_http_date(text, &ms) == 0;
    if (!read)
        return;
    clock_rfc3339(ms, written);
    must(clock_parse_rfc3339(written, &again) == 0, "a time that was written can be read");
    /* An offset can carry a time out of the years that have four digits; those are clamped. */
    bool clamped = ms < -62167219200000 || ms > 253402300799999;
    must(clamped || again == ms, "a time goes there and back");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_base64url((const char *)data, size);
    check_utf8((const char *)data, size);
    char *text = mem_strndup((const char *)data, size);
    check_times(text);
    must(!ulid_is(text) || strlen(text) == ULID_SIZE - 1, "a ULID has 26 characters");
    free(text);
    return 0;
}

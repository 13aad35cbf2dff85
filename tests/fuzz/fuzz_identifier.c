/* Names as people write them: one a line. */
#include "acme/identifier.h"
#include "tests/fuzz/fuzz.h"

#include <arpa/inet.h>
#include <ctype.h>

enum { NAMES_MAX = 16 };

static void check_one(const struct identifier *id)
{
    struct identifier again;
    struct err e;
    must(identifier_parse(id->value, &again, &e) == 0, "a canonical name can be read");
    must(again.type == id->type, "a canonical name keeps its type");
    must_equal(again.value, id->value, "a canonical name is read as itself");
    if (id->type == IDENTIFIER_IP)
        return;
    must(strlen(id->value) <= 253, "a DNS name has 253 bytes at most");
    const char *base = identifier_base(id);
    for (const char *p = base; *p; p++)
        must(islower((unsigned char)*p) || isdigit((unsigned char)*p) || *p == '-' || *p == '.',
             "a DNS name is of letters, digits and hyphens");
    unsigned char address[16];
    must(inet_pton(AF_INET, base, address) != 1, "an address is no DNS name");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {(const char *)data, size};
    struct identifier ids[NAMES_MAX];
    size_t count = 0;
    while (in.left && count < NAMES_MAX) {
        struct err e;
        char *text = fuzz_line(&in);
        if (identifier_parse(text, &ids[count], &e) == 0)
            check_one(&ids[count++]);
        else
            must(e.code == ERR_INVALID, "a bad name is ERR_INVALID");
        free(text);
    }
    count = identifiers_sort(ids, count);
    for (size_t i = 1; i < count; i++)
        must(identifier_compare(&ids[i - 1], &ids[i]) < 0, "sorted names ascend");
    must(identifiers_equal(ids, count, ids, count), "a set equals itself");
    return 0;
}

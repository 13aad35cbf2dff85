/* Records of dns-persist-01, which anybody may put into a zone: one line each, then what is wanted.
 */
#include "acme/challenge.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {(const char *)data, size};
    char *record = fuzz_line(&in), *wanted = fuzz_line(&in), *made = NULL;
    struct err e;
    bool fits = challenge_dns_persist01_fits(record, wanted, 1000);
    must(!fits || challenge_dns_persist01_fits(record, wanted, 1), "what lasts has lasted");
    if (challenge_dns_persist01_value(record, wanted, true, 2000, &made, &e) == 0) {
        must(challenge_dns_persist01_fits(made, made, 1000), "what we would place fits");
        must(!challenge_dns_persist01_fits(made, made, 2000), "what we would place ends");
        free(made);
    }
    free(record);
    free(wanted);
    return 0;
}

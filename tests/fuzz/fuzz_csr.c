/* Certificate requests of strangers: PEM, or DER that is made PEM first. */
#include "acme/crypto.h"
#include "acme/csr.h"
#include "tests/fuzz/fuzz.h"

static void check_info(const struct csr_info *info)
{
    must(info->count > 0 && info->count <= IDENTIFIER_MAX_COUNT, "a request asks for some names");
    for (size_t i = 0; i < info->count; i++) {
        struct identifier again;
        struct err e;
        must(identifier_parse(info->ids[i].value, &again, &e) == 0 &&
                 identifier_compare(&again, &info->ids[i]) == 0,
             "a request's names are canonical");
        must(i == 0 || identifier_compare(&info->ids[i - 1], &info->ids[i]) < 0,
             "a request's names ascend");
    }
}

static void check_again(const struct buf *der, const struct csr_info *info)
{
    struct buf pem = {0}, same = {0};
    struct csr_info again = {0};
    struct err e;
    must(csr_to_pem(der->data, der->size, &pem, &e) == 0, "a request can be written");
    must(csr_from_pem(pem.data, pem.size, &same, &again, &e) == 0, "our own PEM can be read");
    must(same.size == der->size && !memcmp(same.data, der->data, der->size),
         "a request goes there and back");
    must(identifiers_equal(info->ids, info->count, again.ids, again.count),
         "a request keeps its names");
    csr_info_finish(&again);
    buf_finish(&pem);
    buf_finish(&same);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf pem = {0}, der = {0};
    struct csr_info info = {0};
    struct err e;
    if (size > 0 && data[0] == 0x30)
        pem_write("CERTIFICATE REQUEST", data, size, false, &pem);
    else
        buf_add(&pem, data, size);
    if (csr_from_pem(buf_string(&pem), pem.size, &der, &info, &e) == 0) {
        check_info(&info);
        check_again(&der, &info);
    } else {
        must(e.code == ERR_CSR_INVALID || e.code == ERR_KEY_UNSUPPORTED, "a bad request is told");
        must(der.size == 0 && !info.ids, "outs are untouched on failure");
    }
    csr_info_finish(&info);
    buf_finish(&pem);
    buf_finish(&der);
    return 0;
}

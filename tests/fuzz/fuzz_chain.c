/* Certificate chains as a CA sends them: PEM, or one certificate's DER that is made PEM first. */
#include "acme/cert.h"
#include "acme/crypto.h"
#include "tests/fuzz/fuzz.h"

static size_t count_certificates(const struct buf *pem)
{
    size_t count = 0;
    for (const char *p = buf_string(pem); (p = strstr(p, "-----BEGIN CERTIFICATE-----")); p++)
        count++;
    return count;
}

static void check_again(const struct buf *leaf, const struct buf *chain,
                        const struct cert_info *info)
{
    struct buf full = {0}, leaf_again = {0}, chain_again = {0}, der = {0};
    struct cert_info again = {0};
    struct err e;
    buf_add(&full, leaf->data, leaf->size);
    buf_add(&full, chain->data, chain->size);
    must(cert_chain_read(full.data, full.size, &leaf_again, &chain_again, &again, &e) == 0,
         "our own chain can be read");
    must_equal(buf_string(&leaf_again), buf_string(leaf), "a leaf that was normalized stays");
    must_equal(buf_string(&chain_again), buf_string(chain), "a chain that was normalized stays");
    must_equal(again.serial, info->serial, "a serial number stays");
    must(cert_to_der(leaf->data, leaf->size, &der, &e) == 0, "a leaf has DER");
    cert_chain_has_issuer(full.data, full.size, "Some CA");
    cert_info_finish(&again);
    buf_finish(&full);
    buf_finish(&leaf_again);
    buf_finish(&chain_again);
    buf_finish(&der);
}

static void check_info(const struct cert_info *info)
{
    struct err e;
    for (size_t i = 1; i < info->count; i++)
        must(identifier_compare(&info->ids[i - 1], &info->ids[i]) < 0, "a leaf's names ascend");
    int rc = cert_check(info, info->spki_sha256, info->ids, info->count, info->not_before_ms, &e);
    must(rc == 0 || info->not_after_ms < info->not_before_ms,
         "a leaf is what it is, from its first moment on");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf pem = {0}, leaf = {0}, chain = {0};
    struct cert_info info = {0};
    struct err e;
    if (size > 0 && data[0] == 0x30)
        pem_write("CERTIFICATE", data, size, false, &pem);
    else
        buf_add(&pem, data, size);
    if (cert_chain_read(buf_string(&pem), pem.size, &leaf, &chain, &info, &e) == 0) {
        must(count_certificates(&leaf) == 1, "there is one leaf");
        must(count_certificates(&chain) < CERT_CHAIN_MAX_CERTS, "a chain keeps its cap");
        check_info(&info);
        check_again(&leaf, &chain, &info);
    } else {
        must(e.code == ERR_CERT_INVALID || e.code == ERR_KEY_UNSUPPORTED, "a bad chain is told");
        must(leaf.size == 0 && chain.size == 0 && !info.ids, "outs are untouched on failure");
    }
    cert_info_finish(&info);
    buf_finish(&pem);
    buf_finish(&leaf);
    buf_finish(&chain);
    return 0;
}

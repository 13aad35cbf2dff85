#include "server/deploy/material.h"

#include "server/deploy/target.h"

#include <openssl/err.h>
#include <openssl/pkcs12.h>
#include <string.h>

static const struct {
    const char *name;
    bool has_key;
} table[MATERIAL_COUNT] = {
    [MATERIAL_CERT] = {"cert.pem", false},           [MATERIAL_CHAIN] = {"chain.pem", false},
    [MATERIAL_FULLCHAIN] = {"fullchain.pem", false}, [MATERIAL_PRIVKEY] = {"privkey.pem", true},
    [MATERIAL_COMBINED] = {"combined.pem", true},    [MATERIAL_PKCS12] = {"certificate.p12", true},
};

const char *material_name(enum material material)
{
    return table[material].name;
}

int material_by_name(const char *name, enum material *out)
{
    for (int i = 0; i < MATERIAL_COUNT; i++)
        if (!strcmp(table[i].name, name)) {
            *out = (enum material)i;
            return 0;
        }
    return -1;
}

bool material_has_key(enum material material)
{
    return table[material].has_key;
}

int material_make(const struct target_certificate *certificate, enum material material,
                  const struct material_pkcs12 *pkcs12, struct buf *out, struct err *e)
{
    if (material_has_key(material) && !certificate->key)
        return err_set(
            e, ERR_CONFLICT,
            "The key of \"%s\" is not here, since its CSR was the caller's; %s cannot be "
            "made without.",
            certificate->name, material_name(material));
    if (material == MATERIAL_PKCS12)
        return pkcs12_make(certificate->key, certificate->leaf, certificate->chain,
                           pkcs12->password, pkcs12->encryption, pkcs12->name, out, e);
    if (material_has_key(material) && key_to_pem(certificate->key, out, e) < 0)
        return -1;
    if (material != MATERIAL_CHAIN && material != MATERIAL_PRIVKEY)
        buf_add_string(out, certificate->leaf);
    if (material != MATERIAL_CERT && material != MATERIAL_PRIVKEY)
        buf_add_string(out, certificate->chain);
    return 0;
}

bool material_opens(const struct buf *file, const char *password)
{
    const unsigned char *bytes = (const unsigned char *)file->data;
    PKCS12 *read = d2i_PKCS12(NULL, &bytes, (long)file->size);
    bool opens = read && PKCS12_verify_mac(read, password, -1) == 1;
    PKCS12_free(read);
    ERR_clear_error();
    return opens;
}

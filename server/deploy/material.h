/* The files that one version of a certificate makes. */
#ifndef CERTWRIGHT_SERVER_DEPLOY_MATERIAL_H
#define CERTWRIGHT_SERVER_DEPLOY_MATERIAL_H

#include "acme/base/buffer.h"
#include "acme/base/error.h"
#include "acme/pkcs12.h"

#include <stdbool.h>

struct target_certificate;

enum material {
    MATERIAL_CERT,      /* the leaf */
    MATERIAL_CHAIN,     /* the intermediates; may be empty */
    MATERIAL_FULLCHAIN, /* both */
    MATERIAL_PRIVKEY,   /* PKCS#8 */
    MATERIAL_COMBINED,  /* key and full chain */
    MATERIAL_PKCS12,    /* the same as certificate.p12 */
};
enum { MATERIAL_COUNT = MATERIAL_PKCS12 + 1 };

/* "cert.pem" … */
const char *material_name(enum material material);
/* Returns 0, or -1 if there is no such file (without an error). */
int material_by_name(const char *name, enum material *out);
bool material_has_key(enum material material);

/* How a PKCS#12 file is made; borrowed. */
struct material_pkcs12 {
    const char *password;
    enum pkcs12_encryption encryption;
    const char *name; /* the friendly name */
};

/*
 * Appends the file's bytes to out, which the caller ends with buf_finish_secret. pkcs12 may be NULL
 * for the others. ERR_CONFLICT: it holds the key, and the certificate has none here.
 */
int material_make(const struct target_certificate *certificate, enum material material,
                  const struct material_pkcs12 *pkcs12, struct buf *out, struct err *e);

/* Whether the bytes are a PKCS#12 file behind that password. */
bool material_opens(const struct buf *file, const char *password);

#endif

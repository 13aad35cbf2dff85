/* Certificate requests (RFC 2986; RFC 8555 section 7.4): all names in subjectAltName. */
#ifndef CERTWRIGHT_ACME_CSR_H
#define CERTWRIGHT_ACME_CSR_H

#include "acme/base/buffer.h"
#include "acme/base/error.h"
#include "acme/identifier.h"
#include "acme/key.h"

enum { CSR_PEM_MAX = 64 * 1024 };

/*
 * A CSR for exactly these names. The subject is empty, or holds only emailAddress when email is not
 * NULL. Signed with SHA-256, by P-384 with SHA-384. Appends DER to out. ERR_INVALID if the email is
 * none that fits.
 */
int csr_make(const struct key *key, const struct identifier *ids, size_t count, const char *email,
             struct buf *out, struct err *e);

/* What a given CSR asks for. */
struct csr_info {
    struct identifier *ids; /* sorted, unique; from the SAN and a CN that is a name */
    size_t count;
    char spki_sha256[KEY_SPKI_SHA256_SIZE];
    enum key_type key_type;
};

/*
 * Reads the caller's own CSR from PEM, checks its signature, and appends its DER to der.
 * ERR_CSR_INVALID if it is damaged, holds no names or names of other kinds than DNS and IP;
 * ERR_KEY_UNSUPPORTED. csr_info_finish frees what info holds.
 */
int csr_from_pem(const char *pem, size_t size, struct buf *der, struct csr_info *info,
                 struct err *e);
void csr_info_finish(struct csr_info *info);

/* DER to PEM ("CERTIFICATE REQUEST"), appended to out. */
int csr_to_pem(const void *der, size_t size, struct buf *out, struct err *e);

#endif

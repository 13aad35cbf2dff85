/* What the files behind key.h share, and CSRs and certificates with them. Private to acme. */
#ifndef CERTWRIGHT_ACME_KEY_PRIVATE_H
#define CERTWRIGHT_ACME_KEY_PRIVATE_H

#include "acme/key.h"

/* The type of any key. ERR_KEY_UNSUPPORTED if it is none of ours. */
int key_type_of_evp(const EVP_PKEY *pkey, enum key_type *out, struct err *e);

/* Makes a struct key that owns pkey; on failure pkey is freed. ERR_KEY_UNSUPPORTED. */
int key_adopt(EVP_PKEY *pkey, struct key **out, struct err *e);

/*
 * EC keys on the curves that we make keys on, appended to out as OpenSSL writes them, but cheaply:
 * SubjectPublicKeyInfo, and PrivateKeyInfo for who cleanses it. False for any other key, and for a
 * point that is not in its long form: those are OpenSSL's to write.
 */
bool key_ec_spki(const EVP_PKEY *pkey, struct buf *out);
bool key_ec_pkcs8(const EVP_PKEY *pkey, struct buf *out);
/* SubjectPublicKeyInfo of any key, appended to out. ERR_CRYPTO. */
int key_spki(const EVP_PKEY *pkey, struct buf *out, struct err *e);
/* The point alone; returns its curve's NID, NID_undef where the others say false. */
int key_ec_point(const EVP_PKEY *pkey, struct buf *out);

#endif

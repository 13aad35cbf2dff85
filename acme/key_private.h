/* What the files behind key.h share, and CSRs and certificates with them. Private to acme. */
#ifndef CERTWRIGHT_ACME_KEY_PRIVATE_H
#define CERTWRIGHT_ACME_KEY_PRIVATE_H

#include "acme/key.h"

/* The type of any key. ERR_KEY_UNSUPPORTED if it is none of ours. */
int key_type_of_evp(const EVP_PKEY *pkey, enum key_type *out, struct err *e);

/* Makes a struct key that owns pkey; on failure pkey is freed. ERR_KEY_UNSUPPORTED. */
int key_adopt(EVP_PKEY *pkey, struct key **out, struct err *e);

#endif

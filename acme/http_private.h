/* What the files behind http.h share. Private to acme. */
#ifndef CERTWRIGHT_ACME_HTTP_PRIVATE_H
#define CERTWRIGHT_ACME_HTTP_PRIVATE_H

#include "acme/http.h"

#include <openssl/types.h>

/* The anchors as OpenSSL wants them; borrowed. */
X509_STORE *acme_trust_store(const struct acme_trust *trust);

#endif

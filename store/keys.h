/* What accounts and certificates share about keys: their stored type, and that none serves both
   (RFC 8555 section 11.1). Private to the store. */
#ifndef CERTWRIGHT_STORE_KEYS_H
#define CERTWRIGHT_STORE_KEYS_H

#include "acme/key.h"
#include "store/db.h"

/* Of a stored name. */
enum key_type keys_type(const char *name);

/* ERR_KEY_REUSED if an account has this public key, or if a certificate has it. */
int keys_refuse_account_key(struct db *db, const char *spki_sha256, struct err *e);
int keys_refuse_certificate_key(struct db *db, const char *spki_sha256, struct err *e);

#endif

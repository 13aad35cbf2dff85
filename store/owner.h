/* Changing who owns a resource, and nothing else of it. */
#ifndef CERTWRIGHT_STORE_OWNER_H
#define CERTWRIGHT_STORE_OWNER_H

#include "store/origin.h"
#include "store/store.h"

enum owned {
    OWNED_AUTHORITY,
    OWNED_CREDENTIAL,
    OWNED_SOLVER,
    OWNED_TARGET,
    OWNED_ACCOUNT,
    OWNED_CERTIFICATE,
};

/* What the config owns is the API's: the config then takes back what it still names. */
int owner_release_config(struct store_tx *tx, struct err *e);

/* ERR_NOT_FOUND. */
int owner_set(struct store_tx *tx, enum owned kind, const char *name, enum origin origin,
              struct err *e);

#endif

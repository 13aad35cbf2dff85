/* What every installation has without being told. */
#ifndef CERTWRIGHT_SERVER_API_BUILTIN_H
#define CERTWRIGHT_SERVER_API_BUILTIN_H

#include "store/store.h"

/* The well-known authorities and the solver http-01. A name that another owner has stays theirs. */
int builtin_apply(struct store_tx *tx, struct err *e);

#endif

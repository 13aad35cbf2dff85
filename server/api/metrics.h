/* Metrics in Prometheus' text format. Their names are part of the contract. */
#ifndef CERTWRIGHT_SERVER_API_METRICS_H
#define CERTWRIGHT_SERVER_API_METRICS_H

#include "acme/base/buffer.h"
#include "server/api/api.h"
#include "store/db.h"

/* Above this many certificates they are counted by state, no longer one by one. */
enum { METRICS_CERTIFICATES_MAX = 1000 };

int metrics_write(struct api *api, struct db *db, struct buf *out, struct err *e);

#endif

/*
 * What a caller may see and leave behind whose token is for some certificates only. It is asked at
 * three places that no handler can go around: before the handler by the path, again within the
 * transaction of a write, and after it for what the write has made; lists leave out what is not to
 * be seen. A path that is not known here is refused to such a caller.
 */
#ifndef CERTWRIGHT_SERVER_API_RIGHTS_H
#define CERTWRIGHT_SERVER_API_RIGHTS_H

#include "acme/base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct call;
struct certificate;
struct db;
struct fields;
struct grant;
struct http_exchange;
struct job;
struct order;
struct version;

/* Whether x is such a caller's. */
bool rights_are_narrow(const struct http_exchange *x);

/* 0 if the resource of the path may be asked for; ERR_NOT_FOUND as if it were not there, or
   ERR_FORBIDDEN for what may not be done. */
int rights_permit(struct db *db, const struct http_exchange *x, struct err *e);

/* Before a write, within its transaction: what rights_check_result tells its doing by. */
int rights_note_before(struct db *db, const struct http_exchange *x, int64_t *before,
                       struct err *e);

/* 0 if what a write is about to answer with may be so; ERR_FORBIDDEN, with complaints. */
int rights_check_result(struct db *db, const struct call *call, struct fields *errors,
                        struct err *e);

/* ERR_FORBIDDEN for a new certificate of a name that a listener of the config shows: whoever has
   its key is the service to those who come there. */
int rights_check_name(const struct call *call, const char *name, struct err *e);

/* What rights_check_result would say of a certificate that the call has made, which need not stay.
 */
int rights_check_certificate(struct db *db, struct call *call, int64_t id, struct err *e);

/* 1 if it may be seen, 0 if not, -1. */
int rights_see_certificate(const struct http_exchange *x, const struct certificate *row);
int rights_see_job(struct db *db, const struct http_exchange *x, const struct job *job,
                   struct err *e);
/* What a job, by its id, tells: by its certificate's names of today and those that it was for,
   which may be others. The certificate may be deleted by now. */
int rights_see_work(struct db *db, const struct grant *grant, const char *job, struct err *e);
/* By the certificate's names of today and the version's own, which may be others. */
int rights_see_version(const struct http_exchange *x, const struct version *row);
int rights_see_order(struct db *db, const struct http_exchange *x, const struct order *order,
                     struct err *e);

#endif

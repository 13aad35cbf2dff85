/*
 * Certificates as the API shows them: as JSON, and as the ETag of that JSON. The tag is made of the
 * rows, so that a caller who has the answer already is told so before it is made.
 */
#ifndef CERTWRIGHT_SERVER_API_CERTIFICATE_VIEW_H
#define CERTWRIGHT_SERVER_API_CERTIFICATE_VIEW_H

#include "server/http/exchange.h"
#include "store/certificate.h"
#include "store/deployment.h"

struct call;

/* All that is shown of a certificate, as it was at one time. */
struct certificate_view {
    const struct certificate *certificate; /* borrowed */
    const char *status;
    struct deployment *targets;
    size_t target_count;
};

int certificate_view_load(struct db *db, const struct certificate *certificate,
                          struct certificate_view *out, struct err *e);
void certificate_view_finish(struct certificate_view *view);

/* The caller ends it. */
struct json_object *certificate_view_show(const struct certificate_view *view);
/* Another one for whatever would be shown otherwise. */
void certificate_view_tag(const struct certificate_view *view, char etag[HTTP_ETAG_SIZE]);

/* ---- the same at once ---- */

/* The caller ends *out. */
int certificate_show(struct db *db, const struct certificate *certificate, struct json_object **out,
                     struct err *e);
/* Inside apply: answers with the certificate and its tag. */
int certificate_answer(struct call *call, int status, struct db *db,
                       const struct certificate *certificate, struct err *e);
/* Inside apply: ERR_PRECONDITION unless the call may change the certificate as it is now. */
int certificate_if_match(const struct call *call, struct db *db,
                         const struct certificate *certificate, struct err *e);

#endif

/* Events as a stream: what follows them for one client. */
#ifndef CERTWRIGHT_SERVER_API_EVENT_STREAM_H
#define CERTWRIGHT_SERVER_API_EVENT_STREAM_H

#include "server/access/grant.h"
#include "server/api/api_private.h"
#include "store/event.h"

/* Whether the caller may see what a job of that resource does: of one who is let in for some
   certificates only these, and none of what is not a certificate's. */
int event_is_for(struct db *db, const struct grant *grant, const char *resource_type,
                 const char *resource_name, bool *is_for, struct err *e);

/*
 * Answers x with the events after that seq that match the filter, and all that come; where
 * filter->job is given, the stream ends with that job. The filter's texts are copied.
 */
void event_stream_answer(struct api *api, struct http_exchange *x,
                         const struct event_filter *filter, int64_t after);

#endif

/* Events as a stream: what follows them for one client. */
#ifndef CERTWRIGHT_SERVER_API_EVENT_STREAM_H
#define CERTWRIGHT_SERVER_API_EVENT_STREAM_H

#include "server/access/grant.h"
#include "server/api/api_private.h"
#include "store/event.h"

/* 1 if one who was let in by that grant may see the event, 0 if not, -1. */
int event_is_for(struct db *db, const struct grant *grant, const struct event *event,
                 struct err *e);

/*
 * Answers x with the events after that seq that match the filter, and all that come; where
 * filter->job is given, the stream ends with that job. The filter's texts are copied.
 */
void event_stream_answer(struct api *api, struct http_exchange *x,
                         const struct event_filter *filter, int64_t after);

#endif

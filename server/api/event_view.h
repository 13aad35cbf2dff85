/* Events as the API shows them: in lists, in a job, and in streams. */
#ifndef CERTWRIGHT_SERVER_API_EVENT_VIEW_H
#define CERTWRIGHT_SERVER_API_EVENT_VIEW_H

#include "store/event.h"

struct buf;
struct json_object;

/* "job.succeeded": the state of the event's job from then on; borrowed. */
const char *event_type(const struct event *event);
/* -1 if there is no such type. */
int event_type_state(const char *type, enum job_state *out);

/* What it says; the caller ends it with json_object_put. */
struct json_object *event_view(const struct event *event);
/* The same without what is the job's: for a list within it. */
struct json_object *event_view_in_job(const struct event *event);

/* Appends it as a stream has it (Server-Sent Events, WHATWG HTML section 9.2). */
void event_view_stream(const struct event *event, struct buf *out);

/*
 * Appends what tells a stream's client that not all events after that seq are to be had: up to
 * until they are not complete, or the service does not know of them, and goes on after until.
 */
void event_view_gap(int64_t after, int64_t until, struct buf *out);

#endif

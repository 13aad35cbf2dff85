#include "server/api/event_view.h"

#include "acme/base/buffer.h"
#include "server/api/show.h"

#include <inttypes.h>
#include <json-c/json.h>
#include <string.h>

static const char *const types[] = {
    [JOB_QUEUED] = "job.queued",   [JOB_RUNNING] = "job.running",
    [JOB_WAITING] = "job.waiting", [JOB_SUCCEEDED] = "job.succeeded",
    [JOB_FAILED] = "job.failed",   [JOB_CANCELLED] = "job.cancelled",
};

const char *event_type(const struct event *event)
{
    return types[event->state];
}

int event_type_state(const char *type, enum job_state *out)
{
    for (enum job_state state = JOB_QUEUED; state <= JOB_CANCELLED; state++)
        if (!strcmp(types[state], type)) {
            *out = state;
            return 0;
        }
    return -1;
}

static void add_head(const struct event *event, struct json_object *out)
{
    show_add_int(out, "seq", event->seq);
    show_add_time(out, "at", event->at);
    show_add_text(out, "type", event_type(event));
}

static void add_text(const struct event *event, struct json_object *out)
{
    show_add_text(out, "step", event->step);
    show_add_text(out, "identifier", event->identifier);
    show_add_text(out, "message", event->message);
}

struct json_object *event_view(const struct event *event)
{
    struct json_object *json = json_object_new_object();
    add_head(event, json);
    show_add_text(json, "job", event->job);
    show_add_text(json, "kind", event->kind);
    json_object_object_add(json, "resource",
                           show_resource(event->resource_type, event->resource_name));
    add_text(event, json);
    return json;
}

struct json_object *event_view_in_job(const struct event *event)
{
    struct json_object *json = json_object_new_object();
    add_head(event, json);
    add_text(event, json);
    return json;
}

/* One line, so that it is one line of data. */
static void add_data(struct json_object *json, struct buf *out)
{
    buf_printf(out, "data: %s\n\n",
               json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN |
                                                        JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(json);
}

void event_view_stream(const struct event *event, struct buf *out)
{
    buf_printf(out, "id: %" PRId64 "\nevent: %s\n", event->seq, event_type(event));
    add_data(event_view(event), out);
}

void event_view_gap(int64_t after, int64_t until, struct buf *out)
{
    struct json_object *json = json_object_new_object();
    show_add_text(json, "type", "gap");
    show_add_int(json, "after", after);
    show_add_int(json, "until", until);
    /* Only one who is ahead is set back: who is behind may still get what is left in the gap. */
    if (until < after)
        buf_printf(out, "id: %" PRId64 "\n", until);
    buf_add_string(out, "event: gap\n");
    add_data(json, out);
}

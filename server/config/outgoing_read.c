#include "server/config/outgoing_read.h"

#include "acme/json.h"

#include <json-c/json.h>

static void allow(const struct settings *s, struct outgoing *out)
{
    struct config_texts ranges = {0};
    settings_texts(s, "allow", outgoing_range_fault, &ranges);
    for (size_t i = 0; i < ranges.count; i++)
        outgoing_allow(out, ranges.items[i]);
    config_texts_finish(&ranges);
}

static void trust(const struct json_object *body, const char *member, struct outgoing *out)
{
    const char *url = json_text_of(body, member);
    if (url)
        outgoing_trust(out, url);
}

/* Members of that name that are no URLs of a resource are complained of by its reader. */
static void trust_kind(struct json_object *kind, struct outgoing *out)
{
    static const char *const members[] = {"directory_url", "endpoint", "url", NULL};
    json_object_object_foreach(kind, name, body)
    {
        (void)name;
        for (size_t i = 0; members[i]; i++)
            trust(body, members[i], out);
        trust(json_object_of(body, "reload"), "webhook", out);
    }
}

void outgoing_read(const struct settings *file, struct json_object *resources, struct outgoing *out)
{
    static const char *const names[] = {"allow", NULL};
    const struct settings outgoing = {.object = settings_object(file, "outgoing"),
                                      .source = file->source,
                                      .pointer = "/outgoing",
                                      .complaints = file->complaints};
    if (outgoing.object) {
        settings_only(&outgoing, names);
        allow(&outgoing, out);
    }
    if (!resources)
        return;
    json_object_object_foreach(resources, name, kind)
    {
        (void)name;
        if (json_object_is_type(kind, json_type_object))
            trust_kind(kind, out);
    }
}

#include "server/engine/renewal_memory.h"

#include "acme/base/memory.h"

#include <json-c/json.h>
#include <stdlib.h>

static int64_t number(struct json_object *json, const char *name)
{
    struct json_object *value = NULL;
    return json_object_object_get_ex(json, name, &value) ? json_object_get_int64(value) : 0;
}

static char *text(struct json_object *json, const char *name)
{
    struct json_object *value = NULL;
    if (!json_object_object_get_ex(json, name, &value) || !value)
        return NULL;
    return mem_strdup(json_object_get_string(value));
}

void renewal_memory_read(const char *json, int64_t version, struct renewal_memory *out)
{
    *out = (struct renewal_memory){0};
    struct json_object *object = json ? json_tokener_parse(json) : NULL;
    if (object && number(object, "version") == version) {
        out->window_start = number(object, "window_start");
        out->window_end = number(object, "window_end");
        out->explanation_url = text(object, "explanation_url");
        out->asked_at = number(object, "asked_at");
        out->ask_again_at = number(object, "ask_again_at");
        out->error = text(object, "error");
    }
    json_object_put(object);
}

static void add(struct json_object *json, const char *name, int64_t value)
{
    json_object_object_add(json, name, json_object_new_int64(value));
}

static void add_text(struct json_object *json, const char *name, const char *value)
{
    if (value)
        json_object_object_add(json, name, json_object_new_string(value));
}

char *renewal_memory_write(const struct renewal_memory *memory, int64_t version)
{
    struct json_object *json = json_object_new_object();
    add(json, "version", version);
    add(json, "window_start", memory->window_start);
    add(json, "window_end", memory->window_end);
    add_text(json, "explanation_url", memory->explanation_url);
    add(json, "asked_at", memory->asked_at);
    add(json, "ask_again_at", memory->ask_again_at);
    add_text(json, "error", memory->error);
    char *written = mem_strdup(json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN));
    json_object_put(json);
    return written;
}

void renewal_memory_finish(struct renewal_memory *memory)
{
    free(memory->explanation_url);
    free(memory->error);
    *memory = (struct renewal_memory){0};
}

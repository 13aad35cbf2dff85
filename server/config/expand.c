#include "server/config/expand.h"

#include "acme/base/memory.h"
#include "acme/base/utf8.h"
#include "server/config/settings.h"
#include "server/config/source.h"

#include <json-c/json.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX_BYTES = 1024 * 1024 };

/* What a walk carries along. */
struct walk {
    const char *source;
    struct complaints *complaints;
};

/* The only member of a reference: "$file" or "$env"; NULL for any other value. */
static const char *reference_kind(struct json_object *value)
{
    if (json_object_object_get_ex(value, "$file", NULL))
        return "$file";
    if (json_object_object_get_ex(value, "$env", NULL))
        return "$env";
    return NULL;
}

static char *resolve(const char *source, const char *path)
{
    const char *slash = strrchr(source, '/');
    if (*path == '/' || !slash)
        return mem_strdup(path);
    return mem_printf("%.*s%s", (int)(slash - source) + 1, source, path);
}

static int read_file(const struct walk *walk, const char *path, struct buf *out, struct err *e)
{
    char *place = resolve(walk->source, path);
    int rc = source_read(place, TEXT_MAX_BYTES, out, e);
    free(place);
    if (rc < 0)
        return -1;
    if (out->size && out->data[out->size - 1] == '\n')
        out->data[--out->size] = '\0';
    if (out->size && out->data[out->size - 1] == '\r')
        out->data[--out->size] = '\0';
    return 0;
}

static int read_variable(const char *name, struct buf *out, struct err *e)
{
    const char *value = getenv(name);
    if (!value)
        return err_set(e, ERR_CONFIG, "the environment has no %s", name);
    buf_add_string(out, value);
    return 0;
}

static int read_reference(const struct walk *walk, struct json_object *value, const char *kind,
                          struct buf *out, struct err *e)
{
    struct json_object *argument = json_object_object_get(value, kind);
    if (json_object_object_length(value) != 1 || !json_object_is_type(argument, json_type_string))
        return err_set(e, ERR_CONFIG, "%s wants a text, and no other member beside it", kind);
    const char *text = json_object_get_string(argument);
    int rc = !strcmp(kind, "$file") ? read_file(walk, text, out, e) : read_variable(text, out, e);
    if (rc < 0)
        return -1;
    if (!utf8_is(buf_string(out), out->size) || memchr(buf_string(out), '\0', out->size))
        return err_set(e, ERR_CONFIG, "what %s gives is no text in UTF-8", kind);
    return 0;
}

static void walk_value(const struct walk *walk, struct json_object *value, const char *pointer);

/* The text for a member or item that is a reference; NULL if it is none, or a wrong one. */
static struct json_object *replacement(const struct walk *walk, struct json_object *value,
                                       const char *pointer)
{
    const char *kind = reference_kind(value);
    struct buf text = {0};
    struct json_object *result = NULL;
    struct err e;
    if (!kind) {
        walk_value(walk, value, pointer);
        return NULL;
    }
    if (read_reference(walk, value, kind, &text, &e) < 0)
        complaints_add(walk->complaints, walk->source, pointer, "%s", e.detail);
    else
        result = json_object_new_string_len(buf_string(&text), (int)text.size);
    buf_finish_secret(&text);
    return result;
}

static void walk_value(const struct walk *walk, struct json_object *value, const char *pointer)
{
    if (json_object_is_type(value, json_type_object)) {
        json_object_object_foreach(value, name, member)
        {
            char *place = settings_pointer(pointer, name);
            struct json_object *text = replacement(walk, member, place);
            /* An existing name: the object keeps its shape while it is walked through. */
            if (text)
                json_object_object_add(value, name, text);
            free(place);
        }
    } else if (json_object_is_type(value, json_type_array)) {
        for (size_t i = 0; i < json_object_array_length(value); i++) {
            char *place = mem_printf("%s/%zu", pointer, i);
            struct json_object *text =
                replacement(walk, json_object_array_get_idx(value, i), place);
            if (text)
                json_object_array_put_idx(value, i, text);
            free(place);
        }
    }
}

void expand_references(struct json_object *json, const char *source, const char *pointer,
                       struct complaints *complaints)
{
    const struct walk walk = {.source = source, .complaints = complaints};
    walk_value(&walk, json, pointer);
}

#include "store/failure.h"

#include "acme/base/memory.h"

#include <json-c/json.h>
#include <string.h>
#include <strings.h>

/* Pages for a person; other schemes than http are no links. */
static void add_link(struct json_object *links, const char *name, const char *url)
{
    if (url && (!strncasecmp(url, "https://", 8) || !strncasecmp(url, "http://", 7)))
        json_object_object_add(links, name, json_object_new_string(url));
}

static void add_links(struct json_object *json, const struct acme_problem *acme)
{
    struct json_object *links = json_object_new_object();
    add_link(links, "help", acme->help);
    add_link(links, "terms_of_service", acme->terms);
    add_link(links, "instance", acme->instance);
    add_link(links, "unpause", acme->unpause);
    if (json_object_object_length(links))
        json_object_object_add(json, "links", links);
    else
        json_object_put(links);
}

char *failure_write(const struct err *error, const struct acme_problem *acme)
{
    struct json_object *json = json_object_new_object();
    json_object_object_add(json, "code", json_object_new_string(err_info(error->code)->name));
    json_object_object_add(json, "detail", json_object_new_string(error->detail));
    if (error->http_status)
        json_object_object_add(json, "http_status", json_object_new_int(error->http_status));
    if (error->retry_after_ms)
        json_object_object_add(json, "retry_after_ms",
                               json_object_new_int64(error->retry_after_ms));
    if (acme && acme->document)
        json_object_object_add(json, "acme", json_object_new_string(acme->document));
    if (acme)
        add_links(json, acme);
    char *text = mem_strdup(json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN));
    json_object_put(json);
    return text;
}

static const char *member(struct json_object *json, const char *name)
{
    struct json_object *value = NULL;
    if (!json_object_object_get_ex(json, name, &value) ||
        !json_object_is_type(value, json_type_string))
        return NULL;
    return json_object_get_string(value);
}

struct json_object *failure_links(const char *json)
{
    struct json_object *object = json_tokener_parse(json), *links = NULL;
    if (object && json_object_object_get_ex(object, "links", &links))
        json_object_get(links);
    json_object_put(object);
    return links;
}

void failure_read(const char *json, struct err *error, char **acme_document)
{
    struct json_object *object = json_tokener_parse(json);
    const char *name = object ? member(object, "code") : NULL;
    const char *detail = object ? member(object, "detail") : NULL;
    enum err_code code = name ? err_code_by_name(name) : ERR_NONE;
    err_set(error, code == ERR_NONE ? ERR_INTERNAL : code, "%s", detail ? detail : "");
    struct json_object *status = NULL;
    if (object && json_object_object_get_ex(object, "http_status", &status))
        error->http_status = json_object_get_int(status);
    struct json_object *retry_after = NULL;
    if (object && json_object_object_get_ex(object, "retry_after_ms", &retry_after))
        error->retry_after_ms = json_object_get_int64(retry_after);
    *acme_document = object ? mem_strdup(member(object, "acme")) : NULL;
    json_object_put(object);
}

#include "store/failure.h"

#include "acme/base/memory.h"

#include <json-c/json.h>
#include <string.h>

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

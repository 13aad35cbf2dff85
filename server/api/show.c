#include "server/api/show.h"

#include "acme/base/clock.h"
#include "server/http/problem.h"
#include "store/failure.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct json_object *show_text(const char *text)
{
    return text ? json_object_new_string(text) : NULL;
}

struct json_object *show_time(int64_t ms)
{
    char text[CLOCK_RFC3339_SIZE];
    if (ms == 0)
        return NULL;
    clock_rfc3339(ms, text);
    return json_object_new_string(text);
}

struct json_object *show_stored(const char *json)
{
    return json ? json_tokener_parse(json) : NULL;
}

struct json_object *show_failure(const char *failure)
{
    struct err error;
    char *document;
    if (!failure)
        return NULL;
    failure_read(failure, &error, &document);
    struct json_object *problem = problem_json(&error, document);
    struct json_object *links = failure_links(failure);
    if (links)
        json_object_object_add(problem, "links", links);
    free(document);
    return problem;
}

struct json_object *show_last_error(const char *last_error, const char *person_error)
{
    struct err waits;
    if (!person_error)
        return show_failure(last_error);
    if (person_error[0])
        return show_failure(person_error);
    err_set(&waits, ERR_JOB_WAITS_FOR_PERSON, "The active job waits for somebody to act.");
    return problem_json(&waits, NULL);
}

void show_add_text(struct json_object *object, const char *name, const char *text)
{
    json_object_object_add(object, name, show_text(text));
}

void show_add_bool(struct json_object *object, const char *name, bool value)
{
    json_object_object_add(object, name, json_object_new_boolean(value));
}

void show_add_int(struct json_object *object, const char *name, int64_t value)
{
    json_object_object_add(object, name, json_object_new_int64(value));
}

void show_add_time(struct json_object *object, const char *name, int64_t ms)
{
    json_object_object_add(object, name, show_time(ms));
}

struct json_object *show_resource(const char *type, const char *name)
{
    static const struct {
        const char *type, *href;
    } kinds[] = {
        {"authority", "/authorities/"},
        {"account", "/accounts/"},
        {"certificate", "/certificates/"},
        {"order", "/orders/"},
        {"target", "/targets/"},
        {"solver", "/solvers/"},
        {"job", "/jobs/"},
    };
    const char *href = "/";
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (!strcmp(kinds[i].type, type))
            href = kinds[i].href;
    struct json_object *resource = json_object_new_object();
    show_add_text(resource, "type", type);
    show_add_text(resource, "name", name);
    char path[300];
    snprintf(path, sizeof path, "%s%s", href, name);
    show_add_text(resource, "href", path);
    return resource;
}

#include "server/api/target_items.h"

#include "acme/base/memory.h"
#include "server/api/canonical.h"
#include "server/api/check.h"
#include "server/api/spec_target.h"
#include "server/deploy/material.h"
#include "store/target.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { POINTER_SIZE = 64 };

/* ---- reading ---- */

/* A name alone is the object with nothing but that name. */
static struct json_object *as_object(struct json_object *value)
{
    if (!json_object_is_type(value, json_type_string))
        return json_object_get(value);
    struct json_object *object = json_object_new_object();
    json_object_object_add(object, "target", json_object_get(value));
    return object;
}

/* False: it was complained of. */
static bool read_item(struct json_object *value, const char *pointer, struct fields *errors,
                      struct target_item *out)
{
    static const char *const names[] = {"target", "domains", "group_id", "path", NULL};
    size_t before = errors->count;
    if (!json_object_is_type(value, json_type_string) &&
        !json_object_is_type(value, json_type_object)) {
        fields_add(errors, pointer, "must be a target's name, or an object with one");
        return false;
    }
    struct json_object *object = as_object(value);
    struct members m = members_at(object, pointer, errors);
    members_only(&m, names);
    const char *target = members_checked(&m, "target", MEMBERS_REQUIRED, check_name);
    struct json_object *parameters = spec_target_parameters_read(&m);
    bool good = errors->count == before;
    if (good) {
        out->target = mem_strdup(target);
        out->parameters = canonical_json(parameters);
    }
    json_object_put(parameters);
    json_object_put(object);
    return good;
}

static bool is_twin(const struct target_items *items, const struct target_item *item)
{
    for (size_t i = 0; i < items->count; i++)
        if (!strcmp(items->items[i].target, item->target) &&
            !strcmp(items->items[i].parameters, item->parameters))
            return true;
    return false;
}

static void finish_item(struct target_item *item)
{
    free(item->target);
    free(item->parameters);
}

void target_items_read(const struct members *m, struct target_items *out)
{
    struct json_object *array = NULL;
    *out = (struct target_items){0};
    if (!m->object || !json_object_object_get_ex(m->object, "targets", &array))
        return;
    if (!json_object_is_type(array, json_type_array)) {
        members_wrong(m, "targets", "must be an array");
        return;
    }
    size_t count = json_object_array_length(array);
    if (count > TARGET_ITEMS_MAX) {
        members_wrong(m, "targets", "must have at most %d items", TARGET_ITEMS_MAX);
        return;
    }
    out->items = mem_new(count + 1, sizeof *out->items);
    for (size_t i = 0; i < count; i++) {
        struct target_item item = {.index = i};
        char pointer[POINTER_SIZE];
        snprintf(pointer, sizeof pointer, "%.30s/targets/%zu", m->pointer, i);
        if (!read_item(json_object_array_get_idx(array, i), pointer, m->errors, &item))
            continue;
        if (is_twin(out, &item)) {
            fields_add(m->errors, pointer, "is there twice");
            finish_item(&item);
        } else {
            out->items[out->count++] = item;
        }
    }
}

void target_items_finish(struct target_items *items)
{
    for (size_t i = 0; i < items->count; i++)
        finish_item(&items->items[i]);
    free(items->items);
    *items = (struct target_items){0};
}

/* ---- checking ---- */

/* Whether one of the identifiers is the name, or a wildcard that holds it (RFC 6125 6.4.3). */
static bool is_covered(const struct target_use *use, const char *name)
{
    const char *dot = strchr(name, '.');
    for (size_t i = 0; i < use->id_count; i++) {
        const struct identifier *id = &use->ids[i];
        if (!strcmp(id->value, name))
            return true;
        if (dot && identifier_is_wildcard(id) && !strcmp(identifier_base(id), dot + 1))
            return true;
    }
    return false;
}

static void check_domains(struct json_object *domains, const struct target_use *use,
                          const char *place, struct fields *errors)
{
    char pointer[POINTER_SIZE];
    snprintf(pointer, sizeof pointer, "%s/domains", place);
    for (size_t i = 0; i < json_object_array_length(domains); i++) {
        const char *name = json_object_get_string(json_object_array_get_idx(domains, i));
        if (!is_covered(use, name))
            fields_add(errors, pointer, "%s is none of the certificate's names", name);
    }
}

static bool allows_test(struct json_object *settings)
{
    return json_object_get_boolean(json_object_object_get(settings, "allow_test"));
}

/* Whether it installs the key; files do unless they are told otherwise. */
static bool needs_key(const struct target *target, struct json_object *settings)
{
    struct json_object *files = NULL;
    enum material material;
    if (strcmp(target->type, "files") != 0)
        return spec_target_is_cloud(target->type);
    if (!json_object_object_get_ex(settings, "files", &files))
        return true;
    for (size_t i = 0; i < json_object_array_length(files); i++)
        if (material_by_name(json_object_get_string(json_object_array_get_idx(files, i)),
                             &material) == 0 &&
            material_has_key(material))
            return true;
    return false;
}

void target_parameters_check(const struct target *target, struct json_object *parameters,
                             const struct target_use *use, const char *place, struct fields *errors)
{
    struct json_object *settings = json_tokener_parse(target->settings);
    struct json_object *domains = json_object_object_get(parameters, "domains");
    char pointer[POINTER_SIZE];
    for (size_t i = 0; spec_target_parameters[i]; i++) {
        const char *name = spec_target_parameters[i];
        snprintf(pointer, sizeof pointer, "%s/%s", place, name);
        if (json_object_object_get_ex(parameters, name, NULL) &&
            !spec_target_takes(target->type, name))
            fields_add(errors, pointer, "is not known to targets of type %s", target->type);
    }
    snprintf(pointer, sizeof pointer, "%s/group_id", place);
    if (spec_target_takes(target->type, "group_id") &&
        !json_object_object_get_ex(parameters, "group_id", NULL) &&
        !json_object_object_get_ex(settings, "group_id", NULL))
        fields_add(errors, pointer, "is required here, since the target \"%s\" has none",
                   target->name);
    if (use->ids && domains && spec_target_takes(target->type, "domains"))
        check_domains(domains, use, place, errors);
    if (use->test && spec_target_is_cloud(target->type) && !allows_test(settings))
        fields_add(errors, place,
                   "the certificate comes from a test authority, which the target \"%s\" does not "
                   "allow (allow_test)",
                   target->name);
    if (use->keyless && needs_key(target, settings))
        fields_add(errors, place,
                   "the target \"%s\" installs the key, which is not here: the CSR is yours%s",
                   target->name,
                   spec_target_is_cloud(target->type)
                       ? ""
                       : "; let its files be cert.pem, chain.pem or fullchain.pem");
    json_object_put(settings);
}

int target_items_check(struct db *db, const struct target_items *items,
                       const struct target_use *use, struct fields *errors, struct err *e)
{
    for (size_t i = 0; i < items->count; i++) {
        const struct target_item *item = &items->items[i];
        struct target target;
        char place[POINTER_SIZE];
        snprintf(place, sizeof place, "/targets/%zu", item->index);
        if (target_load(db, item->target, &target, e) < 0) {
            if (e->code != ERR_NOT_FOUND)
                return -1;
            fields_add(errors, place, "there is no target \"%s\"", item->target);
            continue;
        }
        struct json_object *parameters = json_tokener_parse(item->parameters);
        target_parameters_check(&target, parameters, use, place, errors);
        json_object_put(parameters);
        target_finish(&target);
    }
    return 0;
}

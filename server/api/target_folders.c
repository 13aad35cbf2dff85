#include "server/api/target_folders.h"

#include "acme/base/memory.h"
#include "server/api/fields.h"
#include "server/api/folder_claims.h"
#include "server/api/peek.h"
#include "server/api/show.h"
#include "server/api/spec_certificate.h"
#include "store/certificate.h"
#include "store/deployment.h"
#include "store/target.h"

#include <json-c/json.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { POINTER_SIZE = 40, PAGE = 100 };

/* A certificate's deployments on targets of type files; folders[i] is NULL for those on others. */
struct own {
    int64_t certificate_id;
    struct deployment *list;
    char **folders;
    size_t count;
    bool by_name; /* the last part of each folder is the certificate's name */
    bool names_others;
};

static void own_finish(struct own *own)
{
    for (size_t i = 0; own->folders && i < own->count; i++)
        free(own->folders[i]);
    free(own->folders);
    deployment_list_finish(own->list, own->count);
}

/* As folder_claims_path, of what is stored. */
static char *folder_of(const struct target *target, const char *parameters, const char *certificate)
{
    struct json_object *settings = show_stored(target->settings);
    struct json_object *item = show_stored(parameters);
    char *folder = folder_claims_path(settings, item, certificate);
    json_object_put(settings);
    json_object_put(item);
    return folder;
}

static bool ends_with_name(const char *folder, const char *name)
{
    const char *last = strrchr(folder, '/');
    return last && !strcmp(last + 1, name);
}

static int own_init(struct db *db, const char *name, struct own *out, struct err *e)
{
    struct certificate certificate;
    if (certificate_load(db, name, &certificate, e) < 0)
        return -1;
    out->certificate_id = certificate.id;
    certificate_finish(&certificate);
    if (deployment_list(db, out->certificate_id, &out->list, &out->count, e) < 0)
        return -1;
    out->folders = mem_new(out->count + 1, sizeof *out->folders);
    out->by_name = true;
    for (size_t i = 0; i < out->count; i++) {
        struct target target;
        if (target_load(db, out->list[i].target, &target, e) < 0)
            return -1;
        if (!strcmp(target.type, "files")) {
            out->folders[i] = folder_of(&target, out->list[i].parameters, name);
            out->by_name = out->by_name && ends_with_name(out->folders[i], name);
        }
        target_finish(&target);
    }
    return 0;
}

static bool has_folders(const struct own *own)
{
    for (size_t i = 0; i < own->count; i++)
        if (own->folders[i])
            return true;
    return false;
}

static int compare(struct db *db, const struct own *own, const struct target *target,
                   const struct deployment *other, struct fields *errors, struct err *e)
{
    struct certificate certificate;
    if (certificate_load_by_id(db, other->certificate_id, &certificate, e) < 0)
        return -1;
    char *folder = folder_of(target, other->parameters, certificate.name);
    for (size_t i = 0; i < own->count; i++) {
        char pointer[POINTER_SIZE];
        if (!own->folders[i] || strcmp(own->folders[i], folder) != 0)
            continue;
        snprintf(pointer, sizeof pointer, "/targets/%zu", i);
        if (own->names_others)
            fields_add(errors, pointer,
                       "leads to the folder %s, which is the certificate \"%s\"'s on the target "
                       "\"%s\"",
                       folder, certificate.name, target->name);
        else
            fields_add(errors, pointer, "leads to a folder that is another certificate's");
    }
    free(folder);
    certificate_finish(&certificate);
    return 0;
}

/* Whether the target's folders are called after the certificates, unless an item says otherwise. */
static bool names_folders(const struct target *target)
{
    struct json_object *settings = show_stored(target->settings);
    bool has_path = peek_has(settings, "path");
    json_object_put(settings);
    return !has_path;
}

static int check_target(struct db *db, const struct own *own, const struct target *target,
                        struct fields *errors, struct err *e)
{
    struct deployment *list;
    size_t count;
    int rc = 0;
    if (strcmp(target->type, "files") != 0)
        return 0;
    if (deployment_list_of_target(db, target->name, &list, &count, e) < 0)
        return -1;
    /* Names are unique: of the many that follow them alone, none needs to be looked up. */
    bool apart = own->by_name && names_folders(target);
    for (size_t i = 0; i < count && rc == 0; i++)
        if (list[i].certificate_id != own->certificate_id &&
            !(apart && !strcmp(list[i].parameters, "{}")))
            rc = compare(db, own, target, &list[i], errors, e);
    deployment_list_finish(list, count);
    return rc;
}

/* One page of all targets; *last gets the name of its last one, NULL once there are no more. */
static int check_page(struct db *db, const struct own *own, const char *after, char **last,
                      struct fields *errors, struct err *e)
{
    struct target *rows;
    size_t count;
    int rc = 0;
    if (target_list(db, after, PAGE, &rows, &count, e) < 0)
        return -1;
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = check_target(db, own, &rows[i], errors, e);
    *last = count == PAGE ? mem_strdup(rows[count - 1].name) : NULL;
    for (size_t i = 0; i < count; i++)
        target_finish(&rows[i]);
    free(rows);
    return rc;
}

static int check_all(struct db *db, const struct own *own, struct fields *errors, struct err *e)
{
    char *after = NULL;
    int rc;
    do {
        char *last = NULL;
        rc = check_page(db, own, after, &last, errors, e);
        free(after);
        after = last;
    } while (rc == 0 && after);
    free(after);
    return rc;
}

/* Of two items of its own with one folder, the second is in the way. */
static void check_own(const struct own *own, struct fields *errors)
{
    for (size_t i = 1; i < own->count; i++)
        for (size_t k = 0; k < i; k++) {
            char pointer[POINTER_SIZE];
            if (!own->folders[i] || !own->folders[k] || strcmp(own->folders[i], own->folders[k]))
                continue;
            snprintf(pointer, sizeof pointer, "/targets/%zu", i);
            fields_add(errors, pointer,
                       "leads to the folder %s, as does the item on the target \"%s\"",
                       own->folders[i], own->list[k].target);
            break;
        }
}

int target_folders_check(struct db *db, const char *certificate, bool names_others,
                         struct fields *errors, struct err *e)
{
    struct own own = {.names_others = names_others};
    int rc = own_init(db, certificate, &own, e);
    if (rc == 0 && has_folders(&own)) {
        check_own(&own, errors);
        rc = check_all(db, &own, errors, e);
    }
    own_finish(&own);
    return rc < 0 ? -1 : fields_verdict(errors, e);
}

/* ---- called after its own names ---- */

/* The path in the target's directory, as folder_claims_path takes it. */
static char *path_of(const struct target *target, const char *parameters, const char *certificate)
{
    struct json_object *settings = show_stored(target->settings);
    struct json_object *item = show_stored(parameters);
    const char *path = peek_text(item, "path");
    if (!path)
        path = peek_text(settings, "path");
    char *copy = mem_strdup(path ? path : certificate);
    json_object_put(settings);
    json_object_put(item);
    return copy;
}

static bool is_own_name(const struct certificate *certificate, const char *path)
{
    struct json_object *names = show_stored(certificate->identifiers);
    bool is_own = false;
    for (size_t i = 0; i < json_object_array_length(names) && !is_own; i++) {
        struct identifier id;
        struct err ignored;
        const char *text = json_object_get_string(json_object_array_get_idx(names, i));
        if (identifier_parse(text, &id, &ignored) < 0)
            continue;
        char *name = spec_certificate_name(&id);
        is_own = !strcmp(name, path);
        free(name);
    }
    json_object_put(names);
    return is_own;
}

static int check_name(struct db *db, const struct certificate *certificate,
                      const struct deployment *item, size_t index, struct fields *errors,
                      struct err *e)
{
    struct target target;
    char pointer[POINTER_SIZE];
    if (target_load(db, item->target, &target, e) < 0)
        return -1;
    char *path = path_of(&target, item->parameters, certificate->name);
    snprintf(pointer, sizeof pointer, "/targets/%zu", index);
    if (!strcmp(target.type, "files") && !is_own_name(certificate, path))
        fields_add(errors, pointer,
                   "must not lead to a folder \"%s\" of the target \"%s\", which is called after "
                   "none of the certificate's identifiers",
                   path, target.name);
    free(path);
    target_finish(&target);
    return 0;
}

int target_folders_check_names(struct db *db, int64_t certificate_id, int64_t after,
                               struct fields *errors, struct err *e)
{
    struct certificate certificate = {0};
    struct deployment *list;
    size_t count;
    if (deployment_list(db, certificate_id, &list, &count, e) < 0)
        return -1;
    int rc = count ? certificate_load_by_id(db, certificate_id, &certificate, e) : 0;
    for (size_t i = 0; i < count && rc == 0; i++)
        if (list[i].id > after)
            rc = check_name(db, &certificate, &list[i], i, errors, e);
    certificate_finish(&certificate);
    deployment_list_finish(list, count);
    return rc;
}

/* ---- all at once ---- */

static int add_claim(struct db *db, struct folder_claims *claims, const struct target *target,
                     const struct deployment *deployment, struct err *e)
{
    struct certificate certificate;
    if (certificate_load_by_id(db, deployment->certificate_id, &certificate, e) < 0)
        return -1;
    struct json_object *settings = show_stored(target->settings);
    struct json_object *item = show_stored(deployment->parameters);
    folder_claims_add(claims, settings, item, target->name, certificate.name);
    json_object_put(settings);
    json_object_put(item);
    certificate_finish(&certificate);
    return 0;
}

static int add_claims_of(struct db *db, struct folder_claims *claims, const struct target *target,
                         struct err *e)
{
    struct deployment *list;
    size_t count;
    int rc = 0;
    if (strcmp(target->type, "files") != 0)
        return 0;
    if (deployment_list_of_target(db, target->name, &list, &count, e) < 0)
        return -1;
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = add_claim(db, claims, target, &list[i], e);
    deployment_list_finish(list, count);
    return rc;
}

/* As check_page. */
static int add_page(struct db *db, struct folder_claims *claims, const char *after, char **last,
                    struct err *e)
{
    struct target *rows;
    size_t count;
    int rc = 0;
    if (target_list(db, after, PAGE, &rows, &count, e) < 0)
        return -1;
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = add_claims_of(db, claims, &rows[i], e);
    *last = count == PAGE ? mem_strdup(rows[count - 1].name) : NULL;
    for (size_t i = 0; i < count; i++)
        target_finish(&rows[i]);
    free(rows);
    return rc;
}

static int add_all(struct db *db, struct folder_claims *claims, struct err *e)
{
    char *after = NULL;
    int rc;
    do {
        char *last = NULL;
        rc = add_page(db, claims, after, &last, e);
        free(after);
        after = last;
    } while (rc == 0 && after);
    free(after);
    return rc;
}

/* The first is told: there may be as many as there are certificates. */
static void check_claims(const struct folder_claims *claims, const char *target,
                         struct fields *errors)
{
    for (size_t i = 1; i < claims->count; i++) {
        const struct folder_claim *claim = &claims->items[i];
        if (!folder_claims_clash(claims, i) ||
            (target && strcmp(claim->target, target) != 0 && strcmp(claim[-1].target, target) != 0))
            continue;
        folder_claims_tell(claims, i, "/directory", errors);
        return;
    }
}

int target_folders_check_target(struct db *db, const char *target, struct fields *errors,
                                struct err *e)
{
    struct folder_claims claims = {0};
    int rc = add_all(db, &claims, e);
    if (rc == 0) {
        folder_claims_sort(&claims);
        check_claims(&claims, target, errors);
    }
    folder_claims_finish(&claims);
    return rc < 0 ? -1 : fields_verdict(errors, e);
}

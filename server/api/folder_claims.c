#include "server/api/folder_claims.h"

#include "acme/base/memory.h"
#include "server/api/fields.h"
#include "server/api/peek.h"

#include <stdlib.h>
#include <string.h>

char *folder_claims_path(struct json_object *settings, struct json_object *parameters,
                         const char *certificate)
{
    const char *directory = peek_text(settings, "directory");
    const char *path = peek_text(parameters, "path");
    if (!path)
        path = peek_text(settings, "path");
    if (!path)
        path = certificate;
    bool slash = directory && !strcmp(directory, "/");
    return !strcmp(path, ".") ? mem_strdup(directory)
                              : mem_printf("%s/%s", slash ? "" : directory, path);
}

void folder_claims_add(struct folder_claims *claims, struct json_object *settings,
                       struct json_object *parameters, const char *target, const char *certificate)
{
    if (claims->count == claims->room) {
        claims->room = claims->room ? 2 * claims->room : 16;
        claims->items = mem_grow(claims->items, claims->room, sizeof *claims->items);
    }
    claims->items[claims->count++] = (struct folder_claim){
        .folder = folder_claims_path(settings, parameters, certificate),
        .certificate = mem_strdup(certificate),
        .target = mem_strdup(target),
    };
}

void folder_claims_finish(struct folder_claims *claims)
{
    for (size_t i = 0; i < claims->count; i++) {
        free(claims->items[i].folder);
        free(claims->items[i].certificate);
        free(claims->items[i].target);
    }
    free(claims->items);
    *claims = (struct folder_claims){0};
}

static int compare(const void *left, const void *right)
{
    const struct folder_claim *a = left, *b = right;
    int order = strcmp(a->folder, b->folder);
    if (order == 0)
        order = strcmp(a->certificate, b->certificate);
    return order ? order : strcmp(a->target, b->target);
}

void folder_claims_sort(struct folder_claims *claims)
{
    if (claims->count > 0)
        qsort(claims->items, claims->count, sizeof *claims->items, compare);
}

void folder_claims_tell(const struct folder_claims *claims, size_t i, const char *pointer,
                        struct fields *errors)
{
    const struct folder_claim *claim = &claims->items[i];
    fields_add(errors, pointer,
               "the certificate \"%s\" on the target \"%s\" and \"%s\" on \"%s\" would share the "
               "folder %s",
               claim->certificate, claim->target, claim[-1].certificate, claim[-1].target,
               claim->folder);
}

bool folder_claims_clash(const struct folder_claims *claims, size_t i)
{
    return i > 0 && !strcmp(claims->items[i].folder, claims->items[i - 1].folder);
}

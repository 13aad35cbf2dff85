/* Which folder each item of type files leads to, and who would share one. */
#ifndef CERTWRIGHT_SERVER_API_FOLDER_CLAIMS_H
#define CERTWRIGHT_SERVER_API_FOLDER_CLAIMS_H

#include <stdbool.h>
#include <stddef.h>

struct fields;
struct json_object;

struct folder_claim {
    char *folder;
    char *certificate;
    char *target;
};

/* All zeros: none. */
struct folder_claims {
    struct folder_claim *items;
    size_t count;
    size_t room;
};

/* The folder as one path, which the caller frees: an item's path goes before the target's, and
   either before the certificate's name. */
char *folder_claims_path(struct json_object *settings, struct json_object *parameters,
                         const char *certificate);

void folder_claims_add(struct folder_claims *claims, struct json_object *settings,
                       struct json_object *parameters, const char *target, const char *certificate);
void folder_claims_finish(struct folder_claims *claims);

/* Orders them, so that those to one folder stand together. */
void folder_claims_sort(struct folder_claims *claims);
/* Whether the claim at i, of sorted ones, is to the folder of the claim before it. */
bool folder_claims_clash(const struct folder_claims *claims, size_t i);
/* Complains of such a claim. */
void folder_claims_tell(const struct folder_claims *claims, size_t i, const char *pointer,
                        struct fields *errors);

#endif

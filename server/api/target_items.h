/* A certificate's `targets`: what its body says, and whether that fits the targets. */
#ifndef CERTWRIGHT_SERVER_API_TARGET_ITEMS_H
#define CERTWRIGHT_SERVER_API_TARGET_ITEMS_H

#include "acme/identifier.h"
#include "server/api/fields.h"

#include <stdbool.h>

struct db;
struct json_object;

enum { TARGET_ITEMS_MAX = 50 };

struct target_item {
    size_t index;     /* in the body's array */
    char *target;     /* name */
    char *parameters; /* JSON object, canonical */
};

/* All zeros: there is none. */
struct target_items {
    struct target_item *items;
    size_t count;
};

/* The member `targets` of m. What is wrong is complained of and left out. */
void target_items_read(const struct members *m, struct target_items *out);
void target_items_finish(struct target_items *items);

/* What is to be installed on them. */
struct target_use {
    const struct identifier *ids; /* NULL: names are not looked at */
    size_t id_count;
    bool test;    /* it comes from a test authority */
    bool keyless; /* its CSR is the caller's, and so is its key */
};

/* Complains, at /targets/N, of targets that are not there and of what does not fit
   them. */
int target_items_check(struct db *db, const struct target_items *items,
                       const struct target_use *use, struct fields *errors, struct err *e);

struct target;

/* The same for one target's parameters (NULL: none); place is the item's pointer. */
void target_parameters_check(const struct target *target, struct json_object *parameters,
                             const struct target_use *use, const char *place,
                             struct fields *errors);

#endif

/*
 * Reading a body's members strictly: every mistake is collected with its JSON pointer (RFC 6901),
 * so that a caller learns of all of them at once.
 *
 * A getter returns the value, or its fallback if the member is absent or wrong; wrong is told. So
 * readers go straight on and ask at the end whether there were complaints. null is no substitute
 * for leaving a member out. Returned texts are borrowed from the JSON.
 */
#ifndef CERTWRIGHT_SERVER_API_FIELDS_H
#define CERTWRIGHT_SERVER_API_FIELDS_H

#include "acme/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_object;

enum {
    FIELDS_MAX = 100, /* complaints that are kept; more add nothing */
    FIELDS_POINTER_SIZE = 256,
};

struct field_error {
    char *pointer;
    char *detail;
    bool is_outside; /* of the body; pointer is "" */
};

/* All zeros: no complaint. */
struct fields {
    struct field_error *items;
    size_t count;
};

void fields_finish(struct fields *fields);

void fields_add(struct fields *fields, const char *pointer, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Of something outside of the body, such as its URL: the detail, a whole sentence, names it. */
void fields_add_outside(struct fields *fields, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* 0 if there is no complaint, else -1 and ERR_INVALID with the first. */
int fields_verdict(const struct fields *fields, struct err *e);

/* [{"pointer", "detail"}, …]; the caller ends it with json_object_put. */
struct json_object *fields_json(const struct fields *fields);

/* One object of the body. */
struct members {
    struct json_object *object; /* borrowed; NULL: all members are absent */
    struct fields *errors;
    char pointer[FIELDS_POINTER_SIZE]; /* "" is the body itself */
};

struct members members_of_body(struct json_object *body, struct fields *errors);
/* The same of an object that lies elsewhere, pointer tells where. */
struct members members_at(struct json_object *value, const char *pointer, struct fields *errors);

bool members_has(const struct members *m, const char *name);

/* Complains of members that are not among names (ends with NULL). */
void members_only(const struct members *m, const char *const *names);

/* Complains of the member name, or of its array's item. */
void members_wrong(const struct members *m, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void members_item_wrong(const struct members *m, const char *name, size_t index, const char *format,
                        ...) __attribute__((format(printf, 4, 5)));

enum members_need { MEMBERS_OPTIONAL, MEMBERS_REQUIRED };

/* 1 to max bytes without control characters; NULL if absent or wrong. */
const char *members_text(const struct members *m, const char *name, enum members_need need,
                         size_t max);
/* The same with line breaks: PEM. */
const char *members_block(const struct members *m, const char *name, enum members_need need,
                          size_t max);
/* The same for a text that check (see check.h) finds nothing wrong with. */
const char *members_checked(const struct members *m, const char *name, enum members_need need,
                            const char *(*check)(const char *text));

bool members_bool(const struct members *m, const char *name, bool fallback);

int64_t members_int(const struct members *m, const char *name, int64_t min, int64_t max,
                    int64_t fallback);

/* The index in choices (ends with NULL); -1 if absent or none of them. */
int members_choice(const struct members *m, const char *name, enum members_need need,
                   const char *const *choices);

/* Whether the member is there and an object; then *out reads it. */
bool members_object(const struct members *m, const char *name, enum members_need need,
                    struct members *out);

/* An array of texts, each as members_text would take it. items[i] is NULL where that one is wrong.
   The caller frees items. */
struct texts {
    const char **items;
    size_t count;
};
struct texts members_texts(const struct members *m, const char *name, enum members_need need,
                           size_t max_count, size_t max);

#endif

#include "server/api/fields.h"

#include "acme/base/buffer.h"
#include "acme/base/memory.h"

#include <assert.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { UNKNOWN_NAME_MAX = 100 };

void fields_finish(struct fields *fields)
{
    for (size_t i = 0; i < fields->count; i++) {
        free(fields->items[i].pointer);
        free(fields->items[i].detail);
    }
    free(fields->items);
    *fields = (struct fields){0};
}

static void add(struct fields *fields, const char *pointer, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));

static void add(struct fields *fields, const char *pointer, const char *format, va_list args)
{
    if (fields->count == FIELDS_MAX)
        return;
    if (!fields->items)
        fields->items = mem_new(FIELDS_MAX, sizeof *fields->items);
    struct buf detail = {0};
    buf_vprintf(&detail, format, args);
    fields->items[fields->count++] = (struct field_error){
        .pointer = mem_strdup(pointer),
        .detail = buf_take(&detail),
    };
}

void fields_add(struct fields *fields, const char *pointer, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add(fields, pointer, format, args);
    va_end(args);
}

void fields_add_outside(struct fields *fields, const char *format, ...)
{
    size_t before = fields->count;
    va_list args;
    va_start(args, format);
    add(fields, "", format, args);
    va_end(args);
    if (fields->count > before)
        fields->items[before].is_outside = true;
}

int fields_verdict(const struct fields *fields, struct err *e)
{
    if (fields->count == 0)
        return 0;
    const struct field_error *first = &fields->items[0];
    const char *what = first->is_outside ? "" : *first->pointer ? first->pointer : "The body";
    const char *colon = *what ? ": " : "";
    if (fields->count == 1)
        return err_set(e, ERR_INVALID, "%s%s%s", what, colon, first->detail);
    return err_set(e, ERR_INVALID, "%s%s%s (and %zu more)", what, colon, first->detail,
                   fields->count - 1);
}

struct json_object *fields_json(const struct fields *fields)
{
    struct json_object *array = json_object_new_array();
    for (size_t i = 0; i < fields->count; i++) {
        struct json_object *item = json_object_new_object();
        json_object_object_add(item, "pointer", json_object_new_string(fields->items[i].pointer));
        json_object_object_add(item, "detail", json_object_new_string(fields->items[i].detail));
        json_object_array_add(array, item);
    }
    return array;
}

struct members members_at(struct json_object *value, const char *pointer, struct fields *errors)
{
    struct members m = {.errors = errors};
    assert(strlen(pointer) < sizeof m.pointer);
    memcpy(m.pointer, pointer, strlen(pointer) + 1);
    if (json_object_is_type(value, json_type_object))
        m.object = value;
    else
        fields_add(errors, pointer, "must be an object");
    return m;
}

struct members members_of_body(struct json_object *body, struct fields *errors)
{
    return members_at(body, "", errors);
}

/* The member, and whether it is there: JSON's null is there, and NULL. */
static bool find(const struct members *m, const char *name, struct json_object **value)
{
    *value = NULL;
    return m->object && json_object_object_get_ex(m->object, name, value);
}

bool members_has(const struct members *m, const char *name)
{
    struct json_object *value;
    return find(m, name, &value);
}

/* Our own names need no escaping. */
static void point(const struct members *m, const char *name, char out[FIELDS_POINTER_SIZE])
{
    struct buf text = {0};
    buf_printf(&text, "%s/%s", m->pointer, name);
    assert(text.size < FIELDS_POINTER_SIZE);
    memcpy(out, text.data, text.size + 1);
    buf_finish(&text);
}

static void unknown(const struct members *m, const char *name)
{
    if (strlen(name) > UNKNOWN_NAME_MAX) {
        fields_add(m->errors, m->pointer, "has an unknown member with a very long name");
        return;
    }
    struct buf pointer = {0};
    buf_printf(&pointer, "%s/", m->pointer);
    for (const char *c = name; *c; c++) {
        if (*c == '~' || *c == '/')
            buf_add_string(&pointer, *c == '~' ? "~0" : "~1");
        else
            buf_add_char(&pointer, *c);
    }
    fields_add(m->errors, buf_string(&pointer), "is not known here");
    buf_finish(&pointer);
}

void members_only(const struct members *m, const char *const *names)
{
    if (!m->object)
        return;
    json_object_object_foreach(m->object, name, value)
    {
        (void)value;
        const char *const *known = names;
        while (*known && strcmp(*known, name))
            known++;
        if (!*known)
            unknown(m, name);
    }
}

void members_wrong(const struct members *m, const char *name, const char *format, ...)
{
    char pointer[FIELDS_POINTER_SIZE];
    point(m, name, pointer);
    va_list args;
    va_start(args, format);
    add(m->errors, pointer, format, args);
    va_end(args);
}

void members_item_wrong(const struct members *m, const char *name, size_t index, const char *format,
                        ...)
{
    char pointer[FIELDS_POINTER_SIZE];
    point(m, name, pointer);
    char *item = mem_printf("%s/%zu", pointer, index);
    va_list args;
    va_start(args, format);
    add(m->errors, item, format, args);
    va_end(args);
    free(item);
}

/* The member if it is there and of that type; else complains where there is reason to. */
static struct json_object *typed(const struct members *m, const char *name, enum members_need need,
                                 enum json_type type, const char *type_words)
{
    struct json_object *value;
    if (!find(m, name, &value)) {
        /* A parent of a wrong type was complained of already. */
        if (need == MEMBERS_REQUIRED && m->object)
            members_wrong(m, name, "is required");
        return NULL;
    }
    if (!json_object_is_type(value, type) || !value) {
        members_wrong(m, name, "must be %s", type_words);
        return NULL;
    }
    return value;
}

enum lines { ONE_LINE, MANY_LINES };

/* What is wrong with the string, or NULL. */
static const char *text_fault(struct json_object *value, size_t max, enum lines lines)
{
    const char *text = json_object_get_string(value);
    size_t length = (size_t)json_object_get_string_len(value);
    if (length == 0)
        return "must not be empty";
    if (length > max)
        return "is too long";
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        bool line_break = c == '\n' || c == '\r' || c == '\t';
        if (c == 127 || (c < ' ' && (lines == ONE_LINE || !line_break)))
            return "must not hold control characters";
    }
    return NULL;
}

static const char *get_text(const struct members *m, const char *name, enum members_need need,
                            size_t max, enum lines lines)
{
    struct json_object *value = typed(m, name, need, json_type_string, "a string");
    if (!value)
        return NULL;
    const char *fault = text_fault(value, max, lines);
    if (fault) {
        members_wrong(m, name, "%s", fault);
        return NULL;
    }
    return json_object_get_string(value);
}

const char *members_text(const struct members *m, const char *name, enum members_need need,
                         size_t max)
{
    return get_text(m, name, need, max, ONE_LINE);
}

const char *members_block(const struct members *m, const char *name, enum members_need need,
                          size_t max)
{
    return get_text(m, name, need, max, MANY_LINES);
}

const char *members_checked(const struct members *m, const char *name, enum members_need need,
                            const char *(*check)(const char *text))
{
    const char *text = members_text(m, name, need, SIZE_MAX);
    const char *fault = text ? check(text) : NULL;
    if (fault) {
        members_wrong(m, name, "%s", fault);
        return NULL;
    }
    return text;
}

bool members_bool(const struct members *m, const char *name, bool fallback)
{
    struct json_object *value =
        typed(m, name, MEMBERS_OPTIONAL, json_type_boolean, "true or false");
    return value ? json_object_get_boolean(value) : fallback;
}

int64_t members_int(const struct members *m, const char *name, int64_t min, int64_t max,
                    int64_t fallback)
{
    struct json_object *value = typed(m, name, MEMBERS_OPTIONAL, json_type_int, "a whole number");
    if (!value)
        return fallback;
    /* Beyond int64_t json-c saturates, which is out of every range here. */
    int64_t number = json_object_get_int64(value);
    if (number < min || number > max) {
        members_wrong(m, name, "must be from %" PRId64 " to %" PRId64, min, max);
        return fallback;
    }
    return number;
}

int members_choice(const struct members *m, const char *name, enum members_need need,
                   const char *const *choices)
{
    const char *text = members_text(m, name, need, SIZE_MAX);
    if (!text)
        return -1;
    struct buf list = {0};
    for (int i = 0; choices[i]; i++) {
        if (!strcmp(choices[i], text)) {
            buf_finish(&list);
            return i;
        }
        buf_printf(&list, "%s%s", i ? ", " : "", choices[i]);
    }
    members_wrong(m, name, "must be one of: %s", buf_string(&list));
    buf_finish(&list);
    return -1;
}

bool members_object(const struct members *m, const char *name, enum members_need need,
                    struct members *out)
{
    struct json_object *value = typed(m, name, need, json_type_object, "an object");
    if (!value)
        return false;
    *out = (struct members){.object = value, .errors = m->errors};
    point(m, name, out->pointer);
    return true;
}

struct texts members_texts(const struct members *m, const char *name, enum members_need need,
                           size_t max_count, size_t max)
{
    struct texts texts = {0};
    struct json_object *array = typed(m, name, need, json_type_array, "an array");
    if (!array)
        return texts;
    size_t count = json_object_array_length(array);
    if (count > max_count) {
        members_wrong(m, name, "must have at most %zu items", max_count);
        return texts;
    }
    if (count == 0)
        return texts;
    texts.items = mem_new(count, sizeof *texts.items);
    texts.count = count;
    for (size_t i = 0; i < count; i++) {
        struct json_object *item = json_object_array_get_idx(array, i);
        const char *fault = "must be a string";
        if (item && json_object_is_type(item, json_type_string))
            fault = text_fault(item, max, ONE_LINE);
        if (fault)
            members_item_wrong(m, name, i, "%s", fault);
        else
            texts.items[i] = json_object_get_string(item);
    }
    return texts;
}

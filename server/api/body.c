#include "server/api/body.h"

#include "acme/base/strict_json.h"
#include "acme/base/utf8.h"

#include <ctype.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <string.h>

/*
 * json-c is lenient in places, each version in others: names in single quotes, NaN, control
 * characters in strings, 9. for a number. This refuses by character what RFC 8259 has nowhere,
 * looks at each number, and leaves the rest of the grammar to json-c. Returns false with the place
 * of such a byte; else the number of colons outside of strings, which is that of the members as
 * written.
 */
static bool scan(const char *text, size_t size, size_t *colons, size_t *place)
{
    static const char outside[] = "{}[]:,\" \t\r\n0123456789+-.eEtrufalsn";
    bool in_string = false;
    *colons = 0;
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        *place = i;
        if (in_string ? (unsigned char)c < ' ' : !memchr(outside, c, sizeof outside - 1))
            return false;
        if (!in_string && (c == '-' || isdigit((unsigned char)c))) {
            size_t number = strict_json_number_size(text + i, size - i);
            if (!number)
                return false;
            i += number - 1;
        }
        if (in_string && c == '\\')
            i++;
        else if (c == '"')
            in_string = !in_string;
        else if (c == ':' && !in_string)
            ++*colons;
    }
    return true;
}

static bool only_space(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (!strchr(" \t\r\n", text[i]) || text[i] == '\0')
            return false;
    return true;
}

static int parse_error(struct json_tokener *tokener, size_t end, struct err *e)
{
    switch (json_tokener_get_error(tokener)) {
    case json_tokener_continue:
        return err_set(e, ERR_MALFORMED, "The body ends in the middle of its JSON.");
    case json_tokener_error_depth:
        return err_set(e, ERR_MALFORMED, "The body is nested deeper than %d levels.",
                       BODY_MAX_DEPTH);
    default:
        return err_set(e, ERR_MALFORMED, "The body is not JSON, at byte %zu.", end);
    }
}

static int check_tree(struct json_object *tree, size_t colons, struct err *e)
{
    if (!json_object_is_type(tree, json_type_object))
        return err_set(e, ERR_INVALID, "The body has to be a JSON object.");
    /* json-c lets the last of two members of one name win; RFC 8259 leaves open which one does, so
       a proxy in front might have read the other. */
    if (strict_json_members(tree) != colons)
        return err_set(e, ERR_MALFORMED, "The body gives a member of one name twice.");
    return 0;
}

static int parse(const char *text, size_t size, struct json_object **out, struct err *e)
{
    /* json-c counts a scalar inside as a level. */
    struct json_tokener *tokener = json_tokener_new_ex(BODY_MAX_DEPTH + 1);
    size_t end;
    struct json_object *tree = strict_json_parse(tokener, text, size, &end);
    int rc = 0;
    if (json_tokener_get_error(tokener) != json_tokener_success)
        rc = parse_error(tokener, end, e);
    else
        *out = tree;
    json_tokener_free(tokener);
    return rc;
}

int body_parse(const char *text, size_t size, struct json_object **out, struct err *e)
{
    size_t colons, place;
    struct json_object *tree = NULL;
    if (size > BODY_MAX_BYTES)
        return err_set(e, ERR_TOO_LARGE, "The body is larger than %d bytes.", BODY_MAX_BYTES);
    if (only_space(text, size))
        return err_set(e, ERR_MALFORMED, "The body is empty; it has to be a JSON object.");
    if (!utf8_is(text, size))
        return err_set(e, ERR_MALFORMED, "The body is not UTF-8.");
    if (!scan(text, size, &colons, &place))
        return err_set(e, ERR_MALFORMED, "The body is not JSON, at byte %zu.", place);
    if (parse(text, size, &tree, e) < 0)
        return -1;
    if (check_tree(tree, colons, e) < 0) {
        body_destroy(tree);
        return -1;
    }
    *out = tree;
    return 0;
}

void body_destroy(struct json_object *body)
{
    strict_json_destroy(body);
}

#include "server/config/source.h"

#include "acme/base/strict_json.h"
#include "acme/base/utf8.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <openssl/crypto.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

int source_read(const char *path, size_t max, struct buf *out, struct err *e)
{
    char piece[4096];
    ssize_t got = -1;
    size_t before = out->size;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set(e, ERR_IO, "cannot read %s: %s", path, strerror(errno));
    while (out->size - before <= max && (got = read(fd, piece, sizeof piece)) > 0)
        buf_add(out, piece, (size_t)got);
    int reason = errno;
    close(fd);
    OPENSSL_cleanse(piece, sizeof piece);
    if (got < 0)
        return err_set(e, ERR_IO, "cannot read %s: %s", path, strerror(reason));
    if (out->size - before > max)
        return err_set(e, ERR_IO, "%s is larger than %zu bytes", path, max);
    return 0;
}

/* The line that a byte is in, from 1. */
static size_t line_of(const char *text, size_t at)
{
    size_t line = 1;
    for (size_t i = 0; i < at; i++)
        line += text[i] == '\n';
    return line;
}

/* Where the comment that begins at text[i] ends; size + 1 if it does not. */
static size_t comment_end(const char *text, size_t size, size_t i)
{
    bool is_line = text[i + 1] == '/';
    const char *end = memmem(text + i + 2, size - i - 2, is_line ? "\n" : "*/", is_line ? 1 : 2);
    if (end)
        return (size_t)(end - text) + (is_line ? 0 : 2);
    return is_line ? size : size + 1;
}

/*
 * Overwrites comments with spaces, so that what is left is JSON with the same lines. Refuses bytes
 * that JSON has nowhere, since json-c is lenient in places. *colons is the number of members as
 * written.
 */
static int blank_comments(char *text, size_t size, size_t *colons, struct err *e)
{
    static const char outside[] = "{}[]:,\" \t\r\n0123456789+-.eEtrufalsn";
    bool in_string = false;
    *colons = 0;
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        if (!in_string && c == '/' && i + 1 < size && (text[i + 1] == '/' || text[i + 1] == '*')) {
            size_t end = comment_end(text, size, i);
            if (end > size)
                return err_set(e, ERR_CONFIG, "line %zu: a comment that does not end",
                               line_of(text, i));
            for (; i < end; i++)
                text[i] = text[i] == '\n' ? '\n' : ' ';
            i--;
            continue;
        }
        if (in_string ? (unsigned char)c < ' ' : !memchr(outside, c, sizeof outside - 1))
            return err_set(e, ERR_CONFIG, "line %zu: this is not JSON", line_of(text, i));
        if (!in_string && (c == '-' || isdigit((unsigned char)c))) {
            size_t number = strict_json_number_size(text + i, size - i);
            if (!number)
                return err_set(e, ERR_CONFIG, "line %zu: this is no number of JSON",
                               line_of(text, i));
            i += number - 1;
        }
        if (in_string && c == '\\')
            i++;
        else if (c == '"')
            in_string = !in_string;
        else if (c == ':' && !in_string)
            ++*colons;
    }
    return 0;
}

static int parse(const char *text, size_t size, struct json_object **out, struct err *e)
{
    /* json-c counts a scalar inside as a level. */
    struct json_tokener *tokener = json_tokener_new_ex(SOURCE_MAX_DEPTH + 1);
    size_t end;
    struct json_object *json = strict_json_parse(tokener, text, size, &end);
    enum json_tokener_error error = json_tokener_get_error(tokener);
    size_t line = line_of(text, end);
    json_tokener_free(tokener);
    if (error == json_tokener_success && json_object_is_type(json, json_type_object)) {
        *out = json;
        return 0;
    }
    source_destroy(json);
    if (error == json_tokener_success)
        return err_set(e, ERR_CONFIG, "the configuration is a JSON object");
    if (error == json_tokener_continue)
        return err_set(e, ERR_CONFIG, "it ends in the middle of its JSON");
    if (error == json_tokener_error_depth)
        return err_set(e, ERR_CONFIG, "line %zu: nested deeper than %d levels", line,
                       SOURCE_MAX_DEPTH);
    return err_set(e, ERR_CONFIG, "line %zu: this is not JSON", line);
}

int source_parse(const char *text, size_t size, struct json_object **out, struct err *e)
{
    size_t colons;
    struct buf copy = {0};
    struct json_object *json = NULL;
    if (!utf8_is(text, size))
        return err_set(e, ERR_CONFIG, "it is not UTF-8");
    buf_add(&copy, text, size);
    int rc = blank_comments(copy.data, copy.size, &colons, e);
    if (rc == 0)
        rc = parse(copy.data, copy.size, &json, e);
    buf_finish_secret(&copy);
    if (rc < 0)
        return -1;
    if (strict_json_members(json) != colons) {
        source_destroy(json);
        return err_set(e, ERR_CONFIG, "a member of one name is given twice");
    }
    *out = json;
    return 0;
}

void source_destroy(struct json_object *json)
{
    strict_json_destroy(json);
}

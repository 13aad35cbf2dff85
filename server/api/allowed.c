#include "server/api/allowed.h"

#include "acme/base/buffer.h"
#include "acme/outgoing.h"
#include "server/api/fields.h"
#include "server/api/peek.h"
#include "server/config/config.h"

#include <string.h>

static void refuse(struct fields *errors, const char *pointer, const char *what,
                   const struct buf *names)
{
    if (names->size > 0)
        fields_add(errors, pointer, "the config has no %s of this name, but: %s", what,
                   buf_string(names));
    else
        fields_add(errors, pointer, "the config has no %ss", what);
}

static void check_command(const struct config *config, const char *command, const char *pointer,
                          struct fields *errors)
{
    struct buf names = {0};
    bool found = false;
    for (size_t i = 0; i < config->command_count && !found; i++) {
        found = !strcmp(config->commands[i].name, command);
        buf_printf(&names, "%s%s", i ? ", " : "", config->commands[i].name);
    }
    if (!found)
        refuse(errors, pointer, "command", &names);
    buf_finish(&names);
}

static void check_pidfile(const struct config *config, const char *pidfile, struct fields *errors)
{
    struct buf names = {0};
    bool found = false;
    for (size_t i = 0; i < config->pidfile_count && !found; i++) {
        found = !strcmp(config->pidfiles[i].name, pidfile);
        buf_printf(&names, "%s%s", i ? ", " : "", config->pidfiles[i].name);
    }
    if (!found)
        refuse(errors, "/reload/pidfile", "pidfile", &names);
    buf_finish(&names);
}

/* Whether path is root or below it; a root may be written with a slash at its end. */
static bool is_below(const char *root, const char *path)
{
    size_t length = strlen(root);
    while (length > 0 && root[length - 1] == '/')
        length--;
    return !strncmp(root, path, length) && (path[length] == '/' || !path[length]);
}

static void check_directory(const struct config_texts *roots, const char *directory,
                            struct fields *errors)
{
    struct buf names = {0};
    for (size_t i = 0; i < roots->count; i++) {
        if (is_below(roots->items[i], directory)) {
            buf_finish(&names);
            return;
        }
        buf_printf(&names, "%s%s", i ? ", " : "", roots->items[i]);
    }
    if (names.size > 0)
        fields_add(errors, "/directory", "must be at or below one of the config's file_roots: %s",
                   buf_string(&names));
    else
        fields_add(errors, "/directory", "cannot be written: the config has no file_roots");
    buf_finish(&names);
}

static void check_url(const struct config *config, struct json_object *body, const char *member,
                      const char *pointer, struct fields *errors)
{
    const char *url = body ? peek_text(body, member) : NULL;
    struct err e;
    if (url && outgoing_check_url(config->outgoing, url, &e) < 0)
        fields_add(errors, pointer, "is not allowed: %s", e.detail);
}

static void check_files(const struct config *config, struct json_object *body,
                        struct fields *errors)
{
    const char *directory = peek_text(body, "directory");
    struct json_object *reload = peek_object(body, "reload");
    const char *command = reload ? peek_text(reload, "command") : NULL;
    const char *pidfile = reload ? peek_text(reload, "pidfile") : NULL;
    if (directory && directory[0] == '/')
        check_directory(&config->file_roots, directory, errors);
    if (command)
        check_command(config, command, "/reload/command", errors);
    if (pidfile)
        check_pidfile(config, pidfile, errors);
    check_url(config, reload, "webhook", "/reload/webhook", errors);
}

static void check_exec(const struct config *config, struct json_object *body, struct fields *errors)
{
    const char *type = peek_text(body, "type");
    const char *command = peek_text(body, "command");
    if (type && command && !strcmp(type, "exec"))
        check_command(config, command, "/command", errors);
}

void allowed_check_authority(const struct config *config, struct json_object *body,
                             struct fields *errors)
{
    check_url(config, body, "directory_url", "/directory_url", errors);
}

void allowed_check_solver(const struct config *config, struct json_object *body,
                          struct fields *errors)
{
    check_exec(config, body, errors);
    check_url(config, body, "endpoint", "/endpoint", errors);
}

void allowed_check_target(const struct config *config, struct json_object *body,
                          struct fields *errors)
{
    const char *type = peek_text(body, "type");
    check_exec(config, body, errors);
    check_url(config, body, "endpoint", "/endpoint", errors);
    check_url(config, body, "url", "/url", errors);
    if (type && !strcmp(type, "files"))
        check_files(config, body, errors);
}

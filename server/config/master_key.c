#include "server/config/master_key.h"

#include "acme/base/memory.h"
#include "server/config/checks.h"

#include <json-c/json.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

enum { DESCRIPTOR_MAX = 1 << 20 };

/* ---- the file ---- */

/* The variable's value, which is gone from the environment then; NULL if it is not set. */
static char *take_variable(const char *name)
{
    char *value = getenv(name);
    if (!value)
        return NULL;
    char *copy = *value ? mem_strdup(value) : NULL;
    OPENSSL_cleanse(value, strlen(value));
    unsetenv(name);
    return copy;
}

static void complain(const struct settings *s, const char *what)
{
    complaints_add(s->complaints, s->source, s->pointer, "%s", what);
}

static bool has_command(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->command_count; i++)
        if (!strcmp(config->commands[i].name, name))
            return true;
    return false;
}

static void read_env(const struct settings *s, bool may_lack, struct config *config)
{
    char *name = NULL;
    settings_text(s, "env", checks_nothing, &name);
    if (!name || (config->master_key = take_variable(name))) {
        free(name);
        return;
    }
    if (may_lack) {
        config->master_key_lacks = name;
        return;
    }
    complain(s, "there is no such variable in the environment");
    free(name);
}

void master_key_read(const struct settings *file, bool may_lack, struct config *config)
{
    static const char *const names[] = {"file", "env", "fd", "command", NULL};
    const struct settings s = {.object = settings_object(file, "master_key"),
                               .source = file->source,
                               .pointer = "/master_key",
                               .complaints = file->complaints};
    if (!s.object)
        return;
    settings_only(&s, names);
    if (json_object_object_length(s.object) != 1)
        complain(&s, "this has to hold one of file, env, fd and command");
    settings_text(&s, "file", checks_absolute, &config->master_key_file);
    settings_int(&s, "fd", 0, DESCRIPTOR_MAX, &config->master_key_fd);
    settings_text(&s, "command", checks_name, &config->master_key_command);
    read_env(&s, may_lack, config);
    if (config->master_key_command && !has_command(config, config->master_key_command))
        complain(&s, "there is no such command among commands");
}

/* ---- the environment ---- */

static void forget(struct config *config)
{
    mem_free_secret_string(config->master_key);
    free(config->master_key_file);
    free(config->master_key_command);
    free(config->master_key_lacks);
    config->master_key_lacks = NULL;
    config->master_key = config->master_key_file = config->master_key_command = NULL;
    config->master_key_fd = -1;
}

static int read_descriptor(const char *text, struct complaints *complaints)
{
    char *end;
    long number = strtol(text, &end, 10);
    if (!*end && number >= 0 && number <= DESCRIPTOR_MAX)
        return (int)number;
    complaints_add(complaints, "CERTWRIGHT_MASTER_KEY_FD", "",
                   "this has to be the number of a file descriptor");
    return -1;
}

void master_key_apply_environment(struct config *config, struct complaints *complaints)
{
    char *key = take_variable("CERTWRIGHT_MASTER_KEY");
    const char *file = getenv("CERTWRIGHT_MASTER_KEY_FILE");
    const char *fd = getenv("CERTWRIGHT_MASTER_KEY_FD");
    int count = !!key + (file && *file) + (fd && *fd);
    if (count > 1)
        complaints_add(complaints, "CERTWRIGHT_MASTER_KEY", "",
                       "the master key comes from more than one place");
    if (count > 0)
        forget(config);
    config->master_key = key ? key : config->master_key;
    if (file && *file)
        config->master_key_file = mem_strdup(file);
    if (fd && *fd)
        config->master_key_fd = read_descriptor(fd, complaints);
}

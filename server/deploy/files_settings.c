#include "server/deploy/files_settings.h"

#include "acme/base/memory.h"
#include "acme/json.h"
#include "server/deploy/target.h"

#include <errno.h>
#include <grp.h>
#include <json.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

enum { MODE_PUBLIC = 0644, MODE_SECRET = 0600, MODE_WORLD_WRITES = 0002, ENTRY_ROOM = 16384 };

/* The text of that name; NULL in out if it is not there. */
static int text_setting(const struct json_object *settings, const char *name, const char **out,
                        struct err *e)
{
    struct json_object *given = NULL;
    *out = NULL;
    if (!json_object_object_get_ex(settings, name, &given) || !given)
        return 0;
    *out = json_text_of(settings, name);
    return *out ? 0 : err_set(e, ERR_INVALID, "\"%s\" has to be a text", name);
}

/* ---- where ---- */

/* The length of root without slashes at its end, if path is it or below it; else -1. */
static ssize_t root_length(const char *root, const char *path)
{
    size_t length = strlen(root);
    while (length && root[length - 1] == '/')
        length--;
    return strncmp(root, path, length) == 0 && (path[length] == '/' || path[length] == '\0')
               ? (ssize_t)length
               : -1;
}

/* The innermost root: what the operator named is not walked with suspicion. */
static int find_root(const struct target_context *context, const char *directory, size_t *out,
                     struct err *e)
{
    ssize_t best = -1;
    for (const char *const *root = context->file_roots; root && *root; root++) {
        ssize_t length = root_length(*root, directory);
        best = length > best ? length : best;
    }
    if (best < 0)
        return err_set(e, ERR_INVALID,
                       "the directory %s is not below one of the config's file roots", directory);
    *out = (size_t)best;
    return 0;
}

static int read_place(const struct target_context *context, const char *name,
                      struct files_settings *out, struct err *e)
{
    const char *directory, *path;
    size_t root = 0;
    if (text_setting(context->settings, "directory", &directory, e) < 0 ||
        text_setting(context->settings, "path", &path, e) < 0)
        return -1;
    if (!directory || directory[0] != '/')
        return err_set(e, ERR_INVALID, "the directory has to be an absolute path");
    if (!path)
        path = name;
    if (strcmp(path, ".") != 0 && folder_path_check(path, e) < 0)
        return -1;
    if (directory[1] && folder_path_check(directory + 1, e) < 0)
        return err_prefix(e, "the directory: ");
    if (find_root(context, directory, &root, e) < 0)
        return -1;
    const char *below = directory[root] == '/' ? directory + root + 1 : "";
    const char *more = strcmp(path, ".") != 0 ? path : "";
    out->root = root ? mem_strndup(directory, root) : mem_strdup("/");
    out->path = mem_printf("%s%s%s", below, *below && *more ? "/" : "", more);
    out->shown =
        mem_printf("%s%s%s", root ? out->root : "", *out->path || !root ? "/" : "", out->path);
    return 0;
}

/* ---- what ---- */

static int read_files(const struct json_object *settings, struct files_settings *out, struct err *e)
{
    struct json_object *given = NULL;
    if (!json_object_object_get_ex(settings, "files", &given) || !given) {
        out->wanted[MATERIAL_CERT] = out->wanted[MATERIAL_CHAIN] = true;
        out->wanted[MATERIAL_FULLCHAIN] = out->wanted[MATERIAL_PRIVKEY] = true;
        return 0;
    }
    if (!json_object_is_type(given, json_type_array) || json_object_array_length(given) == 0)
        return err_set(e, ERR_INVALID, "\"files\" has to be a list of at least one file's name");
    for (size_t i = 0; i < json_object_array_length(given); i++) {
        struct json_object *item = json_object_array_get_idx(given, i);
        enum material material;
        if (!json_object_is_type(item, json_type_string) ||
            material_by_name(json_object_get_string(item), &material) < 0)
            return err_set(e, ERR_INVALID,
                           "a file is one of cert.pem, chain.pem, fullchain.pem, privkey.pem, "
                           "combined.pem and certificate.p12");
        out->wanted[material] = true;
    }
    return 0;
}

static int read_mode(const struct json_object *settings, struct files_settings *out, struct err *e)
{
    const char *text;
    if (text_setting(settings, "mode", &text, e) < 0)
        return -1;
    size_t digits = text ? strspn(text, "01234567") : 0;
    unsigned long mode = text ? strtoul(text, NULL, 8) : 0;
    if (text && (digits < 3 || digits > 4 || text[digits] || mode > 0777))
        return err_set(e, ERR_INVALID, "\"mode\" has to be octal, such as \"0640\"");
    if (mode & MODE_WORLD_WRITES)
        return err_set(e, ERR_INVALID, "with the mode %s, everybody could write the files", text);
    for (int i = 0; i < MATERIAL_COUNT; i++)
        out->modes[i] = text                                 ? (mode_t)mode
                        : material_has_key((enum material)i) ? MODE_SECRET
                                                             : MODE_PUBLIC;
    return 0;
}

static int read_pkcs12(const struct target_context *context, const char *name,
                       struct files_settings *out, struct err *e)
{
    const struct json_object *given = json_object_of(context->settings, "pkcs12");
    const char *encryption, *label;
    if (!given && json_object_object_get_ex(context->settings, "pkcs12", NULL))
        return err_set(e, ERR_INVALID, "\"pkcs12\" has to be an object");
    if (text_setting(given, "encryption", &encryption, e) < 0 ||
        text_setting(given, "name", &label, e) < 0)
        return err_prefix(e, "pkcs12: ");
    out->pkcs12.encryption = PKCS12_AES;
    if (encryption && pkcs12_encryption_by_name(encryption, &out->pkcs12.encryption) < 0)
        return err_set(e, ERR_INVALID, "a PKCS#12's encryption is \"aes\" or \"legacy\"");
    out->pkcs12.name = label ? label : name;
    out->pkcs12.password = json_text_of(context->credential, "password");
    if (out->wanted[MATERIAL_PKCS12] && !out->pkcs12.password)
        return err_set(e, ERR_INVALID,
                       "certificate.p12 needs a credential of type password at the target");
    return 0;
}

/* ---- whose ---- */

/* -1: it is not a number; ids end below the one that means "leave it". */
static int64_t number_of(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    return digits && digits <= 10 && !text[digits] ? strtoll(text, NULL, 10) : -1;
}

static int look_up_user(const char *name, int64_t *out)
{
    char room[ENTRY_ROOM];
    struct passwd entry, *found = NULL;
    if (getpwnam_r(name, &entry, room, sizeof room, &found) != 0 || !found)
        return -1;
    *out = found->pw_uid;
    return 0;
}

static int look_up_group(const char *name, int64_t *out)
{
    char room[ENTRY_ROOM];
    struct group entry, *found = NULL;
    if (getgrnam_r(name, &entry, room, sizeof room, &found) != 0 || !found)
        return -1;
    *out = found->gr_gid;
    return 0;
}

/* A name or a number; -1 in out if the setting is not there. */
static int read_id(const struct json_object *settings, const char *setting,
                   int (*look_up)(const char *, int64_t *), int64_t *out, struct err *e)
{
    struct json_object *given = NULL;
    *out = -1;
    if (!json_object_object_get_ex(settings, setting, &given) || !given)
        return 0;
    bool number = json_object_is_type(given, json_type_int);
    const char *name = json_text_of(settings, setting);
    if (number)
        *out = json_object_get_int64(given);
    else if (name)
        *out = number_of(name);
    if (!number && name && *out < 0 && look_up(name, out) < 0)
        return err_set(e, ERR_TARGET_FILES,
                       "there is no %s \"%s\" on this machine; a number does without a name",
                       setting, name);
    if (*out < 0 || *out >= UINT32_MAX)
        return err_set(e, ERR_INVALID, "\"%s\" has to be a name or a number", setting);
    return 0;
}

static int read_owner(const struct json_object *settings, struct files_settings *out, struct err *e)
{
    int64_t owner, group;
    if (read_id(settings, "owner", look_up_user, &owner, e) < 0 ||
        read_id(settings, "group", look_up_group, &group, e) < 0)
        return -1;
    out->owner = (uid_t)owner;
    out->group = (gid_t)group;
    return 0;
}

int files_settings_read(const struct target_context *context, const char *name,
                        struct files_settings *out, struct err *e)
{
    struct files_settings read = {0};
    if (read_place(context, name, &read, e) < 0 || read_files(context->settings, &read, e) < 0 ||
        read_mode(context->settings, &read, e) < 0 || read_owner(context->settings, &read, e) < 0 ||
        read_pkcs12(context, name, &read, e) < 0 || reload_read(context, &read.reload, e) < 0) {
        files_settings_finish(&read);
        return -1;
    }
    *out = read;
    return 0;
}

void files_settings_finish(struct files_settings *settings)
{
    free(settings->root);
    free(settings->path);
    free(settings->shown);
    *settings = (struct files_settings){0};
}

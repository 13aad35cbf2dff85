/* The settings of a files target. */
#include "acme/base/memory.h"
#include "server/api/check.h"
#include "server/api/spec_target.h"
#include "server/deploy/folder.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

enum { OWNER_MAX = 64, NAME_MAX_BYTES = 200, FRIENDLY_NAME_MAX = 128, DIRECTORY_MAX = 1024 };

static void add_text(struct json_object *object, const char *name, const char *text)
{
    if (text)
        json_object_object_add(object, name, json_object_new_string(text));
}

/* Whether it is below a root is asked of the config later. */
static const char *check_directory(const char *text)
{
    struct err ignored;
    if (strlen(text) > DIRECTORY_MAX)
        return "must have at most 1024 characters";
    if (text[0] != '/')
        return "must be an absolute path";
    if (text[1] && folder_path_check(text + 1, &ignored) < 0)
        return "must have no empty parts, no slash at its end, and no parts that are \".\" or "
               "begin "
               "with \"..\"";
    return NULL;
}

static const char *check_mode(const char *text)
{
    size_t length = strlen(text);
    const char *digits = length == 4 && text[0] == '0' ? text + 1 : text;
    if (strlen(digits) != 3 || strspn(digits, "01234567") != 3)
        return "must be three octal digits, such as \"640\"";
    return (digits[2] - '0') & 2 ? "must not let everybody write" : NULL;
}

static const char *const names_of_files[] = {
    "cert.pem",        "chain.pem", "fullchain.pem", "privkey.pem", "combined.pem",
    "certificate.p12", NULL,
};

enum { PKCS12_FILE = 5, FILES = 6 };

static int file_index(const char *name)
{
    for (int i = 0; i < FILES; i++)
        if (!strcmp(names_of_files[i], name))
            return i;
    return -1;
}

/* Normalized: in one order, each once. Returns whether certificate.p12 is among them. */
static bool read_files(const struct members *m, struct json_object *settings)
{
    bool wanted[FILES] = {false};
    struct texts texts = members_texts(m, "files", MEMBERS_OPTIONAL, FILES, NAME_MAX_BYTES);
    struct json_object *given = m->object ? json_object_object_get(m->object, "files") : NULL;
    if (json_object_is_type(given, json_type_array) && json_object_array_length(given) == 0)
        members_wrong(m, "files", "must hold at least one file");
    for (size_t i = 0; i < texts.count; i++) {
        int index = texts.items[i] ? file_index(texts.items[i]) : -1;
        if (index >= 0)
            wanted[index] = true;
        else if (texts.items[i])
            members_item_wrong(m, "files", i,
                               "must be one of: cert.pem, chain.pem, fullchain.pem, privkey.pem, "
                               "combined.pem, certificate.p12");
    }
    struct json_object *array = json_object_new_array();
    for (int i = 0; i < FILES; i++)
        if (wanted[i])
            json_object_array_add(array, json_object_new_string(names_of_files[i]));
    if (texts.count > 0)
        json_object_object_add(settings, "files", array);
    else
        json_object_put(array);
    free(texts.items);
    return wanted[PKCS12_FILE];
}

static void read_pkcs12(const struct members *m, bool wanted, struct json_object *settings)
{
    static const char *const names[] = {"encryption", "name", NULL};
    static const char *const encryptions[] = {"aes", "legacy", NULL};
    struct members pkcs12;
    if (!members_object(m, "pkcs12", MEMBERS_OPTIONAL, &pkcs12))
        return;
    members_only(&pkcs12, names);
    if (!wanted)
        members_wrong(m, "pkcs12", "is of use only where files has certificate.p12");
    struct json_object *read = json_object_new_object();
    int encryption = members_choice(&pkcs12, "encryption", MEMBERS_OPTIONAL, encryptions);
    add_text(read, "encryption", encryption < 0 ? NULL : encryptions[encryption]);
    add_text(read, "name", members_text(&pkcs12, "name", MEMBERS_OPTIONAL, FRIENDLY_NAME_MAX));
    json_object_object_add(settings, "pkcs12", read);
}

static void read_reload(const struct members *m, struct json_object *settings)
{
    static const char *const names[] = {"command", "signal", "pidfile", "webhook", NULL};
    static const char *const signals[] = {"HUP", "USR1", "USR2", "TERM", NULL};
    struct members reload;
    if (!members_object(m, "reload", MEMBERS_OPTIONAL, &reload))
        return;
    members_only(&reload, names);
    bool by_signal = members_has(&reload, "signal") || members_has(&reload, "pidfile");
    int ways = members_has(&reload, "command") + members_has(&reload, "webhook") + by_signal;
    if (ways != 1)
        members_wrong(m, "reload", "must have one of: command, signal with pidfile, webhook");
    enum members_need need = by_signal ? MEMBERS_REQUIRED : MEMBERS_OPTIONAL;
    struct json_object *read = json_object_new_object();
    int number = members_choice(&reload, "signal", need, signals);
    add_text(read, "signal", number < 0 ? NULL : signals[number]);
    add_text(read, "pidfile", members_text(&reload, "pidfile", need, NAME_MAX_BYTES));
    add_text(read, "command", members_text(&reload, "command", MEMBERS_OPTIONAL, NAME_MAX_BYTES));
    add_text(read, "webhook",
             members_checked(&reload, "webhook", MEMBERS_OPTIONAL, check_loopback_url));
    json_object_object_add(settings, "reload", read);
}

void spec_target_read_files(const struct members *m, const char *credential,
                            struct json_object *settings)
{
    add_text(settings, "directory",
             members_checked(m, "directory", MEMBERS_REQUIRED, check_directory));
    bool pkcs12 = read_files(m, settings);
    if (pkcs12 && !credential && !members_has(m, "credential"))
        members_wrong(m, "credential",
                      "is required: certificate.p12 takes its password from one of type password");
    else if (!pkcs12 && members_has(m, "credential"))
        members_wrong(m, "credential", "is of use only where files has certificate.p12");
    add_text(settings, "mode", members_checked(m, "mode", MEMBERS_OPTIONAL, check_mode));
    add_text(settings, "owner", members_text(m, "owner", MEMBERS_OPTIONAL, OWNER_MAX));
    add_text(settings, "group", members_text(m, "group", MEMBERS_OPTIONAL, OWNER_MAX));
    read_pkcs12(m, pkcs12, settings);
    read_reload(m, settings);
}

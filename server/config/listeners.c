#include "server/config/listeners.h"

#include "acme/base/memory.h"
#include "server/access/scope.h"
#include "server/config/checks.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

enum { SPKI_DIGITS = 64 };

/* ---- life ---- */

static void listener_finish(struct config_listener *listener)
{
    for (size_t i = 0; i < listener->identity_count; i++) {
        free(listener->identities[i].name);
        free(listener->identities[i].text);
    }
    free(listener->identities);
    free(listener->address);
    free(listener->certificate);
    free(listener->cert_file);
    free(listener->key_file);
    free(listener->client_ca);
}

void listeners_finish(struct config_listeners *listeners)
{
    for (size_t i = 0; i < listeners->count; i++)
        listener_finish(&listeners->items[i]);
    free(listeners->items);
    *listeners = (struct config_listeners){0};
}

static struct config_listener *append(struct config_listeners *listeners)
{
    listeners->items = mem_grow(listeners->items, listeners->count + 1, sizeof *listeners->items);
    struct config_listener *listener = &listeners->items[listeners->count++];
    *listener = (struct config_listener){0};
    return listener;
}

void listeners_add(struct config_listeners *listeners, const char *address)
{
    append(listeners)->address = mem_strdup(address);
}

/* ---- reading ---- */

static void complain(const struct settings *s, const char *name, const char *what)
{
    char *pointer = name ? settings_pointer(s->pointer, name) : mem_strdup(s->pointer);
    complaints_add(s->complaints, s->source, pointer, "%s", what);
    free(pointer);
}

/* Calls read for each object of the array; context as it is. */
static void read_objects(const struct settings *s, const char *name,
                         void (*read)(const struct settings *item, void *context), void *context)
{
    struct json_object *list;
    if (!json_object_object_get_ex(s->object, name, &list))
        return;
    if (!json_object_is_type(list, json_type_array)) {
        complain(s, name, "this has to be an array of objects");
        return;
    }
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        struct json_object *object = json_object_array_get_idx(list, i);
        char *pointer = mem_printf("%s/%s/%zu", s->pointer, name, i);
        const struct settings item = {object, s->source, pointer, s->complaints};
        if (json_object_is_type(object, json_type_object))
            read(&item, context);
        else
            complain(&item, NULL, "this has to be an object");
        free(pointer);
    }
}

static const char *check_scope(const char *text)
{
    return scope_by_name(text) ? NULL : "there is no scope of this name";
}

/* 0 if they are absent or wrong; that nothing is granted has to be said in another way. */
static uint32_t read_scopes(const struct settings *s)
{
    struct config_texts names = {0};
    uint32_t scopes = 0;
    settings_texts(s, "scopes", check_scope, &names);
    for (size_t i = 0; i < names.count; i++)
        scopes |= scope_by_name(names.items[i]);
    struct json_object *list;
    if (!scopes && json_object_object_get_ex(s->object, "scopes", &list) &&
        json_object_is_type(list, json_type_array) && !json_object_array_length(list))
        complain(s, "scopes", "this has to name a scope");
    config_texts_finish(&names);
    return scopes;
}

static const char *check_san(const char *text)
{
    static const char *const kinds[] = {"dns:", "uri:", "email:", "ip:"};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (!strncmp(text, kinds[i], strlen(kinds[i])) && text[strlen(kinds[i])])
            return NULL;
    return "this has to be dns:NAME, uri:URI, email:ADDRESS or ip:ADDRESS";
}

static const char *check_spki(const char *text)
{
    bool is_hash = strlen(text) == SPKI_DIGITS && strspn(text, "0123456789abcdef") == SPKI_DIGITS;
    return is_hash ? NULL : "this has to be a SHA-256 in 64 lower-case hexadecimal digits";
}

static void read_id(const struct settings *s, const char *name, uint32_t *out)
{
    struct json_object *value;
    if (!json_object_object_get_ex(s->object, name, &value))
        return;
    int64_t number = json_object_get_int64(value);
    if (json_object_is_type(value, json_type_int) && number >= 0 && number < UINT32_MAX)
        *out = (uint32_t)number;
    else
        complain(s, name, "this has to be the number of a user or group");
}

/* How an identity is recognised. */
struct selector {
    const char *member;
    enum identity_kind kind;
    settings_check *check; /* NULL: a number */
};

static const struct selector selectors[] = {
    {"uid", IDENTITY_UID, NULL},
    {"gid", IDENTITY_GID, NULL},
    {"san", IDENTITY_SAN, check_san},
    {"subject", IDENTITY_SUBJECT, checks_nothing},
    {"spki_sha256", IDENTITY_SPKI, check_spki},
};

/* The one that the identity has; NULL, and told, if it has none or several. */
static const struct selector *find_selector(const struct settings *s)
{
    const struct selector *found = NULL;
    size_t count = 0;
    for (size_t i = 0; i < sizeof selectors / sizeof selectors[0]; i++)
        if (json_object_object_get_ex(s->object, selectors[i].member, NULL)) {
            found = &selectors[i];
            count++;
        }
    if (count == 1)
        return found;
    complain(s, NULL, "this has to have one of uid, gid, san, subject and spki_sha256");
    return NULL;
}

static void read_identity(const struct settings *s, void *context)
{
    static const char *const names[] = {"name",    "uid",         "gid",    "san",
                                        "subject", "spki_sha256", "scopes", NULL};
    struct config_listener *listener = context;
    listener->identities =
        mem_grow(listener->identities, listener->identity_count + 1, sizeof *listener->identities);
    struct identity *identity = &listener->identities[listener->identity_count++];
    *identity = (struct identity){0};
    settings_only(s, names);
    settings_text(s, "name", checks_name, &identity->name);
    if (!json_object_object_get_ex(s->object, "name", NULL))
        complain(s, "name", "this is missing");
    if (!json_object_object_get_ex(s->object, "scopes", NULL))
        complain(s, "scopes", "this is missing");
    identity->scopes = read_scopes(s);
    const struct selector *selector = find_selector(s);
    if (!selector)
        return;
    identity->kind = selector->kind;
    bool is_of_peer = !selector->check;
    if (is_of_peer)
        read_id(s, selector->member, &identity->id);
    else
        settings_text(s, selector->member, selector->check, &identity->text);
    if (is_of_peer && (!listener->address || strncmp(listener->address, "unix:", 5) != 0))
        complain(s, selector->member, "only a Unix socket tells the user at its other end");
    if (!is_of_peer && listener->client == CONFIG_CLIENT_NONE)
        complain(s, selector->member, "this takes tls with a client_ca");
}

static void read_client(const struct settings *s, struct config_listener *listener)
{
    char *how = NULL;
    settings_text(s, "client_ca", checks_absolute, &listener->client_ca);
    settings_text(s, "client_certificate", checks_nothing, &how);
    listener->client = listener->client_ca ? CONFIG_CLIENT_REQUIRED : CONFIG_CLIENT_NONE;
    if (how && !json_object_object_get_ex(s->object, "client_ca", NULL))
        complain(s, "client_certificate", "this takes a client_ca");
    if (how && !strcmp(how, "optional") && listener->client_ca)
        listener->client = CONFIG_CLIENT_OPTIONAL;
    else if (how && strcmp(how, "required") != 0 && strcmp(how, "optional") != 0)
        complain(s, "client_certificate", "this has to be \"required\" or \"optional\"");
    free(how);
}

static void read_tls(const struct settings *s, struct config_listener *listener)
{
    static const char *const names[] = {"certificate", "cert_file",          "key_file",
                                        "client_ca",   "client_certificate", NULL};
    listener->has_tls = true;
    settings_only(s, names);
    settings_text(s, "certificate", checks_name, &listener->certificate);
    settings_text(s, "cert_file", checks_absolute, &listener->cert_file);
    settings_text(s, "key_file", checks_absolute, &listener->key_file);
    read_client(s, listener);
    bool is_managed = json_object_object_get_ex(s->object, "certificate", NULL);
    bool has_cert = json_object_object_get_ex(s->object, "cert_file", NULL);
    bool has_key = json_object_object_get_ex(s->object, "key_file", NULL);
    if (is_managed ? has_cert || has_key : !has_cert || !has_key)
        complain(
            s, NULL,
            "this has to have either a certificate of this service, or cert_file and key_file");
    if (listener->address && !strncmp(listener->address, "unix:", 5))
        complain(s, NULL, "a Unix socket has no TLS");
}

static void read_listener(const struct settings *s, struct config_listener *listener)
{
    static const char *const names[] = {"address", "tls", "identities", "scopes", NULL};
    settings_only(s, names);
    settings_text(s, "address", checks_address, &listener->address);
    if (!json_object_object_get_ex(s->object, "address", NULL))
        complain(s, "address", "this is missing");
    struct json_object *tls = settings_object(s, "tls");
    if (tls) {
        char *pointer = settings_pointer(s->pointer, "tls");
        const struct settings inner = {tls, s->source, pointer, s->complaints};
        read_tls(&inner, listener);
        free(pointer);
    }
    read_objects(s, "identities", read_identity, listener);
    listener->scopes = read_scopes(s);
}

/* A text is the listener of that address. */
static void read_text(const struct settings *file, size_t index, struct json_object *value,
                      struct config_listener *listener)
{
    char *pointer = mem_printf("%s/listen/%zu", file->pointer, index);
    const char *fault = json_object_is_type(value, json_type_string)
                            ? settings_fault(value, checks_address)
                            : "this has to be an address or an object";
    if (fault)
        complaints_add(file->complaints, file->source, pointer, "%s", fault);
    else
        listener->address = mem_strdup(json_object_get_string(value));
    free(pointer);
}

void listeners_read(const struct settings *file, struct config_listeners *out)
{
    struct json_object *list;
    if (!json_object_object_get_ex(file->object, "listen", &list))
        return;
    listeners_finish(out);
    if (!json_object_is_type(list, json_type_array)) {
        complain(file, "listen", "this has to be an array of addresses and objects");
        return;
    }
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        struct json_object *item = json_object_array_get_idx(list, i);
        struct config_listener *listener = append(out);
        if (!json_object_is_type(item, json_type_object)) {
            read_text(file, i, item, listener);
            continue;
        }
        char *pointer = mem_printf("%s/listen/%zu", file->pointer, i);
        const struct settings s = {item, file->source, pointer, file->complaints};
        read_listener(&s, listener);
        free(pointer);
    }
}

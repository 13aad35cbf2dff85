#include "server/deploy/target.h"

#include "acme/base/memory.h"
#include "acme/base/utf8.h"
#include "acme/identifier.h"
#include "acme/json.h"

#include <json.h>
#include <stdio.h>
#include <string.h>

static const struct target_type *const types[] = {
    &target_aliyun_cas, &target_aliyun_cdn, &target_aliyun_dcdn, &target_aliyun_apigateway,
    &target_files,      &target_webhook,    &target_exec,
};

const struct target_type *target_type_by_name(const char *name)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (!strcmp(types[i]->name, name))
            return types[i];
    return NULL;
}

static int check(const struct target_type *type, const struct target_context *context,
                 const struct target_certificate *certificate, struct err *e)
{
    if (type->credential_required && !context->credential)
        return err_set(e, ERR_INVALID, "the target needs a credential of type %s",
                       type->credential_type);
    if (type->needs_key && certificate && !certificate->key)
        return err_set(e, ERR_CONFLICT,
                       "The key of \"%s\" is not here, since its CSR was the caller's; this target "
                       "cannot do without.",
                       certificate->name);
    return 0;
}

/* Messages quote the services, and may be cut in the middle of a character; they become JSON. */
static void tidy(char *message)
{
    size_t left = strlen(message);
    while (left > 0) {
        size_t size = utf8_character_size(message, left);
        if (size == 0)
            *message = '?';
        else if ((unsigned char)*message < ' ' || *message == 0x7f)
            *message = ' ';
        message += size ? size : 1;
        left -= size ? size : 1;
    }
}

int target_step(const struct target_type *type, const struct target_context *context,
                struct target_work *work, struct err *e)
{
    work->message[0] = '\0';
    work->delay_ms = 0;
    work->outcome = TARGET_AGAIN;
    if (check(type, context, work->certificate, e) < 0)
        return -1;
    int rc = type->step(context, work, e);
    tidy(work->message);
    return rc;
}

int target_test(const struct target_type *type, const struct target_context *context,
                const struct target_certificate *certificate, char message[TARGET_MESSAGE_SIZE],
                struct err *e)
{
    message[0] = '\0';
    if (check(type, context, certificate, e) < 0)
        return -1;
    int rc = type->test(context, certificate, message, e);
    tidy(message);
    return rc;
}

static bool is_address(const char *text)
{
    struct identifier id;
    struct err ignored;
    return identifier_parse(text, &id, &ignored) == 0 && id.type == IDENTIFIER_IP;
}

const char **target_domains(const struct target_context *context,
                            const struct target_certificate *certificate)
{
    struct json_object *given = json_array_of(context->settings, "domains");
    size_t most = given ? json_object_array_length(given) : certificate->identifier_count;
    const char **list = mem_new(most + 1, sizeof *list);
    size_t count = 0;
    for (size_t i = 0; i < most; i++) {
        const char *name = given ? json_object_get_string(json_object_array_get_idx(given, i))
                                 : certificate->identifiers[i];
        if (name && (given || !is_address(name)))
            list[count++] = name;
    }
    return list;
}

void target_upload_name(const struct target_certificate *certificate, char *out, size_t size)
{
    enum { FINGERPRINT_SHOWN = 16, PREFIX = sizeof "certwright-" - 1 };
    size_t room = size - 1 - PREFIX - 1 - FINGERPRINT_SHOWN;
    snprintf(out, size, "certwright-%.*s-%.16s", (int)room, certificate->name,
             certificate->fingerprint);
    for (char *c = out; *c; c++)
        if (!(*c >= 'a' && *c <= 'z') && !(*c >= '0' && *c <= '9'))
            *c = '-';
}

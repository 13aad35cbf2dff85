/*
 * Files in a folder below a configured root, then word to those who read them.
 *
 * State: "installed" is the generation that stands, "reloaded" the one that its readers were told
 * of, and in which way; "pkcs12" is what the PKCS#12 file was made of, since its bytes are random.
 * A call looks at the folder first: what stands is not written again, so a call that comes again
 * after a crash finds the generation of the first, and still reloads.
 */
#include "acme/base/memory.h"
#include "acme/base/utf8.h"
#include "acme/json.h"
#include "server/deploy/files_settings.h"
#include "server/deploy/target.h"

#include <json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The files of one deployment, in memory. */
struct set {
    struct tree_file files[MATERIAL_COUNT];
    struct buf data[MATERIAL_COUNT];
    size_t count;
};

static void set_finish(struct set *set)
{
    for (size_t i = 0; i < set->count; i++)
        buf_finish_secret(&set->data[i]);
}

/* A message is cut between characters. */
static void say(char out[TARGET_MESSAGE_SIZE], const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void say(char out[TARGET_MESSAGE_SIZE], const char *format, ...)
{
    struct buf text = {0};
    va_list args;
    va_start(args, format);
    buf_vprintf(&text, format, args);
    va_end(args);
    size_t size = 0, step;
    while ((step = utf8_character_size(text.data + size, text.size - size)) > 0 &&
           size + step < TARGET_MESSAGE_SIZE)
        size += step;
    memcpy(out, text.data, size);
    out[size] = '\0';
    buf_finish(&text);
}

/* ---- the set ---- */

/* Chain and leaf belong to the version, so that it and the fingerprint stand for both. */
static char *pkcs12_source(const struct target_certificate *certificate,
                           const struct material_pkcs12 *pkcs12)
{
    return mem_printf("%s %lld %s %s", certificate->fingerprint, (long long)certificate->version,
                      pkcs12->encryption == PKCS12_AES ? "aes" : "legacy", pkcs12->name);
}

/* The file that stands, if it was made of the same and this password opens it. */
static bool pkcs12_stands(const struct folder *where, const struct material_pkcs12 *pkcs12,
                          const char *source, const struct json_object *state, struct buf *out)
{
    const char *made_of = json_text_of(state, "pkcs12");
    if (made_of && !strcmp(made_of, source) &&
        folder_read(where, material_name(MATERIAL_PKCS12), out) &&
        material_opens(out, pkcs12->password))
        return true;
    buf_finish_secret(out);
    return false;
}

static int set_add(struct set *set, const struct files_settings *settings, enum material material,
                   const struct target_certificate *certificate, const struct json_object *state,
                   struct err *e)
{
    const struct folder where = {.root = settings->root, .path = settings->path};
    struct buf *data = &set->data[set->count];
    bool stands = false;
    if (material == MATERIAL_PKCS12 && certificate->key) {
        char *source = pkcs12_source(certificate, &settings->pkcs12);
        stands = pkcs12_stands(&where, &settings->pkcs12, source, state, data);
        free(source);
    }
    set->count++;
    if (!stands && material_make(certificate, material, &settings->pkcs12, data, e) < 0)
        return -1;
    set->files[set->count - 1] = (struct tree_file){
        .name = material_name(material),
        .data = buf_string(data),
        .size = data->size,
        .mode = settings->modes[material],
        .owner = settings->owner,
        .group = settings->group,
    };
    return 0;
}

static int set_make(const struct files_settings *settings,
                    const struct target_certificate *certificate, const struct json_object *state,
                    struct set *out, struct err *e)
{
    for (int i = 0; i < MATERIAL_COUNT; i++)
        if (settings->wanted[i] &&
            set_add(out, settings, (enum material)i, certificate, state, e) < 0)
            return -1;
    return 0;
}

/* ---- a step ---- */

static void remember(struct json_object *state, const char *name, const char *text)
{
    json_object_object_add(state, name, json_object_new_string(text));
}

static bool remembers(const struct json_object *state, const char *name, const char *text)
{
    const char *known = json_text_of(state, name);
    return known && !strcmp(known, text);
}

/* Another way of telling, and another generation, are to be told anew. */
static char *reload_mark(const struct target_context *context, const char *installed)
{
    struct json_object *reload = json_object_of(context->settings, "reload");
    char *how = reload ? json_write(reload) : mem_strdup("");
    char *mark = mem_printf("%s %s", installed, how);
    free(how);
    return mark;
}

static void note_installed(const struct files_settings *settings, struct target_work *work,
                           const struct folder_result *result, const char *installed)
{
    struct json_object *state = work->state;
    if (result->changed)
        json_object_object_del(state, "reloaded");
    remember(state, "installed", installed);
    remember(state, "fingerprint", work->certificate->fingerprint);
    if (settings->wanted[MATERIAL_PKCS12]) {
        char *source = pkcs12_source(work->certificate, &settings->pkcs12);
        remember(state, "pkcs12", source);
        free(source);
    } else {
        json_object_object_del(state, "pkcs12");
    }
    say(work->message, "version %lld %s in %s", (long long)work->certificate->version,
        result->changed ? "is written" : "stands already", settings->shown);
    work->outcome = TARGET_AGAIN;
}

static int tell_readers(const struct target_context *context, const struct files_settings *settings,
                        struct target_work *work, const char *installed, struct err *e)
{
    const struct reload *reload = &settings->reload;
    char message[RELOAD_MESSAGE_SIZE] = "";
    char *mark = reload_mark(context, installed);
    int rc = 0;
    if (reload->command || reload->pidfile || reload->webhook) {
        if (!remembers(work->state, "reloaded", mark))
            rc = reload_run(reload, context, work->certificate, message, e);
        if (rc == 0)
            remember(work->state, "reloaded", mark);
    }
    free(mark);
    if (rc < 0)
        return -1;
    say(work->message, "%s", message);
    work->outcome = TARGET_DONE;
    return 0;
}

static int bring(const struct target_context *context, const struct files_settings *settings,
                 const struct set *set, struct target_work *work, struct err *e)
{
    const struct folder where = {settings->root, settings->path, context->scratch};
    struct folder_result result;
    if (folder_write(&where, set->files, set->count, &result, e) < 0)
        return -1;
    char *installed = mem_printf("%s/%s", settings->shown, result.generation);
    int rc = 0;
    if (result.changed || !remembers(work->state, "installed", installed))
        note_installed(settings, work, &result, installed);
    else
        rc = tell_readers(context, settings, work, installed, e);
    free(installed);
    return rc;
}

static int files_step(const struct target_context *context, struct target_work *work, struct err *e)
{
    struct files_settings settings;
    struct set set = {0};
    if (files_settings_read(context, work->certificate->name, &settings, e) < 0)
        return -1;
    int rc = set_make(&settings, work->certificate, work->state, &set, e);
    if (rc == 0)
        rc = bring(context, &settings, &set, work, e);
    set_finish(&set);
    files_settings_finish(&settings);
    return rc;
}

/* ---- a rehearsal ---- */

static int rehearse(const struct files_settings *settings,
                    const struct target_certificate *certificate, struct buf *names, struct err *e)
{
    const struct folder where = {.root = settings->root, .path = settings->path};
    struct tree_file files[MATERIAL_COUNT] = {0};
    size_t count = 0;
    for (int i = 0; i < MATERIAL_COUNT; i++) {
        if (!settings->wanted[i])
            continue;
        const char *name = material_name((enum material)i);
        if (certificate && !certificate->key && material_has_key((enum material)i))
            return err_set(e, ERR_CONFLICT,
                           "The key of \"%s\" is not here, since its CSR was the caller's; %s "
                           "cannot be made without.",
                           certificate->name, name);
        buf_printf(names, "%s%s", count ? ", " : "", name);
        files[count++].name = name;
    }
    return folder_check(&where, files, count, e);
}

static int files_test(const struct target_context *context,
                      const struct target_certificate *certificate,
                      char message[TARGET_MESSAGE_SIZE], struct err *e)
{
    struct files_settings settings;
    struct buf names = {0};
    char reload[RELOAD_MESSAGE_SIZE];
    if (files_settings_read(context, certificate ? certificate->name : "CERTIFICATE", &settings,
                            e) < 0)
        return -1;
    int rc = rehearse(&settings, certificate, &names, e);
    if (rc == 0)
        rc = reload_check(&settings.reload, e);
    reload_describe(&settings.reload, reload);
    if (rc == 0)
        say(message, "would write %s in %s%s%s", buf_string(&names), settings.shown,
            reload[0] ? ", then " : "", reload);
    buf_finish(&names);
    files_settings_finish(&settings);
    return rc;
}

const struct target_type target_files = {
    .name = "files",
    .credential_type = "password",
    .step = files_step,
    .test = files_test,
};

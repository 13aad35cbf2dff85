/*
 * A command of the config's, which finds the version's files in a folder that is there for its
 * time only, and their paths and the facts in its environment. A crash runs it again.
 */
#include "acme/base/clock.h"
#include "acme/base/memory.h"
#include "acme/json.h"
#include "server/deploy/folder.h"
#include "server/deploy/material.h"
#include "server/deploy/scratch.h"
#include "server/deploy/target.h"
#include "server/deploy/tree.h"
#include "server/outside/commands.h"

#include <errno.h>
#include <json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PRIVATE_FOLDER = 0700, PRIVATE_FILE = 0600, VARIABLES_MAX = 16 };

/* Of these the command finds the paths in its environment. */
static const struct {
    enum material material;
    const char *variable;
} handed[] = {
    {MATERIAL_CERT, "CERTWRIGHT_CERT_FILE"},           {MATERIAL_CHAIN, "CERTWRIGHT_CHAIN_FILE"},
    {MATERIAL_FULLCHAIN, "CERTWRIGHT_FULLCHAIN_FILE"}, {MATERIAL_PRIVKEY, "CERTWRIGHT_KEY_FILE"},
    {MATERIAL_COMBINED, "CERTWRIGHT_COMBINED_FILE"},
};
enum { HANDED = sizeof handed / sizeof *handed };

/* ---- the folder ---- */

static int make_private(const char *path, struct err *e)
{
    if ((mkdir(path, PRIVATE_FOLDER) < 0 && errno != EEXIST) || chmod(path, PRIVATE_FOLDER) < 0)
        return err_set(e, ERR_IO, "%s cannot be made: %s", path, strerror(errno));
    return 0;
}

static int remove_entry(const struct tree *tree, const char *name, void *context, struct err *e)
{
    (void)context;
    return folder_is_note(name) ? 0 : tree_remove(tree, name, e);
}

int target_scratch_clear(const char *scratch, struct err *e)
{
    struct tree tree;
    if (make_private(scratch, e) < 0)
        return -1;
    int rc = tree_open(scratch, &tree, e);
    if (rc == 0) {
        rc = tree_each(&tree, remove_entry, NULL, e);
        tree_finish(&tree);
    }
    if (rc < 0)
        e->code = ERR_IO;
    return rc;
}

static int write_file(const struct tree *folder, const struct target_certificate *certificate,
                      enum material material, struct err *e)
{
    struct buf data = {0};
    int rc = material_make(certificate, material, NULL, &data, e);
    if (rc == 0) {
        const struct tree_file file = {
            .name = material_name(material),
            .data = buf_string(&data),
            .size = data.size,
            .mode = PRIVATE_FILE,
            .owner = (uid_t)-1,
            .group = (gid_t)-1,
        };
        rc = tree_write(folder, &file, e);
    }
    buf_finish_secret(&data);
    return rc;
}

static bool is_handed(const struct target_certificate *certificate, size_t i)
{
    return certificate->key || !material_has_key(handed[i].material);
}

static int write_files(const struct tree *scratch, const char *job,
                       const struct target_certificate *certificate, struct err *e)
{
    struct tree folder;
    if (mkdirat(scratch->fd, job, PRIVATE_FOLDER) < 0)
        return tree_error(scratch, job, "cannot be made", e);
    if (tree_enter(scratch, job, false, &folder, e) < 0)
        return -1;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < HANDED; i++)
        if (is_handed(certificate, i))
            rc = write_file(&folder, certificate, handed[i].material, e);
    tree_finish(&folder);
    return rc;
}

/* ---- the command ---- */

static char *identifiers_variable(const struct target_certificate *certificate)
{
    struct buf text = {0};
    buf_add_string(&text, "CERTWRIGHT_IDENTIFIERS=");
    for (size_t i = 0; i < certificate->identifier_count; i++)
        buf_printf(&text, "%s%s", i ? "," : "", certificate->identifiers[i]);
    return buf_take(&text);
}

/* Filled with texts to be freed, ended with NULL. */
static void make_environment(const struct target_certificate *certificate, const char *folder,
                             char *out[VARIABLES_MAX])
{
    char not_after[CLOCK_RFC3339_SIZE];
    size_t n = 0;
    clock_rfc3339(certificate->not_after_ms, not_after);
    out[n++] = mem_strdup("CERTWRIGHT_EVENT=deploy");
    out[n++] = mem_printf("CERTWRIGHT_CERTIFICATE=%s", certificate->name);
    out[n++] = mem_printf("CERTWRIGHT_VERSION=%lld", (long long)certificate->version);
    out[n++] = identifiers_variable(certificate);
    out[n++] = mem_printf("CERTWRIGHT_SERIAL=%s", certificate->serial);
    out[n++] = mem_printf("CERTWRIGHT_FINGERPRINT=%s", certificate->fingerprint);
    out[n++] = mem_printf("CERTWRIGHT_NOT_AFTER=%s", not_after);
    for (size_t i = 0; i < HANDED; i++)
        if (is_handed(certificate, i))
            out[n++] = mem_printf("%s=%s/%s", handed[i].variable, folder,
                                  material_name(handed[i].material));
    out[n] = NULL;
}

static int run(const struct target_context *context, const char *name,
               const struct target_certificate *certificate, struct err *e)
{
    char *folder = mem_printf("%s/%s", context->scratch, context->job);
    char *environment[VARIABLES_MAX];
    make_environment(certificate, folder, environment);
    const struct command_call call = {
        .name = name,
        .environment = (const char *const *)environment,
        .abort = context->abort,
    };
    struct command_result result;
    int rc = commands_run(context->commands, &call, &result, e);
    for (size_t i = 0; environment[i]; i++)
        free(environment[i]);
    free(folder);
    return rc < 0 ? rc : command_result_check(name, &result, e);
}

static const char *command_name(const struct target_context *context, struct err *e)
{
    const char *name = json_text_of(context->settings, "command");
    if (!name)
        err_set(e, ERR_INVALID, "the target names no command");
    else if (!commands_has(context->commands, name))
        err_set(e, ERR_INVALID, "the config has no command \"%s\"", name);
    else
        return name;
    return NULL;
}

/* The folder goes in every case; that it could not is told only where nothing else failed. */
static int run_in(const struct tree *scratch, const struct target_context *context,
                  const char *name, const struct target_certificate *certificate, struct err *e)
{
    struct err also;
    if (tree_remove(scratch, context->job, e) < 0)
        return -1;
    int rc = write_files(scratch, context->job, certificate, e);
    if (rc == 0)
        rc = run(context, name, certificate, e);
    if (tree_remove(scratch, context->job, &also) < 0 && rc == 0) {
        *e = also;
        rc = -1;
    }
    return rc;
}

static int exec_step(const struct target_context *context, struct target_work *work, struct err *e)
{
    struct tree scratch;
    const char *name = command_name(context, e);
    if (!name || tree_open(context->scratch, &scratch, e) < 0)
        return -1;
    int rc = run_in(&scratch, context, name, work->certificate, e);
    tree_finish(&scratch);
    if (rc < 0)
        return -1;
    json_object_object_add(work->state, "fingerprint",
                           json_object_new_string(work->certificate->fingerprint));
    snprintf(work->message, sizeof work->message, "ran the command %s", name);
    work->outcome = TARGET_DONE;
    return 0;
}

static int exec_test(const struct target_context *context,
                     const struct target_certificate *certificate,
                     char message[TARGET_MESSAGE_SIZE], struct err *e)
{
    const char *name = command_name(context, e);
    if (!name)
        return -1;
    snprintf(message, TARGET_MESSAGE_SIZE, "would run the command %s%s", name,
             certificate && !certificate->key ? ", without a key file" : "");
    return 0;
}

const struct target_type target_exec = {
    .name = "exec",
    .step = exec_step,
    .test = exec_test,
};

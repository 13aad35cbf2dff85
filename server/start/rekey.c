#include "server/start/rekey.h"

#include "acme/base/buffer.h"
#include "acme/base/failpoint.h"
#include "acme/base/memory.h"
#include "server/api/body.h"
#include "server/outside/commands.h"
#include "server/start/ask.h"
#include "server/start/master.h"
#include "server/start/secret_file.h"
#include "store/audit.h"
#include "store/data_key.h"
#include "store/lock.h"

#include <json-c/json.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SECURE_HEAP_BYTES = 64 * 1024, SECURE_HEAP_SMALLEST = 64 };

static int tell(const char *data, bool is_given, bool former_opens, struct err *e)
{
    if (is_given) {
        puts("The database opens with both master keys now. Put the new one where the service "
             "gets its key, and restart it: from then on, the former one opens it no longer.");
        return 0;
    }
    if (former_opens)
        return err_set(e, ERR_IO,
                       "The new master key is made, but could not be put in its place; the log of "
                       "the service tells why. The next start tries again.");
    printf("Another master key is in place, %s/master.key; the former one opens the database no "
           "longer. Backups from before want that.\n",
           data);
    return 0;
}

/* ---- the service does it ---- */

static const char *text_of(struct json_object *object, const char *name)
{
    struct json_object *value;
    return json_object_object_get_ex(object, name, &value) ? json_object_get_string(value) : NULL;
}

/* The problem's errors, or else its own words. */
static int refuse(int status, struct json_object *problem, struct err *e)
{
    struct json_object *errors = NULL;
    struct buf text = {0};
    const char *detail = text_of(problem, "detail");
    json_object_object_get_ex(problem, "errors", &errors);
    size_t count =
        json_object_is_type(errors, json_type_array) ? json_object_array_length(errors) : 0;
    for (size_t i = 0; i < count; i++) {
        const char *of_field = text_of(json_object_array_get_idx(errors, i), "detail");
        buf_printf(&text, " %s", of_field ? of_field : "");
    }
    if (!count)
        buf_printf(&text, " %s", detail ? detail : "it does not say why.");
    err_set(e, status == 409 ? ERR_CONFLICT : ERR_FORBIDDEN, "The service refused it (%d):%s",
            status, buf_string(&text));
    buf_finish(&text);
    return -1;
}

static int read_answer(const struct acme_http_response *response, bool *former_opens, struct err *e)
{
    struct json_object *json, *value = NULL;
    if (body_parse(buf_string(&response->body), response->body.size, &json, e) < 0)
        return err_set(e, ERR_INTERNAL, "The service answered %d with what is no JSON.",
                       response->status);
    int rc = 0;
    if (response->status != 200)
        rc = refuse(response->status, json, e);
    else if (json_object_object_get_ex(json, "former_key_opens", &value))
        *former_opens = json_object_get_boolean(value);
    else
        rc = err_set(e, ERR_INTERNAL, "The service's answer does not tell which key opens.");
    body_destroy(json);
    return rc;
}

/* given is hex or base64, so that it is JSON as it stands. */
static int ask(const struct config *config, const char *given, struct err *e)
{
    struct acme_http_response response;
    bool former_opens = false;
    char *body = given ? mem_printf("{\"master_key\":\"%s\"}", given) : NULL;
    int rc = ask_post(config, "/rekey", body, &response, e);
    mem_free_secret_string(body);
    if (rc < 0)
        return -1;
    rc = read_answer(&response, &former_opens, e);
    acme_http_response_finish(&response);
    return rc < 0 ? -1 : tell(config->data, given != NULL, former_opens, e);
}

/* ---- nobody runs ---- */

struct write {
    struct store *store;
    const unsigned char *key;
};

/* The audit trail tells of it as of a request. */
static int wrap_again(struct store_tx *tx, void *arg, struct err *e)
{
    const struct write *write = arg;
    char principal[32];
    snprintf(principal, sizeof principal, "uid:%lld", (long long)geteuid());
    const struct audit_note note = {
        .principal = principal,
        .address = "local",
        .method = "POST",
        .route = "/rekey",
        .resource = "/rekey",
        .status = 200,
        .at = store_tx_now(tx),
        .count = 1,
    };
    if (data_key_wrap_again(write->store, tx, write->key, e) < 0)
        return -1;
    return audit_add(tx, &note, e);
}

static int replace(struct master *master, struct store *store, const char *given, struct err *e)
{
    unsigned char key[SEAL_KEY_SIZE];
    struct write write = {store, key};
    bool settled;
    int rc = master_next(master, given, key, e);
    if (rc == 0)
        rc = store_write_wait(store, wrap_again, &write, e);
    OPENSSL_cleanse(key, sizeof key);
    if (rc < 0)
        return -1;
    data_key_was_wrapped(store);
    if (master_settle(master, &settled, e) < 0)
        return -1;
    if (settled && store_write_wait(store, data_key_forget_former, NULL, e) < 0)
        return -1;
    return tell(master->directory, given != NULL, !settled, e);
}

/* The one command that is needed, if the master key comes from one: it is run by a helper, which is
   forked before there are threads. */
static int start_command(const struct config *config, struct commands **out, struct err *e)
{
    for (size_t i = 0; config->master_key_command && i < config->command_count; i++) {
        const struct command command = {config->commands[i].name,
                                        (const char *const *)config->commands[i].argv};
        if (!strcmp(command.name, config->master_key_command))
            return commands_create(&command, 1, out, e);
    }
    return 0;
}

static int open_and_replace(const struct config *config, struct master *master, const char *given,
                            struct err *e)
{
    struct commands *commands = NULL;
    struct store *store;
    if (start_command(config, &commands, e) < 0)
        return -1;
    master->source.commands = commands;
    int rc = master_open_store(master, &store, e);
    if (rc == 0) {
        rc = replace(master, store, given, e);
        store_close(store);
    }
    commands_destroy(commands);
    return rc;
}

static int do_it(const struct config *config, struct master *master, const char *given,
                 struct err *e)
{
    if (config->master_key_lacks)
        return err_set(e, ERR_CONFIG,
                       "The master key comes from the variable %s, which the environment lacks.",
                       config->master_key_lacks);
    if (!given && secrets_master_is_given(&master->source))
        return err_set(e, ERR_INVALID,
                       "The master key does not come from %s: give the new one by --new-key.",
                       config->data);
    return open_and_replace(config, master, given, e);
}

/* ---- */

/* NULL stays NULL. Its form is looked at here, so that nothing is asked in vain. */
static int read_new_key(const char *path, struct buf *out, struct err *e)
{
    unsigned char key[SEAL_KEY_SIZE];
    if (!path)
        return 0;
    bool is_input = !strcmp(path, "-");
    const char *name = is_input ? "standard input" : path;
    int rc = is_input ? secret_file_read_descriptor(STDIN_FILENO, name, out, e)
                      : secret_file_read(path, out, e);
    if (rc == 0)
        rc = secrets_decode_master(buf_string(out), name, key, e);
    OPENSSL_cleanse(key, sizeof key);
    return rc;
}

static int run(const struct config *config, const char *given, struct err *e)
{
    struct master master = {
        .directory = config->data,
        .source = secrets_source_of(config, NULL),
    };
    struct store_lock *lock;
    struct err unclaimed;
    int claimed = secrets_claim_descriptor(&master.source, &unclaimed);
    if (!secret_file_exists(config->data, "certwright.db"))
        return err_set(e, ERR_CONFIG, "%s holds no database.", config->data);
    if (store_lock_take(config->data, &lock, e) < 0)
        return e->code == ERR_BUSY ? ask(config, given, e) : -1;
    int rc;
    if (claimed < 0) {
        *e = unclaimed;
        rc = -1;
    } else {
        rc = do_it(config, &master, given, e);
    }
    store_lock_release(lock);
    return rc;
}

int rekey_run(const struct config *config, const char *new_key, struct err *e)
{
    struct buf given = {0};
    failpoint("start", config->data);
    CRYPTO_secure_malloc_init(SECURE_HEAP_BYTES, SECURE_HEAP_SMALLEST);
    int rc = acme_http_library_init(e);
    if (rc == 0)
        rc = read_new_key(new_key, &given, e);
    if (rc == 0)
        rc = run(config, new_key ? buf_string(&given) : NULL, e);
    buf_finish_secret(&given);
    return rc;
}

#include "server/start/secrets.h"

#include "acme/base/base64url.h"
#include "acme/base/log.h"
#include "acme/base/memory.h"
#include "server/access/secret.h"
#include "server/config/config.h"
#include "server/outside/commands.h"
#include "server/start/secret_file.h"
#include "store/token.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TOKEN_MIN = 16 };

/* ---- master key ---- */

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool decode_hex(const char *text, unsigned char out[SEAL_KEY_SIZE])
{
    for (size_t i = 0; i < SEAL_KEY_SIZE; i++) {
        int high = hex_value(text[2 * i]);
        int low = high < 0 ? -1 : hex_value(text[2 * i + 1]);
        if (low < 0)
            return false;
        out[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

/* Base64 of either alphabet, with its padding or without. */
static bool decode_base64(const char *text, size_t size, unsigned char out[SEAL_KEY_SIZE])
{
    enum { DIGITS = 43 };
    char digits[DIGITS + 1];
    struct buf bytes = {0};
    struct err ignored;
    if (size != DIGITS && !(size == DIGITS + 1 && text[DIGITS] == '='))
        return false;
    for (size_t i = 0; i < DIGITS; i++)
        digits[i] = text[i] == '+' ? '-' : text[i];
    for (size_t i = 0; i < DIGITS; i++)
        digits[i] = digits[i] == '/' ? '_' : digits[i];
    bool ok =
        base64url_decode(digits, DIGITS, &bytes, &ignored) == 0 && bytes.size == SEAL_KEY_SIZE;
    if (ok)
        memcpy(out, bytes.data, SEAL_KEY_SIZE);
    OPENSSL_cleanse(digits, sizeof digits);
    buf_finish_secret(&bytes);
    return ok;
}

/* Raw bytes are no form of it: a text that was cut off could pass for them. */
int secrets_decode_master(const char *text, const char *from, unsigned char out[SEAL_KEY_SIZE],
                          struct err *e)
{
    size_t size = strlen(text);
    if (size == 2 * SEAL_KEY_SIZE ? decode_hex(text, out) : decode_base64(text, size, out))
        return 0;
    OPENSSL_cleanse(out, SEAL_KEY_SIZE);
    return err_set(e, ERR_CONFIG,
                   "The master key from %s is not 32 bytes as hex or base64, but something of %zu "
                   "characters.",
                   from, size);
}

static int make_master(const char *directory, const char *path, struct err *e)
{
    unsigned char key[SEAL_KEY_SIZE];
    struct buf text = {0};
    if (secret_file_exists(directory, "certwright.db"))
        return err_set(e, ERR_SEAL,
                       "%s holds a database, but %s is gone. Put the key back, or give it with "
                       "CERTWRIGHT_MASTER_KEY_FILE; a new one could not open what is sealed.",
                       directory, path);
    /* It may be the only one that opens a database which was taken from here. */
    if (secret_file_exists(directory, "master.key.next"))
        return err_set(e, ERR_SEAL,
                       "%s is gone, but master.key.next lies beside its place. Put back the key "
                       "and the database, or take that file away.",
                       path);
    if (mkdir(directory, 0700) < 0 && errno != EEXIST)
        return err_set(e, ERR_IO, "%s cannot be made: %s.", directory, strerror(errno));
    if (RAND_bytes(key, sizeof key) != 1)
        return err_set(e, ERR_CRYPTO, "The random generator failed.");
    base64url_encode(key, sizeof key, &text);
    OPENSSL_cleanse(key, sizeof key);
    log_info("the master key is made: back it up apart from the database", "file", path, NULL);
    int rc = secret_file_write(directory, path, text.data, e);
    buf_finish_secret(&text);
    return rc;
}

static int master_of_directory(const char *directory, unsigned char out[SEAL_KEY_SIZE],
                               struct err *e)
{
    char *path = mem_printf("%s/master.key", directory);
    struct buf text = {0};
    int rc = secret_file_exists(directory, "master.key") ? 0 : make_master(directory, path, e);
    if (rc == 0)
        rc = secret_file_read(path, &text, e);
    if (rc == 0)
        rc = secrets_decode_master(buf_string(&text), path, out, e);
    buf_finish_secret(&text);
    free(path);
    return rc;
}

/* What it says is told to nobody, since it may be the key. */
static int run_command(const struct master_source *source, struct buf *out, struct err *e)
{
    const struct command_call call = {.name = source->command};
    struct command_result *result = mem_new(1, sizeof *result);
    int rc = commands_run(source->commands, &call, result, e);
    if (rc < 0 && e->code == ERR_COMMAND_FAILED)
        err_set(e, ERR_COMMAND_FAILED, "The master key's command \"%s\" did not end in %d seconds.",
                source->command, COMMANDS_DEFAULT_TIMEOUT_MS / 1000);
    else if (rc == 0 && (result->exit_status || result->signal || result->truncated))
        rc = err_set(e, ERR_COMMAND_FAILED, "The master key's command \"%s\" failed%s (status %d).",
                     source->command, result->truncated ? ", or said too much" : "",
                     result->signal ? result->signal + 128 : result->exit_status);
    if (rc == 0)
        buf_add_string(out, result->output);
    while (out->size && isspace((unsigned char)out->data[out->size - 1]))
        out->data[--out->size] = '\0';
    mem_free_secret(result, sizeof *result);
    return rc;
}

/* The text of a key that is given; from is where it was found. */
static int read_given(const struct master_source *source, struct buf *out, const char **from,
                      struct err *e)
{
    if (source->text) {
        *from = "the environment";
        buf_add_string(out, source->text);
        return 0;
    }
    if (source->file) {
        *from = source->file;
        return secret_file_read(source->file, out, e);
    }
    if (source->command) {
        *from = "its command";
        return run_command(source, out, e);
    }
    *from = "its descriptor";
    int rc = secret_file_read_descriptor(source->fd, "the master key's descriptor", out, e);
    close(source->fd);
    return rc;
}

struct master_source secrets_source_of(const struct config *config, const struct commands *commands)
{
    return (struct master_source){
        .text = config->master_key,
        .file = config->master_key_file,
        .fd = config->master_key_fd,
        .command = config->master_key_command,
        .commands = commands,
    };
}

bool secrets_master_is_given(const struct master_source *source)
{
    return source->text || source->file || source->command || source->fd >= 0;
}

int secrets_claim_descriptor(const struct master_source *source, struct err *e)
{
    bool is_used = !source->text && !source->file && !source->command && source->fd >= 0;
    if (!is_used || fcntl(source->fd, F_SETFD, FD_CLOEXEC) == 0)
        return 0;
    return err_set(e, ERR_CONFIG, "The master key's descriptor %d is not open.", source->fd);
}

int secrets_master(const char *directory, const struct master_source *source,
                   unsigned char out[SEAL_KEY_SIZE], struct err *e)
{
    struct buf text = {0};
    const char *from;
    if (!secrets_master_is_given(source))
        return master_of_directory(directory, out, e);
    int rc = read_given(source, &text, &from, e);
    if (rc == 0)
        rc = secrets_decode_master(buf_string(&text), from, out, e);
    buf_finish_secret(&text);
    return rc;
}

/* Whether to read it takes nothing from whoever reads it next; what is missing is looked for. */
static bool is_lasting(const char *path)
{
    struct stat status;
    return stat(path, &status) < 0 || S_ISREG(status.st_mode);
}

int secrets_check_master(const struct master_source *source, struct err *e)
{
    unsigned char key[SEAL_KEY_SIZE];
    bool can_be_read = source->text || (source->file && is_lasting(source->file));
    if (!can_be_read)
        return 0;
    int rc = secrets_master("", source, key, e);
    if (rc == 0)
        OPENSSL_cleanse(key, sizeof key);
    return rc;
}

/* ---- admin token ---- */

static int save_token(struct store_tx *tx, void *arg, struct err *e)
{
    return token_put(tx, token_admin, arg, e);
}

static int check_token(const char *token, const char *from, struct err *e)
{
    if (strlen(token) < TOKEN_MIN)
        return err_set(e, ERR_CONFIG, "The admin token in %s is shorter than %d characters.", from,
                       TOKEN_MIN);
    for (const char *p = token; *p; p++)
        if (!isgraph((unsigned char)*p))
            return err_set(e, ERR_CONFIG,
                           "The admin token in %s holds a character that no header "
                           "can carry.",
                           from);
    return 0;
}

static int keep_token(struct store *store, const char *token, const char *from, struct err *e)
{
    unsigned char hash[TOKEN_HASH_SIZE];
    if (check_token(token, from, e) < 0)
        return -1;
    secret_hash(token, hash);
    return store_write_wait(store, save_token, hash, e);
}

static int has_tokens(struct store *store, bool *has, struct err *e)
{
    struct db *db;
    struct token *tokens;
    size_t count;
    if (store_reader(store, &db, e) < 0 || token_list(db, &tokens, &count, e) < 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        token_finish(&tokens[i]);
    free(tokens);
    *has = count > 0;
    return 0;
}

static int make_token(const char *directory, const char *path, struct err *e)
{
    char secret[SECRET_SIZE];
    if (secret_make(secret, e) < 0)
        return -1;
    int rc = secret_file_write(directory, path, secret, e);
    if (rc == 0)
        log_info("the admin token is made", "file", path, NULL);
    OPENSSL_cleanse(secret, sizeof secret);
    return rc;
}

static int token_of_directory(struct store *store, const char *directory, const char *path,
                              struct err *e)
{
    struct buf token = {0};
    bool known;
    int rc = has_tokens(store, &known, e);
    if (rc == 0 && !known && !secret_file_exists(directory, "admin.token"))
        rc = make_token(directory, path, e);
    if (rc == 0 && secret_file_exists(directory, "admin.token"))
        rc = secret_file_read_any(path, &token, e);
    /* A token whose file was taken away, as it should be, is known by its hash. */
    if (rc == 0 && token.size)
        rc = keep_token(store, token.data, path, e);
    buf_finish_secret(&token);
    return rc;
}

int secrets_admin_token(struct store *store, const char *directory, const char *token_file,
                        struct err *e)
{
    struct buf token = {0};
    if (!token_file) {
        char *path = mem_printf("%s/admin.token", directory);
        int rc = token_of_directory(store, directory, path, e);
        free(path);
        return rc;
    }
    int rc = secret_file_read_any(token_file, &token, e);
    if (rc == 0)
        rc = keep_token(store, buf_string(&token), token_file, e);
    buf_finish_secret(&token);
    return rc;
}

int secrets_check_admin_token(const char *token_file, struct err *e)
{
    struct buf token = {0};
    if (!is_lasting(token_file))
        return 0;
    int rc = secret_file_read_any(token_file, &token, e);
    if (rc == 0)
        rc = check_token(buf_string(&token), token_file, e);
    buf_finish_secret(&token);
    return rc;
}

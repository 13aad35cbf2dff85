#include "server/deploy/reload.h"

#include "acme/base/failpoint.h"
#include "acme/base/memory.h"
#include "acme/http.h"
#include "acme/json.h"
#include "acme/url.h"
#include "server/deploy/target.h"
#include "server/outside/commands.h"
#include "server/outside/outside.h"

#include <errno.h>
#include <fcntl.h>
#include <json.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct {
    const char *name;
    int number;
} signals[] = {{"HUP", SIGHUP}, {"USR1", SIGUSR1}, {"USR2", SIGUSR2}, {"TERM", SIGTERM}};

static int signal_by_name(const char *name)
{
    for (size_t i = 0; name && i < sizeof signals / sizeof *signals; i++)
        if (!strcmp(signals[i].name, name))
            return signals[i].number;
    return 0;
}

static const struct target_pidfile *pidfile_by_name(const struct target_context *context,
                                                    const char *name)
{
    for (size_t i = 0; i < context->pidfile_count; i++)
        if (!strcmp(context->pidfiles[i].name, name))
            return &context->pidfiles[i];
    return NULL;
}

static int read_signal(const struct target_context *context, const struct json_object *settings,
                       struct reload *out, struct err *e)
{
    const char *name = json_text_of(settings, "pidfile");
    out->signal_name = json_text_of(settings, "signal");
    out->signal = signal_by_name(out->signal_name);
    if (!out->signal)
        return err_set(e, ERR_INVALID, "a reload's signal is one of HUP, USR1, USR2 and TERM");
    if (!name)
        return err_set(e, ERR_INVALID, "a reload by a signal needs the name of a pidfile");
    out->pidfile = pidfile_by_name(context, name);
    if (!out->pidfile)
        return err_set(e, ERR_INVALID, "the config has no pidfile \"%s\"", name);
    return 0;
}

int reload_read(const struct target_context *context, struct reload *out, struct err *e)
{
    struct json_object *given = NULL;
    struct reload reload = {0};
    if (!json_object_object_get_ex(context->settings, "reload", &given) || !given) {
        *out = reload;
        return 0;
    }
    bool by_signal = json_object_is_type(given, json_type_object) &&
                     json_object_object_get_ex(given, "signal", NULL);
    reload.command = json_text_of(given, "command");
    reload.webhook = json_text_of(given, "webhook");
    if (by_signal + (reload.command != NULL) + (reload.webhook != NULL) != 1)
        return err_set(e, ERR_INVALID,
                       "a reload is exactly one of a command, a signal with its pidfile, and a "
                       "webhook");
    if (by_signal && read_signal(context, given, &reload, e) < 0)
        return -1;
    if (reload.command && !commands_has(context->commands, reload.command))
        return err_set(e, ERR_INVALID, "the config has no command \"%s\"", reload.command);
    if (reload.webhook && outside_endpoint_check(reload.webhook, e) < 0)
        return err_prefix(e, "the reload's webhook: ");
    if (reload.webhook && !url_is_loopback(reload.webhook))
        return err_set(e, ERR_INVALID,
                       "a reload's webhook has to be on this machine: its host is "
                       "localhost, 127.0.0.1 or [::1]");
    *out = reload;
    return 0;
}

void reload_describe(const struct reload *reload, char out[RELOAD_MESSAGE_SIZE])
{
    out[0] = '\0';
    if (reload->command)
        snprintf(out, RELOAD_MESSAGE_SIZE, "run the command %s", reload->command);
    else if (reload->pidfile)
        snprintf(out, RELOAD_MESSAGE_SIZE, "send %s to the process of the pidfile %s",
                 reload->signal_name, reload->pidfile->name);
    else if (reload->webhook)
        snprintf(out, RELOAD_MESSAGE_SIZE, "call the webhook");
}

/* ---- by a signal ---- */

static int read_pidfile(const char *path, char out[32], uid_t *owner, struct err *e)
{
    struct stat seen = {0};
    /* a FIFO in its place must not hold us */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return err_set(e, ERR_TARGET_RELOAD,
                       "the pidfile %s cannot be opened: %s; does the process "
                       "run?",
                       path, strerror(errno));
    bool plain = fstat(fd, &seen) == 0 && S_ISREG(seen.st_mode);
    ssize_t size = plain ? read(fd, out, 31) : 0;
    close(fd);
    out[size > 0 ? size : 0] = '\0';
    *owner = seen.st_uid;
    if (!plain)
        return err_set(e, ERR_TARGET_RELOAD, "the pidfile %s is no plain file", path);
    if (seen.st_mode & S_IWOTH)
        return err_set(e, ERR_TARGET_RELOAD, "everybody may write the pidfile %s", path);
    return 0;
}

/* Who owns the pidfile directs our signal: at processes of theirs, unless it is root or us. */
static int check_owner(const char *path, uid_t owner, pid_t pid, struct err *e)
{
    char process[32];
    struct stat seen;
    snprintf(process, sizeof process, "/proc/%d", (int)pid);
    if (owner == 0 || owner == geteuid() || stat(process, &seen) < 0 || seen.st_uid == owner)
        return 0;
    return err_set(e, ERR_TARGET_RELOAD, "process %d is not of the user who owns the pidfile %s",
                   (int)pid, path);
}

/* A whole number above 1, and nothing else: 0 and negative ones mean groups, 1 the init. */
static int parse_pid(const char *path, const char *text, pid_t *out, struct err *e)
{
    size_t digits = strspn(text, "0123456789");
    long pid = digits && digits < 10 ? strtol(text, NULL, 10) : 0;
    if (pid <= 1 || text[digits + strspn(text + digits, " \t\r\n")] != '\0')
        return err_set(e, ERR_TARGET_RELOAD, "the pidfile %s holds no process id", path);
    if (pid == getpid())
        return err_set(e, ERR_TARGET_RELOAD, "the pidfile %s names this process itself", path);
    *out = (pid_t)pid;
    return 0;
}

/* number 0: only whether it could be sent. */
static int send_signal(const struct reload *reload, int number, pid_t *pid, struct err *e)
{
    const char *path = reload->pidfile->path;
    char text[32];
    uid_t owner = 0;
    if (read_pidfile(path, text, &owner, e) < 0 || parse_pid(path, text, pid, e) < 0 ||
        check_owner(path, owner, *pid, e) < 0)
        return -1;
    failpoint("signal", path);
    if (kill(*pid, number) == 0) {
        failpoint("signalled", path);
        return 0;
    }
    return errno == ESRCH
               ? err_set(e, ERR_TARGET_RELOAD, "there is no process %d, which the pidfile %s names",
                         (int)*pid, path)
               : err_set(e, ERR_TARGET_RELOAD, "process %d of the pidfile %s cannot be sent %s: %s",
                         (int)*pid, path, reload->signal_name, strerror(errno));
}

/* ---- by a command ---- */

static int run_command(const struct reload *reload, const struct target_context *context,
                       const struct target_certificate *certificate, struct err *e)
{
    char *name = mem_printf("CERTWRIGHT_CERTIFICATE=%s", certificate->name);
    char *version = mem_printf("CERTWRIGHT_VERSION=%lld", (long long)certificate->version);
    const char *const environment[] = {"CERTWRIGHT_EVENT=reload", name, version, NULL};
    const struct command_call call = {
        .name = reload->command, .environment = environment, .abort = context->abort};
    struct command_result result;
    int rc = commands_run(context->commands, &call, &result, e);
    free(name);
    free(version);
    return rc < 0 ? rc : command_result_check(reload->command, &result, e);
}

/* ---- by a webhook ---- */

static char *webhook_body(const struct target_certificate *certificate)
{
    struct json_object *body = json_object_new_object();
    json_object_object_add(body, "certificate", json_object_new_string(certificate->name));
    json_object_object_add(body, "version", json_object_new_int64(certificate->version));
    char *text = json_write(body);
    json_object_put(body);
    return text;
}

static int call_webhook(const struct reload *reload, const struct target_context *context,
                        const struct target_certificate *certificate, struct err *e)
{
    static const char *const headers[] = {"Content-Type: application/json", NULL};
    char *body = webhook_body(certificate);
    const struct acme_http_request request = {
        .method = "POST",
        .url = reload->webhook,
        .headers = headers,
        .body = body,
        .body_size = strlen(body),
    };
    struct acme_http_response response;
    int rc = acme_http_send(context->http, &request, &response, e);
    free(body);
    if (rc < 0)
        return -1;
    int status = response.status;
    acme_http_response_finish(&response);
    return status >= 200 && status < 300
               ? 0
               : err_set(e, ERR_TARGET_RELOAD, "the reload's webhook answered %d", status);
}

int reload_check(const struct reload *reload, struct err *e)
{
    pid_t pid = 0;
    return reload->pidfile ? send_signal(reload, 0, &pid, e) : 0;
}

int reload_run(const struct reload *reload, const struct target_context *context,
               const struct target_certificate *certificate, char message[RELOAD_MESSAGE_SIZE],
               struct err *e)
{
    int rc = 0;
    message[0] = '\0';
    if (reload->command) {
        rc = run_command(reload, context, certificate, e);
        snprintf(message, RELOAD_MESSAGE_SIZE, "ran the command %s", reload->command);
    } else if (reload->pidfile) {
        pid_t pid = 0;
        rc = send_signal(reload, reload->signal, &pid, e);
        snprintf(message, RELOAD_MESSAGE_SIZE, "sent %s to process %d", reload->signal_name,
                 (int)pid);
    } else if (reload->webhook) {
        rc = call_webhook(reload, context, certificate, e);
        snprintf(message, RELOAD_MESSAGE_SIZE, "called the webhook");
    }
    if (rc < 0 && e->code != ERR_SHUTDOWN)
        e->code = ERR_TARGET_RELOAD;
    return rc;
}

#include "server/config/options.h"

#include "acme/base/memory.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

void options_usage(FILE *to)
{
    fputs("usage: certwright serve [--config FILE] [--data DIR] [--listen ADDRESS]...\n"
          "                        [--ops-listen ADDRESS] [--workers N] [--log-level LEVEL]\n"
          "                        [--sandbox MODE]\n"
          "       certwright rekey [--config FILE] [--data DIR] [--listen ADDRESS]...\n"
          "                        [--new-key FILE]\n"
          "       certwright check-config FILE\n"
          "       certwright version\n"
          "\n"
          "  --config FILE         JSON with comments (CERTWRIGHT_CONFIG)\n"
          "  --data DIR            database, master key, admin token (CERTWRIGHT_DATA; ./data)\n"
          "  --listen ADDRESS      of the API (CERTWRIGHT_LISTEN, commas between;\n"
          "                        127.0.0.1:8555)\n"
          "  --ops-listen ADDRESS  /livez, /readyz and /metrics without a token\n"
          "                        (CERTWRIGHT_OPS_LISTEN; none)\n"
          "  --workers N           how many jobs are stepped at once, 1 to 64\n"
          "                        (CERTWRIGHT_WORKERS; 4)\n"
          "  --log-level LEVEL     debug, info, warn or error (CERTWRIGHT_LOG_LEVEL; info)\n"
          "  --sandbox MODE        auto, off or required: whether the process locks itself in\n"
          "                        (CERTWRIGHT_SANDBOX; auto, with what the kernel has)\n"
          "  --new-key FILE        of rekey: the master key to come, where it does not come from\n"
          "                        DIR; \"-\" is standard input\n"
          "\n"
          "rekey puts another master key in the place of the one in use. It asks the service that\n"
          "has DIR, by the first Unix socket of its listeners or the first one without TLS; while\n"
          "there is none, it does so itself. Say --config, --data and --listen as of serve.\n"
          "\n"
          "An ADDRESS is HOST:PORT, [v6]:PORT or unix:PATH. Flags beat the environment, which\n"
          "beats the file. Without a flag are\n"
          "\n"
          "  CERTWRIGHT_HTTP01_LISTEN, CERTWRIGHT_TLS_ALPN01_LISTEN\n"
          "                        where CAs look (http01_listen, tls_alpn01_listen)\n"
          "  CERTWRIGHT_MASTER_KEY_FILE, CERTWRIGHT_MASTER_KEY, CERTWRIGHT_MASTER_KEY_FD\n"
          "                        32 bytes as hex or base64 (master_key; DIR/master.key)\n"
          "  CERTWRIGHT_ADMIN_TOKEN_FILE\n"
          "                        the admin token, 16 characters at least (DIR/admin.token)\n"
          "\n"
          "Exit codes: 0 done, 1 failed (the log says why), 2 wrong usage, 3 the configuration\n"
          "is not valid, 4 another process has the data directory (rekey: and does not answer).\n",
          to);
}

void options_finish(struct options *options)
{
    free(options->listen);
    *options = (struct options){0};
}

enum {
    FLAG_CONFIG = 1000,
    FLAG_DATA,
    FLAG_LISTEN,
    FLAG_OPS_LISTEN,
    FLAG_WORKERS,
    FLAG_LOG_LEVEL,
    FLAG_SANDBOX,
    FLAG_NEW_KEY
};

static const struct option serve_flags[] = {
    {"config", required_argument, NULL, FLAG_CONFIG},
    {"data", required_argument, NULL, FLAG_DATA},
    {"listen", required_argument, NULL, FLAG_LISTEN},
    {"ops-listen", required_argument, NULL, FLAG_OPS_LISTEN},
    {"workers", required_argument, NULL, FLAG_WORKERS},
    {"log-level", required_argument, NULL, FLAG_LOG_LEVEL},
    {"sandbox", required_argument, NULL, FLAG_SANDBOX},
    {"help", no_argument, NULL, 'h'},
    {0},
};

static const struct option rekey_flags[] = {
    {"config", required_argument, NULL, FLAG_CONFIG},
    {"data", required_argument, NULL, FLAG_DATA},
    {"listen", required_argument, NULL, FLAG_LISTEN},
    {"new-key", required_argument, NULL, FLAG_NEW_KEY},
    {"help", no_argument, NULL, 'h'},
    {0},
};

static void add_listen(struct options *o, const char *address)
{
    o->listen = mem_grow(o->listen, o->flags.listen_count + 1, sizeof *o->listen);
    o->listen[o->flags.listen_count++] = address;
    o->flags.listen = o->listen;
}

static void take_flag(struct options *o, int flag, const char *value)
{
    const char **texts[] = {
        [FLAG_CONFIG - FLAG_CONFIG] = &o->flags.config,
        [FLAG_DATA - FLAG_CONFIG] = &o->flags.data,
        [FLAG_OPS_LISTEN - FLAG_CONFIG] = &o->flags.ops_listen,
        [FLAG_WORKERS - FLAG_CONFIG] = &o->flags.workers,
        [FLAG_LOG_LEVEL - FLAG_CONFIG] = &o->flags.log_level,
        [FLAG_SANDBOX - FLAG_CONFIG] = &o->flags.sandbox,
        [FLAG_NEW_KEY - FLAG_CONFIG] = &o->new_key,
    };
    if (flag == 'h')
        o->verb = OPTIONS_HELP;
    else if (flag == FLAG_LISTEN)
        add_listen(o, value);
    else
        *texts[flag - FLAG_CONFIG] = value;
}

/* argv[0] is the command's own name. */
static int parse_flags(int argc, char **argv, const struct option *flags, struct options *o,
                       struct err *e)
{
    int flag;
    optind = 0; /* begins anew, whoever has used it before */
    opterr = 0;
    while (o->verb != OPTIONS_HELP && (flag = getopt_long(argc, argv, ":h", flags, NULL)) >= 0) {
        if (flag == ':')
            return err_set(e, ERR_INVALID, "%s wants a value", argv[optind - 1]);
        if (flag == '?')
            return err_set(e, ERR_INVALID, "there is no flag %s", argv[optind - 1]);
        take_flag(o, flag, optarg);
    }
    if (o->verb != OPTIONS_HELP && optind < argc)
        return err_set(e, ERR_INVALID, "%s takes no %s", argv[0], argv[optind]);
    return 0;
}

static const char *const help[] = {"help", "--help", "-h", NULL};

static bool is_one_of(const char *text, const char *const *words)
{
    for (; *words; words++)
        if (!strcmp(text, *words))
            return true;
    return false;
}

static int parse_check(int argc, char **argv, struct options *o, struct err *e)
{
    if (argc != 2)
        return err_set(e, ERR_INVALID, "check-config takes one file");
    o->verb = argv[1][0] == '-' && is_one_of(argv[1], help) ? OPTIONS_HELP : OPTIONS_CHECK_CONFIG;
    o->flags.config = argv[1];
    return 0;
}

static int parse_rekey(int argc, char **argv, struct options *o, struct err *e)
{
    o->verb = OPTIONS_REKEY;
    o->flags.is_for_keys = true;
    return parse_flags(argc, argv, rekey_flags, o, e);
}

static int parse_command(int argc, char **argv, struct options *o, struct err *e)
{
    static const char *const version[] = {"version", "--version", "-V", NULL};
    o->verb = is_one_of(argv[0], help) ? OPTIONS_HELP : OPTIONS_VERSION;
    if (o->verb == OPTIONS_HELP || is_one_of(argv[0], version))
        return 0;
    if (!strcmp(argv[0], "check-config"))
        return parse_check(argc, argv, o, e);
    if (!strcmp(argv[0], "rekey"))
        return parse_rekey(argc, argv, o, e);
    o->verb = OPTIONS_SERVE;
    if (strcmp(argv[0], "serve") != 0)
        return err_set(e, ERR_INVALID, "there is no command %s", argv[0]);
    return parse_flags(argc, argv, serve_flags, o, e);
}

int options_parse(int argc, char **argv, struct options *out, struct err *e)
{
    struct options o = {0};
    if (argc < 2)
        return err_set(e, ERR_INVALID, "what is it to do? serve, rekey, check-config or version");
    if (parse_command(argc - 1, argv + 1, &o, e) < 0) {
        options_finish(&o);
        return -1;
    }
    *out = o;
    return 0;
}

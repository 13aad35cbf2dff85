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
          "is not valid, 4 another process serves the data directory.\n",
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
    FLAG_SANDBOX
};

static int parse_serve(int argc, char **argv, struct options *o, struct err *e)
{
    static const struct option flags[] = {
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
    int flag;
    optind = 0; /* begins anew, whoever has used it before */
    opterr = 0;
    while ((flag = getopt_long(argc, argv, ":h", flags, NULL)) >= 0) {
        switch (flag) {
        case FLAG_CONFIG:
            o->flags.config = optarg;
            break;
        case FLAG_DATA:
            o->flags.data = optarg;
            break;
        case FLAG_LISTEN:
            o->listen = mem_grow(o->listen, o->flags.listen_count + 1, sizeof *o->listen);
            o->listen[o->flags.listen_count++] = optarg;
            o->flags.listen = o->listen;
            break;
        case FLAG_OPS_LISTEN:
            o->flags.ops_listen = optarg;
            break;
        case FLAG_WORKERS:
            o->flags.workers = optarg;
            break;
        case FLAG_LOG_LEVEL:
            o->flags.log_level = optarg;
            break;
        case FLAG_SANDBOX:
            o->flags.sandbox = optarg;
            break;
        case 'h':
            o->verb = OPTIONS_HELP;
            return 0;
        case ':':
            return err_set(e, ERR_INVALID, "%s wants a value", argv[optind - 1]);
        default:
            return err_set(e, ERR_INVALID, "there is no flag %s", argv[optind - 1]);
        }
    }
    if (optind < argc)
        return err_set(e, ERR_INVALID, "serve takes no %s", argv[optind]);
    return 0;
}

static bool is_one_of(const char *text, const char *const *words)
{
    for (; *words; words++)
        if (!strcmp(text, *words))
            return true;
    return false;
}

int options_parse(int argc, char **argv, struct options *out, struct err *e)
{
    static const char *const help[] = {"help", "--help", "-h", NULL};
    static const char *const version[] = {"version", "--version", "-V", NULL};
    struct options o = {0};
    if (argc < 2)
        return err_set(e, ERR_INVALID, "what is it to do? serve, check-config or version");
    if (is_one_of(argv[1], help)) {
        o.verb = OPTIONS_HELP;
    } else if (is_one_of(argv[1], version)) {
        o.verb = OPTIONS_VERSION;
    } else if (!strcmp(argv[1], "check-config")) {
        if (argc != 3)
            return err_set(e, ERR_INVALID, "check-config takes one file");
        o.verb =
            argv[2][0] == '-' && is_one_of(argv[2], help) ? OPTIONS_HELP : OPTIONS_CHECK_CONFIG;
        o.flags.config = argv[2];
    } else if (strcmp(argv[1], "serve") != 0) {
        return err_set(e, ERR_INVALID, "there is no command %s", argv[1]);
    } else if (parse_serve(argc - 1, argv + 1, &o, e) < 0) {
        options_finish(&o);
        return -1;
    }
    *out = o;
    return 0;
}

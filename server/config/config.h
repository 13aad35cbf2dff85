/*
 * The configuration: read once, const while the program runs, passed by pointer.
 *
 * Flags beat the environment, which beats the file, which beats the defaults. The file is JSON
 * (RFC 8259) with comments of both kinds, // and slash-star. Members that are not known are
 * refused, and all mistakes are told at once, each with its place.
 *
 * In `resources` any string may be {"$file": PATH} (its text without the final line break; at most
 * 1 MiB; a relative PATH starts at the config file's directory) or {"$env": NAME}.
 */
#ifndef CERTWRIGHT_SERVER_CONFIG_CONFIG_H
#define CERTWRIGHT_SERVER_CONFIG_CONFIG_H

#include "acme/base/buffer.h"
#include "acme/base/error.h"
#include "acme/base/log.h"
#include "server/access/identity.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_object;
struct outgoing;

enum { CONFIG_WORKERS_DEFAULT = 4, CONFIG_WORKERS_MAX = 64 };
/* How long the audit trail goes back: a year, a day at least. */
enum { CONFIG_AUDIT_DEFAULT_S = 365 * 24 * 3600, CONFIG_AUDIT_MIN_S = 24 * 3600 };

/* What the command line says; NULL where it says nothing. All borrowed. */
struct config_flags {
    const char *config;
    const char *data;
    const char *const *listen; /* all of them together beat the environment's and the file's */
    size_t listen_count;
    const char *ops_listen;
    const char *workers;
    const char *sandbox;
    const char *log_level;
    /* For a command beside the service: `resources` and what they refer to are not read, and a
       master key's variable that is not there is told in config.master_key_lacks alone. */
    bool is_for_keys;
};

struct config_texts {
    char **items;
    size_t count;
};

enum config_client { CONFIG_CLIENT_NONE, CONFIG_CLIENT_OPTIONAL, CONFIG_CLIENT_REQUIRED };

/* Where the API is. */
struct config_listener {
    char *address;
    bool has_tls;
    char *certificate; /* the name of one that the service manages, or else these two files */
    char *cert_file;
    char *key_file;
    char *client_ca; /* a file; NULL: clients are not asked for certificates */
    enum config_client client;
    struct identity *identities;
    size_t identity_count;
    uint32_t scopes; /* 0: all */
};

struct config_listeners {
    struct config_listener *items;
    size_t count;
};

/* A command that the API may name: argv ends with NULL, argv[0] is absolute. */
struct config_command {
    char *name;
    char **argv;
};

/* A process that the API may have signalled: where its id is written. */
struct config_pidfile {
    char *name;
    char *path; /* absolute */
};

/* Whether the process locks itself in (server/start/sandbox.h). */
enum config_sandbox {
    CONFIG_SANDBOX_AUTO, /* with what the kernel has */
    CONFIG_SANDBOX_OFF,
    CONFIG_SANDBOX_REQUIRED,
};

/* Everything in it is owned. */
struct config {
    char *file;                     /* NULL: there is none */
    char *data;                     /* "./data" */
    char *user_agent;               /* "certwright/0.1.0" */
    char *language;                 /* "en"; NULL: no Accept-Language */
    char *ops_listen;               /* NULL: none */
    char *http01_listen;            /* NULL: none */
    char *tls_alpn01_listen;        /* NULL: none */
    struct config_listeners listen; /* {"127.0.0.1:8555"} */
    struct config_texts allowed_hosts;
    struct config_texts resolvers; /* none: the system's */
    bool resolvers_only;           /* do not ask authoritative name servers */
    struct config_texts file_roots;
    struct config_command *commands;
    size_t command_count;
    struct config_pidfile *pidfiles;
    size_t pidfile_count;
    struct outgoing *outgoing; /* where requests may go: what `outgoing` and `resources` say */
    enum config_sandbox sandbox;
    int requests_per_second; /* of each client; 0: as many as it likes */
    int request_burst;
    int failures_per_minute; /* of each address, to authenticate; 0 likewise */
    int client_streams;      /* of each client at once; 0 likewise */
    int client_waits;
    int workers;
    int audit_retention_seconds;
    enum log_level log_level;

    /* For the API's readers, which know what they mean. NULL: absent. */
    struct json_object *defaults;
    struct json_object *resources; /* kind → name → body; $file and $env are replaced */

    /* Where secrets come from; NULL or -1: not from there. */
    char *admin_token_file;
    char *master_key_file;
    char *master_key;       /* hex or base64 */
    char *master_key_lacks; /* the variable that should hold it, for is_for_keys alone */
    int master_key_fd;
    char *master_key_command; /* the name of one of commands */
};

/*
 * ERR_CONFIG with the first mistake and how many there are; complaints (may be NULL) gets a line
 * for each: "certwright.json: /listen/0: …". ERR_IO if the file cannot be read.
 */
int config_load(const struct config_flags *flags, struct config **out, struct buf *complaints,
                struct err *e);

/* Overwrites what may be secret. NULL is fine. */
void config_destroy(struct config *config);

#endif

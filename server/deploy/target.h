/*
 * Targets: where a certificate is installed. A type is a const struct in a static array, as the DNS
 * providers are. Its functions block (bounded by the limits of struct acme_http and of the command
 * helper), so workers call them.
 *
 * A deployment brings one version of one certificate to one target. The engine calls the type's
 * `step` again and again, and after each call commits the deployment's state; so a call does at
 * most one thing that the outside notices, and leaves in the state what it is about to do before it
 * does it, or what it has done. After a crash the same call comes again with the state of the last
 * commit: what may have happened is looked for before it is done (a step is told so by `resumed`).
 *
 * Settings are the target resource's JSON together with the parameters of the certificate's item:
 *   all cloud types   {"credential": "alibaba-cloud", "endpoint"?: URL, "region"?, "allow_test"?}
 *   aliyun-cas        {}
 *   aliyun-cdn        {"domains"?: [...]}: the certificate's own names unless given
 *   aliyun-dcdn       {"domains"?: [...]}
 *   aliyun-apigateway {"group_id", "domains"?: [...], "region" unless endpoint is given}
 *   files             {"directory": absolute, below a root; "path"?: relative to it, the
 *                      certificate's name unless given, "." for itself; "files"?: [...], "mode"?,
 *                      "owner"?, "group"?, "pkcs12"?: {...}, "reload"?: {...}}
 *   webhook           {"url", "credential"?: "webhook-secret"}
 *   exec              {"command": NAME}
 */
#ifndef CERTWRIGHT_SERVER_DEPLOY_TARGET_H
#define CERTWRIGHT_SERVER_DEPLOY_TARGET_H

#include "acme/base/error.h"
#include "acme/key.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct acme_http;
struct commands;
struct json_object;

/* What is to be installed: one version of a certificate. Borrowed. */
struct target_certificate {
    const char *name;
    int64_t version;
    const char *const *identifiers; /* what the certificate names, A-labels and addresses */
    size_t identifier_count;
    const char *leaf;      /* PEM */
    const char *chain;     /* PEM of the intermediates; may be "" */
    const struct key *key; /* NULL: the caller's own CSR was signed, so there is no key here */
    const char *serial;    /* hex */
    char fingerprint[65];  /* SHA-256 of the leaf's DER, lower-case hex */
    int64_t not_before_ms;
    int64_t not_after_ms;
};

/* A process to be signalled by name: the config's `pidfiles`. */
struct target_pidfile {
    const char *name;
    const char *path;
};

/* What a type works with; all of it borrowed, nothing of it shared with another thread. */
struct target_context {
    struct acme_http *http; /* made with allow_http, and with the system's trust */
    const struct commands *commands;
    const char *const *file_roots; /* absolute; ends with NULL */
    const struct target_pidfile *pidfiles;
    size_t pidfile_count;
    const char *scratch; /* a folder of ours (0700): see scratch.h; absolute */
    const char *target;  /* the resource's name */
    const char *job;     /* ULID of the deployment's job: unique to it, the same in each try */
    const struct json_object *settings; /* read only */
    struct json_object *credential;     /* read only; NULL: the target refers to none */
    const atomic_bool *abort;           /* set: running commands are ended; may be NULL */
};

enum { TARGET_MESSAGE_SIZE = 256 };

enum target_outcome {
    TARGET_AGAIN, /* the state is to be committed, then step is called again */
    TARGET_LATER, /* the same, but not before delay_ms */
    TARGET_DONE,  /* the certificate is installed and was seen to be */
};

/* One call's work. */
struct target_work {
    const struct target_certificate *certificate;
    /*
     * The type's own memory of this deployment: {} before the first version, kept from version to
     * version, at most 64 KiB as text and never a secret. step changes it in place. The engine adds
     * nothing to it. A type keeps apart what belongs to the version in it (it stores the version's
     * fingerprint beside) from what lasts (uploads that are to be cleaned up).
     */
    struct json_object *state;
    bool resumed;  /* an earlier call with this state may have reached the outside */
    int64_t polls; /* how often step asked for TARGET_LATER in a row */

    enum target_outcome outcome;       /* set by step */
    int64_t delay_ms;                  /* of TARGET_LATER */
    char message[TARGET_MESSAGE_SIZE]; /* for the timeline; "": nothing. "uploaded as 1234" */
};

/*
 * Errors: ERR_PROVIDER_UNREACHABLE (again later), ERR_PROVIDER_REFUSED, ERR_TARGET_MISSING,
 * ERR_TARGET_MISMATCH, ERR_TARGET_FILES, ERR_TARGET_RELOAD, ERR_COMMAND_FAILED, ERR_SHUTDOWN,
 * ERR_INVALID (the settings lack something), ERR_CONFLICT (there is no key to install).
 */
struct target_type {
    const char *name;
    const char *credential_type; /* NULL: it takes none */
    bool credential_required;
    bool needs_key; /* it cannot do without the private key */
    bool cloud;     /* it refuses certificates of test authorities, unless allow_test */

    int (*step)(const struct target_context *context, struct target_work *work, struct err *e);
    /*
     * Rehearses: says in message what step would do, and fails if it can tell that this would fail.
     * Changes nothing outside (a webhook is sent a ping). certificate may be NULL.
     */
    int (*test)(const struct target_context *context, const struct target_certificate *certificate,
                char message[TARGET_MESSAGE_SIZE], struct err *e);
};

/* The type of that name, or NULL. */
const struct target_type *target_type_by_name(const char *name);

/*
 * step and test behind what the types share: the credential is there if required, the key if
 * needed. On failure the state is as it was.
 */
int target_step(const struct target_type *type, const struct target_context *context,
                struct target_work *work, struct err *e);
int target_test(const struct target_type *type, const struct target_context *context,
                const struct target_certificate *certificate, char message[TARGET_MESSAGE_SIZE],
                struct err *e);

/* ---- for the types ---- */

/* The settings' array of texts `name`, or the certificate's identifiers if it is not there: names
   only, no addresses. The caller frees the list, not its texts; it ends with NULL. */
const char **target_domains(const struct target_context *context,
                            const struct target_certificate *certificate);

/* "certwright-NAME-FINGERPRINT", unique for each version and at most size - 1 characters: letters,
   digits and hyphens. */
void target_upload_name(const struct target_certificate *certificate, char *out, size_t size);

extern const struct target_type target_aliyun_cas;
extern const struct target_type target_aliyun_cdn;
extern const struct target_type target_aliyun_dcdn;
extern const struct target_type target_aliyun_apigateway;
extern const struct target_type target_files;
extern const struct target_type target_webhook;
extern const struct target_type target_exec;

#endif

/*
 * The secrets of a data directory: the master key that seals everything, and the admin token that
 * opens the API. Both are made at the first start, in files that only their owner reads.
 */
#ifndef CERTWRIGHT_SERVER_START_SECRETS_H
#define CERTWRIGHT_SERVER_START_SECRETS_H

#include "acme/base/error.h"
#include "store/store.h"

struct commands;
struct config;

/* Where the master key comes from; the first that is set. All NULL or -1: DIRECTORY/master.key. */
struct master_source {
    const char *text; /* 64 hex digits, or 43 characters of base64 of either alphabet */
    const char *file; /* not to be read by all, nor changed by its group */
    int fd;           /* read to its end and closed; -1: none */
    const char *command;
    const struct commands *commands; /* that it is one of */
};

/* As the config has it, from which it borrows. commands: NULL if the command is not to be run. */
struct master_source secrets_source_of(const struct config *config,
                                       const struct commands *commands);

/* Whether it comes from elsewhere than the directory. */
bool secrets_master_is_given(const struct master_source *source);

/*
 * Before anything is opened that could take its number: ERR_CONFIG unless the descriptor, if it
 * comes from one, is open. No program that is run from then on has it.
 */
int secrets_claim_descriptor(const struct master_source *source, struct err *e);

/*
 * Reads the master key; makes DIRECTORY/master.key (0600, durable before it is used) if no source
 * is given and the directory holds no database yet. ERR_SEAL if there is a database without a key,
 * or a key that waits for its place (master.h): a new one could not open what is sealed. ERR_CONFIG
 * for what is no key or no private file, ERR_COMMAND_FAILED. Nothing that is there is written to.
 * Under the directory's lock.
 */
int secrets_master(const char *directory, const struct master_source *source,
                   unsigned char out[SEAL_KEY_SIZE], struct err *e);

/*
 * What secrets_master would say of a text or a file, without anything being made. What can be read
 * once only (a pipe, a descriptor) or runs is left alone.
 */
int secrets_check_master(const struct master_source *source, struct err *e);
/* The same of secrets_admin_token and its token_file. */
int secrets_check_admin_token(const char *token_file, struct err *e);

/* A master key's text, found at from: ERR_CONFIG, which does not quote it, if it is none. */
int secrets_decode_master(const char *text, const char *from, unsigned char out[SEAL_KEY_SIZE],
                          struct err *e);

/*
 * Makes sure the database knows the admin token: the one in token_file if that is not NULL, else
 * the one in DIRECTORY/admin.token, which is made if the database knows none yet.
 */
int secrets_admin_token(struct store *store, const char *directory, const char *token_file,
                        struct err *e);

#endif

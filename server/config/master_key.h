/* Where the master key comes from. Private to server/config. */
#ifndef CERTWRIGHT_SERVER_CONFIG_MASTER_KEY_H
#define CERTWRIGHT_SERVER_CONFIG_MASTER_KEY_H

#include "server/config/config.h"
#include "server/config/settings.h"

/* The file's member `master_key`; after its commands. may_lack: a variable that is not in the
   environment is named in config->master_key_lacks, and nothing to complain of. */
void master_key_read(const struct settings *file, bool may_lack, struct config *config);

/*
 * CERTWRIGHT_MASTER_KEY, …_FILE and …_FD, of which one at most may be set; it beats the file. A key
 * that the environment holds is overwritten there, so that neither /proc nor a child shows it.
 */
void master_key_apply_environment(struct config *config, struct complaints *complaints);

#endif

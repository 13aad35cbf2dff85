/* The folder in which commands find what they are to read, and folders that are being written are
   noted. */
#ifndef CERTWRIGHT_SERVER_DEPLOY_SCRATCH_H
#define CERTWRIGHT_SERVER_DEPLOY_SCRATCH_H

#include "acme/base/error.h"

/* Makes the folder with 0700 if it is missing, and removes what a killed process left in it but
   the notes (folder_sweep_noted). Once, at the start of the process. ERR_IO. */
int target_scratch_clear(const char *scratch, struct err *e);

#endif

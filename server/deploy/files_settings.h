/* The settings of the target "files", read and judged. */
#ifndef CERTWRIGHT_SERVER_DEPLOY_FILES_SETTINGS_H
#define CERTWRIGHT_SERVER_DEPLOY_FILES_SETTINGS_H

#include "server/deploy/folder.h"
#include "server/deploy/material.h"
#include "server/deploy/reload.h"

#include <sys/types.h>

struct target_context;

struct files_settings {
    char *root;  /* the configured root that holds the folder */
    char *path;  /* below it; "": the root itself */
    char *shown; /* the whole of it */
    bool wanted[MATERIAL_COUNT];
    mode_t modes[MATERIAL_COUNT];
    uid_t owner; /* -1: as it is */
    gid_t group;
    struct material_pkcs12 pkcs12; /* borrows, as reload does */
    struct reload reload;
};

/* name: the certificate's, the default of "path" and of the PKCS#12's name. ERR_INVALID says which
   setting is wrong. The caller ends what it got with files_settings_finish. */
int files_settings_read(const struct target_context *context, const char *name,
                        struct files_settings *out, struct err *e);
void files_settings_finish(struct files_settings *settings);

#endif

/* A deployment made ready for its target's type: settings, opened credential, certificate, key. */
#ifndef CERTWRIGHT_SERVER_ENGINE_DEPLOY_USE_H
#define CERTWRIGHT_SERVER_ENGINE_DEPLOY_USE_H

#include "server/deploy/target.h"
#include "server/engine/step.h"
#include "store/target.h"

struct deploy_use {
    struct target row;
    const struct target_type *type;
    struct target_context context;
    bool allows_test;

    /* Of the version in use; has_certificate false: none is issued. */
    bool has_certificate;
    struct target_certificate certificate;
    struct version version;
    struct key *key;
    char **names;
};

/*
 * parameters: JSON text that goes before the target's own settings; NULL: none. The certificate is
 * the context's; id 0: there is none. ERR_NOT_FOUND if there is no such target.
 */
int deploy_use_open(struct step_context *c, const char *target, const char *parameters,
                    struct deploy_use *out, struct err *e);
void deploy_use_finish(struct deploy_use *use);

/* ERR_TARGET_UNTRUSTED for a test certificate on a target that does not allow it. */
int deploy_use_check_trust(const struct step_context *c, const struct deploy_use *use,
                           struct err *e);

#endif

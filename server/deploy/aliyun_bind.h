/*
 * Installing a certificate for domains that a service knows already (CDN, DCDN, API Gateway): all
 * of them are read first, so that nothing is installed while one is missing; then each that shows
 * another certificate is given ours, and read until it shows it.
 */
#ifndef CERTWRIGHT_SERVER_DEPLOY_ALIYUN_BIND_H
#define CERTWRIGHT_SERVER_DEPLOY_ALIYUN_BIND_H

#include "server/deploy/aliyun.h"

/* What a domain shows. */
struct aliyun_shown {
    char name[ALIYUN_NAME_SIZE]; /* of the certificate; "" for none */
    char fingerprint[65];        /* of its leaf; "" if the service does not tell */
    bool on;                     /* it is in use */
};

struct aliyun_binding {
    struct aliyun_service service;
    size_t name_max; /* the longest name of a certificate, in characters */
    char separator;  /* in that name */

    /* One call each. domain is as the certificate names it. ERR_TARGET_MISSING if the service does
       not know it, and as aliyun_call. set fills code if the service refuses. */
    int (*read)(const struct target_context *context, const struct aliyun *a, const char *domain,
                struct aliyun_shown *out, struct err *e);
    int (*set)(const struct target_context *context, const struct aliyun *a, const char *domain,
               const char *name, const struct aliyun_material *material,
               char code[ALIBABA_CODE_SIZE], struct err *e);
    /* Reads anything: shows that the credential works where no domain is known. */
    int (*probe)(const struct target_context *context, const struct aliyun *a, struct err *e);
};

/* The step and the test of a type. */
int aliyun_bind_step(const struct aliyun_binding *binding, const struct target_context *context,
                     struct target_work *work, struct err *e);
int aliyun_bind_test(const struct aliyun_binding *binding, const struct target_context *context,
                     const struct target_certificate *certificate,
                     char message[TARGET_MESSAGE_SIZE], struct err *e);

#endif

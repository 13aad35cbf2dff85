/*
 * What the Alibaba Cloud targets share: settings, endpoints, one call, reading back.
 *
 * The state of all of them is {"fingerprint", "mark", "phase", …}: what belongs to one version of
 * the certificate, told by the SHA-256 of its leaf, and to one job at one place; and "uploads",
 * which outlives versions.
 */
#ifndef CERTWRIGHT_SERVER_DEPLOY_ALIYUN_H
#define CERTWRIGHT_SERVER_DEPLOY_ALIYUN_H

#include "server/deploy/target.h"
#include "server/outside/alibaba.h"

enum { ALIYUN_ID_SIZE = 24, ALIYUN_ENDPOINT_SIZE = 256, ALIYUN_NAME_SIZE = 160 };

/* One product's API. Its endpoint is NAME.aliyuncs.com or NAME.REGION.aliyuncs.com. */
struct aliyun_service {
    const char *name;           /* "cas" */
    const char *version;        /* "2020-04-07" */
    const char *const *regions; /* those with an endpoint of their own; ends with NULL, may be it */
    bool regional;              /* each region has its own, and there is no other */
};

/* A product of one account, ready to be called. Borrows from the context. */
struct aliyun {
    struct acme_http *http;
    struct alibaba_credential credential;
    char endpoint[ALIYUN_ENDPOINT_SIZE];
    const char *version;
};

/* ERR_INVALID if the settings or the credential lack something. */
int aliyun_open(const struct target_context *context, const struct aliyun_service *service,
                struct aliyun *out, struct err *e);

/* As alibaba_call; what a success says passes to the caller, who ends it with json_object_put. */
int aliyun_call(const struct aliyun *a, const char *action,
                const struct alibaba_parameter *parameters, struct json_object **out,
                char code[ALIBABA_CODE_SIZE], struct err *e);

/* Whether a refusal's code says that the name is taken: by ourselves, since ours are unique. */
bool aliyun_code_is_duplicate(const char *code);
/* Whether it says that what the call is about does not exist; not the access key or the action. */
bool aliyun_code_is_missing(const char *code);

/* A member that is a number or digits. Whether there is one. */
bool aliyun_id_of(const struct json_object *object, const char *name, char out[ALIYUN_ID_SIZE]);

/* The SHA-256 of the first certificate in pem in hex, or "" if it cannot be read. */
void aliyun_fingerprint(const char *pem, char out[65]);

/* What is uploaded. Finish it with aliyun_material_finish, which overwrites the key. */
struct aliyun_material {
    struct buf fullchain;
    struct buf key;
};

int aliyun_material_read(const struct target_certificate *certificate, struct aliyun_material *out,
                         struct err *e);
void aliyun_material_finish(struct aliyun_material *material);

/*
 * Whether the state is about this version and not at its end, and of this job, endpoint, access key
 * and API group: what another job or another account was told may not be so any more. If not it is
 * begun anew: nothing but "uploads" is kept, and phase is where it starts.
 */
bool aliyun_state_is_current(const struct target_context *context, const struct aliyun *a,
                             const struct target_work *work);
void aliyun_state_begin(const struct target_context *context, const struct aliyun *a,
                        struct target_work *work, const char *phase);

void aliyun_set_text(struct json_object *object, const char *name, const char *value);

#endif

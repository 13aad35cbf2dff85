/* The body of /accounts and /accounts/{name}. */
#ifndef CERTWRIGHT_SERVER_API_SPEC_ACCOUNT_H
#define CERTWRIGHT_SERVER_API_SPEC_ACCOUNT_H

#include "acme/base/buffer.h"
#include "acme/jws.h"
#include "server/api/spec_common.h"

struct spec_account {
    char *name; /* of a POST; NULL unless given */
    char *authority;
    char *contacts; /* JSON array of mailto: URLs, sorted, unique */
    bool terms_of_service_agreed;
    bool only_existing;
    struct spec_key key;
    char *eab_kid;      /* NULL: no external account binding */
    struct buf eab_key; /* the decoded MAC key; secret */
    enum jws_mac eab_mac;
    int64_t retry_for_ms; /* -1 unless given */
};

/* with_name: whether `name` may be there (a POST). */
int spec_account_read(struct json_object *body, bool with_name, struct fields *errors,
                      struct spec_account *out);
void spec_account_finish(struct spec_account *spec);

/* The body of a PATCH: what changes. */
struct spec_account_patch {
    char *contacts; /* as above; NULL unless given */
    bool terms_of_service_agreed;
};
int spec_account_patch_read(struct json_object *body, struct fields *errors,
                            struct spec_account_patch *out);
void spec_account_patch_finish(struct spec_account_patch *patch);

/* What PUT compares: all but name and retry_for_seconds, canonical. The caller frees. */
char *spec_account_normalized(const struct spec_account *spec, spec_fingerprint_fn *fingerprint,
                              void *context);

#endif

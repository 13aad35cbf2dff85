/* The body of /certificates and /certificates/{name}. */
#ifndef CERTWRIGHT_SERVER_API_SPEC_CERTIFICATE_H
#define CERTWRIGHT_SERVER_API_SPEC_CERTIFICATE_H

#include "acme/base/buffer.h"
#include "acme/identifier.h"
#include "server/api/spec_common.h"
#include "server/api/target_items.h"

struct spec_certificate {
    char *name; /* of a POST: the given one, or made of the first identifier; else NULL */
    struct identifier *ids; /* sorted, unique; the CSR's if there is one */
    size_t id_count;
    char *account;       /* NULL unless given; never with authority */
    char *authority;     /* NULL unless given */
    char *profile;       /* NULL: the CA's default */
    int64_t validity_ms; /* 0: the CA's own */
    struct spec_key key;
    bool key_reuse;
    bool key_exportable_given;
    bool key_exportable;                        /* true unless given */
    struct buf csr;                             /* DER; empty: ours to make */
    char csr_spki_sha256[KEY_SPKI_SHA256_SIZE]; /* "" likewise */
    char *email;                                /* for the subject; NULL */
    char *challenge_type;                       /* "http-01", …; NULL: solvers by zone */
    char *challenge_solver;                     /* NULL unless given */
    int64_t challenge_persist_until;            /* wall time, ms; 0: unless given */
    char *preferred_chain;                      /* NULL */
    char *labels;                               /* JSON object of strings, canonical */
    bool targets_given;                         /* else the defaults' are meant */
    struct target_items targets;
    int64_t retry_for_ms;    /* -1 unless given */
    struct spec_renew renew; /* unless given, the defaults' is meant */
};

/* with_name: whether `name` may be there (a POST). */
int spec_certificate_read(struct json_object *body, bool with_name, struct fields *errors,
                          struct spec_certificate *out);
void spec_certificate_finish(struct spec_certificate *spec);

/* The body of a PATCH: at least one of them. */
struct spec_certificate_patch {
    char *labels; /* canonical; NULL unless given */
    bool targets_given;
    struct target_items targets;
    struct spec_renew renew;
    bool keeps_key; /* key.exportable false */
};

int spec_certificate_patch_read(struct json_object *body, struct fields *errors,
                                struct spec_certificate_patch *out);
void spec_certificate_patch_finish(struct spec_certificate_patch *patch);

/* What a certificate is called unless told, after its first name: "*." is spelt "wildcard.", and
   the colons of an IPv6 address are hyphens. The caller frees. */
char *spec_certificate_name(const struct identifier *first);

/* The identifiers as a JSON array of strings; the caller frees. */
char *spec_certificate_identifiers(const struct spec_certificate *spec);

/* challenge as a JSON object {type, solver?, persist_until?}; NULL unless given. The caller frees.
 */
char *spec_certificate_challenge(const struct spec_certificate *spec);

/*
 * What PUT compares to tell whether a new version is wanted: all but name, labels, targets,
 * renew, retry_for_seconds and key.exportable, canonical. The caller frees.
 */
char *spec_certificate_normalized(const struct spec_certificate *spec);

#endif

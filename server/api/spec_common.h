/*
 * What the readers of resources share. A reader (spec_X_read) takes an API body or an entry of the
 * config's resources, complains of every mistake in errors, and fills out only if there is none; it
 * returns 0 or -1. It looks at the body alone: whether a named account exists is asked elsewhere.
 */
#ifndef CERTWRIGHT_SERVER_API_SPEC_COMMON_H
#define CERTWRIGHT_SERVER_API_SPEC_COMMON_H

#include "acme/key.h"
#include "server/api/fields.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SPEC_FINGERPRINT_SIZE = 65 };

/* Stands for a secret in a normalized spec: equal for equal secrets, and tells nothing else. */
typedef void spec_fingerprint_fn(void *context, const void *data, size_t size,
                                 char out[SPEC_FINGERPRINT_SIZE]);

/* `key`: a type to make, or a given key. */
struct spec_key {
    bool type_given;
    enum key_type type; /* EC P-256 unless given; a given key's own */
    struct key *key;    /* NULL: to be made; owned */
};

void spec_key_finish(struct spec_key *key);

/* Reads the member `key` of m; others are members that are allowed beside type and pem, or NULL,
 *and members gets what was found (object NULL: there is none). */
void spec_key_read(const struct members *m, const char *const others[2], struct spec_key *out,
                   struct members *members);

/* {"type"} or {"spki_sha256"} as JSON, NULL if neither was given. */
struct json_object *spec_key_normalized(const struct spec_key *key);

/* retry_for_seconds in milliseconds; -1 unless given. */
int64_t spec_retry_for_ms(const struct members *m);

/* `renew`: whether and when a certificate is renewed by itself. */
struct spec_renew {
    bool given;
    bool enabled;      /* true unless given */
    int64_t before_ms; /* 0 unless given: by its life */
    bool use_ari;      /* true unless given */
};

void spec_renew_read(const struct members *m, struct spec_renew *out);

/* SHA-256 in lower-case hex. */
void spec_sha256(const void *data, size_t size, char out[SPEC_FINGERPRINT_SIZE]);

/* A new string, or NULL for NULL. */
struct json_object *spec_text(const char *text);

#endif

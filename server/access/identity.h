/*
 * Who a peer is by other means than a token: its user or group on a Unix socket, or its client
 * certificate. The config says which of them has a name here.
 */
#ifndef CERTWRIGHT_SERVER_ACCESS_IDENTITY_H
#define CERTWRIGHT_SERVER_ACCESS_IDENTITY_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum identity_kind {
    IDENTITY_UID,
    IDENTITY_GID,     /* primary or supplementary */
    IDENTITY_SAN,     /* "dns:NAME", "uri:URI", "email:ADDRESS" or "ip:ADDRESS" */
    IDENTITY_SUBJECT, /* RFC 4514 text, as `openssl x509 -subject -nameopt RFC2253` has it */
    IDENTITY_SPKI,    /* SHA-256 of the SubjectPublicKeyInfo, lower-case hex */
};

/* Its texts are owned by whoever made it. */
struct identity {
    char *name;
    enum identity_kind kind;
    uint32_t id;     /* of a user or group */
    char *text;      /* of a certificate */
    uint32_t scopes; /* see scope.h */
};

struct identities {
    const struct identity *items;
    size_t count;
};

/* The first that the peer of a connected Unix socket is, or NULL. */
const struct identity *identity_of_peer(const struct identities *list, int fd);

/* The first that a certificate, verified before, is; or NULL. */
const struct identity *identity_of_certificate(const struct identities *list, X509 *certificate);

#endif

#include "server/access/identity.h"

#include "acme/base/memory.h"
#include "acme/key.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

/* ---- users and groups ---- */

/* The supplementary groups of the peer; the caller frees. */
static gid_t *groups_of(int fd, size_t *count)
{
    socklen_t size = 64 * sizeof(gid_t);
    gid_t *groups = mem_new(1, size);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) < 0) {
        /* Too small a buffer is told with the size that it takes. */
        groups = mem_grow(groups, 1, size ? size : sizeof(gid_t));
        if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) < 0)
            size = 0;
    }
    *count = size / sizeof(gid_t);
    return groups;
}

static bool is_among(gid_t gid, const gid_t *groups, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (groups[i] == gid)
            return true;
    return false;
}

const struct identity *identity_of_peer(const struct identities *list, int fd)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
        return NULL;
    size_t count;
    gid_t *groups = groups_of(fd, &count);
    const struct identity *found = NULL;
    for (size_t i = 0; i < list->count && !found; i++) {
        const struct identity *item = &list->items[i];
        if ((item->kind == IDENTITY_UID && item->id == peer.uid) ||
            (item->kind == IDENTITY_GID &&
             (item->id == peer.gid || is_among(item->id, groups, count))))
            found = item;
    }
    free(groups);
    return found;
}

/* ---- certificates ---- */

/* "1.2.3.4" in raw form, as a certificate has it; 0: it is no address. */
static size_t address_bytes(const char *text, unsigned char out[16])
{
    if (inet_pton(AF_INET, text, out) == 1)
        return 4;
    return inet_pton(AF_INET6, text, out) == 1 ? 16 : 0;
}

static bool name_is(const ASN1_STRING *name, const char *text, bool is_host)
{
    size_t size = (size_t)ASN1_STRING_length(name);
    const char *data = (const char *)ASN1_STRING_get0_data(name);
    if (size != strlen(text) || memchr(data, '\0', size))
        return false;
    return is_host ? !strncasecmp(data, text, size) : !memcmp(data, text, size);
}

static bool address_is(const ASN1_STRING *name, const char *text)
{
    unsigned char raw[16];
    size_t size = address_bytes(text, raw);
    return size > 0 && (size_t)ASN1_STRING_length(name) == size &&
           !memcmp(ASN1_STRING_get0_data(name), raw, size);
}

/* text: "dns:NAME" and so on. A wildcard is but a name that begins so: it stands for no others. */
static bool general_name_is(const GENERAL_NAME *name, const char *text)
{
    int type;
    const void *value = GENERAL_NAME_get0_value(name, &type);
    if (type == GEN_DNS && !strncmp(text, "dns:", 4))
        return name_is(value, text + 4, true);
    if (type == GEN_URI && !strncmp(text, "uri:", 4))
        return name_is(value, text + 4, false);
    if (type == GEN_EMAIL && !strncmp(text, "email:", 6))
        return name_is(value, text + 6, false);
    if (type == GEN_IPADD && !strncmp(text, "ip:", 3))
        return address_is(value, text + 3);
    return false;
}

static bool has_name(X509 *certificate, const char *text)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    bool found = false;
    for (int i = 0; i < sk_GENERAL_NAME_num(names) && !found; i++)
        found = general_name_is(sk_GENERAL_NAME_value(names, i), text);
    GENERAL_NAMES_free(names);
    return found;
}

static bool has_subject(X509 *certificate, const char *text)
{
    BIO *bio = BIO_new(BIO_s_mem());
    if (!bio)
        mem_exhausted();
    char *data;
    X509_NAME_print_ex(bio, X509_get_subject_name(certificate), 0,
                       XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB);
    long size = BIO_get_mem_data(bio, &data);
    bool is = size > 0 && (size_t)size == strlen(text) && !memcmp(data, text, (size_t)size);
    BIO_free(bio);
    return is;
}

static bool has_key(X509 *certificate, const char *text)
{
    struct err ignored;
    char spki[KEY_SPKI_SHA256_SIZE];
    EVP_PKEY *key = X509_get0_pubkey(certificate);
    return key && key_spki_sha256_of(key, spki, &ignored) == 0 && !strcmp(spki, text);
}

static bool is_of(X509 *certificate, const struct identity *identity)
{
    switch (identity->kind) {
    case IDENTITY_SAN:
        return has_name(certificate, identity->text);
    case IDENTITY_SUBJECT:
        return has_subject(certificate, identity->text);
    case IDENTITY_SPKI:
        return has_key(certificate, identity->text);
    case IDENTITY_UID:
    case IDENTITY_GID:
        break;
    }
    return false;
}

const struct identity *identity_of_certificate(const struct identities *list, X509 *certificate)
{
    const struct identity *found = NULL;
    for (size_t i = 0; i < list->count && !found; i++)
        if (is_of(certificate, &list->items[i]))
            found = &list->items[i];
    ERR_clear_error();
    return found;
}

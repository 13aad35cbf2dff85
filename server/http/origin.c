#include "server/http/origin.h"

#include "acme/base/clock.h"
#include "server/access/identity.h"
#include "server/http/address.h"
#include "server/http/server_private.h"

#include <openssl/ssl.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <time.h>

static void fill_addresses(int fd, struct connection_origin *out)
{
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof address;
    if (getsockname(fd, (struct sockaddr *)&address, &size) == 0)
        address_host(&address, out->own_address, sizeof out->own_address);
    size = sizeof address;
    if (getpeername(fd, (struct sockaddr *)&address, &size) == 0)
        address_host(&address, out->peer_address, sizeof out->peer_address);
}

static void identify_peer(const struct listener *listener, int fd, struct connection_origin *out)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
        return;
    out->uid = peer.uid;
    out->identity = identity_of_peer(&listener->identities, fd);
}

/* The listener tells of the family, not the socket: on TCP SO_PEERCRED "succeeds" too, with a uid
   that is none, and within a socket pair it would be our own. */
void origin_of_socket(const struct listener *listener, int fd, struct connection_origin *out)
{
    *out = (struct connection_origin){.listener = listener, .uid = -1};
    if (listener->is_unix)
        identify_peer(listener, fd, out);
    else
        fill_addresses(fd, out);
}

/* A connection may outlive the certificate that it began with. 1, long ago, if that has no end. */
static int64_t end_of(const X509 *certificate)
{
    struct tm end;
    if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end) != 1)
        return 1;
    return (int64_t)timegm(&end) * CLOCK_SECOND_MS;
}

void origin_of_tls(const struct listener *listener, int fd, const SSL *ssl,
                   struct connection_origin *out)
{
    *out = (struct connection_origin){
        .listener = listener, .uid = -1, .shown = SSL_get_certificate(ssl)};
    fill_addresses(fd, out);
    if (out->shown)
        X509_up_ref(out->shown);
    X509 *certificate = SSL_get0_peer_certificate(ssl);
    if (!certificate || SSL_get_verify_result(ssl) != X509_V_OK)
        return;
    out->identity = identity_of_certificate(&listener->identities, certificate);
    out->identity_until_ms = end_of(certificate);
}

const struct identity *origin_identity(const struct connection_origin *origin)
{
    bool is_over = origin->identity_until_ms && origin->identity_until_ms < clock_wall_ms();
    return is_over ? NULL : origin->identity;
}

bool origin_is_nobody(const struct connection_origin *origin)
{
    return origin->identity_until_ms && !origin->identity;
}

void origin_finish(struct connection_origin *origin)
{
    X509_free(origin->shown);
    *origin = (struct connection_origin){0};
}

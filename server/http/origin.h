/* Where a connection comes from: the listener, the addresses, and who the peer is without a token.
   Private to server/http. */
#ifndef CERTWRIGHT_SERVER_HTTP_ORIGIN_H
#define CERTWRIGHT_SERVER_HTTP_ORIGIN_H

#include <netinet/in.h>
#include <openssl/types.h>
#include <stdbool.h>
#include <stdint.h>

struct identity;
struct listener;

/* All zeros is none. */
struct connection_origin {
    const struct listener *listener;
    char own_address[INET6_ADDRSTRLEN];  /* that the client came to; "" for a Unix socket */
    char peer_address[INET6_ADDRSTRLEN]; /* likewise */
    int64_t uid;                         /* of the other end of a Unix socket, else -1 */
    const struct identity *identity;     /* that the config gives the peer; NULL: none */
    int64_t identity_until_ms;           /* of its certificate, wall time; 0: it has shown none */
    X509 *shown;                         /* over TLS: our certificate; owned */
};

/* fd: an accepted socket of that listener. */
void origin_of_socket(const struct listener *listener, int fd, struct connection_origin *out);

/* fd: the client's side of a handshake that is done. */
void origin_of_tls(const struct listener *listener, int fd, const SSL *ssl,
                   struct connection_origin *out);

/* Who the peer is now: nobody once its certificate has expired. */
const struct identity *origin_identity(const struct connection_origin *origin);

/* Whether it has shown a certificate that is good, but none of the identities'. */
bool origin_is_nobody(const struct connection_origin *origin);

void origin_finish(struct connection_origin *origin);

#endif

/*
 * TLS of a listener: what it shows, and whose certificates it takes. OpenSSL stands in front of
 * libmicrohttpd, whose own TLS would be GnuTLS: a second library for cryptography, fed with a
 * private key in plain memory, on the few threads that have to answer everybody.
 */
#ifndef CERTWRIGHT_SERVER_HTTP_TLS_H
#define CERTWRIGHT_SERVER_HTTP_TLS_H

struct key;

enum http_tls_client {
    HTTP_TLS_CLIENT_NONE,
    HTTP_TLS_CLIENT_OPTIONAL, /* one that is shown has to be good */
    HTTP_TLS_CLIENT_REQUIRED,
};

struct http_tls_material {
    const char *chain_pem; /* leaf first */
    const struct key *key;
    const char *client_ca_pem; /* who may have issued clients' certificates; NULL: none are asked */
};

#endif

/*
 * The certificates that our own TLS listeners show: of this service, taken from the store whenever
 * there is a new version, or from files, read again when these change.
 */
#ifndef CERTWRIGHT_SERVER_START_SERVED_CERTIFICATES_H
#define CERTWRIGHT_SERVER_START_SERVED_CERTIFICATES_H

#include "acme/base/error.h"
#include "server/config/config.h"

#include <stddef.h>

struct http_server;
struct http_tls_material;
struct served_certificates;
struct store;

/*
 * Loads what each listener of the config shows first: for a certificate that is not issued yet a
 * self-signed one, so that the API can be reached to get it. Both are borrowed. ERR_CONFIG for
 * files that do not do; ERR_STORE and ERR_SEAL.
 */
int served_certificates_create(const struct config *config, struct store *store,
                               struct served_certificates **out, struct err *e);

/* Told of a file by its member of the listener's `tls`; NULL: of all together. */
typedef void served_certificates_tell(void *context, const char *member, const char *detail);

/* Tells of each of the listener's files that does not do, or that they do not do together. */
void served_certificates_check(const struct config_listener *from, served_certificates_tell *tell,
                               void *context);

/* Of listener i; NULL if it has no TLS. Borrowed until served_certificates_watch. */
const struct http_tls_material *served_certificates_first(const struct served_certificates *served,
                                                          size_t i);

/* From now on the server, whose listeners are in the config's order, gets what is new. ERR_IO. */
int served_certificates_watch(struct served_certificates *served, struct http_server *server,
                              struct err *e);

/* Something was committed. Any thread; never blocks. */
void served_certificates_notify(struct served_certificates *served);

/* Before the server's end and the store's. NULL is fine. */
void served_certificates_destroy(struct served_certificates *served);

#endif

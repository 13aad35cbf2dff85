/* Where to listen: "HOST:PORT", "[v6]:PORT", "unix:PATH". For server/http and server/start. */
#ifndef CERTWRIGHT_SERVER_HTTP_ADDRESS_H
#define CERTWRIGHT_SERVER_HTTP_ADDRESS_H

#include "acme/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

/* A bound socket. All zeros with fd -1 is none. */
struct bound_address {
    int fd;             /* listens, does not block */
    char *name;         /* "127.0.0.1:8555" or "unix:PATH", as it is bound */
    char *given_host;   /* HOST as it was given, without brackets; NULL for a Unix socket */
    char *unix_path;    /* NULL for TCP */
    bool is_local_only; /* loopback or a Unix socket */
};

enum address_reach {
    ADDRESS_AS_GIVEN,
    ADDRESS_ALL_OF_ANY, /* "[::]" takes IPv4 too: for CAs, which look at every address of a name */
    ADDRESS_FOR_ALL,    /* a Unix socket that every user may connect to, as to loopback */
};

/*
 * Binds and listens. A Unix socket gets mode 0660, or 0666 with ADDRESS_FOR_ALL; one that nobody
 * listens on any more is replaced. ERR_CONFIG if it is no address, ERR_IO if the system refuses it
 * (it may be free in a moment); the sentence names it.
 */
int address_listen(const char *address, enum address_reach reach, struct bound_address *out,
                   struct err *e);

/* What address_listen would be asked to bind. */
struct found_address {
    char *host;         /* as given_host; the caller frees */
    bool is_local_only; /* likewise, of the first that would be tried */
};

/* Binds nothing; the host is looked up, which blocks. ERR_CONFIG as above. */
int address_look_up(const char *address, struct found_address *out, struct err *e);

/* Closes, and removes a Unix socket's file. */
void address_finish(struct bound_address *bound);

/* Closes the socket alone, so that nobody connects any more. */
void address_stop(struct bound_address *bound);

/* A numeric host in its one canonical text, without brackets or port. Returns 0, or -1 if the
   address is of another family or does not fit. */
int address_host(const struct sockaddr_storage *address, char *out, size_t size);

#endif

/*
 * The accounts' keys that steps are using. Several jobs of one account share its key for as long as
 * any of them uses it, since to open it takes as long as to sign with it; then it is gone.
 */
#ifndef CERTWRIGHT_SERVER_ENGINE_OPEN_KEYS_H
#define CERTWRIGHT_SERVER_ENGINE_OPEN_KEYS_H

#include "acme/key.h"

struct open_keys;

struct open_keys *open_keys_create(void);
void open_keys_destroy(struct open_keys *keys);

/* The open key of that thumbprint (RFC 7638) for one more user, or NULL; thumbprint may be NULL. */
struct key *open_keys_take(struct open_keys *keys, const char *thumbprint);

/* Takes a key that was opened over; *key is then the one to use, perhaps another one of the same
   thumbprint. On failure the key stays the caller's. */
int open_keys_share(struct open_keys *keys, struct key **key, struct err *e);

/* One user less; the last one's leaving destroys the key. NULL is no key. */
void open_keys_leave(struct open_keys *keys, struct key *key);

#endif

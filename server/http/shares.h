/*
 * How much of something that there is only so much of each client holds at once: streams, requests
 * that wait. Exact, unlike clients.h, since what is held is given back. Private to server/http.
 */
#ifndef CERTWRIGHT_SERVER_HTTP_SHARES_H
#define CERTWRIGHT_SERVER_HTTP_SHARES_H

#include <stdbool.h>
#include <stddef.h>

struct share;
struct shares;

/* max: of one client; 0: as many as it likes. */
struct shares *shares_create(size_t max);
/* After all was given back. */
void shares_destroy(struct shares *shares);

/* One more for that client; NULL if it holds max of them. Any thread. */
struct share *shares_take(struct shares *shares, const char *who);

/* Gives one back; NULL: nothing. Any thread. */
void shares_give(struct shares *shares, struct share *share);

#endif

/*
 * How many requests a client may send: a bucket of tokens each. The table has a fixed size; when it
 * is full, whoever has asked least of late is forgotten first. Private to server/http.
 */
#ifndef CERTWRIGHT_SERVER_HTTP_CLIENTS_H
#define CERTWRIGHT_SERVER_HTTP_CLIENTS_H

#include <stdint.h>

struct clients;

/* period_us: how long it takes until a client may send one more; burst: how many it may send at
   once. NULL, which is no limit, if period_us is 0. */
struct clients *clients_create(int64_t period_us, int burst);
void clients_destroy(struct clients *clients);

/* Takes one request of a client's, at now_us of any steady clock; 0, or in how many microseconds it
   may come (then nothing is taken). clients NULL: 0. Any thread. */
int64_t clients_take(struct clients *clients, const char *who, int64_t now_us);

#endif

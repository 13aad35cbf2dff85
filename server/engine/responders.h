/* The challenges that this process answers itself, by their duties: http-01 and tls-alpn-01. */
#ifndef CERTWRIGHT_SERVER_ENGINE_RESPONDERS_H
#define CERTWRIGHT_SERVER_ENGINE_RESPONDERS_H

#include "server/engine/engine.h"
#include "store/order.h"

struct step_context;

/* Whether challenges of that type are (NULL: no). It is the name of their duties' solver, too. */
bool responders_do(const char *challenge_type);

/*
 * From now on the duty's challenge is answered: its record_name is the token of http-01 or the
 * identifier of tls-alpn-01, its record_value the key authorization, its owner the order.
 * ERR_CONFLICT while tls-alpn-01 of another order is under way for the name; ERR_NO_CHALLENGE
 * without a listener for it.
 */
int responders_add(const struct engine_options *options, const struct duty *duty, struct err *e);
void responders_remove(const struct engine_options *options, const struct duty *duty);

/* At the end of a job: what its order answers without a duty, since a commit was refused. */
void responders_take_back(const struct step_context *c);

/* At the start: every challenge that was up is answered again. */
int responders_fill(const struct engine_options *options, struct db *db, struct err *e);

#endif

/* The end of a job that cannot go on: its rows cannot be loaded, or what its steps come to cannot
   be committed. */
#ifndef CERTWRIGHT_SERVER_ENGINE_ABANDON_H
#define CERTWRIGHT_SERVER_ENGINE_ABANDON_H

#include "server/engine/step.h"

/*
 * Ends the claimed job as failed with that error. Its kind tidies up after it, if c->loaded and if
 * the database takes that; else its certificate is let go, and at the least the row is ended.
 */
int abandon_job(struct store *store, struct step_context *c, const struct job *job,
                const struct err *why, struct err *e);

#endif

/*
 * Places at which a test has the process die: before and after whatever is durable or is noticed by
 * the outside. They are there in builds with CERTWRIGHT_FAILPOINTS alone; elsewhere, a release
 * included, a fail point is nothing.
 *
 * Two variables of the environment, read at the first point:
 *   CERTWRIGHT_FAILPOINT=N           the process kills itself (SIGKILL) at the N-th point it comes
 *                                    to, or at the first of a name, with a
 *                                    space and a subject behind it if need be
 *   CERTWRIGHT_FAILPOINT_TRACE=FILE  gets a line for each point: its number, its name, its subject
 */
#ifndef CERTWRIGHT_ACME_BASE_FAILPOINT_H
#define CERTWRIGHT_ACME_BASE_FAILPOINT_H

#ifdef CERTWRIGHT_FAILPOINTS

/* subject tells in the trace what it is about; NULL: nothing more. Any thread. */
void failpoint(const char *name, const char *subject);

#else

static inline void failpoint(const char *name, const char *subject)
{
    (void)name;
    (void)subject;
}

#endif

#endif

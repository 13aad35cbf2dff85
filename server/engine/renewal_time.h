/* When a certificate is to be renewed: a function of what is known of it, and of nothing else. */
#ifndef CERTWRIGHT_SERVER_ENGINE_RENEWAL_TIME_H
#define CERTWRIGHT_SERVER_ENGINE_RENEWAL_TIME_H

#include <stdint.h>

/* Times are wall time in ms. */
struct renewal_terms {
    const char *serial; /* of the certificate, "" if it is not known */
    int64_t not_before;
    int64_t not_after;
    int64_t before_ms;    /* wanted: so long before it expires; 0: by its life */
    int64_t window_start; /* the CA's suggestion (RFC 9773); 0, 0: there is none */
    int64_t window_end;
};

/*
 * By life: when a third of it is left (half for lives under 10 days), or before_ms; up to 3 % of
 * the life earlier, so that what was made together is not renewed together; never before a tenth of
 * the life has gone by. By the CA's window: a moment in it. With before_ms and a window it is the
 * earlier of both; a moment of the window that comes after the certificate's end does not count.
 *
 * What is left to chance is drawn from the serial (and the window): every moment is as likely as
 * the others, and the same question always has the same answer, over restarts too.
 */
int64_t renewal_time(const struct renewal_terms *terms);

#endif

#include "server/engine/renewal_time.h"

#include "acme/base/clock.h"
#include "acme/client.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

enum { SHORT_LIFE_DAYS = 10, JITTER_PERCENT = 3 };

/* A number that depends on the certificate and the window in a way that nobody can tell. */
static uint64_t dice(const struct renewal_terms *terms)
{
    char text[256];
    unsigned char hash[EVP_MAX_MD_SIZE] = {0};
    uint64_t number;
    snprintf(text, sizeof text, "%" PRId64 " %" PRId64 " %.150s", terms->window_start,
             terms->window_end, terms->serial);
    (void)EVP_Digest(text, strlen(text), hash, NULL, EVP_sha256(), NULL);
    memcpy(&number, hash, sizeof number);
    return number;
}

static int64_t by_life(const struct renewal_terms *terms)
{
    int64_t life = terms->not_after - terms->not_before;
    if (life <= 0)
        return terms->not_before;
    bool is_short = life < SHORT_LIFE_DAYS * (int64_t)CLOCK_DAY_MS;
    int64_t left = terms->before_ms ? terms->before_ms : is_short ? life / 2 : life / 3;
    int64_t jitter = (int64_t)(dice(terms) % (uint64_t)(life * JITTER_PERCENT / 100 + 1));
    int64_t first = terms->not_before + life / 10;
    int64_t at = terms->not_after - left - jitter;
    return at > first ? at : first;
}

int64_t renewal_time(const struct renewal_terms *terms)
{
    int64_t life = by_life(terms);
    struct acme_renewal_info window = {.start_ms = terms->window_start,
                                       .end_ms = terms->window_end};
    if (window.start_ms >= window.end_ms)
        return life;
    int64_t suggested = acme_renewal_time(&window, dice(terms));
    if (suggested >= terms->not_after || (terms->before_ms && life < suggested))
        return life;
    return suggested;
}

#include "server/engine/remedy.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

#define ONLY(what) {what, what}

/*
 * RFC 8555 section 6.7, RFC 9773 section 7.4 and the draft on profiles. A validation that failed is
 * permanent here: its authorization is dead, and another order would fail as well before somebody
 * has looked; a renewal is begun anew by its schedule.
 */
static const struct remedy_row rows[ERR_COUNT] = {
    [ERR_CA_UNREACHABLE] = ONLY(REMEDY_BACK_OFF),
    [ERR_CA_TLS] = ONLY(REMEDY_BACK_OFF),
    [ERR_CA_TIMEOUT] = ONLY(REMEDY_BACK_OFF),
    [ERR_CA_PROTOCOL] = ONLY(REMEDY_BACK_OFF),

    [ERR_CA_ACCOUNT_MISSING] = {REMEDY_REGISTER, REMEDY_FAIL},
    [ERR_CA_ALREADY_REPLACED] = {REMEDY_NO_REPLACES, REMEDY_FAIL},
    [ERR_CA_ALREADY_REVOKED] = {REMEDY_SUCCESS, REMEDY_FAIL},
    [ERR_CA_BAD_CSR] = {REMEDY_NEW_CSR, REMEDY_FAIL},
    [ERR_CA_BAD_NONCE] = ONLY(REMEDY_BACK_OFF), /* after the client's own tries */
    [ERR_CA_BAD_PUBLIC_KEY] = ONLY(REMEDY_FAIL),
    [ERR_CA_BAD_REVOCATION_REASON] = ONLY(REMEDY_FAIL),
    [ERR_CA_BAD_SIGNATURE_ALGORITHM] = {REMEDY_NEW_KEY, REMEDY_FAIL},
    [ERR_CA_CAA] = {REMEDY_NAME_ISSUERS, REMEDY_FAIL},
    [ERR_CA_COMPOUND] = ONLY(REMEDY_FAIL),
    [ERR_CA_CONFLICT] = ONLY(REMEDY_FAIL),
    [ERR_CA_CONNECTION] = ONLY(REMEDY_FAIL),
    [ERR_CA_DNS] = ONLY(REMEDY_FAIL),
    [ERR_CA_EAB_REQUIRED] = ONLY(REMEDY_FAIL),
    [ERR_CA_INCORRECT_RESPONSE] = ONLY(REMEDY_FAIL),
    [ERR_CA_INVALID_CONTACT] = ONLY(REMEDY_FAIL),
    [ERR_CA_INVALID_PROFILE] = {REMEDY_LIST_PROFILES, REMEDY_FAIL},
    [ERR_CA_MALFORMED] = ONLY(REMEDY_FAIL),
    [ERR_CA_ORDER_NOT_READY] = {REMEDY_FOLLOW_ORDER, REMEDY_BACK_OFF},
    [ERR_CA_PAUSED] = ONLY(REMEDY_ASK_PERSON),
    [ERR_CA_RATE_LIMITED] = ONLY(REMEDY_WAIT),
    [ERR_CA_REJECTED_IDENTIFIER] = ONLY(REMEDY_FAIL),
    [ERR_CA_SERVER_INTERNAL] = ONLY(REMEDY_BACK_OFF),
    [ERR_CA_VALIDATION_TLS] = ONLY(REMEDY_FAIL),
    [ERR_CA_UNAUTHORIZED] = ONLY(REMEDY_FAIL),
    [ERR_CA_UNSUPPORTED_CONTACT] = ONLY(REMEDY_FAIL),
    [ERR_CA_UNSUPPORTED_IDENTIFIER] = ONLY(REMEDY_FAIL),
    [ERR_CA_USER_ACTION_REQUIRED] = ONLY(REMEDY_ASK_PERSON),
    [ERR_CA_OTHER] = ONLY(REMEDY_FAIL),

    [ERR_ORDER_INVALID] = ONLY(REMEDY_FAIL),
    [ERR_ORDER_EXPIRED] = {REMEDY_NEW_ORDER, REMEDY_FAIL},
};

const struct remedy_row *remedy_row(enum err_code code)
{
    return rows[code].first == REMEDY_UNKNOWN ? NULL : &rows[code];
}

/* What the CA knows nothing of, whatever it calls that. */
static bool is_gone(const struct err *e)
{
    bool vague =
        e->code == ERR_CA_MALFORMED || e->code == ERR_CA_OTHER || e->code == ERR_CA_PROTOCOL;
    return vague && (e->http_status == 404 || e->http_status == 410);
}

struct remedy_row remedy_for(const struct err *e)
{
    const struct remedy_row *row = remedy_row(e->code);
    struct remedy_row found = ONLY(err_info(e->code)->retryable ? REMEDY_BACK_OFF : REMEDY_FAIL);
    if (row)
        found = *row;
    if (is_gone(e))
        found.first = REMEDY_NEW_ORDER;
    return found;
}

/* In Boulder's words, and those of others. It names the limit of failed authorizations "per
   identifier per account": that one is a name's. */
bool remedy_is_account_wide(const struct err *e)
{
    static const char *const words[] = {
        "this account", "your account", "orders-per-account",   "this IP",
        "your IP",      "this /48",     "registrations-per-ip",
    };
    if (e->code != ERR_CA_RATE_LIMITED)
        return false;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcasestr(e->detail, words[i]))
            return true;
    return false;
}

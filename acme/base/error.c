#include "acme/base/error.h"

#include "acme/base/utf8.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct err_info infos[ERR_COUNT] = {
    [ERR_NONE] = {"none", "no error", NULL, false},

    [ERR_INTERNAL] = {"internal", "a fault of this program",
                      "Please report it with the log lines around it.", false},
    [ERR_CRYPTO] = {"crypto.failed", "a cryptographic operation failed", NULL, false},
    [ERR_IO] = {"io.failed", "reading or writing failed", NULL, true},
    [ERR_STORE] = {"store.failed", "the database refused",
                   "Look at the disk and the log; the request had no effect.", true},
    [ERR_STORE_FULL] = {"store.full", "no space is left for the database",
                        "Free some space; the request had no effect.", true},
    [ERR_STORE_STALE] = {"store.stale", "the row has changed meanwhile", NULL, true},
    [ERR_SEAL] = {"seal.failed", "a sealed secret does not open",
                  "Start with the master key that this database was made with.", false},
    [ERR_BUSY] = {"busy", "too much at once", "Try again in a moment.", true},
    [ERR_SHUTDOWN] = {"shutdown", "the service is stopping",
                      "Ask again once it is back; accepted jobs go on by themselves.", true},
    [ERR_CONFIG] = {"config.invalid", "the configuration is not valid", NULL, false},

    [ERR_MALFORMED] = {"request.malformed", "the request cannot be read", NULL, false},
    [ERR_INVALID] = {"request.invalid", "the request has invalid fields", NULL, false},
    [ERR_UNAUTHENTICATED] =
        {"auth.required", "a token is needed",
         "Send Authorization: Bearer with a token: one of /tokens, or that in admin.token of the "
         "data directory.",
         false},
    [ERR_FORBIDDEN] = {"auth.forbidden", "this token may not do that", NULL, false},
    [ERR_HOST_REFUSED] =
        {"request.host_refused", "this Host is not served",
         "Use the address the service listens on, or add the name to allowed_hosts in the config.",
         false},
    [ERR_NOT_FOUND] = {"not_found", "there is no such resource", NULL, false},
    [ERR_METHOD] = {"method.not_allowed", "the resource has no such method",
                    "The Allow header lists what it has.", false},
    [ERR_NOT_ACCEPTABLE] = {"not_acceptable", "the resource has no such representation", NULL,
                            false},
    [ERR_MEDIA_TYPE] = {"media_type.unsupported", "the body's media type is not taken",
                        "Send Content-Type: application/json.", false},
    [ERR_TOO_LARGE] = {"request.too_large", "the request is too large", NULL, false},
    [ERR_NAME_TAKEN] = {"name.taken", "the name is taken",
                        "PUT converges an existing resource; POST only makes new ones.", false},
    [ERR_IN_USE] = {"resource.in_use", "other resources use it", NULL, false},
    [ERR_CONFLICT] = {"state.conflict", "the resource's state does not allow that", NULL, false},
    [ERR_PRECONDITION] = {"precondition.failed", "the resource has changed",
                          "Read it again and decide anew.", false},
    [ERR_MANAGED] =
        {"config.managed", "the config owns this resource",
         "Change it in the config file and restart; of what is built in, make your own.", false},

    [ERR_KEY_INVALID] = {"key.invalid", "the key cannot be read",
                         "Give an unencrypted PEM: PKCS#8, PKCS#1 or SEC1.", false},
    [ERR_KEY_UNSUPPORTED] = {"key.unsupported", "keys of this type are not supported",
                             "Use EC P-256 or P-384, or RSA of 2048, 3072 or 4096 bits.", false},
    [ERR_KEY_REUSED] = {"key.reused", "one key may not serve an account and a certificate",
                        "Make a second key (RFC 8555 section 11.1).", false},
    [ERR_CSR_INVALID] = {"csr.invalid", "the certificate request is not usable", NULL, false},
    [ERR_CERT_INVALID] = {"certificate.invalid", "the certificate cannot be read", NULL, false},
    [ERR_CERT_KEY_MISMATCH] = {"certificate.key_mismatch",
                               "the certificate holds another public key",
                               "Do not use it; tell the CA.", false},
    [ERR_CERT_NAMES_MISMATCH] = {"certificate.names_mismatch", "the certificate holds other names",
                                 "Do not use it; tell the CA.", false},
    [ERR_CERT_VALIDITY] = {"certificate.validity", "the certificate is not valid now",
                           "Check this machine's clock first.", true},

    [ERR_CA_UNREACHABLE] = {"ca.unreachable", "the CA cannot be reached",
                            "Check the network, its name and the CA's status page.", true},
    [ERR_CA_TLS] = {"ca.tls_failed", "TLS to the CA failed",
                    "A private CA's root goes into the authority's trust_bundle.", true},
    [ERR_CA_TIMEOUT] = {"ca.timeout", "the CA did not answer in time",
                        "Check the network and the CA's status page.", true},
    [ERR_CA_PROTOCOL] = {"ca.protocol", "the CA's answer is not ACME",
                         "Is the authority's directory_url that of an ACME directory?", true},

    [ERR_CA_ACCOUNT_MISSING] = {"ca.account_does_not_exist", "the CA knows no such account",
                                "Register the account (without only_existing).", false},
    [ERR_CA_ALREADY_REPLACED] = {"ca.already_replaced", "the predecessor is replaced already", NULL,
                                 true},
    [ERR_CA_ALREADY_REVOKED] = {"ca.already_revoked", "the certificate is revoked already", NULL,
                                false},
    [ERR_CA_BAD_CSR] = {"ca.bad_csr", "the CA refuses the CSR",
                        "Another key or key type may help; of your own CSR, look at its names.",
                        false},
    [ERR_CA_BAD_NONCE] = {"ca.bad_nonce", "the CA refuses the nonce", NULL, true},
    [ERR_CA_BAD_PUBLIC_KEY] = {"ca.bad_public_key", "the CA refuses the key",
                               "Choose another key type.", false},
    [ERR_CA_BAD_REVOCATION_REASON] =
        {"ca.bad_revocation_reason", "the CA refuses the reason",
         "Most CAs take unspecified, key_compromise, superseded and cessation_of_operation.",
         false},
    [ERR_CA_BAD_SIGNATURE_ALGORITHM] = {"ca.bad_signature_algorithm",
                                        "the CA refuses the account key's algorithm",
                                        "Choose another account key type.", false},
    [ERR_CA_CAA] = {"ca.caa", "a CAA record forbids this CA",
                    "Add the CA's domain to the CAA records of the name.", false},
    [ERR_CA_COMPOUND] = {"ca.compound", "several identifiers failed",
                         "See the subproblems, one for each identifier.", false},
    [ERR_CA_CONFLICT] = {"ca.conflict", "the CA reports a conflict", NULL, false},
    [ERR_CA_CONNECTION] =
        {"ca.connection", "the CA could not connect to the name",
         "Port 80 (or 443) of every address of the name must be reachable from the Internet.",
         false},
    [ERR_CA_DNS] = {"ca.dns", "the CA could not resolve the name",
                    "Check the name's records and DNSSEC.", false},
    [ERR_CA_EAB_REQUIRED] =
        {"ca.external_account_required", "the CA wants an external account binding",
         "Get a key id and MAC key from the CA and put them into the account's eab.", false},
    [ERR_CA_INCORRECT_RESPONSE] =
        {"ca.incorrect_response", "the CA saw a wrong challenge response",
         "Something else answers for this name: a proxy, a redirect, an old record.", false},
    [ERR_CA_INVALID_CONTACT] =
        {"ca.invalid_contact", "the CA refuses a contact",
         "Use addresses that can be written to; many CAs refuse example.com.", false},
    [ERR_CA_INVALID_PROFILE] = {"ca.invalid_profile", "the CA has no such profile",
                                "The authority's directory lists its profiles.", false},
    [ERR_CA_MALFORMED] = {"ca.malformed", "the CA calls the request malformed",
                          "The CA's detail says what it does not take; other CAs may.", false},
    [ERR_CA_ORDER_NOT_READY] = {"ca.order_not_ready", "the order is not ready",
                                "The job follows the order's status by itself.", true},
    [ERR_CA_PAUSED] = {"ca.paused", "the CA has paused the account for a name",
                       "Too many tries have failed: mend the cause, open the link (links.unpause), "
                       "then POST to the job's /retry.",
                       true},
    [ERR_CA_RATE_LIMITED] =
        {"ca.rate_limited", "the CA's rate limit is reached",
         "The job waits as long as the CA asks; asking again sooner does not help.", true},
    [ERR_CA_REJECTED_IDENTIFIER] = {"ca.rejected_identifier", "the CA's policy forbids a name",
                                    "Leave the name out, or ask a CA whose policy allows it.",
                                    false},
    [ERR_CA_SERVER_INTERNAL] = {"ca.server_internal", "the CA has an internal error",
                                "The job tries again by itself; see the CA's status page.", true},
    [ERR_CA_VALIDATION_TLS] = {"ca.tls", "the CA got a TLS error from the name",
                               "If the name redirects to HTTPS, look at what answers there.",
                               false},
    [ERR_CA_UNAUTHORIZED] =
        {"ca.unauthorized", "the CA says unauthorized",
         "The CA saw something else than the challenge at the name: look where its addresses or "
         "its TXT record lead. Without a name: is the account valid? Of a new account: are kid, "
         "hmac_key and algorithm of its eab those that the CA gave?",
         false},
    [ERR_CA_UNSUPPORTED_CONTACT] = {"ca.unsupported_contact", "the CA takes no such contact",
                                    "Use mailto: addresses.", false},
    [ERR_CA_UNSUPPORTED_IDENTIFIER] =
        {"ca.unsupported_identifier", "the CA takes no such identifier",
         "Some CAs take no IP addresses, or only with a certain profile.", false},
    [ERR_CA_USER_ACTION_REQUIRED] = {"ca.user_action_required", "the CA wants a person to act",
                                     "Open the links that the CA gives (links), then POST to the "
                                     "job's /retry.",
                                     true},
    [ERR_CA_OTHER] = {"ca.error", "the CA reports an error", NULL, false},

    [ERR_ORDER_INVALID] = {"order.invalid", "the order has become invalid",
                           "The order's authorizations tell which name failed, and why.", false},
    [ERR_ORDER_EXPIRED] = {"order.expired", "the order has expired",
                           "The job places another by itself, a few times.", true},
    [ERR_NO_CHALLENGE] = {"challenge.none", "the CA offers no challenge that can be answered",
                          "Choose another challenge type or solver for the name.", false},

    [ERR_SOLVER_MISSING] = {"solver.missing", "no solver is set up for a name",
                            "PUT a solver whose zones hold the name, or give a challenge.", false},
    [ERR_SOLVER_FAILED] = {"solver.failed", "the solver failed", NULL, true},
    [ERR_PROVIDER_REFUSED] = {"provider.refused", "the provider refuses",
                              "Check the credential, its rights and quota.", false},
    [ERR_PROVIDER_UNREACHABLE] = {"provider.unreachable", "the provider cannot be reached",
                                  "Check the endpoint and the network.", true},
    [ERR_OUTGOING_REFUSED] =
        {"outgoing.refused", "requests do not go to that address",
         "If it is meant, list the address under outgoing.allow in the config, or write the URL "
         "into the config's resources.",
         false},
    [ERR_COMMAND_FAILED] =
        {"command.failed", "a command failed",
         "The detail ends in what the command wrote; run it by hand with the same words.", true},
    [ERR_TARGET_MISSING] = {"target.missing",
                            "what the certificate is to be installed on is missing",
                            "Create it at the provider, or correct the target's parameters.",
                            false},
    [ERR_TARGET_UNTRUSTED] =
        {"target.untrusted", "a test certificate is not for this target",
         "Order from an authority that is trusted, or set allow_test on the target.", false},
    [ERR_TARGET_MISMATCH] = {"target.mismatch", "the target shows another certificate",
                             "Something else may install certificates there.", true},
    [ERR_TARGET_FILES] = {"target.files", "the files cannot be written",
                          "Look at the folder, its owner and mode, and at the space left. One of "
                          "file_roots that was not there at the start takes a restart.",
                          true},
    [ERR_TARGET_RELOAD] = {"target.reload", "the files are in place, but the reload failed",
                           "Look at the process that is to read them; the reload is tried again.",
                           true},
    [ERR_DNS_NO_ZONE] = {"dns.no_zone", "no DNS zone was found for a name",
                         "Is the domain registered and delegated?", true},
    [ERR_DNS_NXDOMAIN] = {"dns.nxdomain", "a name does not exist in DNS", NULL, true},
    [ERR_DNS_SERVFAIL] = {"dns.servfail", "a name server fails",
                          "Ask that name server yourself; broken DNSSEC shows like this too.",
                          true},
    [ERR_DNS_TIMEOUT] = {"dns.timeout", "a name server does not answer",
                         "Port 53 of the zone's name servers has to be reachable from here; where "
                         "it cannot be, set resolvers and resolvers_only in the config.",
                         true},
    [ERR_DNS_NOT_PROPAGATED] =
        {"dns.not_propagated", "the TXT record is not at all name servers in time",
         "Raise propagation_timeout_seconds, or look at the name servers that lag.", true},

    [ERR_ACCOUNT_UNUSABLE] = {"account.unusable", "the account orders no certificates any more",
                              "Give the certificate another account (PUT).", false},

    [ERR_JOB_CANCELLED] = {"job.cancelled", "the job was cancelled", NULL, false},
    [ERR_JOB_GAVE_UP] = {"job.gave_up", "the time to retry is over", NULL, false},
    [ERR_JOB_WAITS_FOR_PERSON] = {"job.waits_for_person", "the job waits for a person",
                                  "GET the active job: its identifiers' details say what to do.",
                                  true},
};

/* U+0080 … U+009F: terminals take some of them for escapes. */
static bool is_c1_control(const char *character)
{
    return (unsigned char)character[0] == 0xc2 && (unsigned char)character[1] < 0xa0;
}

/* Details hold words from outside, and may be cut in the middle of a character; they end up in JSON
   and in the log as UTF-8 on one line. */
static void tidy(char *detail)
{
    size_t left = strlen(detail);
    while (left > 0) {
        size_t size = utf8_character_size(detail, left);
        if (size == 0)
            *detail = '?';
        else if ((unsigned char)*detail < ' ' || *detail == 127)
            *detail = ' ';
        else if (size == 2 && is_c1_control(detail))
            detail[0] = detail[1] = ' ';
        detail += size ? size : 1;
        left -= size ? size : 1;
    }
}

int err_set(struct err *e, enum err_code code, const char *format, ...)
{
    assert(e && code > ERR_NONE && code < ERR_COUNT);
    va_list args;
    va_start(args, format);
    e->code = code;
    e->http_status = 0;
    e->retry_after_ms = 0;
    vsnprintf(e->detail, sizeof e->detail, format, args);
    va_end(args);
    tidy(e->detail);
    return -1;
}

int err_prefix(struct err *e, const char *format, ...)
{
    char words[ERR_DETAIL_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(words, sizeof words, format, args);
    va_end(args);

    size_t prefix = strlen(words);
    size_t detail = strlen(e->detail);
    if (prefix + detail >= sizeof e->detail)
        detail = sizeof e->detail - 1 - prefix;
    memmove(e->detail + prefix, e->detail, detail);
    memcpy(e->detail, words, prefix);
    e->detail[prefix + detail] = '\0';
    tidy(e->detail);
    return -1;
}

const struct err_info *err_info(enum err_code code)
{
    assert(code >= ERR_NONE && code < ERR_COUNT && infos[code].name);
    return &infos[code];
}

enum err_code err_code_by_name(const char *name)
{
    for (int i = ERR_NONE + 1; i < ERR_COUNT; i++)
        if (!strcmp(infos[i].name, name))
            return (enum err_code)i;
    return ERR_NONE;
}

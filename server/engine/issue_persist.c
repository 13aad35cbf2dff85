/*
 * dns-persist-01: a record that stays, and lets the account have certificates for the name for as
 * long as it is there. What the CA asks for is checked, since it goes into our zone for good: a CA
 * may let its own account in, and nobody else's.
 */
#include "acme/base/clock.h"
#include "acme/base/memory.h"
#include "acme/challenge.h"
#include "acme/json.h"
#include "server/engine/issue.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char type[] = "dns-persist-01";

bool issue_is_persist(const struct authorization *authorization)
{
    return authorization->challenge_type && !strcmp(authorization->challenge_type, type);
}

/* "host:port" of a URL. */
static const char *host_of(const char *url, size_t *size)
{
    const char *host = strstr(url, "://");
    host = host ? host + 3 : url;
    *size = strcspn(host, "/?#");
    return host;
}

/* Else a CA could give us a URL at another one as our account's, and be let in there by us. */
static int check_account(const struct step_context *c, const struct acme_challenge *challenge,
                         struct err *e)
{
    size_t own_size, ca_size;
    const char *own = host_of(c->account.url, &own_size);
    const char *ca = host_of(c->authority.directory_url, &ca_size);
    if (challenge->account_url && strcmp(challenge->account_url, c->account.url) != 0)
        return err_set(e, ERR_CA_PROTOCOL,
                       "The dns-persist-01 challenge is for another account than ours.");
    if (own_size != ca_size || strncasecmp(own, ca, own_size) != 0)
        return err_set(e, ERR_CA_PROTOCOL,
                       "The account's URL is of another host than the CA's directory, so a record "
                       "that names it might let another CA's account in.");
    return 0;
}

static bool orders_wildcard(const struct step_context *c, const char *name)
{
    struct identifier *ids;
    struct err ignored;
    size_t count;
    bool found = false;
    if (issue_read_identifiers(c->certificate.identifiers, &ids, &count, &ignored) < 0)
        return false;
    for (size_t i = 0; i < count; i++)
        found = found ||
                (identifier_is_wildcard(&ids[i]) && !strcasecmp(identifier_base(&ids[i]), name));
    free(ids);
    return found;
}

/* Seconds since 1970; 0: for good. */
static int64_t wanted_until(const struct step_context *c)
{
    struct json_object *wish = json_tokener_parse(c->certificate.challenge);
    const char *text = json_text_of(wish, "persist_until");
    int64_t ms = 0;
    if (text)
        clock_parse_rfc3339(text, &ms);
    json_object_put(wish);
    return ms / CLOCK_SECOND_MS;
}

bool issue_persist_is_over(const struct step_context *c)
{
    int64_t until = wanted_until(c);
    return until && until <= clock_wall_ms() / CLOCK_SECOND_MS;
}

int issue_persist_choose(struct step_context *c, struct authorization *row,
                         const struct acme_authorization *a, const struct acme_challenge *challenge,
                         struct err *e)
{
    char name[CHALLENGE_DNS_PERSIST01_NAME_SIZE], *value;
    int64_t until = wanted_until(c);
    if (!challenge->issuer_name_count)
        return err_set(e, ERR_CA_PROTOCOL, "The dns-persist-01 challenge names no issuer.");
    if (check_account(c, challenge, e) < 0 ||
        challenge_dns_persist01_value(challenge->issuer_names[0], c->account.url,
                                      a->wildcard || orders_wildcard(c, a->identifier_value), until,
                                      &value, e) < 0)
        return -1;
    challenge_dns_persist01_name(a->identifier_value, name);
    issue_set(&row->record_name, name);
    free(row->record_value);
    row->record_value = value;
    return 0;
}

/* The issuers that the stored challenge names, with commas between them. */
static void add_issuers(const struct authorization *row, struct buf *out)
{
    struct json_object *document = json_tokener_parse(row->document);
    struct json_object *challenges = json_array_of(document, "challenges");
    for (size_t i = 0; challenges && i < json_object_array_length(challenges); i++) {
        struct json_object *challenge = json_object_array_get_idx(challenges, i);
        const char *its_type = json_text_of(challenge, "type");
        struct json_object *names = json_array_of(challenge, "issuer-domain-names");
        if (!its_type || strcmp(its_type, type) != 0)
            continue;
        for (size_t k = 0; names && k < json_object_array_length(names); k++) {
            const char *name = json_object_get_string(json_object_array_get_idx(names, k));
            if (name && !name[strcspn(name, ",; ")])
                buf_printf(out, "%s%s", out->size ? "," : "", name);
        }
    }
    json_object_put(document);
}

char *issue_persist_wanted(const struct step_context *c, const struct authorization *row)
{
    struct buf wanted = {0};
    add_issuers(row, &wanted);
    buf_printf(&wanted, "; accounturi=%s%s", c->account.url,
               row->wildcard ? "; policy=wildcard" : "");
    return buf_take(&wanted);
}

bool issue_persist_matches(const char *record, const char *wanted)
{
    return challenge_dns_persist01_fits(record, wanted, clock_wall_ms() / CLOCK_SECOND_MS);
}

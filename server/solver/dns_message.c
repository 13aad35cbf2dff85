#include "server/solver/dns_message.h"

#include "acme/base/memory.h"

#include <arpa/inet.h>
#include <ldns/ldns.h>
#include <stdlib.h>
#include <string.h>

enum { CHAIN_MAX = 16 }; /* CNAMEs in one answer */

const char *dns_rcode_name(int rcode)
{
    static const char *const names[] = {"no error", "FORMERR", "SERVFAIL",
                                        "NXDOMAIN", "NOTIMP",  "REFUSED"};
    if (rcode < 0 || rcode >= (int)(sizeof names / sizeof *names))
        return "an unusual error";
    return names[rcode];
}

bool dns_name_read(const char *text, char out[DNS_NAME_SIZE])
{
    size_t size = strlen(text), label = 0;
    if (size > 0 && text[size - 1] == '.')
        size--;
    if (size == 0 || size >= DNS_NAME_SIZE - 2) /* 253 characters: RFC 1035 section 2.3.4 */
        return false;
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        if (c >= 'A' && c <= 'Z')
            c = (char)(c - 'A' + 'a');
        label = c == '.' ? 0 : label + 1;
        bool empty = c == '.' && (i == 0 || text[i - 1] == '.' || i + 1 == size);
        bool known = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || strchr("._*-", c);
        if (empty || !known || label > 63)
            return false;
        out[i] = c;
    }
    out[size] = '\0';
    return true;
}

bool dns_name_within(const char *name, const char *zone)
{
    size_t name_size = strlen(name), zone_size = strlen(zone);
    if (name_size < zone_size || strcmp(name + name_size - zone_size, zone) != 0)
        return false;
    return zone_size > 0 && (name_size == zone_size || name[name_size - zone_size - 1] == '.');
}

bool dns_question_write(const struct dns_question *question, struct buf *out)
{
    uint8_t *wire = NULL;
    size_t size = 0;
    ldns_rdf *name = ldns_dname_new_frm_str(question->name);
    if (!name)
        return false;
    ldns_pkt *packet = ldns_pkt_query_new(name, (ldns_rr_type)question->type, LDNS_RR_CLASS_IN,
                                          question->recursive ? LDNS_RD : 0);
    if (!packet) {
        ldns_rdf_deep_free(name);
        return false;
    }
    ldns_pkt_set_id(packet, question->id);
    bool written = ldns_pkt2wire(&wire, packet, &size) == LDNS_STATUS_OK;
    if (written)
        buf_add(out, wire, size);
    free(wire);
    ldns_pkt_free(packet);
    return written;
}

static bool rdf_name(const ldns_rdf *rdf, char out[DNS_NAME_SIZE])
{
    char *text = rdf ? ldns_rdf2str(rdf) : NULL;
    bool read = text && dns_name_read(text, out);
    free(text);
    return read;
}

static bool question_matches(const ldns_pkt *packet, const struct dns_question *question)
{
    char name[DNS_NAME_SIZE];
    if (!ldns_pkt_qr(packet) || ldns_pkt_id(packet) != question->id ||
        ldns_pkt_get_opcode(packet) != LDNS_PACKET_QUERY || ldns_pkt_qdcount(packet) != 1)
        return false;
    const ldns_rr *asked = ldns_rr_list_rr(ldns_pkt_question(packet), 0);
    return asked && ldns_rr_get_type(asked) == (ldns_rr_type)question->type &&
           ldns_rr_get_class(asked) == LDNS_RR_CLASS_IN && rdf_name(ldns_rr_owner(asked), name) &&
           strcmp(name, question->name) == 0;
}

/* The first record of that type and owner, or NULL. */
static const ldns_rr *record_find(const ldns_rr_list *list, ldns_rr_type type, const char *owner)
{
    char name[DNS_NAME_SIZE];
    for (size_t i = 0; i < ldns_rr_list_rr_count(list); i++) {
        const ldns_rr *rr = ldns_rr_list_rr(list, i);
        if (ldns_rr_get_type(rr) == type && rdf_name(ldns_rr_owner(rr), name) &&
            strcmp(name, owner) == 0)
            return rr;
    }
    return NULL;
}

static void ttl_lower(struct dns_answer *answer, uint32_t ttl, bool *known)
{
    if (!*known || ttl < answer->ttl_seconds)
        answer->ttl_seconds = ttl;
    *known = true;
}

/*
 * Walks the CNAMEs of the answer section. False if one leads to no name we could use. A circle of
 * them is left somewhere: who follows from there comes to the same end as with a long chain.
 */
static bool aliases_follow(const ldns_rr_list *list, struct dns_answer *answer, bool *ttl_known)
{
    for (int i = 0; i < CHAIN_MAX; i++) {
        const ldns_rr *rr = record_find(list, LDNS_RR_TYPE_CNAME, answer->name);
        if (!rr)
            return true;
        char target[DNS_NAME_SIZE];
        if (!rdf_name(ldns_rr_rdf(rr, 0), target))
            return false;
        free(answer->name);
        answer->name = mem_strdup(target);
        answer->alias = true;
        ttl_lower(answer, ldns_rr_ttl(rr), ttl_known);
    }
    return true;
}

/* The strings of a TXT record joined (RFC 7208 section 3.3 and every CA); NULL if it has a NUL. */
static char *txt_value(const ldns_rr *rr)
{
    struct buf value = {0};
    for (size_t i = 0; i < ldns_rr_rd_count(rr); i++) {
        const ldns_rdf *rdf = ldns_rr_rdf(rr, i);
        if (ldns_rdf_size(rdf) > 1) /* the first byte is the string's length */
            buf_add(&value, ldns_rdf_data(rdf) + 1, ldns_rdf_size(rdf) - 1);
    }
    if (value.size && memchr(value.data, '\0', value.size)) {
        buf_finish(&value);
        return NULL;
    }
    return value.size ? buf_take(&value) : mem_strdup("");
}

/* RFC 8659 section 4.1. What no CA's name or parameter holds becomes '?': it matches none then. */
static char *caa_value(const ldns_rr *rr)
{
    const ldns_rdf *flags = ldns_rr_rdf(rr, 0), *tag = ldns_rr_rdf(rr, 1),
                   *value = ldns_rr_rdf(rr, 2);
    struct buf text = {0};
    if (!flags || !tag || !value || ldns_rdf_size(flags) != 1 || ldns_rdf_size(tag) < 2)
        return NULL;
    buf_printf(&text, "%u ", (unsigned)*ldns_rdf_data(flags));
    size_t tag_at = text.size;
    buf_add(&text, ldns_rdf_data(tag) + 1, ldns_rdf_size(tag) - 1); /* its length comes first */
    buf_add_char(&text, ' ');
    buf_add(&text, ldns_rdf_data(value), ldns_rdf_size(value));
    for (size_t i = tag_at; i < text.size; i++)
        if (text.data[i] < ' ' || text.data[i] > '~')
            text.data[i] = '?';
    return buf_take(&text);
}

static char *record_value(const ldns_rr *rr)
{
    char text[DNS_NAME_SIZE];
    const ldns_rdf *rdf = ldns_rr_rdf(rr, 0);
    switch (ldns_rr_get_type(rr)) {
    case LDNS_RR_TYPE_TXT:
        return txt_value(rr);
    case LDNS_RR_TYPE_CAA:
        return caa_value(rr);
    case LDNS_RR_TYPE_NS:
        return rdf_name(rdf, text) ? mem_strdup(text) : NULL;
    case LDNS_RR_TYPE_A:
        if (!rdf || ldns_rdf_size(rdf) != sizeof(struct in_addr))
            return NULL;
        return mem_strdup(inet_ntop(AF_INET, ldns_rdf_data(rdf), text, sizeof text));
    case LDNS_RR_TYPE_AAAA:
        if (!rdf || ldns_rdf_size(rdf) != sizeof(struct in6_addr))
            return NULL;
        return mem_strdup(inet_ntop(AF_INET6, ldns_rdf_data(rdf), text, sizeof text));
    default:
        return NULL;
    }
}

static void values_collect(const ldns_rr_list *list, enum dns_type type, struct dns_answer *answer,
                           bool *ttl_known)
{
    char owner[DNS_NAME_SIZE];
    for (size_t i = 0; i < ldns_rr_list_rr_count(list); i++) {
        const ldns_rr *rr = ldns_rr_list_rr(list, i);
        if (ldns_rr_get_type(rr) != (ldns_rr_type)type || !rdf_name(ldns_rr_owner(rr), owner) ||
            strcmp(owner, answer->name) != 0)
            continue;
        ttl_lower(answer, ldns_rr_ttl(rr), ttl_known);
        char *value = record_value(rr);
        if (!value)
            continue;
        answer->values = mem_grow(answer->values, answer->value_count + 1, sizeof *answer->values);
        answer->values[answer->value_count++] = value;
    }
}

/* The owner of a SOA at or above the name is its zone, in the answer as in a denial. */
static void zone_collect(const ldns_rr_list *list, struct dns_answer *answer, bool *ttl_known)
{
    char owner[DNS_NAME_SIZE];
    for (size_t i = 0; i < ldns_rr_list_rr_count(list); i++) {
        const ldns_rr *rr = ldns_rr_list_rr(list, i);
        if (ldns_rr_get_type(rr) != LDNS_RR_TYPE_SOA || !rdf_name(ldns_rr_owner(rr), owner) ||
            !dns_name_within(answer->name, owner))
            continue;
        const ldns_rdf *minimum = ldns_rr_rdf(rr, 6);
        ttl_lower(answer, ldns_rr_ttl(rr), ttl_known);
        if (minimum && ldns_rdf_size(minimum) == sizeof(uint32_t))
            ttl_lower(answer, ldns_rdf2native_int32(minimum), ttl_known);
        free(answer->zone);
        answer->zone = mem_strdup(owner);
        return;
    }
}

static void answer_fill(const ldns_pkt *packet, const struct dns_question *question,
                        struct dns_answer *answer)
{
    bool ttl_known = false;
    answer->name = mem_strdup(question->name);
    answer->zone = mem_strdup("");
    answer->rcode = (int)ldns_pkt_get_rcode(packet);
    answer->truncated = ldns_pkt_tc(packet);
    answer->authoritative = ldns_pkt_aa(packet);
    if (answer->truncated)
        return;
    if (!aliases_follow(ldns_pkt_answer(packet), answer, &ttl_known)) {
        answer->rcode = DNS_FORMERR;
        return;
    }
    values_collect(ldns_pkt_answer(packet), question->type, answer, &ttl_known);
    zone_collect(ldns_pkt_answer(packet), answer, &ttl_known);
    if (!answer->zone[0] && answer->value_count == 0)
        zone_collect(ldns_pkt_authority(packet), answer, &ttl_known);
}

bool dns_answer_read(const void *packet, size_t size, const struct dns_question *question,
                     struct dns_answer *out)
{
    ldns_pkt *parsed = NULL;
    if (ldns_wire2pkt(&parsed, packet, size) != LDNS_STATUS_OK)
        return false;
    bool matches = question_matches(parsed, question);
    if (matches) {
        struct dns_answer answer = {0};
        answer_fill(parsed, question, &answer);
        *out = answer;
    }
    ldns_pkt_free(parsed);
    return matches;
}

void dns_answer_copy(const struct dns_answer *answer, struct dns_answer *out)
{
    *out = *answer;
    out->name = mem_strdup(answer->name);
    out->zone = mem_strdup(answer->zone);
    out->values = NULL;
    if (answer->value_count > 0)
        out->values = mem_new(answer->value_count, sizeof *out->values);
    for (size_t i = 0; i < answer->value_count; i++)
        out->values[i] = mem_strdup(answer->values[i]);
}

void dns_answer_finish(struct dns_answer *answer)
{
    for (size_t i = 0; i < answer->value_count; i++)
        free(answer->values[i]);
    free(answer->values);
    free(answer->name);
    free(answer->zone);
    answer->name = answer->zone = NULL;
    answer->values = NULL;
    answer->value_count = 0;
}

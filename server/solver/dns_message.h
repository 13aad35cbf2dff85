/*
 * DNS questions and answers: libldns's packets on one side, plain values on the other.
 *
 * A name is text in lower case without the final dot, of [a-z0-9._*-] only: other names exist, but
 * none of them can be in a certificate, and what a stranger's server says must not reach a command
 * or a log unchecked.
 */
#ifndef CERTWRIGHT_SERVER_SOLVER_DNS_MESSAGE_H
#define CERTWRIGHT_SERVER_SOLVER_DNS_MESSAGE_H

#include "acme/base/buffer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DNS_NAME_SIZE = 256 };

/* Their numbers in the protocol (RFC 1035 section 3.2.2, RFC 3596, RFC 8659). */
enum dns_type { DNS_A = 1, DNS_NS = 2, DNS_SOA = 6, DNS_TXT = 16, DNS_AAAA = 28, DNS_CAA = 257 };

/* RFC 1035 section 4.1.1 */
enum {
    DNS_NOERROR = 0,
    DNS_FORMERR = 1,
    DNS_SERVFAIL = 2,
    DNS_NXDOMAIN = 3,
    DNS_NOTIMP = 4,
    DNS_REFUSED = 5,
};

/* "NXDOMAIN" */
const char *dns_rcode_name(int rcode);

/* Makes text a name; false if it cannot be one. */
bool dns_name_read(const char *text, char out[DNS_NAME_SIZE]);

/* Whether name is zone or below it. */
bool dns_name_within(const char *name, const char *zone);

struct dns_question {
    char name[DNS_NAME_SIZE];
    enum dns_type type;
    bool recursive; /* RD */
    uint16_t id;
};

/* Appends the packet. False if the name is too long for one. */
bool dns_question_write(const struct dns_question *question, struct buf *out);

struct dns_answer {
    int rcode;
    bool truncated;       /* ask again by TCP: nothing else but the name is filled */
    bool authoritative;   /* AA */
    bool alias;           /* the question's name is a CNAME */
    char *name;           /* where the CNAMEs in the answer lead to; else the question's */
    char *zone;           /* of that name, if a SOA tells (RFC 2308 too); else "" */
    uint32_t ttl_seconds; /* how long this may be kept; 0 if nothing tells */
    char **values;        /* NS: names; A, AAAA: addresses; TXT: the strings joined;
                             CAA: "FLAGS TAG VALUE", of printable ASCII */
    size_t value_count;
};

/*
 * Reads a packet. False if it is malformed or no answer to that question: it is to be ignored,
 * since anybody may have sent it.
 */
bool dns_answer_read(const void *packet, size_t size, const struct dns_question *question,
                     struct dns_answer *out);
void dns_answer_copy(const struct dns_answer *answer, struct dns_answer *out);
void dns_answer_finish(struct dns_answer *answer);

#endif

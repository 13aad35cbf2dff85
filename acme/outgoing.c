#include "acme/outgoing.h"

#include "acme/base/memory.h"

#include <arpa/inet.h>
#include <assert.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { BYTES = 16, V4_BITS = 96, RANGE_TEXT_MAX = 64 };

/* IPv4 is held as IPv6 holds it, ::ffff:a.b.c.d: both spellings of an address are one. */
struct address {
    unsigned char bytes[BYTES];
};

struct range {
    struct address base;
    int bits;
};

struct outgoing {
    struct range *ranges;
    size_t range_count;
    char **origins; /* "https://host:port" */
    size_t origin_count;
};

static const unsigned char mapped_prefix[12] = {[10] = 0xff, [11] = 0xff};

/* ---- addresses ---- */

static void from_v4(const void *v4, struct address *out)
{
    memcpy(out->bytes, mapped_prefix, sizeof mapped_prefix);
    memcpy(out->bytes + sizeof mapped_prefix, v4, 4);
}

static bool is_v4(const struct address *address)
{
    return !memcmp(address->bytes, mapped_prefix, sizeof mapped_prefix);
}

/* False for what is no internet address. */
static bool from_socket(const struct sockaddr *socket, struct address *out)
{
    if (socket->sa_family == AF_INET) {
        from_v4(&((const struct sockaddr_in *)socket)->sin_addr, out);
        return true;
    }
    if (socket->sa_family != AF_INET6)
        return false;
    memcpy(out->bytes, &((const struct sockaddr_in6 *)socket)->sin6_addr, BYTES);
    return true;
}

static bool from_text(const char *text, struct address *out)
{
    unsigned char v4[4];
    if (inet_pton(AF_INET, text, v4) == 1) {
        from_v4(v4, out);
        return true;
    }
    return inet_pton(AF_INET6, text, out->bytes) == 1;
}

static bool range_parse(const char *text, struct range *out)
{
    char base[RANGE_TEXT_MAX];
    size_t length = strcspn(text, "/");
    struct range range = {.bits = BYTES * 8};
    if (length >= sizeof base)
        return false;
    memcpy(base, text, length);
    base[length] = '\0';
    if (!from_text(base, &range.base))
        return false;
    if (text[length]) {
        const char *digits = text + length + 1;
        size_t count = strspn(digits, "0123456789");
        int offset = strchr(base, ':') ? 0 : V4_BITS;
        if (count < 1 || count > 3 || digits[count])
            return false;
        range.bits = offset + (int)strtol(digits, NULL, 10);
    }
    if (range.bits > BYTES * 8)
        return false;
    *out = range;
    return true;
}

static bool holds(const struct range *range, const struct address *address)
{
    int whole = range->bits / 8, rest = range->bits % 8;
    if (memcmp(range->base.bytes, address->bytes, (size_t)whole) != 0)
        return false;
    return !rest || (range->base.bytes[whole] ^ address->bytes[whole]) >> (8 - rest) == 0;
}

/* The IPv4 address that a translator or relay would make of it. */
static bool embedded(const struct address *address, struct address *out)
{
    static const struct {
        const char *range;
        size_t at;
    } forms[] = {
        {"64:ff9b::/96", 12},    /* NAT64, RFC 6052 */
        {"::ffff:0:0:0/96", 12}, /* SIIT, RFC 2765 */
        {"2002::/16", 2},        /* 6to4, RFC 3056 */
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct range range;
        if (range_parse(forms[i].range, &range) && holds(&range, address)) {
            from_v4(address->bytes + forms[i].at, out);
            return true;
        }
    }
    return false;
}

/* The first that holds it decides. Of IANA's registries of special-purpose addresses (RFC 6890). */
static enum outgoing_kind kind_of(const struct address *address)
{
    static const struct {
        const char *range;
        enum outgoing_kind kind;
    } kinds[] = {
        {"100.100.100.200", OUTGOING_SPECIAL}, /* metadata of Alibaba Cloud */
        {"168.63.129.16", OUTGOING_SPECIAL},   /* Azure's host */
        {"127.0.0.0/8", OUTGOING_LOOPBACK},
        {"10.0.0.0/8", OUTGOING_PRIVATE},
        {"172.16.0.0/12", OUTGOING_PRIVATE},
        {"192.168.0.0/16", OUTGOING_PRIVATE},
        {"100.64.0.0/10", OUTGOING_PRIVATE},
        {"0.0.0.0/8", OUTGOING_SPECIAL},
        {"169.254.0.0/16", OUTGOING_SPECIAL}, /* link-local; metadata of most clouds */
        {"192.0.0.0/24", OUTGOING_SPECIAL},   /* metadata of Oracle's among others */
        {"192.0.2.0/24", OUTGOING_SPECIAL},
        {"192.88.99.0/24", OUTGOING_SPECIAL},
        {"198.18.0.0/15", OUTGOING_SPECIAL},
        {"198.51.100.0/24", OUTGOING_SPECIAL},
        {"203.0.113.0/24", OUTGOING_SPECIAL},
        {"224.0.0.0/3", OUTGOING_SPECIAL}, /* multicast, reserved, broadcast */
        {"::ffff:0.0.0.0/96", OUTGOING_PUBLIC},
        {"::1", OUTGOING_LOOPBACK},
        {"fd00:ec2::254", OUTGOING_SPECIAL}, /* metadata of Amazon, */
        {"fd20:ce::254", OUTGOING_SPECIAL},  /* of Google, */
        {"fd00:42::42", OUTGOING_SPECIAL},   /* of Scaleway */
        {"fc00::/7", OUTGOING_PRIVATE},
        {"2001::/23", OUTGOING_SPECIAL}, /* Teredo among others */
        {"2001:db8::/32", OUTGOING_SPECIAL},
        {"3fff::/20", OUTGOING_SPECIAL},
        {"2000::/3", OUTGOING_PUBLIC},
        {"::/0", OUTGOING_SPECIAL},
    };
    struct address inner;
    if (embedded(address, &inner))
        address = &inner;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct range range;
        if (range_parse(kinds[i].range, &range) && holds(&range, address))
            return kinds[i].kind;
    }
    return OUTGOING_SPECIAL;
}

enum outgoing_kind outgoing_kind_of(const struct sockaddr *address)
{
    struct address found;
    return from_socket(address, &found) ? kind_of(&found) : OUTGOING_SPECIAL;
}

bool outgoing_in_range(const char *text, const struct sockaddr *address)
{
    struct range range;
    struct address found;
    return range_parse(text, &range) && from_socket(address, &found) && holds(&range, &found);
}

bool outgoing_literal(const char *host, struct sockaddr_storage *out)
{
    char text[RANGE_TEXT_MAX];
    struct sockaddr_storage found = {0};
    struct sockaddr_in *v4 = (struct sockaddr_in *)&found;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&found;
    size_t length = strlen(host);
    bool bracketed = length > 2 && host[0] == '[' && host[length - 1] == ']';
    if (length >= sizeof text)
        return false;
    memcpy(text, host + bracketed, length + 1 - bracketed);
    if (bracketed)
        text[length - 2] = '\0';
    text[strcspn(text, "%")] = '\0'; /* a zone tells the link, not the address */
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1)
        found.ss_family = AF_INET;
    else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1)
        found.ss_family = AF_INET6;
    else
        return false;
    *out = found;
    return true;
}

/* ---- URLs ---- */

/* Scheme, host and port; all empty if it is no URL. Released by curl_free. */
struct origin {
    char *scheme, *host, *port;
};

static struct origin origin_of(const char *url)
{
    struct origin origin = {0};
    CURLU *parsed = curl_url();
    if (!parsed)
        mem_exhausted();
    if (curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK) {
        curl_url_get(parsed, CURLUPART_SCHEME, &origin.scheme, 0);
        curl_url_get(parsed, CURLUPART_HOST, &origin.host, 0);
        curl_url_get(parsed, CURLUPART_PORT, &origin.port, CURLU_DEFAULT_PORT);
    }
    curl_url_cleanup(parsed);
    return origin;
}

static void origin_finish(struct origin *origin)
{
    curl_free(origin->scheme);
    curl_free(origin->host);
    curl_free(origin->port);
}

/* NULL if it is no URL; the caller frees. */
static char *origin_text(const struct origin *origin)
{
    if (!origin->scheme || !origin->host || !origin->port)
        return NULL;
    return mem_printf("%s://%s:%s", origin->scheme, origin->host, origin->port);
}

/* ---- the rule ---- */

struct outgoing *outgoing_create(void)
{
    return mem_new(1, sizeof(struct outgoing));
}

void outgoing_destroy(struct outgoing *rule)
{
    if (!rule)
        return;
    for (size_t i = 0; i < rule->origin_count; i++)
        free(rule->origins[i]);
    free(rule->origins);
    free(rule->ranges);
    free(rule);
}

/* Bits beyond the prefix show that something else was meant. */
static bool has_stray_bits(const struct range *range)
{
    for (int bit = range->bits; bit < BYTES * 8; bit++)
        if (range->base.bytes[bit / 8] >> (7 - bit % 8) & 1)
            return true;
    return false;
}

const char *outgoing_range_fault(const char *text)
{
    struct range range;
    if (!range_parse(text, &range))
        return "this has to be an address, or a range of them such as 10.0.0.0/8";
    return has_stray_bits(&range) ? "this has bits set beyond the length of its prefix" : NULL;
}

void outgoing_allow(struct outgoing *rule, const char *text)
{
    struct range range = {0};
    bool good = range_parse(text, &range);
    assert(good);
    if (!good)
        return;
    rule->ranges = mem_grow(rule->ranges, rule->range_count + 1, sizeof *rule->ranges);
    rule->ranges[rule->range_count++] = range;
}

void outgoing_trust(struct outgoing *rule, const char *url)
{
    struct origin origin = origin_of(url);
    char *text = origin_text(&origin);
    if (text) {
        rule->origins = mem_grow(rule->origins, rule->origin_count + 1, sizeof *rule->origins);
        rule->origins[rule->origin_count++] = text;
    }
    origin_finish(&origin);
}

static bool trusts(const struct outgoing *rule, const struct origin *origin)
{
    char *text = origin_text(origin);
    bool found = false;
    for (size_t i = 0; text && i < rule->origin_count && !found; i++)
        found = !strcasecmp(rule->origins[i], text);
    free(text);
    return found;
}

static unsigned kinds_for(const struct outgoing *rule, const struct origin *origin)
{
    struct sockaddr_storage literal;
    if (!origin->host || !trusts(rule, origin))
        return OUTGOING_PUBLIC;
    if (outgoing_literal(origin->host, &literal))
        return OUTGOING_ANY;
    if (!strcasecmp(origin->host, "localhost"))
        return OUTGOING_PUBLIC | OUTGOING_LOOPBACK;
    return OUTGOING_PUBLIC | OUTGOING_PRIVATE;
}

unsigned outgoing_kinds(const struct outgoing *rule, const char *url)
{
    if (!rule)
        return OUTGOING_ANY;
    struct origin origin = origin_of(url);
    unsigned kinds = kinds_for(rule, &origin);
    origin_finish(&origin);
    return kinds;
}

bool outgoing_permits(const struct outgoing *rule, unsigned kinds, const struct sockaddr *socket)
{
    struct address address, inner;
    if (!rule)
        return true;
    if (!from_socket(socket, &address))
        return false;
    if (kinds & kind_of(&address))
        return true;
    bool has_inner = embedded(&address, &inner);
    for (size_t i = 0; i < rule->range_count; i++)
        if (holds(&rule->ranges[i], &address) || (has_inner && holds(&rule->ranges[i], &inner)))
            return true;
    return false;
}

int outgoing_refuse(const char *host, const struct sockaddr *socket, struct err *e)
{
    char text[INET6_ADDRSTRLEN] = "?";
    struct address address;
    if (!from_socket(socket, &address))
        return err_set(e, ERR_OUTGOING_REFUSED, "%s leads to no internet address", host);
    bool v4 = is_v4(&address);
    enum outgoing_kind kind = kind_of(&address);
    inet_ntop(v4 ? AF_INET : AF_INET6, address.bytes + (v4 ? V4_BITS / 8 : 0), text, sizeof text);
    return err_set(e, ERR_OUTGOING_REFUSED,
                   "%s leads to %s, which is %s; requests go there only if the config says "
                   "\"outgoing\": {\"allow\": [\"%s/%d\"]}",
                   host, text,
                   kind == OUTGOING_PRIVATE    ? "a private address"
                   : kind == OUTGOING_LOOPBACK ? "this machine itself"
                                               : "an address for special use",
                   text, v4 ? 32 : 128);
}

/* What "localhost" leads to, whatever the system's files say. */
static bool known_address(const char *host, struct sockaddr_storage *out)
{
    return outgoing_literal(strcasecmp(host, "localhost") ? host : "127.0.0.1", out);
}

int outgoing_check_url(const struct outgoing *rule, const char *url, struct err *e)
{
    struct sockaddr_storage address;
    struct origin origin = origin_of(url);
    int rc = 0;
    if (rule && origin.host && known_address(origin.host, &address) &&
        !outgoing_permits(rule, kinds_for(rule, &origin), (struct sockaddr *)&address))
        rc = outgoing_refuse(origin.host, (struct sockaddr *)&address, e);
    origin_finish(&origin);
    return rc;
}

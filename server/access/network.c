#include "server/access/network.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

enum { HOST_MAX = INET6_ADDRSTRLEN };

static bool bit(const unsigned char *bytes, int i)
{
    return bytes[i / 8] >> (7 - i % 8) & 1;
}

/* The digits of a prefix length without a leading zero; -1 if it is none up to max. */
static int read_bits(const char *text, int max)
{
    size_t size = strlen(text);
    if (size < 1 || size > 3 || strspn(text, "0123456789") != size || (size > 1 && *text == '0'))
        return -1;
    long bits = strtol(text, NULL, 10);
    return bits <= max ? (int)bits : -1;
}

const char *network_parse(const char *text, struct network *out)
{
    static const char wrong[] = "must be an address, a range such as 10.0.0.0/8, or unix";
    struct network network = {.family = NETWORK_UNIX};
    char host[HOST_MAX];
    size_t size = strcspn(text, "/");
    if (!strcmp(text, "unix")) {
        *out = network;
        return NULL;
    }
    if (size >= sizeof host)
        return wrong;
    memcpy(host, text, size);
    host[size] = '\0';
    if (inet_pton(AF_INET, host, network.prefix) == 1)
        network.family = NETWORK_V4;
    else if (inet_pton(AF_INET6, host, network.prefix) == 1)
        network.family = NETWORK_V6;
    else
        return wrong;
    int max = network.family == NETWORK_V4 ? 32 : 128;
    network.bits = text[size] ? read_bits(text + size + 1, max) : max;
    if (network.bits < 0)
        return wrong;
    for (int i = network.bits; i < max; i++)
        if (bit(network.prefix, i))
            return "must have no bits set beyond its prefix, such as 10.0.0.0/8";
    *out = network;
    return NULL;
}

bool network_contains(const struct network *outer, const struct network *inner)
{
    if (outer->family != inner->family || outer->bits > inner->bits)
        return false;
    for (int i = 0; i < outer->bits; i++)
        if (bit(outer->prefix, i) != bit(inner->prefix, i))
            return false;
    return true;
}

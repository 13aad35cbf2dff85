#include "server/solver/dns_address.h"

#include "acme/base/memory.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DNS_PORT = 53, RESOLVERS_MAX = 16 };

bool dns_address_is_ipv6(const struct dns_address *address)
{
    return address->socket.any.sa_family == AF_INET6;
}

/* Takes over what getaddrinfo found first, and writes it down as text. */
static bool address_fill(const struct addrinfo *found, uint16_t port, struct dns_address *out)
{
    char ip[64];
    if (found->ai_addrlen > sizeof out->socket ||
        getnameinfo(found->ai_addr, found->ai_addrlen, ip, sizeof ip, NULL, 0, NI_NUMERICHOST))
        return false;
    memset(out, 0, sizeof *out);
    memcpy(&out->socket, found->ai_addr, found->ai_addrlen);
    out->size = found->ai_addrlen;
    const char *format = found->ai_family == AF_INET6 ? "[%s]:%u" : "%s:%u";
    if (port == DNS_PORT)
        snprintf(out->text, sizeof out->text, "%s", ip);
    else
        snprintf(out->text, sizeof out->text, format, ip, (unsigned)port);
    return true;
}

static bool address_look_up(const char *host, uint16_t port, int flags, struct dns_address *out)
{
    char service[8];
    struct addrinfo *found = NULL;
    const struct addrinfo wanted = {
        .ai_family = AF_UNSPEC,
        .ai_socktype = SOCK_DGRAM,
        .ai_flags = flags | AI_NUMERICSERV,
    };
    snprintf(service, sizeof service, "%u", (unsigned)port);
    if (getaddrinfo(host, service, &wanted, &found))
        return false;
    bool filled = address_fill(found, port, out);
    freeaddrinfo(found);
    return filled;
}

bool dns_address_from_ip(const char *ip, uint16_t port, struct dns_address *out)
{
    return address_look_up(ip, port, AI_NUMERICHOST, out);
}

/* 1 … 65535, or 0 if text is no port. */
static uint16_t port_read(const char *text)
{
    unsigned long port = 0;
    for (const char *s = text; *s; s++) {
        if (*s < '0' || *s > '9' || port > UINT16_MAX)
            return 0;
        port = port * 10 + (unsigned long)(*s - '0');
    }
    return port > UINT16_MAX ? 0 : (uint16_t)port;
}

int dns_address_parse(const char *text, struct dns_address *out, struct err *e)
{
    char host[256];
    uint16_t port = DNS_PORT;
    const char *colon = strrchr(text, ':');
    size_t size = strlen(text);
    if (text[0] == '[') {
        const char *close = strchr(text, ']');
        size = close ? (size_t)(close - text) : 0;
        if (!close || (close[1] && (colon != close + 1 || !(port = port_read(colon + 1)))))
            return err_set(e, ERR_CONFIG, "resolver \"%s\" is not an address", text);
        text++;
        size--;
    } else if (colon && strchr(text, ':') == colon) {
        port = port_read(colon + 1);
        size = (size_t)(colon - text);
    }
    if (port == 0 || size == 0 || size >= sizeof host)
        return err_set(e, ERR_CONFIG, "resolver \"%s\" is not an address", text);
    memcpy(host, text, size);
    host[size] = '\0';
    if (!address_look_up(host, port, 0, out))
        return err_set(e, ERR_CONFIG, "resolver \"%s\" has no address", host);
    return 0;
}

/* The nameserver lines of resolv.conf(5). */
static size_t resolv_conf_read(struct dns_address *out, size_t max)
{
    char line[256], ip[128];
    size_t count = 0;
    FILE *file = fopen("/etc/resolv.conf", "re");
    while (file && count < max && fgets(line, sizeof line, file))
        if (sscanf(line, "nameserver %127s", ip) == 1 &&
            dns_address_from_ip(ip, DNS_PORT, &out[count]))
            count++;
    if (file)
        fclose(file);
    return count;
}

int dns_resolvers_read(const char *const *texts, size_t count, struct dns_address **out,
                       size_t *out_count, struct err *e)
{
    if (count > RESOLVERS_MAX)
        return err_set(e, ERR_CONFIG, "there are more than %d resolvers", RESOLVERS_MAX);
    struct dns_address *list = mem_new(RESOLVERS_MAX, sizeof *list);
    for (size_t i = 0; i < count; i++) {
        if (dns_address_parse(texts[i], &list[i], e)) {
            free(list);
            return -1;
        }
    }
    if (count == 0)
        count = resolv_conf_read(list, RESOLVERS_MAX);
    if (count == 0 && dns_address_from_ip("127.0.0.1", DNS_PORT, &list[0]))
        count = 1;
    *out = list;
    *out_count = count;
    return 0;
}

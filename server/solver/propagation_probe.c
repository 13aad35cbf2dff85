#include "server/solver/propagation_probe.h"

#include "acme/base/buffer.h"
#include "acme/base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LAGGARDS_NAMED_MAX = 6 };

void probed_servers_from_authorities(struct dns_authority *authorities, size_t count,
                                     struct probed_servers *out)
{
    out->list = mem_new(count, sizeof *out->list);
    out->count = count;
    out->noun = "name servers";
    out->pass_over_silent = false;
    for (size_t i = 0; i < count; i++) {
        struct probed_server *server = &out->list[i];
        server->name = mem_strdup(authorities[i].name);
        server->failed = authorities[i].failed;
        server->probe_count = authorities[i].address_count;
        server->probes = mem_new(server->probe_count + 1, sizeof *server->probes);
        for (size_t k = 0; k < server->probe_count; k++)
            server->probes[k].address = authorities[i].addresses[k];
    }
    dns_authorities_free(authorities, count);
}

void probed_servers_from_resolvers(const struct dns_address *resolvers, size_t count,
                                   struct probed_servers *out)
{
    out->list = mem_new(count, sizeof *out->list);
    out->count = count;
    out->noun = "resolvers";
    out->pass_over_silent = true;
    for (size_t i = 0; i < count; i++) {
        struct probed_server *server = &out->list[i];
        server->name = mem_strdup(resolvers[i].text);
        server->probe_count = 1;
        server->probes = mem_new(1, sizeof *server->probes);
        server->probes[0].address = resolvers[i];
    }
}

void probed_servers_finish(struct probed_servers *servers)
{
    for (size_t i = 0; i < servers->count; i++) {
        free(servers->list[i].name);
        free(servers->list[i].probes);
    }
    free(servers->list);
    servers->list = NULL;
    servers->count = 0;
}

void probe_file(struct probe *probe, enum dns_outcome outcome, const struct dns_answer *answer,
                const char *value, propagation_match *matches, bool authority)
{
    if (outcome != DNS_ANSWERED) {
        probe->reply = outcome == DNS_UNREACHABLE ? PROBE_UNREACHABLE : PROBE_SILENT;
        return;
    }
    probe->rcode = answer->rcode;
    probe->reply = answer->value_count > 0 ? PROBE_OTHER : PROBE_EMPTY;
    if (answer->rcode == DNS_NXDOMAIN)
        probe->reply = PROBE_NXDOMAIN;
    else if (answer->rcode != DNS_NOERROR)
        probe->reply = PROBE_ERROR;
    else if (authority && answer->value_count == 0 && !answer->authoritative)
        probe->reply = PROBE_LAME;
    for (size_t i = 0; i < answer->value_count; i++)
        if (matches(answer->values[i], value))
            probe->reply = PROBE_HAS;
}

static bool unanswered(const struct probe *probe)
{
    return probe->reply == PROBE_SILENT || probe->reply == PROBE_UNREACHABLE ||
           probe->reply == PROBE_NONE;
}

static bool answers_by_ipv4(const struct probed_server *server)
{
    for (size_t i = 0; i < server->probe_count; i++)
        if (!dns_address_is_ipv6(&server->probes[i].address) && !unanswered(&server->probes[i]))
            return true;
    return false;
}

/* The first probe that keeps the server from having the value; NULL if none does. */
static const struct probe *server_lag(const struct probed_server *server)
{
    bool ipv4 = answers_by_ipv4(server);
    for (size_t i = 0; i < server->probe_count; i++) {
        const struct probe *probe = &server->probes[i];
        if (ipv4 && dns_address_is_ipv6(&probe->address) && unanswered(probe))
            continue;
        if (probe->reply != PROBE_HAS)
            return probe;
    }
    return NULL;
}

/* Whether no one could reach it: no address, or IPv6 only, where this machine has none. */
static bool server_is_nowhere(const struct probed_servers *servers,
                              const struct probed_server *server)
{
    if (servers->pass_over_silent)
        return unanswered(&server->probes[0]);
    for (size_t i = 0; i < server->probe_count; i++)
        if (!dns_address_is_ipv6(&server->probes[i].address) ||
            server->probes[i].reply != PROBE_UNREACHABLE)
            return false;
    return !server->failed;
}

/* How a server stands: PROBE_HAS, or why not. */
static enum probe_reply server_stand(const struct probed_server *server, const struct probe **lag)
{
    *lag = NULL;
    if (server->probe_count == 0)
        return PROBE_NO_ADDRESS;
    *lag = server_lag(server);
    return *lag ? (*lag)->reply : PROBE_HAS;
}

static void lag_describe(const struct probed_server *server, enum probe_reply stand,
                         const struct probe *lag, struct buf *out)
{
    static const char *const words[] = {
        [PROBE_NONE] = "was not asked yet",
        [PROBE_OTHER] = "still has other values",
        [PROBE_EMPTY] = "still has no TXT record there",
        [PROBE_NXDOMAIN] = "still answers NXDOMAIN",
        [PROBE_LAME] = "does not serve the zone",
        [PROBE_SILENT] = "does not answer",
        [PROBE_UNREACHABLE] = "cannot be reached",
        [PROBE_NO_ADDRESS] = "has no address",
    };
    buf_printf(out, "; %s", server->name);
    if (server->probe_count > 1)
        buf_printf(out, " (%s)", lag->address.text);
    if (stand == PROBE_ERROR)
        buf_printf(out, " answers %s", dns_rcode_name(lag->rcode));
    else if (stand == PROBE_NO_ADDRESS && server->failed)
        buf_add_string(out, " has an address that cannot be looked up");
    else
        buf_printf(out, " %s", words[stand]);
}

/* One kind of trouble in all of them is what the error is about; a mixture is plain lag. */
static enum err_code lag_code(enum probe_reply stand, const struct probe *lag, int have)
{
    if (stand == PROBE_SILENT || stand == PROBE_UNREACHABLE || stand == PROBE_NO_ADDRESS)
        return ERR_DNS_TIMEOUT;
    if (stand == PROBE_ERROR && lag->rcode == DNS_SERVFAIL)
        return ERR_DNS_SERVFAIL;
    if (stand == PROBE_NXDOMAIN && have == 0)
        return ERR_DNS_NXDOMAIN;
    return ERR_DNS_NOT_PROPAGATED;
}

static void count_servers(const struct probed_servers *servers, bool *pass_over, int *have,
                          int *total)
{
    const struct probe *lag;
    size_t nowhere = 0;
    *have = 0;
    for (size_t i = 0; i < servers->count; i++) {
        nowhere += server_is_nowhere(servers, &servers->list[i]);
        *have += server_stand(&servers->list[i], &lag) == PROBE_HAS;
    }
    *pass_over = nowhere < servers->count;
    *total = (int)(servers->count - (*pass_over ? nowhere : 0));
}

enum err_code probed_servers_judge(const struct probed_servers *servers,
                                   struct propagation_progress *out)
{
    bool pass_over;
    int named = 0, lagging = 0;
    struct buf text = {0};
    enum err_code code = ERR_NONE;
    count_servers(servers, &pass_over, &out->have, &out->total);
    buf_printf(&text, "%d of %d %s have it", out->have, out->total, servers->noun);
    for (size_t i = 0; i < servers->count; i++) {
        const struct probed_server *server = &servers->list[i];
        const struct probe *lag;
        enum probe_reply stand = server_stand(server, &lag);
        if (stand == PROBE_HAS || (pass_over && server_is_nowhere(servers, server)))
            continue;
        enum err_code own = lag_code(stand, lag, out->have);
        code = lagging++ == 0 || own == code ? own : ERR_DNS_NOT_PROPAGATED;
        if (named < LAGGARDS_NAMED_MAX) {
            lag_describe(server, stand, lag, &text);
            named++;
        }
    }
    if (lagging > named)
        buf_printf(&text, "; and %d more", lagging - named);
    snprintf(out->text, sizeof out->text, "%s", buf_string(&text));
    buf_finish(&text);
    return code;
}

/*
 * Real name servers for unit programs: Knot DNS on loopback addresses, started by the test and
 * ended by its process id.
 */
#ifndef CERTWRIGHT_TESTS_UNIT_KNOT_H
#define CERTWRIGHT_TESTS_UNIT_KNOT_H

#include "acme/base/buffer.h"
#include "acme/base/memory.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct knot_zone {
    const char *name;    /* "example.org", "." */
    const char *records; /* beside the SOA; NULL: the zone has no content, so it is SERVFAIL */
};

struct knot {
    char directory[64];
    const char *ip;
    int port;
    pid_t pid;
};

/* A socket bound to ip and port, which answers nothing; -1 if that is taken. */
static inline int knot_bind(const char *ip, int port, int type)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    bool is_v4 = inet_pton(AF_INET, ip, &v4.sin_addr) == 1;
    if (!is_v4 && inet_pton(AF_INET6, ip, &v6.sin6_addr) != 1)
        abort();
    int fd = socket(is_v4 ? AF_INET : AF_INET6, type | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    int rc = is_v4 ? bind(fd, (struct sockaddr *)&v4, sizeof v4)
                   : bind(fd, (struct sockaddr *)&v6, sizeof v6);
    if (rc) {
        close(fd);
        return -1;
    }
    return fd;
}

static inline bool knot_port_is_free(const char *const *ips, size_t count, int port)
{
    bool is_free = true;
    for (size_t i = 0; i < 2 * count && is_free; i++) {
        int fd = knot_bind(ips[i / 2], port, i % 2 ? SOCK_STREAM : SOCK_DGRAM);
        is_free = fd >= 0;
        if (is_free)
            close(fd);
    }
    return is_free;
}

/* A port that is free at all these addresses. */
static inline int knot_free_port(const char *const *ips, size_t count)
{
    for (int i = 0; i < 1000; i++) {
        int port = 10000 + (int)(((unsigned)getpid() * 7919U + (unsigned)i * 104729U) % 20000U);
        if (knot_port_is_free(ips, count, port))
            return port;
    }
    abort();
}

static inline void knot_write(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    if (!file || fputs(text, file) < 0 || fclose(file)) {
        perror(path);
        abort();
    }
}

/* The file of a zone; serial must grow for a reload to take it. */
static inline void knot_write_zone(const struct knot *knot, const struct knot_zone *zone,
                                   unsigned serial)
{
    const char *dot = strcmp(zone->name, ".") ? "." : "";
    char *path = mem_printf("%s/%s.zone", knot->directory, *dot ? zone->name : "root");
    char *text = mem_printf("$ORIGIN %s%s\n$TTL 2\n@ SOA ns1.host.example. h.host.example. %u "
                            "3600 900 86400 2\n%s\n",
                            zone->name, dot, serial, zone->records);
    knot_write(path, text);
    free(text);
    free(path);
}

static inline void knot_write_config(const struct knot *knot, const struct knot_zone *zones,
                                     size_t count)
{
    struct buf text = {0};
    char *path = mem_printf("%s/knot.conf", knot->directory);
    buf_printf(&text,
               "server:\n  rundir: \"%s\"\n  listen: %s@%d\n  udp-workers: 1\n"
               "  tcp-workers: 1\n  background-workers: 1\n"
               "database:\n  storage: \"%s\"\n"
               "log:\n  - target: stderr\n    any: error\n"
               "template:\n  - id: default\n    storage: \"%s\"\n    journal-content: none\n"
               "    zonefile-load: whole\n    semantic-checks: off\nzone:\n",
               knot->directory, knot->ip, knot->port, knot->directory, knot->directory);
    for (size_t i = 0; i < count; i++)
        buf_printf(&text, "  - domain: %s\n    file: %s.zone\n", zones[i].name,
                   strcmp(zones[i].name, ".") ? zones[i].name : "root");
    knot_write(path, buf_string(&text));
    buf_finish(&text);
    free(path);
}

/* Whether the server answers a question for its first zone's SOA without an error. */
static inline bool knot_answers(const struct knot *knot, const struct knot_zone *zone)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)knot->port)};
    unsigned char packet[512] = {0x12, 0x34, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0};
    size_t size = 12;
    inet_pton(AF_INET, knot->ip, &to.sin_addr);
    for (const char *label = zone->name; *label && *label != '.';) {
        size_t length = strcspn(label, ".");
        packet[size++] = (unsigned char)length;
        memcpy(packet + size, label, length);
        size += length;
        label += length + (label[length] == '.');
    }
    size += 2;
    packet[size++] = 6; /* SOA */
    size++;
    packet[size++] = 1; /* IN */
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    bool answered = connect(fd, (struct sockaddr *)&to, sizeof to) == 0 &&
                    send(fd, packet, size, 0) == (ssize_t)size && poll(&wait, 1, 200) == 1 &&
                    recv(fd, packet, sizeof packet, 0) > 12 && (packet[3] & 0xf) == 0 &&
                    packet[7] == 1;
    close(fd);
    return answered;
}

/* The first zone must have content. Ends the program if there is no knotd. */
static inline void knot_start(struct knot *knot, const char *ip, int port,
                              const struct knot_zone *zones, size_t count)
{
    snprintf(knot->directory, sizeof knot->directory, "/tmp/certwright-knot-XXXXXX");
    if (!mkdtemp(knot->directory))
        abort();
    knot->ip = ip;
    knot->port = port;
    for (size_t i = 0; i < count; i++)
        if (zones[i].records)
            knot_write_zone(knot, &zones[i], 1);
    knot_write_config(knot, zones, count);
    char *config = mem_printf("%s/knot.conf", knot->directory);
    pid_t parent = getpid();
    knot->pid = fork();
    if (knot->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() == parent)
            execlp("knotd", "knotd", "-c", config, (char *)NULL);
        perror("knotd (Debian's package knot)");
        _exit(127);
    }
    free(config);
    for (int i = 0; i < 200; i++) {
        if (knot_answers(knot, &zones[0]))
            return;
        if (waitpid(knot->pid, NULL, WNOHANG) == knot->pid)
            break;
        poll(NULL, 0, 50);
    }
    fprintf(stderr, "knotd does not answer at %s port %d\n", ip, port);
    abort();
}

/* Publishes other records for one of its zones; it takes a moment. */
static inline void knot_publish(const struct knot *knot, const struct knot_zone *zone,
                                unsigned serial)
{
    knot_write_zone(knot, zone, serial);
    kill(knot->pid, SIGHUP);
}

static inline void knot_stop(struct knot *knot)
{
    kill(knot->pid, SIGKILL);
    waitpid(knot->pid, NULL, 0);
    pid_t remover = fork();
    if (remover == 0) {
        execlp("rm", "rm", "-r", knot->directory, (char *)NULL);
        _exit(127);
    }
    waitpid(remover, NULL, 0);
}

#endif

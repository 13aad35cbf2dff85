/*
 * The program: reads the command line and the configuration, starts the house, waits for a signal.
 */
#include "acme/base/clock.h"
#include "acme/base/log.h"
#include "acme/base/memory.h"
#include "server/config/config.h"
#include "server/config/options.h"
#include "server/start/house.h"
#include "server/start/rekey.h"
#include "server/start/startable.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* Blocked before the first thread, so that only wait_for_end sees them. */
static void block_signals(sigset_t *ends)
{
    sigemptyset(ends);
    sigaddset(ends, SIGTERM);
    sigaddset(ends, SIGINT);
    pthread_sigmask(SIG_BLOCK, ends, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
}

/* For poll; the house never asks for more than seconds. */
static int until(int64_t at)
{
    int64_t ms = at - clock_engine_ms();
    return ms < 0 ? 0 : ms > INT_MAX ? INT_MAX : (int)ms;
}

/* The number of the signal, which has come. */
static int read_signal(int signals)
{
    struct signalfd_siginfo info;
    return read(signals, &info, sizeof info) == (ssize_t)sizeof info ? (int)info.ssi_signo : 0;
}

static void wait_for_end(struct house *house, int signals)
{
    struct pollfd polled[] = {{.fd = signals, .events = POLLIN},
                              {.fd = house_wake_fd(house), .events = POLLIN}};
    int number = 0;
    while (!number) {
        int ready = poll(polled, 2, until(house_tend_at(house)));
        if (ready > 0 && polled[0].revents)
            number = read_signal(signals);
        else
            house_tend(house);
    }
    log_info("stopping", "signal", number == SIGTERM ? "SIGTERM" : "SIGINT", NULL);
}

static int exit_code(const struct err *e)
{
    if (e->code == ERR_CONFIG)
        return OPTIONS_EXIT_CONFIG;
    return e->code == ERR_BUSY ? OPTIONS_EXIT_IN_USE : OPTIONS_EXIT_FAILED;
}

/* To a person at a terminal, or to whoever reads the log. */
static void complain(const struct buf *complaints, const struct err *e)
{
    if (complaints->size)
        fputs(complaints->data, stderr);
    else
        fprintf(stderr, "certwright: %s\n", e->detail);
}

enum { DESCRIPTORS_WANTED = 65536 };

/* A waiting client is a descriptor. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max < DESCRIPTORS_WANTED ? limit.rlim_max : DESCRIPTORS_WANTED;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* Keys and tokens are in memory: none of it goes into a core file, or to a debugger of our user. */
static void keep_memory_private(void)
{
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    prctl(PR_SET_DUMPABLE, 0); /* a core_pattern that is a pipe knows no limit */
}

static int serve(const struct config *config, struct buf *complaints, struct err *e)
{
    struct house *house;
    sigset_t ends;
    log_set_level(config->log_level);
    block_signals(&ends);
    raise_descriptor_limit();
    keep_memory_private();
    log_info("starting", "version", CERTWRIGHT_VERSION, "data", config->data, NULL);
    if (house_create(config, &house, complaints, e) < 0)
        return -1;
    /* Not before: it could take the number that the master key's descriptor ought to have. */
    int signals = signalfd(-1, &ends, SFD_CLOEXEC);
    if (signals < 0) {
        err_set(e, ERR_IO, "cannot make a signalfd: %s", strerror(errno));
        house_destroy(house);
        return -1;
    }
    log_info("ready", NULL);
    wait_for_end(house, signals);
    house_destroy(house);
    close(signals);
    log_info("stopped", NULL);
    return 0;
}

static int rekey(const struct config *config, const char *new_key, struct err *e)
{
    log_set_level(config->log_level < LOG_LEVEL_WARN ? LOG_LEVEL_WARN : config->log_level);
    keep_memory_private();
    return rekey_run(config, new_key, e);
}

static int check(const struct config *config, struct buf *complaints, struct err *e)
{
    if (startable_check(config, complaints, e) < 0)
        return -1;
    printf("%s is valid\n", config->file);
    return 0;
}

static int run(const struct options *options, const struct config *config, struct buf *complaints,
               struct err *e)
{
    if (options->verb == OPTIONS_SERVE)
        return serve(config, complaints, e);
    return options->verb == OPTIONS_REKEY ? rekey(config, options->new_key, e)
                                          : check(config, complaints, e);
}

static int with_config(const struct options *options)
{
    struct config *config;
    struct buf complaints = {0};
    struct err error;
    int rc = config_load(&options->flags, &config, &complaints, &error);
    if (rc < 0) {
        error.code = ERR_CONFIG; /* a file that cannot be read is no better than a wrong one */
    } else {
        rc = run(options, config, &complaints, &error);
        config_destroy(config);
    }
    if (rc < 0)
        complain(&complaints, &error);
    buf_finish_secret(&complaints);
    return rc < 0 ? exit_code(&error) : OPTIONS_EXIT_DONE;
}

int main(int argc, char **argv)
{
    struct options options;
    struct err error;
    mem_guard_openssl();
    if (options_parse(argc, argv, &options, &error) < 0) {
        fprintf(stderr, "certwright: %s; certwright --help tells what there is\n", error.detail);
        return OPTIONS_EXIT_USAGE;
    }
    int code = OPTIONS_EXIT_DONE;
    if (options.verb == OPTIONS_VERSION)
        printf("certwright %s\n", CERTWRIGHT_VERSION);
    else if (options.verb == OPTIONS_HELP)
        options_usage(stdout);
    else
        code = with_config(&options);
    options_finish(&options);
    return code;
}

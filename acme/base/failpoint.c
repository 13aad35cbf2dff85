#include "acme/base/failpoint.h"

#ifdef CERTWRIGHT_FAILPOINTS

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Held while a point is told and passed, so that nothing happens after the last line. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static long passed;
static long last;             /* 0: none */
static const char *last_name; /* with its subject, if that counts; NULL: none */
static int trace = -1;

static void read_environment(void)
{
    const char *point = getenv("CERTWRIGHT_FAILPOINT");
    const char *file = getenv("CERTWRIGHT_FAILPOINT_TRACE");
    if (point)
        last = strtol(point, NULL, 10);
    if (!last)
        last_name = point;
    if (file)
        trace = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (file && trace < 0)
        abort();
}

static bool is_named(const char *name, const char *subject)
{
    size_t size = strlen(name);
    if (!last_name || strncmp(last_name, name, size) != 0)
        return false;
    const char *rest = last_name + size;
    return !*rest || (*rest == ' ' && subject && !strcmp(rest + 1, subject));
}

void failpoint(const char *name, const char *subject)
{
    pthread_once(&once, read_environment);
    pthread_mutex_lock(&mutex);
    passed++;
    if (trace >= 0)
        dprintf(trace, "%ld %s %s\n", passed, name, subject ? subject : "");
    if (passed == last || is_named(name, subject))
        kill(getpid(), SIGKILL);
    pthread_mutex_unlock(&mutex);
}

#endif

#include "acme/base/clock.h"

#include <assert.h>
#include <ctype.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t read_clock(clockid_t id)
{
    struct timespec t;
    int rc = clock_gettime(id, &t);
    assert(rc == 0);
    (void)rc;
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static pthread_once_t started = PTHREAD_ONCE_INIT;
static int64_t start_offset; /* wall minus monotonic at the start of the process */

static void remember_start(void)
{
    start_offset = read_clock(CLOCK_REALTIME) - read_clock(CLOCK_BOOTTIME);
}

int64_t clock_monotonic_ms(void)
{
    return read_clock(CLOCK_BOOTTIME);
}

int64_t clock_engine_ms(void)
{
    pthread_once(&started, remember_start);
    return start_offset + clock_monotonic_ms();
}

int64_t clock_wall_ms(void)
{
    return read_clock(CLOCK_REALTIME);
}

int64_t clock_shifted_ms(void)
{
    int64_t engine = clock_engine_ms();
    return clock_wall_ms() - engine;
}

void clock_rfc3339(int64_t ms, char out[CLOCK_RFC3339_SIZE])
{
    const int64_t first = -62167219200000; /* 0000-01-01 */
    const int64_t last = 253402300799999;  /* 9999-12-31 */
    ms = ms < first ? first : ms > last ? last : ms;
    int64_t fraction = ((ms % 1000) + 1000) % 1000;
    time_t seconds = (time_t)((ms - fraction) / 1000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    snprintf(out, CLOCK_RFC3339_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ",
             (unsigned)(tm.tm_year + 1900) % 10000U, (unsigned)(tm.tm_mon + 1) % 100U,
             (unsigned)tm.tm_mday % 100U, (unsigned)tm.tm_hour % 100U, (unsigned)tm.tm_min % 100U,
             (unsigned)tm.tm_sec % 100U, (unsigned)fraction);
}

/* Reads exactly n digits. Returns the position after them, or NULL. */
static const char *digits(const char *p, int n, int *out)
{
    int value = 0;
    for (int i = 0; i < n; i++, p++) {
        if (!isdigit((unsigned char)*p))
            return NULL;
        value = value * 10 + (*p - '0');
    }
    *out = value;
    return p;
}

static const char *literal(const char *p, char c)
{
    return p && *p == c ? p + 1 : NULL;
}

static int to_ms(struct tm *tm, int64_t *ms)
{
    if (tm->tm_mon < 0 || tm->tm_mon > 11 || tm->tm_mday < 1 || tm->tm_mday > 31 ||
        tm->tm_hour > 23 || tm->tm_min > 59 || tm->tm_sec > 60)
        return -1;
    *ms = (int64_t)timegm(tm) * 1000;
    return 0;
}

/* The fraction of a second, truncated to milliseconds. */
static const char *fraction(const char *p, int *ms)
{
    *ms = 0;
    if (*p != '.')
        return p;
    p++;
    if (!isdigit((unsigned char)*p))
        return NULL;
    for (int scale = 100; isdigit((unsigned char)*p); p++, scale /= 10)
        *ms += (*p - '0') * scale;
    return p;
}

static const char *offset(const char *p, int *minutes)
{
    *minutes = 0;
    if (*p == 'Z' || *p == 'z')
        return p + 1;
    if (*p != '+' && *p != '-')
        return NULL;
    int sign = *p == '-' ? -1 : 1;
    int h = 0, m = 0;
    p = digits(p + 1, 2, &h);
    p = literal(p, ':');
    p = p ? digits(p, 2, &m) : NULL;
    if (!p || h > 23 || m > 59)
        return NULL;
    *minutes = sign * (h * 60 + m);
    return p;
}

int clock_parse_rfc3339(const char *text, int64_t *ms)
{
    struct tm tm = {0};
    int fraction_ms = 0, offset_minutes = 0;
    const char *p = digits(text, 4, &tm.tm_year);
    p = literal(p, '-');
    p = p ? digits(p, 2, &tm.tm_mon) : NULL;
    p = literal(p, '-');
    p = p ? digits(p, 2, &tm.tm_mday) : NULL;
    if (!p || (*p != 'T' && *p != 't' && *p != ' '))
        return -1;
    p = digits(p + 1, 2, &tm.tm_hour);
    p = literal(p, ':');
    p = p ? digits(p, 2, &tm.tm_min) : NULL;
    p = literal(p, ':');
    p = p ? digits(p, 2, &tm.tm_sec) : NULL;
    p = p ? fraction(p, &fraction_ms) : NULL;
    p = p ? offset(p, &offset_minutes) : NULL;
    if (!p || *p)
        return -1;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    int64_t at;
    if (to_ms(&tm, &at) < 0)
        return -1;
    *ms = at + fraction_ms - (int64_t)offset_minutes * CLOCK_MINUTE_MS;
    return 0;
}

int clock_parse_http_date(const char *text, int64_t *ms)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct tm tm = {0};
    if (strlen(text) != 29 || text[3] != ',' || text[4] != ' ' || strcmp(text + 25, " GMT") != 0)
        return -1;
    const char *p = digits(text + 5, 2, &tm.tm_mday);
    p = literal(p, ' ');
    if (!p)
        return -1;
    char month[4] = {p[0], p[1], p[2], '\0'};
    const char *found = strstr(months, month);
    if (!found || (found - months) % 3)
        return -1;
    tm.tm_mon = (int)(found - months) / 3;
    p = literal(p + 3, ' ');
    p = p ? digits(p, 4, &tm.tm_year) : NULL;
    p = literal(p, ' ');
    p = p ? digits(p, 2, &tm.tm_hour) : NULL;
    p = literal(p, ':');
    p = p ? digits(p, 2, &tm.tm_min) : NULL;
    p = literal(p, ':');
    p = p ? digits(p, 2, &tm.tm_sec) : NULL;
    if (!p)
        return -1;
    tm.tm_year -= 1900;
    return to_ms(&tm, ms);
}

/*
 * Tests that could go on for long: all of it with CERTWRIGHT_LONG in the environment, else a sample
 * that differs from run to run. The seed is printed; SEED repeats it.
 */
#ifndef CERTWRIGHT_TESTS_SAMPLE_H
#define CERTWRIGHT_TESTS_SAMPLE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static uint64_t sample_state;

static inline bool sample_is_all(void)
{
    return getenv("CERTWRIGHT_LONG");
}

static inline void sample_begin(void)
{
    const char *given = getenv("SEED");
    sample_state = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
    printf("seed %llu%s\n", (unsigned long long)sample_state, sample_is_all() ? ", all" : "");
}

/* splitmix64: good enough from any seed. */
static inline uint64_t sample_random(void)
{
    uint64_t z = sample_state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

/* How far to go on from one case to the next, so that about one in so many comes up, or all. */
static inline long sample_stride(long one_in)
{
    return sample_is_all() ? 1 : 1 + (long)(sample_random() % (uint64_t)(2 * one_in - 1));
}

#endif

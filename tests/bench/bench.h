/* What the bench programs share: clocks, medians, and a crowd of threads that start together. */
#ifndef CERTWRIGHT_TESTS_BENCH_BENCH_H
#define CERTWRIGHT_TESTS_BENCH_BENCH_H

#include "acme/base/buffer.h"
#include "acme/base/memory.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

static inline double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Of this process so far, all threads, user and system. */
static inline double cpu_seconds(void)
{
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
           (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

static inline int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* The value that share (0 … 1) of the others do not exceed; sorts them. */
static inline double quantile(double *values, size_t count, double share)
{
    qsort(values, count, sizeof *values, compare_doubles);
    return count ? values[(size_t)((double)(count - 1) * share)] : 0;
}

static inline void pause_ms(long ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

/* The file's text; ends the program if it cannot be read. The caller ends the buffer. */
static inline struct buf slurp(const char *path)
{
    struct buf out = {0};
    char piece[4096];
    size_t n;
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        exit(2);
    }
    while ((n = fread(piece, 1, sizeof piece, file)) > 0)
        buf_add(&out, piece, n);
    fclose(file);
    return out;
}

/* ---- a crowd: threads that each do one job after the other until count are done ---- */

struct crowd {
    /* Job number i of thread; returns 0, or -1 after saying why. Number -1 warms the thread up. */
    int (*work)(void *context, int thread, int number);
    void *context;
    int threads;
    int count;

    /* The outcome. */
    double seconds;
    double cpu_seconds;
    double *latencies; /* of each job, seconds */
    atomic_int failures;

    pthread_barrier_t start;
    atomic_int next;
    atomic_int thread_numbers;
};

static inline void *crowd_member(void *argument)
{
    struct crowd *crowd = argument;
    int thread = atomic_fetch_add(&crowd->thread_numbers, 1), number;
    if (crowd->work(crowd->context, thread, -1) < 0)
        atomic_fetch_add(&crowd->failures, 1);
    pthread_barrier_wait(&crowd->start);
    pthread_barrier_wait(&crowd->start);
    while ((number = atomic_fetch_add(&crowd->next, 1)) < crowd->count &&
           atomic_load(&crowd->failures) == 0) {
        double began = seconds_now();
        if (crowd->work(crowd->context, thread, number) < 0)
            atomic_fetch_add(&crowd->failures, 1);
        crowd->latencies[number] = seconds_now() - began;
    }
    return NULL;
}

/* Fills the outcome; the clock starts when every thread is warm. started (may be NULL) is called
   then. The caller frees latencies. */
static inline void crowd_run(struct crowd *crowd, void (*started)(void *context))
{
    pthread_t *threads = mem_new((size_t)crowd->threads, sizeof *threads);
    crowd->latencies = mem_new((size_t)crowd->count, sizeof *crowd->latencies);
    pthread_barrier_init(&crowd->start, NULL, (unsigned)crowd->threads + 1);
    for (int i = 0; i < crowd->threads; i++)
        if (pthread_create(&threads[i], NULL, crowd_member, crowd))
            abort();
    pthread_barrier_wait(&crowd->start);
    if (started)
        started(crowd->context);
    double began = seconds_now(), cpu = cpu_seconds();
    pthread_barrier_wait(&crowd->start);
    for (int i = 0; i < crowd->threads; i++)
        pthread_join(threads[i], NULL);
    crowd->seconds = seconds_now() - began;
    crowd->cpu_seconds = cpu_seconds() - cpu;
    pthread_barrier_destroy(&crowd->start);
    free(threads);
}

#endif

#include "server/solver/timers.h"

#include "acme/base/memory.h"

#include <limits.h>
#include <stdlib.h>

static void place(struct timers *timers, struct timer *timer, size_t at)
{
    timers->heap[at - 1] = timer;
    timer->place = at;
}

static struct timer *at(const struct timers *timers, size_t place)
{
    return timers->heap[place - 1];
}

static void sift_up(struct timers *timers, struct timer *timer, size_t hole)
{
    while (hole > 1 && at(timers, hole / 2)->due_ms > timer->due_ms) {
        place(timers, at(timers, hole / 2), hole);
        hole /= 2;
    }
    place(timers, timer, hole);
}

static void sift_down(struct timers *timers, struct timer *timer, size_t hole)
{
    for (;;) {
        size_t child = hole * 2;
        if (child < timers->count && at(timers, child + 1)->due_ms < at(timers, child)->due_ms)
            child++;
        if (child > timers->count || at(timers, child)->due_ms >= timer->due_ms)
            break;
        place(timers, at(timers, child), hole);
        hole = child;
    }
    place(timers, timer, hole);
}

void timers_finish(struct timers *timers)
{
    free(timers->heap);
    *timers = (struct timers){0};
}

void timers_set(struct timers *timers, struct timer *timer, int64_t due_ms)
{
    timers_unset(timers, timer);
    if (timers->count == timers->capacity) {
        timers->capacity = timers->capacity ? timers->capacity * 2 : 64;
        timers->heap = mem_grow(timers->heap, timers->capacity, sizeof(struct timer *));
    }
    timer->due_ms = due_ms;
    sift_up(timers, timer, ++timers->count);
}

void timers_unset(struct timers *timers, struct timer *timer)
{
    size_t hole = timer->place;
    if (hole == 0)
        return;
    timer->place = 0;
    struct timer *last = at(timers, timers->count--);
    if (last == timer)
        return;
    if (hole > 1 && at(timers, hole / 2)->due_ms > last->due_ms)
        sift_up(timers, last, hole);
    else
        sift_down(timers, last, hole);
}

void timers_run(struct timers *timers, int64_t now_ms)
{
    while (timers->count > 0 && at(timers, 1)->due_ms <= now_ms) {
        struct timer *timer = at(timers, 1);
        timers_unset(timers, timer);
        timer->fire(timer->context);
    }
}

int timers_wait_ms(const struct timers *timers, int64_t now_ms)
{
    if (timers->count == 0)
        return -1;
    int64_t left = at(timers, 1)->due_ms - now_ms;
    return left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

/* Timers of calls: a hierarchical wheel, so that setting and clearing one costs a list insertion
 * and no system call. One ev_timer per worker stands for all. A timer never fires early and at most
 * a tick (1.05 ms) late. */
#pragma once

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"

struct loop;

#define WHEEL_LEVELS 5
#define WHEEL_SLOTS 64
#define WHEEL_TICK_SHIFT 20 /* 2^20 ns = 1.05 ms */

struct wheel_timer {
    struct list node;
    uint64_t due_tick;
    void (*fire)(struct wheel_timer *timer);
};

struct wheel {
    struct loop *loop;
    ev_timer timer;
    uint64_t armed_tick; /* what the ev_timer waits for; UINT64_MAX: nothing */
    uint64_t now_tick;
    uint64_t occupied[WHEEL_LEVELS];
    struct list slots[WHEEL_LEVELS][WHEEL_SLOTS];
};

void wheel_init(struct wheel *wheel, struct loop *loop);
void wheel_deinit(struct wheel *wheel);

void wheel_timer_init(struct wheel_timer *timer, void (*fire)(struct wheel_timer *));
/* (Re)sets @timer; what lies further ahead than the wheel reaches (13 days) is cut to that. */
void wheel_set(struct wheel *wheel, struct wheel_timer *timer, int64_t due_ns);
void wheel_clear(struct wheel_timer *timer);
/* Fires what is due at @now_ns; the loop calls it, tests with a clock of their own too. */
void wheel_advance(struct wheel *wheel, int64_t now_ns);

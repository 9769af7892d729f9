/* The timer wheel: level k holds what is due within 64^(k+1) ticks, one list per 64^k ticks. The
 * runner sets and clears. What must stay true: a timer is on at most one list; bits in @occupied
 * may be stale (list emptied by wheel_clear), never missing. */
#include "grpc/deadline.h"

#include "base/check.h"
#include "io/loop.h"

#define NOTHING UINT64_MAX

static uint64_t level_shift(unsigned level)
{
    return 6 * level;
}

static void on_timer(struct ev_loop *ev, ev_timer *timer, int events)
{
    (void)ev;
    (void)events;
    struct wheel *wheel = timer->data;
    wheel->armed_tick = NOTHING;
    wheel_advance(wheel, clock_mono_ns(wheel->loop->clock));
}

void wheel_init(struct wheel *wheel, struct loop *loop)
{
    *wheel = (struct wheel){
        .loop = loop,
        .armed_tick = NOTHING,
        .now_tick = (uint64_t)loop->now_ns >> WHEEL_TICK_SHIFT,
    };
    for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
        for (unsigned slot = 0; slot < WHEEL_SLOTS; slot++)
            list_init(&wheel->slots[level][slot]);
    }
    ev_timer_init(&wheel->timer, on_timer, 0., 0.);
    wheel->timer.data = wheel;
}

void wheel_deinit(struct wheel *wheel)
{
    ev_timer_stop(wheel->loop->ev, &wheel->timer);
}

void wheel_timer_init(struct wheel_timer *timer, void (*fire)(struct wheel_timer *))
{
    list_init(&timer->node);
    timer->fire = fire;
    timer->due_tick = 0;
}

/* The ev_timer moves only when something is due sooner than what it waits for: in a steady state,
 * never. */
static void arm(struct wheel *wheel, uint64_t tick)
{
    if (tick >= wheel->armed_tick)
        return;
    int64_t wait_ns = (int64_t)(tick << WHEEL_TICK_SHIFT) - wheel->loop->now_ns;
    if (wait_ns < NS_PER_MS / 2)
        wait_ns = NS_PER_MS / 2;
    wheel->armed_tick = tick;
    ev_timer_stop(wheel->loop->ev, &wheel->timer);
    ev_timer_set(&wheel->timer, (double)wait_ns * 1e-9, 0.);
    ev_timer_start(wheel->loop->ev, &wheel->timer);
}

static void insert(struct wheel *wheel, struct wheel_timer *timer)
{
    uint64_t ahead = timer->due_tick - wheel->now_tick;
    unsigned level = (unsigned)(63 - __builtin_clzll(ahead)) / 6;
    unsigned slot = timer->due_tick >> level_shift(level) & (WHEEL_SLOTS - 1);
    wheel->occupied[level] |= UINT64_C(1) << slot;
    list_append(&wheel->slots[level][slot], &timer->node);
}

void wheel_set(struct wheel *wheel, struct wheel_timer *timer, int64_t due_ns)
{
    CHECK(due_ns >= 0);
    CHECK(timer->fire);
    const uint64_t ahead_max = (UINT64_C(1) << level_shift(WHEEL_LEVELS)) - 1;
    list_remove(&timer->node);
    /* Rounded up: never early. An idle wheel's idea of now may be old, but only ever behind. */
    uint64_t due = ((uint64_t)due_ns + (UINT64_C(1) << WHEEL_TICK_SHIFT) - 1) >> WHEEL_TICK_SHIFT;
    if (due <= wheel->now_tick)
        due = wheel->now_tick + 1;
    if (due - wheel->now_tick > ahead_max)
        due = wheel->now_tick + ahead_max;
    timer->due_tick = due;
    insert(wheel, timer);
    arm(wheel, due);
}

void wheel_clear(struct wheel_timer *timer)
{
    list_remove(&timer->node);
}

/* When the next slot that may hold something begins. */
static uint64_t next_tick(struct wheel *wheel)
{
    uint64_t next = NOTHING;
    for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
        uint64_t here = wheel->now_tick >> level_shift(level);
        for (unsigned ahead = 1; ahead <= WHEEL_SLOTS && wheel->occupied[level] != 0; ahead++) {
            unsigned slot = (here + ahead) & (WHEEL_SLOTS - 1);
            if ((wheel->occupied[level] >> slot & 1) == 0)
                continue;
            if (list_is_empty(&wheel->slots[level][slot])) {
                wheel->occupied[level] &= ~(UINT64_C(1) << slot);
                continue;
            }
            uint64_t tick = (here + ahead) << level_shift(level);
            next = tick < next ? tick : next;
            break;
        }
    }
    return next;
}

/* Moves what the slots passed on the way to @now hold to @passed. */
static void collect(struct wheel *wheel, uint64_t now, struct list *passed)
{
    for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
        uint64_t from = wheel->now_tick >> level_shift(level);
        uint64_t to = now >> level_shift(level);
        uint64_t steps = to - from < WHEEL_SLOTS ? to - from : WHEEL_SLOTS;
        if (steps == 0)
            return;
        for (uint64_t i = 1; i <= steps && wheel->occupied[level] != 0; i++) {
            unsigned slot = (from + i) & (WHEEL_SLOTS - 1);
            struct list *node;
            while ((node = list_pop(&wheel->slots[level][slot])))
                list_append(passed, node);
            wheel->occupied[level] &= ~(UINT64_C(1) << slot);
        }
    }
}

void wheel_advance(struct wheel *wheel, int64_t now_ns)
{
    uint64_t now = (uint64_t)now_ns >> WHEEL_TICK_SHIFT;
    struct list passed;
    struct list due;
    list_init(&passed);
    list_init(&due);
    if (now > wheel->now_tick) {
        collect(wheel, now, &passed);
        wheel->now_tick = now;
    }
    struct list *node;
    while ((node = list_pop(&passed))) {
        struct wheel_timer *timer = list_entry(node, struct wheel_timer, node);
        if (timer->due_tick <= now)
            list_append(&due, node);
        else
            insert(wheel, timer);
    }
    /* Firing may set or clear any timer, also those still on this list. */
    while ((node = list_pop(&due))) {
        struct wheel_timer *timer = list_entry(node, struct wheel_timer, node);
        timer->fire(timer);
    }
    uint64_t next = next_tick(wheel);
    if (next != NOTHING)
        arm(wheel, next);
}

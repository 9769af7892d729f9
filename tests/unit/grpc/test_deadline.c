/* The timer wheel against a plain model: never early, at most a tick late, whatever is set, cleared
 * and set again. */
#include "grpc/deadline.h"

#include <stdlib.h>

#include "rig.h"
#include "support/test.h"

#define TICK_NS (INT64_C(1) << WHEEL_TICK_SHIFT)
#define TIMERS 200

struct probe {
    struct wheel_timer timer;
    int64_t due_ns;
    bool is_set;
    unsigned fired;
};

static struct wheel wheel;
static struct loop loop;
static struct clock fake_clock;
static int64_t now_ns;
static struct probe probes[TIMERS];

static int64_t now(const struct clock *c)
{
    (void)c;
    return now_ns;
}

static void on_fire(struct wheel_timer *timer)
{
    struct probe *probe = (struct probe *)timer;
    ASSERT_TRUE(probe->is_set);
    ASSERT_TRUE(clock_mono_ns(loop.clock) >= probe->due_ns);
    probe->is_set = false;
    probe->fired++;
}

static void start(void)
{
    fake_clock = (struct clock){.mono_ns = now, .wall_ns = now};
    now_ns = 5 * NS_PER_S;
    ASSERT_INT_EQ(loop_init(&loop, &fake_clock), 0);
    wheel_init(&wheel, &loop);
    for (unsigned i = 0; i < TIMERS; i++) {
        probes[i] = (struct probe){0};
        wheel_timer_init(&probes[i].timer, on_fire);
    }
}

static void stop(void)
{
    wheel_deinit(&wheel);
    loop_deinit(&loop);
}

static void set(struct probe *probe, int64_t ahead_ns)
{
    probe->due_ns = now_ns + ahead_ns;
    probe->is_set = true;
    wheel_set(&wheel, &probe->timer, probe->due_ns);
}

static void go(int64_t ns)
{
    now_ns += ns;
    loop.now_ns = now_ns;
    wheel_advance(&wheel, now_ns);
}

TEST(deadline, fires_once_within_a_tick_at_every_distance)
{
    static const int64_t distances_ms[] = {1,    2,    66,    67,     68,      100,     4294,
                                           4295, 4400, 60000, 280000, 3600000, 20000000};
    start();
    for (size_t i = 0; i < sizeof distances_ms / sizeof distances_ms[0]; i++) {
        set(&probes[0], distances_ms[i] * NS_PER_MS);
        go(distances_ms[i] * NS_PER_MS - 1);
        ASSERT_TRUE(probes[0].is_set);
        go(1 + TICK_NS);
        ASSERT_FALSE(probes[0].is_set);
        ASSERT_INT_EQ(probes[0].fired, i + 1);
    }
    stop();
}

TEST(deadline, agrees_with_a_model_over_random_walks)
{
    start();
    srand(4711);
    for (unsigned round = 0; round < 20000; round++) {
        struct probe *probe = &probes[(unsigned)rand() % TIMERS];
        int64_t scale = INT64_C(1) << ((unsigned)rand() % 38);
        if (rand() % 4 == 0) {
            wheel_clear(&probe->timer);
            probe->is_set = false;
        } else {
            set(probe, rand() % scale);
        }
        go(rand() % (1 + (rand() % 8 == 0 ? 200 * NS_PER_MS : NS_PER_MS)));
        for (unsigned i = 0; i < TIMERS; i++)
            ASSERT_FALSE(probes[i].is_set && probes[i].due_ns + TICK_NS < now_ns);
    }
    stop();
}

TEST(deadline, wakes_the_loop_by_itself)
{
    start();
    loop.clock = &clock_system;
    now_ns = loop.now_ns = clock_mono_ns(&clock_system);
    wheel.now_tick = (uint64_t)now_ns >> WHEEL_TICK_SHIFT;
    set(&probes[0], 20 * NS_PER_MS);
    set(&probes[1], 5 * NS_PER_MS);
    for (int i = 0; i < 100 && !(probes[0].fired && probes[1].fired); i++) {
        ev_run(loop.ev, EVRUN_ONCE);
        now_ns = clock_mono_ns(&clock_system);
    }
    ASSERT_INT_EQ(probes[0].fired, 1);
    ASSERT_INT_EQ(probes[1].fired, 1);
    stop();
}

/* A bar with what is left, on a terminal; nothing in a pipe. */
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "internal.h"

#define BAR_WIDTH 28
#define DRAW_NS (100 * NS_PER_MS)

void seed_progress_start(struct seed_progress *p, bool quiet)
{
    *p = (struct seed_progress){.shown = !quiet && isatty(STDERR_FILENO),
                                .start_ns = clock_mono_ns(&clock_system)};
}

double seed_progress_seconds(const struct seed_progress *p)
{
    return (double)(clock_mono_ns(&clock_system) - p->start_ns) / (double)NS_PER_S;
}

void seed_progress_to(struct seed_progress *p, double done, const char *what)
{
    int64_t now_ns = clock_mono_ns(&clock_system);
    p->done = done;
    if (!p->shown || (p->drawn_ns > 0 && now_ns - p->drawn_ns < DRAW_NS))
        return;
    p->drawn_ns = now_ns;
    int filled = (int)(done * BAR_WIDTH);
    double left_s = done > 0.02 ? seed_progress_seconds(p) * (1 - done) / done : 0;
    fprintf(stderr, "\r%-20s [%.*s%*s] %3d %%", what, filled, "############################",
            BAR_WIDTH - filled, "", (int)(done * 100));
    if (left_s >= 0.5)
        fprintf(stderr, ", %.0f s left", left_s);
    fputs("\033[K", stderr);
    fflush(stderr);
}

void seed_progress_end(struct seed_progress *p)
{
    if (p->shown)
        fputs("\r\033[K", stderr);
    p->shown = false;
}

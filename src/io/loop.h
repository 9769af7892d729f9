/* One event loop per worker: libev, the clock, the pools that live as long as the worker.
 * What must stay true: only the thread that runs the loop touches it, except loop_post. */
#pragma once

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/list.h"

struct loop {
    struct ev_loop *ev;
    const struct clock *clock;
    int64_t now_ns; /* monotonic, taken once per loop turn */
    uint64_t turn;  /* counts them */
    struct arena_pool arenas;
    struct list deferred; /* struct loop_task, run before the loop sleeps */
    ev_prepare prepare;
    ev_check check;
    ev_async wake;
    void *posted;      /* lock-free stack of struct loop_post */
    uint8_t *read_buf; /* LOOP_READ_BYTES, shared by connections: valid until the handler returns */
    bool read_secret;  /* set by the handler: in what it was given are secrets */
    struct buf
        write_buf; /* what a connection is about to write; only the unsent rest is kept with it */
};

/* At most this much is read from one connection per loop turn, so that none starves the others. */
#define LOOP_READ_BYTES ((size_t)64 * 1024)

/* The same for what is written: a peer that reads as fast as we write would hold us for ever. */
#define LOOP_WRITE_BYTES ((size_t)512 * 1024)

/* Work to be done once at the end of this loop turn (flush a connection, start a batch). */
struct loop_task {
    struct list node; /* linked while queued */
    void (*run)(struct loop_task *task);
};

/* A message from another thread. Owned by the poster until run is called on the loop's thread. */
struct loop_post {
    struct loop_post *next;
    void (*run)(struct loop_post *post);
};

int loop_init(struct loop *loop, const struct clock *clock);
void loop_deinit(struct loop *loop);

/* Overwrites what a handler was given if it said that secrets are in it. */
void loop_forget(struct loop *loop, uint8_t *p, size_t bytes);

/* Runs until loop_stop. */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

/* Queues @task once; queued again while queued is a no-op. Tasks queued by tasks run in the same
 * turn. */
void loop_defer(struct loop *loop, struct loop_task *task);
void loop_task_init(struct loop_task *task, void (*run)(struct loop_task *));
void loop_task_cancel(struct loop_task *task);

/* The only function another thread may call. */
void loop_post(struct loop *loop, struct loop_post *post, void (*run)(struct loop_post *));

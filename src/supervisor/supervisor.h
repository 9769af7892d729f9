/* The parent process: opens the listeners, forks the workers, the jobs process and the one that
 * keeps the timetable in memory, restarts the fallen, answers the admin port for all of them,
 * drains on SIGTERM. main calls supervisor_run once. What must stay true: it runs no request;
 * whatever a worker does, the supervisor lives. */
#pragma once

#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

#include "config.h"
#include "io/gate.h"
#include "obs/obs.h"
#include "services/app.h"

#define WORKERS_MAX 64
#define SLOT_JOBS WORKERS_MAX
#define SLOT_TIMETABLE (WORKERS_MAX + 1)
#define SLOTS (WORKERS_MAX + 2) /* of processes that do work */
#define SLOT_SUPERVISOR SLOTS
#define LISTENERS_MAX 8

enum process_state {
    PROCESS_DOWN,
    PROCESS_STARTING,
    PROCESS_READY,
    PROCESS_DRAINING,
};

/* One process as the others see it. In shared memory. */
struct process_slot {
    _Atomic int32_t pid;
    _Atomic uint32_t state;
    _Atomic uint32_t listening; /* also before it is ready, where nobody is */
    _Atomic uint32_t database_up;
    _Atomic uint32_t lagging; /* its loop is later than loop_lag_max_ms */
    _Atomic uint32_t restarts;
    _Atomic int64_t seen_ns;  /* monotonic: when its loop last said that it turns */
    char database_error[200]; /* why the database is down; the process writes, its start clears */
};

struct shared_page {
    uint32_t conns_by_worker[WORKERS_MAX];
    struct process_slot slots[SLOTS];
    _Atomic uint32_t certificates; /* how often the keeper has taken new ones */
    _Atomic uint32_t token_keys;   /* the same */
    _Atomic bool is_fault_told;    /* one child has said why none can start */
    _Atomic bool is_warning_told;  /* the same of what the database's check found odd */
};

struct listener {
    int fd;
    bool is_tls;
    struct gate gate; /* its TLS context is the keeper's; a child's own copy after the fork */
};

/* What a child needs from its parent. */
struct supervisor_context {
    const struct config *config;
    struct shared_page *shared;
    struct obs_region *region;
    struct listener listeners[LISTENERS_MAX];
    unsigned listener_count;
    unsigned worker_count;
    unsigned cpu_count;
    int log_fd;
    struct app app;             /* what a child's own begins as: keys and provider */
    uint32_t certificates;      /* as in the shared page when a child was made */
    uint32_t token_keys;        /* the same */
    struct obs *obs;            /* the supervisor's own counters and events */
    struct token_cache *tokens; /* shared by the workers */
    struct board *board;        /* shared by all children; NULL: searches ask the database */
};

/* "worker", "jobs" or "timetable". */
const char *process_kind(unsigned slot);
/* Whether a slot is used at all. */
bool process_exists(const struct supervisor_context *context, unsigned slot);
/* It has said nothing for longer than a loop that is merely late: what its slot says is old. */
bool process_hangs(const struct supervisor_context *context, unsigned slot);

/* Exit status of a child whose start-up found what no restart can mend. It ends the server unless a
 * child was ready before: then the fault is new, and may go away again. */
#define EXIT_FATAL 3

/* A child of this process that the server cannot do without: when it ends, so does the server, with
 * a line and exit status 1. Its maker buries it. */
struct companion {
    const char *name;
    pid_t pid; /* 0: behind the last */
};

bool companion_has_ended(pid_t pid);

/* Runs until SIGTERM or SIGINT. @companions may be NULL. @on_ready is called once, when every
 * worker serves. Returns the exit status. */
int supervisor_run(const struct config *config, const struct companion *companions,
                   void (*on_ready)(void *ctx), void *ctx);

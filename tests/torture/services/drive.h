/* One run of one case: started, driven through its waits, interrupted at one of them, judged. run.c
 * does it, services.c enumerates. */
#pragma once

#include "world.h"

#define WAITS_MAX 300

enum interruption {
    NOTHING,
    CANCEL, /* RST_STREAM, or the client's connection is lost */
    DEADLINE,
    SHUTDOWN,        /* drain, and the grace runs out */
    CONNECTION_LOST, /* to the database: reads failed, writes nobody knows, transactions are void */
    DATABASE_STOPPED, /* 57P01: nothing happened, to be run again */
    SERIALIZATION,    /* 40001, once */
    SERIALIZATION_ALWAYS,
    REFUSED_BY_DATABASE, /* an error nobody expected */
    DATABASE_DOWN,       /* from this statement on, each fails as it is submitted */
    INTERRUPTIONS,
};

/* How the world behaves besides. */
enum mood { COMMIT_AT_ONCE, COMMIT_QUEUED, REVERSED, INSTANT, MOODS };

/* A method and what is known about it. */
struct subject {
    const struct rpc_method *method;
    struct documented documented;
    bool seen[REASON_COUNT];
    size_t arena_peak; /* of the call, of all calm runs */
    size_t request_peak;
    const struct service_case *peak_case;
};

struct run {
    const struct service_case *test;
    struct subject *subject;
    struct str request; /* packed */
    enum interruption interruption;
    unsigned at; /* the wait at which it comes; DATABASE_DOWN: the statement */
    enum mood mood;
    uint32_t arena_bytes_max; /* 0: the default */
    /* what came of it */
    struct client *client;
    unsigned waits;
    unsigned choices[WAITS_MAX + 1];  /* made before each wait */
    bool has_database[WAITS_MAX + 1]; /* a statement or COMMIT was open */
    bool had_parallel, had_commit;
    bool interrupted, interrupted_before_commit;
    bool interrupted_parallel; /* the step had started several: it is not run again by itself */
    unsigned submitted_then, commits_then;
    bool failed;
};

/* world.script says which way it goes. */
void run_drive(struct run *run);
/* True: everything is as it must be. The call is gone afterwards. */
bool run_judge(struct run *run);
bool run_complain(struct run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));

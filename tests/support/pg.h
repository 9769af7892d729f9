/* A private PostgreSQL for tests: its own cluster in a temporary directory, on a unix socket (and a
 * loopback port), without fsync.
 * One per test binary, made at first use, gone with the process. Blocking calls: tests only. */
#pragma once

#include <libpq-fe.h>

/* "host=/tmp/... dbname=postgres user=postgres"; starts the server if need be. */
const char *pg_conninfo(void);
/* The same without starting it again. */
const char *pg_conninfo_of_stopped(void);
/* It listens on 127.0.0.1 and ::1 here too. */
unsigned pg_tcp_port(void);

/* Fast shutdown (as an operator would), and start again on the same data. */
void pg_stop(void);
void pg_start(void);
/* Immediate shutdown: sessions end without a word, as in a crash. */
void pg_crash(void);

/* Runs @sql (several statements allowed) on a connection of its own; failing fails the test. */
void pg_exec(const char *sql);
/* The first value of the first row, in a static buffer; "" for NULL or no row. */
const char *pg_value(const char *sql);
/* A session to play the other side with; PQfinish it. */
PGconn *pg_session(void);
/* One with settings of its own: "-c name=value -c ...". */
PGconn *pg_session_with(const char *options);

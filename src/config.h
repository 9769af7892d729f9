/* Configuration: flags first, then FAREGATE_* environment, then defaults, into one const struct.
 * main parses it once; everybody else gets the part that concerns them. A wrong value stops the
 * start with one line. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "db/db.h"
#include "grpc/grpc.h"
#include "h2/h2.h"
#include "services/app.h"

enum command {
    COMMAND_SERVE,
    COMMAND_DEV,
    COMMAND_JOBS,
    COMMAND_MIGRATE,
    COMMAND_SEED,
    COMMAND_CHECK,
    COMMAND_DESCRIBE,
    COMMAND_USER,
    COMMAND_SANDBOX_PSP,
    COMMAND_VERSION,
    COMMAND_HELP,
    COMMAND_COUNT,
};

struct config {
    enum command command;

    /* Where */
    const char *listen; /* h2c, comma-separated; empty: none */
    const char *listen_tls;
    const char *admin;           /* HTTP/1.1: metrics, health, JWKS */
    const char *tls_certificate; /* files, comma-separated; the first is the default */
    const char *tls_key;         /* in the same order */
    bool tls_only_1_3;
    const char *service_identities;
    uint32_t tls_ticket_seconds; /* 0: no tickets */
    uint32_t tls_watch_ms;       /* 0: files are read again on SIGHUP only */
    bool insecure_any;           /* cleartext on addresses that are not loopback */
    const char *database;        /* libpq connection string */
    const char *data;            /* dev: everything it keeps */
    uint32_t port;               /* dev: h2c; TLS is on the next one */
    uint32_t admin_port;         /* dev */

    /* What */
    uint32_t workers;     /* 0: the CPUs this process may use */
    const char *services; /* subset of auth,flight,booking,payment */
    bool jobs;
    bool channelz; /* anybody may ask it */
    bool load_on_replies;
    const char *log; /* file, "-" stderr, "none" */

    /* Secrets: files, never values on the command line */
    const char *keys;     /* directory of token signing keys */
    const char *secret;   /* file all servers of an installation share */
    const char *provider; /* stripe | instant */
    const char *provider_url;
    const char *provider_key; /* file with the API key */
    const char *payment_return_url;

    /* Data */
    uint32_t scale_permille;
    uint32_t days;
    uint32_t seed;
    const char *start; /* first day of the timetable, YYYY-MM-DD; empty: today */
    bool print;        /* migrate --print */

    /* user */
    const char *email;
    const char *password_file;
    const char *roles;

    bool service_config;        /* describe: print what clients need to retry and wait right */
    const char *descriptor_set; /* describe: a file to write it to; empty: print the tables */

    bool json; /* describe, check: JSON even on a terminal */

    struct h2_limits h2;
    struct server_limits server;
    struct db_limits db;
    struct app_limits app;
    uint32_t lame_duck_ms; /* drain: keep serving while the mesh notices */
    uint32_t restart_delay_max_ms;
    uint32_t hang_seconds; /* a process whose loop stands still for so long is killed; 0: never */
};

/* Parses the command line. 0; 1: help was printed; negative errno: one line was printed on stderr.
 */
int config_parse(int argc, char **argv, struct config *ret_config);

/* A flag of `faregate serve` and its value in @c. */
struct config_flag {
    const char *name, *unit, *help;
    char value[128];
};
/* The flag of number @index; false past the last. */
bool config_flag_at(struct config *c, size_t index, struct config_flag *ret_flag);

/* Flags of a command with unit, default and environment name. */
void config_help(FILE *out, enum command command);

/* Checks what can only be seen with all values together. 0, or negative errno and one line in
 * @error. */
int config_check(const struct config *config, char *error, size_t error_bytes);

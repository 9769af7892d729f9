/* What the files of the interop server share: its flags, its application object, its services.
 * main.c fills them. What must stay true: the handlers use only what grpc/grpc.h offers to every
 * handler, so that what the official clients find here holds for Faregate's own services. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "grpc/grpc.h"
#include "h2/h2.h"

#define ADDRESSES_MAX 4

struct limits {
    struct h2_limits h2;
    struct server_limits server;
};

/* "idle-timeout-ms=300": sets that limit. 0; -ENOENT: no such limit; -ERANGE: not that value. */
int limits_set(struct limits *set, struct str assignment);

struct options {
    const char *listen[ADDRESSES_MAX]; /* clear text, HTTP/2 with prior knowledge */
    unsigned listen_count;
    const char *listen_tls[ADDRESSES_MAX];
    unsigned listen_tls_count;
    const char *certificate_file; /* PEM; made where there is none */
    const char *key_file;
    const char *client_ca_file; /* PEM: clients need a certificate of it; NULL: none is asked for */
    uint32_t message_bytes_max; /* requests */
    uint32_t lame_duck_ms;      /* on SIGTERM: how long to go on accepting */
    uint32_t drain_grace_ms;
    struct limits limits; /* the rest; those above win */
    bool log;             /* one JSON event a call to standard error */
};

/* Reads the command line; ends the program with a line and the usage where it is wrong. */
void options_read(struct options *ret_options, int argc, char **argv);

/* What handlers reach through call_app. */
struct interop {
    uint8_t *zeros; /* the body of every payload: one for all, read-only */
    size_t zeros_bytes;
};

extern const struct rpc_service test_service;
extern const struct rpc_service conformance_service;

/* The interop server's command line. main calls options_read.
 * What must stay true: every flag is in the usage text. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server.h"

#define MESSAGE_BYTES_MAX_DEFAULT (4u << 20) /* as grpc-go and grpc-java have it */

static const char usage[] =
    "usage: interop_server [flags]\n"
    "Serves grpc.testing.TestService as the official interop servers do, with health and\n"
    "reflection. Prints its addresses, then \"ready\"; SIGTERM drains, a second one ends.\n"
    "  --listen=ADDRESS         clear text; repeatable; port 0: any (127.0.0.1:0)\n"
    "  --listen-tls=ADDRESS     TLS; repeatable (127.0.0.1:0)\n"
    "  --tls-certificate=FILE   PEM; made with the key where it is missing (interop.crt)\n"
    "  --tls-key=FILE           PEM (interop.key)\n"
    "  --tls-client-ca=FILE     PEM; clients must show a certificate of it (none is asked for)\n"
    "  --message-bytes-max=N    the largest request (4194304)\n"
    "  --lame-duck-ms=N         on SIGTERM, go on accepting for so long (0)\n"
    "  --drain-grace-ms=N       then wait for calls in flight for so long (25000)\n"
    "  --set=NAME=VALUE         a limit by the name of Faregate's flag; repeatable\n"
    "  --log                    one JSON event a call on standard error\n";

enum {
    LISTEN = 1,
    LISTEN_TLS,
    CERTIFICATE,
    KEY,
    CLIENT_CA,
    MESSAGE_BYTES,
    LAME_DUCK,
    GRACE,
    SET,
    LOG,
    HELP
};

static const struct option flags[] = {
    {"listen", required_argument, NULL, LISTEN},
    {"listen-tls", required_argument, NULL, LISTEN_TLS},
    {"tls-certificate", required_argument, NULL, CERTIFICATE},
    {"tls-key", required_argument, NULL, KEY},
    {"tls-client-ca", required_argument, NULL, CLIENT_CA},
    {"message-bytes-max", required_argument, NULL, MESSAGE_BYTES},
    {"lame-duck-ms", required_argument, NULL, LAME_DUCK},
    {"drain-grace-ms", required_argument, NULL, GRACE},
    {"set", required_argument, NULL, SET},
    {"log", no_argument, NULL, LOG},
    {"help", no_argument, NULL, HELP},
    {NULL, 0, NULL, 0},
};

static _Noreturn void wrong(const char *what)
{
    fprintf(stderr, "interop_server: %s\n%s", what, usage);
    exit(2);
}

static uint32_t number(const char *text)
{
    int64_t value;
    if (str_int64(str_of(text), 0, INT32_MAX, &value) < 0)
        wrong("not a number from 0 to 2147483647");
    return (uint32_t)value;
}

static void add(const char **list, unsigned *count, const char *address)
{
    if (*count == ADDRESSES_MAX)
        wrong("too many addresses");
    list[(*count)++] = address;
}

static void take(struct options *o, int flag, const char *value)
{
    switch (flag) {
    case LISTEN:
        add(o->listen, &o->listen_count, value);
        break;
    case LISTEN_TLS:
        add(o->listen_tls, &o->listen_tls_count, value);
        break;
    case CERTIFICATE:
        o->certificate_file = value;
        break;
    case KEY:
        o->key_file = value;
        break;
    case CLIENT_CA:
        o->client_ca_file = value;
        break;
    case MESSAGE_BYTES:
        o->message_bytes_max = number(value);
        break;
    case LAME_DUCK:
        o->lame_duck_ms = number(value);
        break;
    case GRACE:
        o->drain_grace_ms = number(value);
        break;
    case SET:
        if (limits_set(&o->limits, str_of(value)) < 0)
            wrong("--set: no limit of h2 or grpc has this name, or it cannot have this value");
        break;
    case LOG:
        o->log = true;
        break;
    case HELP:
        fputs(usage, stdout);
        exit(0);
    default:
        wrong("unknown flag");
    }
}

void options_read(struct options *o, int argc, char **argv)
{
    int flag;
    *o = (struct options){
        .certificate_file = "interop.crt",
        .key_file = "interop.key",
        .message_bytes_max = MESSAGE_BYTES_MAX_DEFAULT,
        .drain_grace_ms = server_limits_default.drain_grace_ms,
        .limits = {.h2 = h2_limits_default, .server = server_limits_default},
    };
    opterr = 0;
    while ((flag = getopt_long(argc, argv, "", flags, NULL)) != -1)
        take(o, flag, optarg);
    if (optind < argc)
        wrong("flags only");
    if (o->listen_count + o->listen_tls_count == 0) {
        add(o->listen, &o->listen_count, "127.0.0.1:0");
        add(o->listen_tls, &o->listen_tls_count, "127.0.0.1:0");
    }
}

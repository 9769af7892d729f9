/* The table of options is the whole configuration: name, place, unit, default, help. main calls it
 * once. What must stay true: each option is in the table once; --help and the environment
 * come from it. */
#include "config.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "io/gate.h"
#include "io/listen.h"

enum kind { KIND_TEXT, KIND_U32, KIND_PERMILLE, KIND_BOOL };

#define ON(command) (1u << COMMAND_##command)
#define RUNS (ON(SERVE) | ON(DEV) | ON(JOBS))
#define WITH_DB (ON(SERVE) | ON(JOBS) | ON(MIGRATE) | ON(SEED) | ON(CHECK) | ON(USER))

struct option {
    const char *name;
    enum kind kind;
    size_t offset;
    const char *fallback; /* text form of the default; NULL: the struct's own default (limits) */
    const char *unit;
    unsigned commands;
    uint32_t min;
    uint32_t max;
    const char *help;
};

#define TEXT(flag, field, fallback, on, help)                                                      \
    {flag, KIND_TEXT, offsetof(struct config, field), fallback, "", on, 0, 0, help},
#define BOOL(flag, field, fallback, on, help)                                                      \
    {flag, KIND_BOOL, offsetof(struct config, field), fallback, "on|off", on, 0, 0, help},
#define U32(flag, field, fallback, unit, on, min, max, help)                                       \
    {flag, KIND_U32, offsetof(struct config, field), fallback, unit, on, min, max, help},
#define PERMILLE(flag, field, fallback, on, min, max, help)                                        \
    {flag, KIND_PERMILLE, offsetof(struct config, field), fallback, "", on, min, max, help},
#define LIMIT(flag, field, unit, min, max, help) U32(flag, field, NULL, unit, RUNS, min, max, help)
#define LISTENER(flag, field, unit, min, max, help)                                                \
    U32(flag, field, NULL, unit, ON(SERVE) | ON(DEV), min, max, help)

static const struct option options[] = {
#include "options.def"
};

#define OPTION_COUNT (sizeof options / sizeof options[0])

static const struct {
    const char *name;
    const char *help;
} commands[COMMAND_COUNT] = {
    [COMMAND_SERVE] = {"serve", "run the server on an existing PostgreSQL"},
    [COMMAND_DEV] = {"dev",
                     "run everything here: private PostgreSQL, data, payment simulator, server"},
    [COMMAND_JOBS] = {"jobs", "run only the background jobs"},
    [COMMAND_MIGRATE] = {"migrate", "bring the schema up to date"},
    [COMMAND_SEED] = {"seed", "load airports, airlines and a generated timetable"},
    [COMMAND_CHECK] = {"check",
                       "prove the invariants on the database (where it is large: on a standby, "
                       "with target_session_attrs=any); exit status 1 if one is broken"},
    [COMMAND_DESCRIBE] = {"describe", "print RPCs, steps, statements, reasons and limits"},
    [COMMAND_USER] = {"user", "make a user with roles (for staff)"},
    [COMMAND_SANDBOX_PSP] = {"sandbox-psp", "run the payment provider simulator"},
    [COMMAND_VERSION] = {"version", "print the version"},
    [COMMAND_HELP] = {"help", "print this"},
};

static void *place(struct config *c, const struct option *o)
{
    return (char *)c + o->offset;
}

/* A flag may be listed twice, with different defaults: @command's is meant. */
static const struct option *find_option(enum command command, const char *name, size_t len)
{
    const struct option *other = NULL;
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option *o = &options[i];
        if (strlen(o->name) != len || memcmp(o->name, name, len) != 0)
            continue;
        if (o->commands & (1u << command))
            return o;
        other = o;
    }
    return other;
}

static int set_u32(struct config *c, const struct option *o, const char *value, const char *from)
{
    int64_t number;
    const char *unit = strchr(o->unit, '|') ? "" : o->unit; /* the range says it all */
    if (str_int64(str_of(value), o->min, o->max ? o->max : UINT32_MAX, &number) < 0) {
        fprintf(stderr, "faregate: %s: \"%s\" is not a number from %u to %u%s%s%s\n", from, value,
                o->min, o->max ? o->max : UINT32_MAX, unit[0] ? " (" : "", unit,
                unit[0] ? ")" : "");
        return -EINVAL;
    }
    *(uint32_t *)place(c, o) = (uint32_t)number;
    return 0;
}

/* A factor such as 0.25, kept in thousandths. */
static int set_permille(struct config *c, const struct option *o, const char *value,
                        const char *from)
{
    char *end;
    errno = 0;
    double factor = strtod(value, &end);
    if (errno || end == value || *end || !(factor * 1000 >= o->min && factor * 1000 <= o->max)) {
        fprintf(stderr, "faregate: %s: \"%s\" is not a factor from %g to %g\n", from, value,
                o->min / 1000.0, o->max / 1000.0);
        return -EINVAL;
    }
    *(uint32_t *)place(c, o) = (uint32_t)(factor * 1000 + 0.5);
    return 0;
}

static int set_bool(struct config *c, const struct option *o, const char *value, const char *from)
{
    static const char *const yes[] = {"on", "true", "yes", "1"};
    static const char *const no[] = {"off", "false", "no", "0"};
    for (unsigned i = 0; i < 4; i++) {
        if (strcmp(value, yes[i]) == 0 || strcmp(value, no[i]) == 0) {
            *(bool *)place(c, o) = strcmp(value, yes[i]) == 0;
            return 0;
        }
    }
    fprintf(stderr, "faregate: %s: \"%s\" is neither on nor off\n", from, value);
    return -EINVAL;
}

static int set_option(struct config *c, const struct option *o, const char *value, const char *from)
{
    switch (o->kind) {
    case KIND_TEXT:
        *(const char **)place(c, o) = value;
        return 0;
    case KIND_U32:
        return set_u32(c, o, value, from);
    case KIND_PERMILLE:
        return set_permille(c, o, value, from);
    case KIND_BOOL:
        return set_bool(c, o, value, from);
    }
    return -EINVAL;
}

/* FAREGATE_ and the name in capitals with underscores. */
static void environment_name(const struct option *o, char *ret, size_t bytes)
{
    size_t n = (size_t)snprintf(ret, bytes, "FAREGATE_%s", o->name);
    for (size_t i = 9; i < n && i < bytes; i++)
        ret[i] = ret[i] == '-'                      ? '_'
                 : (ret[i] >= 'a' && ret[i] <= 'z') ? (char)(ret[i] - 32)
                                                    : ret[i];
}

static void set_defaults(struct config *c)
{
    c->h2 = h2_limits_default;
    c->server = server_limits_default;
    c->db = db_limits_default;
    c->app = app_limits_default;
    for (size_t i = 0; i < OPTION_COUNT; i++)
        if (options[i].fallback &&
            find_option(c->command, options[i].name, strlen(options[i].name)) == &options[i])
            CHECK(set_option(c, &options[i], options[i].fallback, options[i].name) == 0);
}

/* Others' variables are nobody's business: FAREGATE_PORT is what Kubernetes sets for a Service of
 * that name, and `serve` has no --port. */
static int read_environment(struct config *c)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        char name[64];
        if (!(options[i].commands & (1u << c->command)))
            continue;
        environment_name(&options[i], name, sizeof name);
        const char *value = getenv(name);
        if (value && set_option(c, &options[i], value, name) < 0)
            return -EINVAL;
    }
    return 0;
}

static void format_value(struct config *c, const struct option *o, char *ret, size_t bytes)
{
    if (o->kind == KIND_U32)
        snprintf(ret, bytes, "%u", *(uint32_t *)place(c, o));
    else if (o->kind == KIND_PERMILLE)
        snprintf(ret, bytes, "%g", *(uint32_t *)place(c, o) / 1000.0);
    else if (o->kind == KIND_BOOL)
        snprintf(ret, bytes, "%s", *(bool *)place(c, o) ? "on" : "off");
    else
        snprintf(ret, bytes, "%s", *(const char **)place(c, o));
}

bool config_flag_at(struct config *c, size_t index, struct config_flag *ret_flag)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option *o = &options[i];
        if (!(o->commands & ON(SERVE)) || index-- > 0)
            continue;
        *ret_flag = (struct config_flag){.name = o->name, .unit = o->unit, .help = o->help};
        format_value(c, o, ret_flag->value, sizeof ret_flag->value);
        return true;
    }
    return false;
}

static void help_listeners(FILE *out)
{
    fprintf(out, "\nBehind an address of --listen or --listen-tls, each after a comma:\n\n");
    for (const struct gate_option *o = gate_options; o->name; o++)
        fprintf(out, "  %s=%s%s\n      %s\n", o->name, o->value,
                o->for_tls ? "  (--listen-tls only)" : "", o->help);
    fprintf(out,
            "\nNETWORKS are CIDR and unix, joined by +; SOURCES also identities. Who speaks for "
            "others is judged by the\naddress behind the PROXY header. Example:\n"
            "  --listen=127.0.0.1:50051,proxy=127.0.0.0/8,unix:/run/faregate.sock,mode=0660,"
            "forwarded=unix\n"
            "  --listen-tls=*:50052,client-cert=optional,client-ca=/etc/mesh/ca.pem,"
            "forwarded=spiffe://mesh/envoy,envoy=on\n");
}

void config_help(FILE *out, enum command command)
{
    if (command == COMMAND_HELP) {
        fprintf(out, "Faregate sells air tickets over gRPC.\n\nusage: faregate COMMAND "
                     "[--flag=value ...]\n\n");
        for (unsigned i = 0; i < COMMAND_COUNT; i++)
            fprintf(out, "  %-12s %s\n", commands[i].name, commands[i].help);
        fprintf(out, "\n`faregate COMMAND --help` lists its flags. Each flag can be given as "
                     "environment FAREGATE_FLAG, of sandbox-psp as FAREGATE_SANDBOX_PSP_FLAG.\n");
        return;
    }
    fprintf(out, "usage: faregate %s [--flag=value ...]\n%s\n\n", commands[command].name,
            commands[command].help);
    struct config defaults = {.command = command};
    set_defaults(&defaults);
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option *o = &options[i];
        char value[64];
        if (!(o->commands & (1u << command)))
            continue;
        format_value(&defaults, o, value, sizeof value);
        fprintf(out, "  --%-30s %s%s%s [%s]\n", o->name, o->help,
                o->kind == KIND_U32 && o->unit[0] ? ", " : "", o->kind == KIND_U32 ? o->unit : "",
                value);
    }
    if (command == COMMAND_SERVE)
        help_listeners(out);
}

static int parse_flag(struct config *c, int argc, char **argv, int *i)
{
    const char *arg = argv[*i];
    if (strncmp(arg, "--", 2) != 0) {
        fprintf(stderr, "faregate %s: unexpected \"%s\"; flags look like --name=value\n",
                commands[c->command].name, arg);
        return -EINVAL;
    }
    const char *name = arg + 2;
    const char *equals = strchr(name, '=');
    const struct option *o =
        find_option(c->command, name, equals ? (size_t)(equals - name) : strlen(name));
    if (!o || !(o->commands & (1u << c->command))) {
        fprintf(stderr, "faregate %s: no flag %s; see faregate %s --help\n",
                commands[c->command].name, arg, commands[c->command].name);
        return -EINVAL;
    }
    const char *value = equals ? equals + 1 : NULL;
    if (!value && o->kind == KIND_BOOL)
        value = "on";
    if (!value && *i + 1 < argc)
        value = argv[++*i];
    if (!value) {
        fprintf(stderr, "faregate %s: --%s needs a value\n", commands[c->command].name, o->name);
        return -EINVAL;
    }
    char from[64];
    snprintf(from, sizeof from, "--%s", o->name);
    return set_option(c, o, value, from);
}

int config_parse(int argc, char **argv, struct config *ret_config)
{
    *ret_config = (struct config){.command = COMMAND_HELP};
    const char *word = argc > 1 ? argv[1] : "help";
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
        word = "help";
    if (strcmp(word, "--version") == 0)
        word = "version";
    unsigned command = 0;
    while (command < COMMAND_COUNT && strcmp(commands[command].name, word) != 0)
        command++;
    if (command == COMMAND_COUNT) {
        fprintf(stderr, "faregate: no command \"%s\"; see faregate help\n", word);
        return -EINVAL;
    }
    ret_config->command = command;
    set_defaults(ret_config);
    if (read_environment(ret_config) < 0)
        return -EINVAL;
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            config_help(stdout, command);
            return 1;
        }
        if (parse_flag(ret_config, argc, argv, &i) < 0)
            return -EINVAL;
    }
    char error[256];
    if (config_check(ret_config, error, sizeof error) < 0) {
        fprintf(stderr, "faregate %s: %s\n", commands[command].name, error);
        return -EINVAL;
    }
    return 0;
}

/* Every address of a comma-separated list must be a unix socket or loopback. */
static bool is_local_only(const char *addresses)
{
    struct listen_spec spec;
    char error[256];
    for (struct str rest = str_of(addresses); rest.n > 0;)
        if (listen_spec_next(&rest, false, &spec, error, sizeof error) < 0 ||
            !listen_is_local(spec.address))
            return false;
    return true;
}

/* Also what would only be seen when the listener is opened. */
static bool listeners_understood(const char *flag, const char *addresses, bool is_tls, char *error,
                                 size_t error_bytes)
{
    struct listen_spec spec;
    char why[400];
    for (struct str rest = str_of(addresses); rest.n > 0;) {
        if (listen_spec_next(&rest, is_tls, &spec, why, sizeof why) < 0 ||
            listen_check(spec.address, why, sizeof why) < 0) {
            snprintf(error, error_bytes, "%s: %s", flag, why);
            return false;
        }
    }
    return true;
}

/* At least one, and no other. */
static bool services_known(const char *list)
{
    struct str rest = str_of(list);
    if (rest.n == 0)
        return false;
    while (rest.n > 0) {
        struct str one = str_cut(&rest, ',');
        if (!str_eq(one, STR("auth")) && !str_eq(one, STR("flight")) &&
            !str_eq(one, STR("booking")) && !str_eq(one, STR("payment")))
            return false;
    }
    return true;
}

/* Each port that dev is told of takes its neighbour along. */
static bool ports_overlap(const struct config *c)
{
    return c->port <= c->admin_port + 1 && c->admin_port <= c->port + 1;
}

#define REFUSE_IF(condition, ...)                                                                  \
    ((condition) ? (snprintf(error, error_bytes, __VA_ARGS__), true) : false)

int config_check(const struct config *c, char *error, size_t error_bytes)
{
    bool serves = c->command == COMMAND_SERVE;
    bool runs = serves || c->command == COMMAND_JOBS;
    char why[400];
    if (serves && (!listeners_understood("--listen", c->listen, false, error, error_bytes) ||
                   !listeners_understood("--listen-tls", c->listen_tls, true, error, error_bytes)))
        return -EINVAL;
    if (REFUSE_IF(
            serves && !c->insecure_any && !is_local_only(c->listen),
            "--listen=%s is cleartext beyond this machine; use --listen-tls, or say --insecure-any",
            c->listen) ||
        REFUSE_IF(serves && c->listen_tls[0] && (!c->tls_certificate[0] || !c->tls_key[0]),
                  "--listen-tls needs --tls-certificate and --tls-key") ||
        REFUSE_IF(serves && !c->listen[0] && !c->listen_tls[0],
                  "--listen and --listen-tls are empty: nobody could call") ||
        REFUSE_IF(service_identities_check(c->service_identities, why, sizeof why) < 0,
                  "--service-identities: %s", why) ||
        REFUSE_IF(c->command == COMMAND_DEV && ports_overlap(c),
                  "--port=%u and the next one meet --admin-port=%u and the next one", c->port,
                  c->admin_port) ||
        REFUSE_IF(!c->log[0], "--log names no file; - is stderr, and none is none") ||
        REFUSE_IF(c->db.reconnect_min_ms > c->db.reconnect_max_ms,
                  "--db-reconnect-min-ms=%u is above --db-reconnect-max-ms=%u",
                  c->db.reconnect_min_ms, c->db.reconnect_max_ms) ||
        REFUSE_IF(!services_known(c->services),
                  "--services=%s: known are auth, flight, booking, payment", c->services) ||
        REFUSE_IF(strcmp(c->provider, "stripe") != 0 && strcmp(c->provider, "instant") != 0,
                  "--provider=%s: known are stripe and instant", c->provider) ||
        REFUSE_IF(runs && !c->secret[0], "--secret names no file") ||
        REFUSE_IF(runs && !c->keys[0], "--keys names no directory") ||
        REFUSE_IF(runs && strcmp(c->provider, "stripe") == 0 && !c->provider_key[0],
                  "--provider-key names no file") ||
        REFUSE_IF(runs && db_conninfo_check(c->database, why, sizeof why) < 0,
                  "--database: not a connection string: %s", why))
        return -EINVAL;
    return 0;
}

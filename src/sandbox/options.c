/* The simulator's settings: defaults, then FAREGATE_SANDBOX_PSP_*, then flags.
 * Called by sandbox_psp_main; `faregate dev` fills struct sandbox_options itself.
 * What must stay true: the table below is all there is, so --help cannot leave anything out. */
#include "sandbox/sandbox.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

enum kind { KIND_TEXT, KIND_FILE, KIND_U16, KIND_U32, KIND_U64 };

struct setting {
    const char *flag;
    const char *env;
    const char *unit;
    const char *help;
    enum kind kind;
    size_t offset;
    int64_t min;
    int64_t max;
};

#define SETTING(flag_, env_, kind_, field_, min_, max_, unit_, help_)                              \
    {                                                                                              \
        .flag = flag_, .env = "FAREGATE_SANDBOX_PSP_" env_, .unit = unit_, .help = help_,          \
        .kind = kind_, .offset = offsetof(struct sandbox_options, field_), .min = min_,            \
        .max = max_,                                                                               \
    }

static const struct setting settings[] = {
    SETTING("--host", "HOST", KIND_TEXT, host, 0, 0, "address", "numeric address to listen on"),
    SETTING("--port", "PORT", KIND_U16, port, 0, 65535, "port", "0: the kernel chooses"),
    SETTING("--api-key-file", "API_KEY_FILE", KIND_FILE, api_key, 0, 0, "file",
            "the key to demand; without it any sk_test_... will do"),
    SETTING("--journal", "JOURNAL", KIND_TEXT, journal, 0, 0, "file",
            "keeps the books over a restart; without it they are in memory only"),
    SETTING("--webhook-url", "WEBHOOK_URL", KIND_TEXT, webhook_url, 0, 0, "url",
            "where events are posted"),
    SETTING("--webhook-secret-file", "WEBHOOK_SECRET_FILE", KIND_FILE, webhook_secret, 0, 0, "file",
            "the secret that signs them"),
    SETTING("--connections-max", "CONNECTIONS_MAX", KIND_U32, connections_max, 1, 1000000,
            "connections", "open at once; more wait"),
    SETTING("--body-bytes-max", "BODY_BYTES_MAX", KIND_U32, body_bytes_max, 1024, 16777216, "bytes",
            "of one request; more is answered 413"),
    SETTING("--payments-max", "PAYMENTS_MAX", KIND_U32, payments_max, 1, 4000000, "payments",
            "kept in memory, and as many refunds; more are answered 429"),
    SETTING("--keys-max", "KEYS_MAX", KIND_U32, keys_max, 1, 4000000, "keys",
            "idempotency keys remembered; the oldest is forgotten first"),
    SETTING("--events-max", "EVENTS_MAX", KIND_U32, events_max, 1, 1000000, "events",
            "webhook events waiting; more are dropped"),
    SETTING("--authorization-ttl-ms", "AUTHORIZATION_TTL_MS", KIND_U64, authorization_ttl_ms, 1,
            INT64_C(31536000000), "ms", "an authorisation not captured by then lapses"),
};

#define SETTINGS_COUNT (sizeof(settings) / sizeof(settings[0]))

struct sandbox_options sandbox_options_default(void)
{
    return (struct sandbox_options){
        .host = "127.0.0.1",
        .port = 12111,
        .webhook_secret = "whsec_sandbox",
        .connections_max = 4096,
        .body_bytes_max = 65536,
        .payments_max = 2000000,
        .keys_max = 200000,
        .events_max = 10000,
        .authorization_ttl_ms = UINT64_C(7) * 24 * 3600 * 1000,
    };
}

static int set_number(char *field, const struct setting *setting, const char *from,
                      const char *value)
{
    int64_t number = 0;
    if (str_int64(str_of(value), setting->min, setting->max, &number) < 0) {
        fprintf(stderr,
                "sandbox-psp: %s: '%s' is not a number of %s from %" PRId64 " to %" PRId64 "\n",
                from, value, setting->unit, setting->min, setting->max);
        return -EINVAL;
    }
    uint16_t u16 = (uint16_t)number;
    uint32_t u32 = (uint32_t)number;
    if (setting->kind == KIND_U16)
        memcpy(field, &u16, sizeof(u16));
    else if (setting->kind == KIND_U32)
        memcpy(field, &u32, sizeof(u32));
    else
        memcpy(field, &number, sizeof(number));
    return 0;
}

/* The first line of @path. Kept by the setting's own buffer: a process reads each file once. */
static const char *first_line(const char *path, char *line, int bytes)
{
    FILE *f = fopen(path, "re");
    bool ok = f && fgets(line, bytes, f);
    if (f)
        fclose(f);
    line[ok ? strcspn(line, "\r\n") : 0] = '\0';
    return line[0] ? line : NULL;
}

static int set(struct sandbox_options *options, const struct setting *setting, const char *from,
               const char *value)
{
    static char lines[SETTINGS_COUNT][256];
    char *field = (char *)options + setting->offset;
    if (setting->kind != KIND_TEXT && setting->kind != KIND_FILE)
        return set_number(field, setting, from, value);
    const char *text = value;
    if (setting->kind == KIND_FILE)
        text = first_line(value, lines[setting - settings], sizeof(lines[0]));
    if (!text || !*text) {
        fprintf(stderr, "sandbox-psp: %s: '%s' %s\n", from, value,
                setting->kind == KIND_FILE ? "cannot be read or is empty" : "must not be empty");
        return -EINVAL;
    }
    memcpy(field, &text, sizeof(text));
    return 0;
}

/* As --help shows it; "none" where nothing is set. */
static const char *default_of(const struct setting *setting, char *number, size_t bytes)
{
    const struct sandbox_options defaults = sandbox_options_default();
    const char *field = (const char *)&defaults + setting->offset;
    uint64_t value = 0; /* of a little-endian machine, as all that we run on */
    if (setting->kind == KIND_TEXT || setting->kind == KIND_FILE) {
        const char *text;
        memcpy(&text, field, sizeof text);
        return text ? text : "none";
    }
    memcpy(&value, field, setting->kind == KIND_U16 ? 2 : setting->kind == KIND_U32 ? 4 : 8);
    snprintf(number, bytes, "%" PRIu64, value);
    return number;
}

static void help(void)
{
    char number[24];
    printf("faregate sandbox-psp: the payment provider simulator (Stripe-compatible HTTP)\n"
           "Flags win over the variables named below them.\n\n");
    for (size_t i = 0; i < SETTINGS_COUNT; i++)
        printf("  %-23s %-12s %s [%s]\n  %-36s %s\n", settings[i].flag, settings[i].unit,
               settings[i].help, default_of(&settings[i], number, sizeof number), "",
               settings[i].env);
}

static const struct setting *find(struct str flag)
{
    for (size_t i = 0; i < SETTINGS_COUNT; i++)
        if (str_eq(flag, str_of(settings[i].flag)))
            return &settings[i];
    return NULL;
}

/* One "--flag=value" or "--flag value"; moves *@at to the last argument it used. */
static int set_flag(struct sandbox_options *options, int argc, char **argv, int *at)
{
    const char *equals = strchr(argv[*at], '=');
    struct str flag = str_of(argv[*at]);
    if (equals)
        flag.n = (size_t)(equals - argv[*at]);
    const struct setting *setting = find(flag);
    const char *value = equals ? equals + 1 : *at + 1 < argc ? argv[*at + 1] : NULL;
    if (!setting || !value) {
        fprintf(stderr, "sandbox-psp: %s: %s (see --help)\n", argv[*at],
                setting ? "needs a value" : "no such flag");
        return -EINVAL;
    }
    if (!equals)
        (*at)++;
    return set(options, setting, setting->flag, value);
}

int sandbox_options_parse(int argc, char **argv, struct sandbox_options *ret_options)
{
    *ret_options = sandbox_options_default();
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            help();
            return 1;
        }
    }
    for (size_t i = 0; i < SETTINGS_COUNT; i++) {
        const char *value = getenv(settings[i].env);
        if (value && set(ret_options, &settings[i], settings[i].env, value) < 0)
            return -EINVAL;
    }
    for (int i = 1; i < argc; i++)
        if (set_flag(ret_options, argc, argv, &i) < 0)
            return -EINVAL;
    return 0;
}

/* Header lists, as h2 lets them through, up to intake's decision and the answer. The rig
 * takes h2's place; it is included because a fuzz target is one file. What must stay true: every
 * request is answered once, in characters that HTTP allows, with a status of the intake table; and
 * a step only runs for a request that is a gRPC call by the rules below, which are written down
 * here a second time on purpose. */
#include <ctype.h>
#include <nghttp2/nghttp2.h>

#include <google/rpc/status.pb-c.h>
#include <strings.h>

#include "tests/unit/grpc/fake_db.c"
#include "tests/unit/grpc/rig.c"

#define FIELDS_MAX 64

static const char *const names[] = {
    ":method",       ":path",
    ":scheme",       ":authority",
    "content-type",  "te",
    "grpc-timeout",  "grpc-encoding",
    "host",          "x-a-bin",
    "authorization", "grpc-accept-encoding",
    "traceparent",   "user-agent",
    "x-a",           "grpc-previous-rpc-attempts",
    "grpc-x-bin",    "grpc-trace-bin",
    "x-request-id",  "x-envoy-expected-rq-timeout-ms",
};
#define NAMES (sizeof names / sizeof names[0])

struct request {
    const char *name[FIELDS_MAX];
    const char *value[FIELDS_MAX];
    size_t name_bytes[FIELDS_MAX], value_bytes[FIELDS_MAX];
    unsigned count;
    char made_up[FIELDS_MAX][32];
    char seen[4]; /* pseudo-headers: h2 lets no second one through */
};

static struct {
    struct request request;
    unsigned ran;
} fuzz;

static enum step answer(struct call *c)
{
    fuzz.ran++;
    return call_reply(c, NULL);
}

static const struct step_def steps[] = {STEP(answer)};
static const struct rpc_handler unary = {.method = "Unary", .steps = steps, .step_count = 1};
static const struct rpc_handler stream = {.method = "Stream", .steps = steps, .step_count = 1};

static void start(void)
{
    const struct rpc_method methods[] = {
        {.path = STR("/f.F/Unary"), .handler = &unary, .request = &google__rpc__status__descriptor},
        {.path = STR("/f.F/Stream"),
         .handler = &stream,
         .request = &google__rpc__status__descriptor,
         .client_streaming = true},
    };
    rig_start(methods, 2, NULL);
}

/* ---- the request ---- */

static void add(struct request *r, const char *name, size_t name_bytes, const char *value,
                size_t value_bytes)
{
    if (r->count == FIELDS_MAX ||
        !nghttp2_check_header_value_rfc9113((const uint8_t *)value, value_bytes))
        return;
    r->name[r->count] = name;
    r->name_bytes[r->count] = name_bytes;
    r->value[r->count] = value;
    r->value_bytes[r->count++] = value_bytes;
}

static void add_known(struct request *r, unsigned which, const char *value, size_t bytes)
{
    if (which < sizeof r->seen && r->seen[which]++)
        return;
    add(r, names[which], strlen(names[which]), value, bytes);
}

/* A name of our own: 1 to 31 characters made of @p's bytes. */
static void add_made_up(struct request *r, const uint8_t *p, size_t bytes, const char *value,
                        size_t value_bytes)
{
    static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz0123456789-_.grpcbin-bin";
    char *name = r->made_up[r->count];
    if (bytes == 0 || r->count == FIELDS_MAX)
        return;
    for (size_t i = 0; i < bytes; i++)
        name[i] = alphabet[p[i] % (sizeof alphabet - 1)];
    if (nghttp2_check_header_name((const uint8_t *)name, bytes))
        add(r, name, bytes, value, value_bytes);
}

/* A field: which name, how long the value is, the value. From NAMES on a made-up name of so many
 * characters comes first. */
static void read_fields(struct request *r, const uint8_t *p, size_t bytes)
{
    size_t at = 0;
    while (bytes - at >= 2 && r->count < FIELDS_MAX) {
        unsigned which = p[at], value_bytes = p[at + 1];
        size_t name_bytes = which < NAMES ? 0 : which % 32;
        at += 2;
        if (bytes - at < name_bytes)
            return;
        const uint8_t *name = p + at;
        at += name_bytes;
        if (value_bytes > bytes - at)
            value_bytes = (unsigned)(bytes - at);
        if (which < NAMES)
            add_known(r, which, (const char *)p + at, value_bytes);
        else
            add_made_up(r, name, name_bytes, (const char *)p + at, value_bytes);
        at += value_bytes;
    }
}

static void add_honest(struct request *r)
{
    static const struct {
        unsigned which;
        struct str value;
    } honest[] = {
        {0, STR("POST")},          {1, STR("/f.F/Unary")}, {2, STR("http")},
        {3, STR("faregate.test")}, {5, STR("trailers")},   {4, STR("application/grpc")},
    };
    for (size_t i = 0; i < sizeof honest / sizeof honest[0]; i++)
        add_known(r, honest[i].which, honest[i].value.p, honest[i].value.n);
}

/* ---- the rules again ---- */

static bool is(const char *p, size_t bytes, const char *text)
{
    return bytes == strlen(text) && memcmp(p, text, bytes) == 0;
}

static bool is_content_type(const char *p, size_t bytes)
{
    const struct str type = STR("application/grpc"), proto = STR("+proto");
    if (bytes < type.n || strncasecmp(p, type.p, type.n) != 0)
        return false;
    p += type.n;
    bytes -= type.n;
    if (bytes >= proto.n && strncasecmp(p, proto.p, proto.n) == 0) {
        p += proto.n;
        bytes -= proto.n;
    }
    return bytes == 0 || p[0] == ';';
}

static bool is_timeout(const char *p, size_t bytes)
{
    if (bytes < 2 || bytes > 9 || !memchr("HMSmun", p[bytes - 1], 6))
        return false;
    for (size_t i = 0; i + 1 < bytes; i++) {
        if (!isdigit((unsigned char)p[i]))
            return false;
    }
    return true;
}

static bool is_base64(const char *p, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        if (!isalnum((unsigned char)p[i]) && !memchr("+/=, ", p[i], 5))
            return false;
    }
    return true;
}

/* Whether a step may run for this request. */
static bool is_call(const struct request *r)
{
    bool post = false, path = false, type = false;
    for (unsigned i = 0; i < r->count; i++) {
        const char *name = r->name[i], *v = r->value[i];
        size_t n = r->name_bytes[i], bytes = r->value_bytes[i];
        if (is(name, n, ":method"))
            post = is(v, bytes, "POST");
        else if (is(name, n, ":path"))
            path = is(v, bytes, "/f.F/Unary") || is(v, bytes, "/f.F/Stream");
        else if (is(name, n, "content-type") && !(type = is_content_type(v, bytes)))
            return false;
        else if (is(name, n, "grpc-timeout") && !is_timeout(v, bytes))
            return false;
        else if (is(name, n, "grpc-encoding") && !is(v, bytes, "gzip") && !is(v, bytes, "identity"))
            return false;
        else if (is(name, n, "x-a-bin") && !is_base64(v, bytes))
            return false;
    }
    return post && path && type;
}

/* ---- the answer ---- */

static void check_answer(const struct client *c)
{
    static const char *const statuses[] = {"200", "400", "404", "405", "415", "431"};
    bool known = false;
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++)
        known = known || strcmp(client_field(c, ":status"), statuses[i]) == 0;
    CHECK(known);
    CHECK(client_status(c) >= 0 && client_status(c) <= 16);
    CHECK(fuzz.ran > 0 || c->trailers_only);
    for (unsigned i = 0; i < c->field_count; i++) {
        for (const char *p = c->values[i]; *p; p++)
            CHECK(*p >= 0x20 && *p <= 0x7e);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t bytes);

/* The first byte: over the limit, an honest head first, a message, END_STREAM. */
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t bytes)
{
    struct request *r = &fuzz.request;
    if (!rig.server)
        start();
    if (bytes < 1)
        return 0;
    bool over_limit = p[0] & 1, half_closes = p[0] & 8;
    memset(&fuzz, 0, sizeof fuzz);
    if (p[0] & 2)
        read_fields(r, p + 1, bytes - 1);
    else {
        size_t own = (bytes - 1) / 2; /* some first, so that they replace the honest ones */
        read_fields(r, p + 1, own);
        add_honest(r);
        read_fields(r, p + 1 + own, bytes - 1 - own);
    }
    struct client *c = client_new();
    for (unsigned i = 0; i < r->count; i++) {
        struct str name = {.p = r->name[i], .n = r->name_bytes[i]};
        struct str value = {.p = r->value[i], .n = r->value_bytes[i]};
        server_h2_handler.on_header(&c->stream, h2_field_of(name), name, value, rig.server);
    }
    server_h2_handler.on_request(&c->stream, over_limit, rig.server);
    if (p[0] & 4)
        client_message(c, "", 0);
    if (half_closes)
        client_end(c);
    rig_turn();
    client_take(c);
    if (c->end_count > 0)
        check_answer(c);
    CHECK(c->end_count <= 1);
    CHECK(!half_closes || c->end_count == 1);
    CHECK(fuzz.ran == 0 || (!over_limit && is_call(r)));
    client_free(c);
    CHECK(rig_is_clean());
    return 0;
}

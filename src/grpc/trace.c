/* The trace a call belongs to, and what is carried on to those we ask on its behalf. intake begins
 * it, services pass it on. What must stay true: what cannot be read begins a new trace and is never
 * repaired; nothing is searched on the way in where traceparent came. */
#include <string.h>

#include "base/text.h"
#include "grpc/base64.h"
#include "grpc/internal.h"

#define TRACEPARENT_BYTES 55
#define CENSUS_BYTES                                                                               \
    29 /* OpenCensus BinaryEncoding: version, 0 trace[16], 1 span[8], 2 options                    \
        */

/* Istio, Zipkin, Lightstep, Google Cloud, Datadog, OpenCensus; traceparent is ours to write. */
static const char *const carried[] = {
    "tracestate",
    "x-request-id",
    "b3",
    "x-b3-traceid",
    "x-b3-spanid",
    "x-b3-parentspanid",
    "x-b3-sampled",
    "x-b3-flags",
    "x-ot-span-context",
    "x-cloud-trace-context",
    "x-datadog-trace-id",
    "x-datadog-parent-id",
    "x-datadog-sampling-priority",
    "grpc-trace-bin",
};

/* "00-<32>-<16>-<2>", or nothing where the parts do not have the lengths. A 64-bit trace id is
 * filled up with zeros in front, as Zipkin and W3C agree. */
static struct str traceparent_of(char out[static TRACEPARENT_BYTES], struct str trace_id,
                                 struct str span_id, bool is_sampled)
{
    if ((trace_id.n != 16 && trace_id.n != 32) || span_id.n != 16)
        return (struct str){0};
    memcpy(out, "00-0000000000000000", 19);
    memcpy(out + 35 - trace_id.n, trace_id.p, trace_id.n);
    out[35] = '-';
    memcpy(out + 36, span_id.p, span_id.n);
    memcpy(out + 52, is_sampled ? "-01" : "-00", 3);
    return (struct str){.p = out, .n = TRACEPARENT_BYTES};
}

/* Absent means: decide yourself. */
static bool b3_sampled(struct str state)
{
    return !str_eq(state, STR("0")) && !str_eq(state, STR("false"));
}

static struct str from_b3(const struct call *c, char out[static TRACEPARENT_BYTES])
{
    struct str single = call_metadata(c, STR("b3"));
    if (single.n == 0)
        return traceparent_of(out, call_metadata(c, STR("x-b3-traceid")),
                              call_metadata(c, STR("x-b3-spanid")),
                              b3_sampled(call_metadata(c, STR("x-b3-sampled"))));
    struct str trace_id = str_cut(&single, '-');
    struct str span_id = str_cut(&single, '-');
    return traceparent_of(out, trace_id, span_id, b3_sampled(str_cut(&single, '-')));
}

static struct str from_census(const struct call *c, char out[static TRACEPARENT_BYTES])
{
    char trace_id[32], span_id[16];
    struct str bin = call_metadata(c, STR("grpc-trace-bin"));
    if (bin.n != CENSUS_BYTES || bin.p[0] != 0 || bin.p[1] != 0 || bin.p[18] != 1 || bin.p[27] != 2)
        return (struct str){0};
    text_hex(trace_id, bin.p + 2, 16);
    text_hex(span_id, bin.p + 19, 8);
    return traceparent_of(out, (struct str){.p = trace_id, .n = sizeof trace_id},
                          (struct str){.p = span_id, .n = sizeof span_id}, bin.p[28] & 1);
}

/* One look at the names before anything is searched: most calls have none of them. */
static bool has_others(const struct call_impl *ci)
{
    for (unsigned i = 0; i < ci->metadata_count; i++) {
        struct str name = ci->metadata[i].name;
        if (str_starts(name, STR("b3")) || str_starts(name, STR("x-b3-")) ||
            str_starts(name, STR("grpc-trace-")))
            return true;
    }
    return false;
}

void call_trace_begin(struct call_impl *ci)
{
    char text[TRACEPARENT_BYTES];
    struct str traceparent = ci->traceparent;
    if (traceparent.n == 0 && has_others(ci)) {
        traceparent = from_b3(&ci->pub, text);
        if (traceparent.n == 0)
            traceparent = from_census(&ci->pub, text);
    }
    trace_begin(&ci->trace, traceparent);
}

static bool is_carried(struct str name)
{
    for (size_t i = 0; i < sizeof carried / sizeof carried[0]; i++) {
        if (str_eq(name, str_of(carried[i])))
            return true;
    }
    return false;
}

static struct str as_text(struct call_impl *ci, struct str name, struct str value)
{
    if (!str_eq(name, STR("grpc-trace-bin")))
        return value;
    char *p = arena_alloc(&ci->pub.arena, base64_encoded_bytes(value.n) + 1);
    return (struct str){.p = p, .n = base64_encode((const uint8_t *)value.p, value.n, p)};
}

bool call_trace_next(struct call *c, unsigned *at, struct str *ret_name, struct str *ret_value)
{
    struct call_impl *ci = call_impl_of(c);
    if (ci->is_internal)
        return false; /* nobody asked for it */
    if ((*at)++ == 0) {
        char *text = arena_alloc(&c->arena, TRACEPARENT_BYTES + 1);
        trace_format(&ci->trace, text);
        *ret_name = STR("traceparent");
        *ret_value = (struct str){.p = text, .n = TRACEPARENT_BYTES};
        return true;
    }
    for (; *at - 2 < ci->metadata_count; (*at)++) {
        const struct h2_header *field = &ci->metadata[*at - 2];
        if (!is_carried(field->name))
            continue;
        *ret_name = field->name;
        *ret_value = as_text(ci, field->name, field->value);
        return true;
    }
    return false;
}

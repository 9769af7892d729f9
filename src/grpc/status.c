/* How a call's end looks on the wire: grpc-status, grpc-message and google.rpc.Status with its
 * details (AIP-193). Handlers reach it through call_fail*, the sender through status_headers. What
 * must stay true: exactly one ErrorInfo per reason; all of it stays under 8 KiB by dropping the
 * least important. */
#include <errno.h>
#include <stdio.h>

#include "base/check.h"
#include "google/protobuf/any.pb-c.h"
#include "google/protobuf/duration.pb-c.h"
#include "google/rpc/error_details.pb-c.h"
#include "google/rpc/status.pb-c.h"
#include "grpc/base64.h"
#include "grpc/internal.h"
#include "grpc/percent.h"

#define DETAILS_MAX 5
#define MESSAGE_BYTES_MAX 512 /* with a field; the details need room too */
#define OVERLOAD_PUSHBACK_MS 250
#define UNKNOWN_PUSHBACK_MS 200

static const char *const code_texts[] = {
    "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16",
};

void call_set_status(struct call_impl *ci, enum status_code code, const char *message)
{
    ci->reason = REASON_NONE;
    ci->code = code;
    ci->message = message;
}

/* gRFC A6: when a client should come back. Where it says nothing, clients use their own back-off;
 * -1 stops those that would try again in vain, or twice. */
static void advise(struct call_impl *ci, enum reason reason)
{
    const struct reason_info *info = reason_info(reason);
    bool is_retried = info->code == STATUS_UNAVAILABLE || info->code == STATUS_RESOURCE_EXHAUSTED;
    if (reason == REASON_OVERLOADED || reason == REASON_DATABASE_UNAVAILABLE)
        call_fail_pushback(&ci->pub, OVERLOAD_PUSHBACK_MS);
    else if (reason == REASON_SHUTTING_DOWN)
        call_fail_pushback(&ci->pub, 0); /* another server is not shutting down */
    else if (reason == REASON_OUTCOME_UNKNOWN)
        call_fail_pushback(&ci->pub,
                           ci->pub.method->policy.is_idempotent ? UNKNOWN_PUSHBACK_MS : -1);
    else if (is_retried && !info->retryable)
        call_fail_pushback(&ci->pub, -1);
}

void call_set_reason(struct call_impl *ci, enum reason reason)
{
    CHECK(reason != REASON_NONE);
    ci->reason = reason;
    ci->code = reason_info(reason)->code;
    ci->message = NULL;
    if (!ci->has_pushback)
        advise(ci, reason);
}

void call_fail_pushback(struct call *c, int32_t pushback_ms)
{
    struct call_impl *ci = call_impl_of(c);
    ci->has_pushback = true;
    ci->pushback_ms = pushback_ms;
}

void call_fail_with(struct call *c, const char *key, const char *format, ...)
{
    struct call_impl *ci = call_impl_of(c);
    if (ci->fact_count == CALL_FACTS_MAX)
        return;
    va_list args;
    va_start(args, format);
    char *value = call_format(ci, format, args);
    va_end(args);
    if (value)
        ci->facts[ci->fact_count++] = (struct call_pair){.key = key, .value = value};
}

enum step call_fail(struct call *c, enum reason reason)
{
    struct call_impl *ci = call_impl_of(c);
    CHECK(!ci->answered);
    ci->answered = true;
    if (!ci->broken)
        call_set_reason(ci, reason);
    return STEP_DONE;
}

enum step call_fail_status(struct call *c, enum status_code code, const char *message)
{
    struct call_impl *ci = call_impl_of(c);
    CHECK(!ci->answered);
    ci->answered = true;
    if (ci->broken)
        return STEP_DONE;
    size_t bytes = message ? strlen(message) : 0;
    char *copy = arena_try(&c->arena, bytes + 1);
    if (copy && bytes > 0)
        memcpy(copy, message, bytes);
    bool is_code = code > STATUS_OK && code <= STATUS_UNAUTHENTICATED;
    call_set_status(ci, is_code ? code : STATUS_UNKNOWN, copy);
    return STEP_DONE;
}

enum step call_fail_field(struct call *c, enum reason reason, const char *field, const char *format,
                          ...)
{
    struct call_impl *ci = call_impl_of(c);
    va_list args;
    va_start(args, format);
    char *description = call_format(ci, format, args);
    va_end(args);
    if (ci->violations.count < VIOLATIONS_MAX)
        ci->violations.items[ci->violations.count++] =
            (struct violation){.field = field, .description = description ? description : ""};
    return call_fail(c, reason);
}

/* ---- google.rpc.Status ---- */

/* protobuf-c's strings are not const, but packing does not write them. */
static char *unconst(const char *text)
{
    union {
        const char *in;
        char *out;
    } u = {.in = text};
    return u.out;
}

static Google__Protobuf__Any *pack_any(struct arena *a, const char *type_url,
                                       const ProtobufCMessage *message)
{
    Google__Protobuf__Any *any = arena_try(a, sizeof *any);
    size_t bytes = protobuf_c_message_get_packed_size(message);
    uint8_t *p = arena_try(a, bytes + 1);
    if (!any || !p)
        return NULL;
    google__protobuf__any__init(any);
    any->type_url = unconst(type_url);
    any->value.len = protobuf_c_message_pack(message, p);
    any->value.data = p;
    return any;
}

static Google__Protobuf__Any *error_info(struct call_impl *ci, bool with_facts)
{
    Google__Rpc__ErrorInfo info = GOOGLE__RPC__ERROR_INFO__INIT;
    Google__Rpc__ErrorInfo__MetadataEntry entries[CALL_FACTS_MAX];
    Google__Rpc__ErrorInfo__MetadataEntry *pointers[CALL_FACTS_MAX];
    info.reason = unconst(reason_info(ci->reason)->name);
    info.domain = unconst("faregate");
    info.metadata = pointers;
    for (unsigned i = 0; with_facts && i < ci->fact_count; i++) {
        google__rpc__error_info__metadata_entry__init(&entries[i]);
        entries[i].key = unconst(ci->facts[i].key);
        entries[i].value = unconst(ci->facts[i].value);
        pointers[info.n_metadata++] = &entries[i];
    }
    return pack_any(&ci->pub.arena, "type.googleapis.com/google.rpc.ErrorInfo", &info.base);
}

static Google__Protobuf__Any *retry_info(struct call_impl *ci)
{
    Google__Rpc__RetryInfo info = GOOGLE__RPC__RETRY_INFO__INIT;
    Google__Protobuf__Duration delay = GOOGLE__PROTOBUF__DURATION__INIT;
    delay.seconds = ci->pushback_ms / 1000;
    delay.nanos = ci->pushback_ms % 1000 * 1000000;
    info.retry_delay = &delay;
    return pack_any(&ci->pub.arena, "type.googleapis.com/google.rpc.RetryInfo", &info.base);
}

static Google__Protobuf__Any *quota_failure(struct call_impl *ci)
{
    Google__Rpc__QuotaFailure failure = GOOGLE__RPC__QUOTA_FAILURE__INIT;
    Google__Rpc__QuotaFailure__Violation violation = GOOGLE__RPC__QUOTA_FAILURE__VIOLATION__INIT;
    Google__Rpc__QuotaFailure__Violation *violations[] = {&violation};
    violation.subject = unconst(ci->pub.principal.known ? "user" : "network");
    violation.description = unconst(reason_info(ci->reason)->text);
    failure.violations = violations;
    failure.n_violations = 1;
    return pack_any(&ci->pub.arena, "type.googleapis.com/google.rpc.QuotaFailure", &failure.base);
}

static Google__Protobuf__Any *precondition_failure(struct call_impl *ci)
{
    Google__Rpc__PreconditionFailure failure = GOOGLE__RPC__PRECONDITION_FAILURE__INIT;
    Google__Rpc__PreconditionFailure__Violation violation =
        GOOGLE__RPC__PRECONDITION_FAILURE__VIOLATION__INIT;
    Google__Rpc__PreconditionFailure__Violation *violations[] = {&violation};
    violation.type = unconst(reason_info(ci->reason)->name);
    violation.subject = unconst(ci->fact_count > 0 ? ci->facts[0].value : "");
    violation.description = unconst(reason_info(ci->reason)->text);
    failure.violations = violations;
    failure.n_violations = 1;
    return pack_any(&ci->pub.arena, "type.googleapis.com/google.rpc.PreconditionFailure",
                    &failure.base);
}

static Google__Protobuf__Any *bad_request(struct call_impl *ci)
{
    Google__Rpc__BadRequest bad = GOOGLE__RPC__BAD_REQUEST__INIT;
    Google__Rpc__BadRequest__FieldViolation violations[VIOLATIONS_MAX];
    Google__Rpc__BadRequest__FieldViolation *pointers[VIOLATIONS_MAX];
    bad.field_violations = pointers;
    for (unsigned i = 0; i < ci->violations.count; i++) {
        google__rpc__bad_request__field_violation__init(&violations[i]);
        violations[i].field = unconst(ci->violations.items[i].field);
        violations[i].description = unconst(ci->violations.items[i].description);
        pointers[bad.n_field_violations++] = &violations[i];
    }
    return pack_any(&ci->pub.arena, "type.googleapis.com/google.rpc.BadRequest", &bad.base);
}

/* Most important first: what does not fit is dropped from the end. */
static size_t collect_details(struct call_impl *ci,
                              Google__Protobuf__Any *ret_details[static DETAILS_MAX])
{
    size_t count = 0;
    ret_details[count++] = error_info(ci, true);
    if (ci->has_pushback && ci->pushback_ms >= 0)
        ret_details[count++] = retry_info(ci);
    if (ci->code == STATUS_RESOURCE_EXHAUSTED && ci->reason != REASON_MESSAGE_TOO_LARGE)
        ret_details[count++] = quota_failure(ci);
    if (ci->code == STATUS_FAILED_PRECONDITION)
        ret_details[count++] = precondition_failure(ci);
    if (ci->violations.count > 0)
        ret_details[count++] = bad_request(ci);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (ret_details[i])
            ret_details[kept++] = ret_details[i];
    }
    return kept;
}

/* Base64 of the whole status, or empty if not even its ErrorInfo fits. */
static struct str status_details(struct call_impl *ci, const char *message, size_t bytes_max)
{
    Google__Rpc__Status status = GOOGLE__RPC__STATUS__INIT;
    Google__Protobuf__Any *details[DETAILS_MAX];
    status.code = (int32_t)ci->code;
    status.message = unconst(message);
    status.details = details;
    status.n_details = collect_details(ci, details);
    size_t packed = google__rpc__status__get_packed_size(&status);
    while (status.n_details > 1 && base64_encoded_bytes(packed) > bytes_max) {
        status.n_details--;
        packed = google__rpc__status__get_packed_size(&status);
    }
    if (base64_encoded_bytes(packed) > bytes_max && (details[0] = error_info(ci, false)))
        packed = google__rpc__status__get_packed_size(&status);
    if (status.n_details == 0 || !details[0] || base64_encoded_bytes(packed) > bytes_max)
        return (struct str){0};
    uint8_t *bytes = arena_try(&ci->pub.arena, packed);
    char *text = arena_try(&ci->pub.arena, base64_encoded_bytes(packed) + 1);
    if (!bytes || !text)
        return (struct str){0};
    google__rpc__status__pack(&status, bytes);
    return (struct str){.p = text, .n = base64_encode(bytes, packed, text)};
}

/* With the first field that is wrong: many clients log the message and no details. Descriptions
 * never quote what was sent. */
static const char *message_of(struct call_impl *ci)
{
    const char *text = reason_info(ci->reason)->text;
    if (ci->message || ci->violations.count == 0)
        return ci->message ? ci->message : text;
    const struct violation *first = &ci->violations.items[0];
    const char *colon = first->field[0] != '\0' ? ": " : "";
    size_t bytes = strlen(text) + strlen(first->field) + strlen(first->description) + sizeof " : ";
    char *copy = bytes <= MESSAGE_BYTES_MAX ? arena_try(&ci->pub.arena, bytes) : NULL;
    if (copy)
        snprintf(copy, bytes, "%s %s%s%s", text, first->field, colon, first->description);
    return copy ? copy : text;
}

/* Cut at a code point to what fits. */
static const char *bounded_message(struct call_impl *ci, size_t bytes_max)
{
    const char *text = message_of(ci);
    size_t bytes = strlen(text);
    size_t fitting = percent_fitting((struct str){.p = text, .n = bytes}, bytes_max);
    if (fitting == bytes)
        return text;
    char *copy = arena_try(&ci->pub.arena, fitting + 1);
    if (!copy)
        return "";
    memcpy(copy, text, fitting);
    return copy;
}

/* One block of headers under the peer's limit: who asks for room first gets it. */
struct block {
    struct h2_header *headers;
    size_t count;
    size_t bytes_left;
};

/* What is left for the value of a field of this name. */
static size_t room_for(const struct block *b, struct str name)
{
    size_t fixed = name.n + FIELD_OVERHEAD_BYTES;
    return b->bytes_left > fixed ? b->bytes_left - fixed : 0;
}

static void put(struct block *b, struct str name, struct str value)
{
    struct h2_header h = {.name = name, .value = value};
    size_t bytes = header_list_bytes(&h);
    b->bytes_left = b->bytes_left > bytes ? b->bytes_left - bytes : 0;
    b->headers[b->count++] = h;
}

static void put_number(struct call_impl *ci, struct block *b, struct str name, int32_t value)
{
    char *text = arena_try(&ci->pub.arena, 16);
    int bytes = text ? snprintf(text, 16, "%d", value) : 0;
    if (bytes > 0)
        put(b, name, (struct str){.p = text, .n = (size_t)bytes});
}

/* Clients read the first. Envoy's rate_limited_retry_back_off reads the second, in whole seconds
 * and only in headers: a Trailers-Only answer has it there. */
static void put_pushback(struct call_impl *ci, struct block *b)
{
    put_number(ci, b, STR("grpc-retry-pushback-ms"), ci->pushback_ms);
    if (ci->pushback_ms > 0 && !ci->headers_sent)
        put_number(ci, b, STR("retry-after"), (ci->pushback_ms + 999) / 1000);
}

/* Reasons are Faregate's words: who calls a service of somebody else would not know the domain. */
static bool tells_reason(const struct call_impl *ci)
{
    const struct rpc_method *method = ci->pub.method;
    return ci->reason != REASON_NONE && !(method && method->service && method->service->is_foreign);
}

/* Whose quota it is depends on the caller. */
bool status_is_plain(const struct call_impl *ci)
{
    return tells_reason(ci) && !ci->message && ci->fact_count == 0 && ci->violations.count == 0 &&
           ci->code == reason_info(ci->reason)->code && ci->code != STATUS_RESOURCE_EXHAUSTED;
}

/* grpc-message and the details, which only failures have. */
static void put_failure(struct call_impl *ci, struct block *b)
{
    const struct str message_name = STR("grpc-message");
    const struct str details_name = STR("grpc-status-details-bin");
    const char *message = bounded_message(ci, room_for(b, message_name));
    struct str raw = str_of(message);
    char *escaped = raw.n > 0 ? arena_try(&ci->pub.arena, percent_bytes_max(raw.n)) : NULL;
    if (escaped)
        put(b, message_name, (struct str){.p = escaped, .n = percent_encode(raw, escaped)});
    if (!tells_reason(ci))
        return;
    struct str details = status_details(ci, message, room_for(b, details_name));
    if (details.n > 0)
        put(b, details_name, details);
}

size_t status_headers(struct call_impl *ci, size_t bytes_max, struct h2_header *ret_headers)
{
    struct block b = {.headers = ret_headers, .bytes_left = bytes_max};
    CHECK(ci->code <= STATUS_UNAUTHENTICATED);
    put(&b, STR("grpc-status"), str_of(code_texts[ci->code]));
    if (ci->has_pushback && ci->code != STATUS_OK)
        put_pushback(ci, &b);
    if (ci->encoding == ENCODING_OTHER)
        put(&b, STR("grpc-accept-encoding"), STR("gzip"));
    if (ci->http_status == 405)
        put(&b, STR("allow"), STR("POST"));
    if (ci->replayed)
        put(&b, STR("idempotent-replayed"), STR("true"));
    b.count +=
        sent_fields_put(&ci->sent_trailers, tells_reason(ci), b.headers + b.count, &b.bytes_left);
    if (ci->code != STATUS_OK)
        put_failure(ci, &b);
    return b.count;
}

/* Builds what ConformanceService tells about a request: headers, timeout, messages; and statuses
 * with details. conformance.c uses it. What must stay true: nothing here outlives the call's arena.
 */
#include "conformance_info.h"

#include <connectrpc/conformance/v1/service.pb-c.h>
#include <ctype.h>
#include <google/protobuf/any.pb-c.h>
#include <google/rpc/status.pb-c.h>

#include "grpc/base64.h"
#include "grpc/pb_memory.h"

#define TYPE_PREFIX "type.googleapis.com/"
#define NAME_BYTES_MAX 128
#define HEADERS_MAX 64

typedef Connectrpc__Conformance__V1__Header header;
typedef Connectrpc__Conformance__V1__ConformancePayload__RequestInfo info;

/* ---- messages ---- */

static Google__Protobuf__Any *pack(struct call *c, const ProtobufCMessage *message)
{
    Google__Protobuf__Any *any = arena_try(&c->arena, sizeof *any);
    size_t bytes = protobuf_c_message_get_packed_size(message);
    uint8_t *p = arena_try(&c->arena, bytes + 1);
    if (!any || !p)
        return NULL;
    google__protobuf__any__init(any);
    any->type_url = arena_printf(&c->arena, TYPE_PREFIX "%s", message->descriptor->name);
    any->value = (ProtobufCBinaryData){.data = p, .len = protobuf_c_message_pack(message, p)};
    return any;
}

bool requests_keep(struct call *c, struct requests *requests, const ProtobufCMessage *message)
{
    if (requests->count == requests->room) {
        size_t room = requests->room > 0 ? 2 * requests->room : 8;
        void *more = arena_try(&c->arena, room * sizeof requests->items[0]);
        if (!more)
            return false;
        if (requests->count > 0)
            memcpy(more, requests->items, requests->count * sizeof requests->items[0]);
        requests->items = more;
        requests->room = room;
    }
    Google__Protobuf__Any *any = pack(c, message);
    if (any)
        requests->items[requests->count++] = any;
    return any != NULL;
}

void requests_clear(struct requests *requests)
{
    *requests = (struct requests){0};
}

void *message_keep(struct call *c, const ProtobufCMessage *message)
{
    struct pb_memory memory;
    pb_memory_init(&memory, &c->arena);
    Google__Protobuf__Any *any = pack(c, message);
    return any ? protobuf_c_message_unpack(message->descriptor, &memory.allocator, any->value.len,
                                           any->value.data)
               : NULL;
}

/* ---- headers ---- */

static bool is_binary(struct str name)
{
    return name.n > 4 && memcmp(name.p + name.n - 4, "-bin", 4) == 0;
}

/* Binary values travel as base64 in the definition, too. */
static char *text_of(struct call *c, struct str name, struct str value)
{
    if (!is_binary(name))
        return arena_dup(&c->arena, value);
    char *text = arena_alloc(&c->arena, base64_encoded_bytes(value.n) + 1);
    text[base64_encode((const uint8_t *)value.p, value.n, text)] = '\0';
    return text;
}

static header *header_named(struct call *c, info *i, struct str name)
{
    for (size_t k = 0; k < i->n_request_headers; k++) {
        if (str_eq(str_of(i->request_headers[k]->name), name))
            return i->request_headers[k];
    }
    if (i->n_request_headers == HEADERS_MAX)
        return NULL;
    header *h = arena_alloc(&c->arena, sizeof *h);
    connectrpc__conformance__v1__header__init(h);
    h->name = arena_dup(&c->arena, name);
    h->value = arena_array(&c->arena, HEADERS_MAX, sizeof h->value[0]);
    i->request_headers[i->n_request_headers++] = h;
    return h;
}

static void tell_headers(struct call *c, info *i)
{
    struct str name;
    struct str value;
    unsigned at = 0;
    i->request_headers = arena_array(&c->arena, HEADERS_MAX, sizeof i->request_headers[0]);
    while (call_metadata_next(c, &at, &name, &value)) {
        header *h = header_named(c, i, name);
        if (h && h->n_value < HEADERS_MAX)
            h->value[h->n_value++] = text_of(c, name, value);
    }
}

info *request_info(struct call *c, const struct requests *requests, bool with_call)
{
    info *i = arena_try(&c->arena, sizeof *i);
    if (!i)
        return NULL;
    connectrpc__conformance__v1__conformance_payload__request_info__init(i);
    i->requests = requests->items;
    i->n_requests = requests->count;
    if (!with_call)
        return i;
    tell_headers(c, i);
    if (call_deadline_ns(c) < INT64_MAX) {
        i->_timeout_ms_case =
            CONNECTRPC__CONFORMANCE__V1__CONFORMANCE_PAYLOAD__REQUEST_INFO___TIMEOUT_MS_TIMEOUT_MS;
        i->timeout_ms = (call_deadline_ns(c) - clock_mono_ns(&clock_system)) / NS_PER_MS;
    }
    return i;
}

void headers_add(struct call *c, header *const *headers, size_t count,
                 int (*add)(struct call *c, struct str name, struct str value))
{
    for (size_t i = 0; i < count; i++) {
        char *name = arena_dup(&c->arena, str_of(headers[i]->name));
        for (char *at = name; *at; at++)
            *at = (char)tolower((unsigned char)*at);
        for (size_t k = 0; k < headers[i]->n_value; k++) {
            struct str value = str_of(headers[i]->value[k]);
            uint8_t *bytes = arena_alloc(&c->arena, base64_decoded_bytes_max(value.n) + 1);
            size_t decoded;
            if (is_binary(str_of(name)) && base64_decode(value, bytes, &decoded) == 0)
                value = (struct str){.p = (const char *)bytes, .n = decoded};
            add(c, str_of(name), value);
        }
    }
}

/* ---- failures ---- */

enum step fail_as_asked(struct call *c, const Connectrpc__Conformance__V1__Error *error, info *i)
{
    Google__Rpc__Status status = GOOGLE__RPC__STATUS__INIT;
    status.code = (int32_t)error->code;
    status.message = error->_message_case == CONNECTRPC__CONFORMANCE__V1__ERROR___MESSAGE_MESSAGE
                         ? error->message
                         : status.message;
    status.details = arena_array(&c->arena, error->n_details + 1, sizeof status.details[0]);
    for (size_t k = 0; k < error->n_details; k++)
        status.details[status.n_details++] = error->details[k];
    Google__Protobuf__Any *told = i ? pack(c, &i->base) : NULL;
    if (told)
        status.details[status.n_details++] = told;
    size_t bytes = google__rpc__status__get_packed_size(&status);
    uint8_t *p = arena_alloc(&c->arena, bytes + 1);
    google__rpc__status__pack(&status, p);
    if (status.n_details > 0)
        call_trailer(c, STR("grpc-status-details-bin"),
                     (struct str){.p = (const char *)p, .n = bytes});
    return call_fail_status(c, (enum status_code)error->code, status.message);
}

/* Answers: what a failure says about itself, how large it may be, when a reply is compressed; and
 * the idempotency key. The bytes are read back with the generated code, as a client would. */
#include <faregate/v1/payment_service.pb-c.h>
#include <google/rpc/error_details.pb-c.h>
#include <google/rpc/status.pb-c.h>
#include <grpc/health/v1/health.pb-c.h>
#include <stdio.h>

#include "grpc/base64.h"
#include "rig.h"
#include "support/test.h"

static struct call *seen;

static enum step reply_number(struct call *c, int number)
{
    Grpc__Health__V1__HealthCheckResponse reply = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    reply.status = (Grpc__Health__V1__HealthCheckResponse__ServingStatus)number;
    return call_reply(c, &reply.base);
}

static enum step explain(struct call *c)
{
    call_fail_with(c, "seats_left", "%d", 3);
    call_fail_with(c, "flight", "%s", "FG100");
    return call_fail(c, REASON_SEATS_UNAVAILABLE);
}

static const struct step_def explain_steps[] = {STEP(explain)};
static const struct rpc_handler explains = {
    .method = "Explains", .steps = explain_steps, .step_count = 1};

static enum step ramble(struct call *c)
{
    static char text[3000];
    memset(text, 'y', sizeof text - 1);
    for (int i = 0; i < 10; i++)
        call_fail_with(c, "k", "%s", text);
    return call_fail_field(c, REASON_FIELD_INVALID, "passengers[0].given_name", "%s%s%s", text,
                           text, text);
}

static const struct step_def ramble_steps[] = {STEP(ramble)};
static const struct rpc_handler rambles = {
    .method = "Rambles", .steps = ramble_steps, .step_count = 1};

static enum step keep_key(struct call *c)
{
    seen = c;
    call_replayed(c, true);
    return reply_number(c, 1);
}

static const struct step_def key_steps[] = {STEP(keep_key)};
static const struct rpc_handler keyed = {.method = "Keyed", .steps = key_steps, .step_count = 1};

static enum step pack_long(struct call *c)
{
    Grpc__Health__V1__HealthCheckRequest message = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    static char text[4000];
    memset(text, 'z', sizeof text - 1);
    message.service = text;
    struct str packed = call_pack(c, &message.base);
    return call_reply_bytes(c, (const uint8_t *)packed.p, packed.n);
}

static const struct step_def long_steps[] = {STEP(pack_long)};
static const struct rpc_handler long_reply = {
    .method = "Long", .steps = long_steps, .step_count = 1};

static enum call_compress asked_compress;
static unsigned asked_bytes;
static bool saw_compressed;

static enum step reply_as_asked(struct call *c)
{
    Grpc__Health__V1__HealthCheckRequest message = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    char *text = arena_alloc(&c->arena, asked_bytes + 1);
    memset(text, 'z', asked_bytes);
    message.service = text;
    saw_compressed = call_request_compressed(c);
    call_compress(c, asked_compress);
    return call_reply(c, &message.base);
}

static const struct step_def asked_steps[] = {STEP(reply_as_asked)};
static const struct rpc_handler asked_reply = {
    .method = "Asked", .steps = asked_steps, .step_count = 1};

#define TYPES                                                                                      \
    .request = &grpc__health__v1__health_check_request__descriptor,                                \
    .reply = &grpc__health__v1__health_check_response__descriptor

static void begin(void)
{
    const struct rpc_method methods[] = {
        {.path = STR("/test.S/Explains"), .handler = &explains, TYPES},
        {.path = STR("/test.S/Rambles"), .handler = &rambles, TYPES},
        {.path = STR("/test.S/Long"),
         .handler = &long_reply,
         TYPES,
         .policy.reply_bytes_max = 5000},
        {.path = STR("/test.S/Asked"), .handler = &asked_reply, TYPES},
        {.path = STR("/test.S/Secret"),
         .handler = &long_reply,
         TYPES,
         .policy.no_compression = true},
        {.path = STR("/test.S/Short"),
         .handler = &long_reply,
         TYPES,
         .policy.reply_bytes_max = 1000},
        {.path = STR("/test.S/Keyed"),
         .handler = &keyed,
         .request = &faregate__v1__confirm_payment_intent_request__descriptor,
         .policy.is_idempotent = true,
         .request_id_tag = 15,
         .request_id_offset = offsetof(Faregate__V1__ConfirmPaymentIntentRequest, request_id)},
    };
    rig_start(methods, sizeof methods / sizeof methods[0], NULL);
}

static void finish(void)
{
    rig_turn();
    ASSERT_TRUE(rig_is_clean());
    rig_stop();
}

static void expect_end(struct client *c, int status)
{
    client_take(c);
    ASSERT_INT_EQ(client_status(c), status);
    ASSERT_INT_EQ(c->end_count, 1);
    client_free(c);
}

/* Unpacks the details of a failure; the caller frees. */
static Google__Rpc__Status *details_of(struct client *c)
{
    static uint8_t bytes[9000];
    size_t count;
    if (base64_decode(str_of(client_field(c, "grpc-status-details-bin")), bytes, &count) < 0)
        return NULL;
    return google__rpc__status__unpack(NULL, count, bytes);
}

TEST(reply, carries_the_facts_of_a_failure)
{
    begin();
    struct client *c = client_call("/test.S/Explains", "", 0);
    Google__Rpc__Status *status = details_of(c);
    ASSERT_NOT_NULL(status);
    ASSERT_INT_EQ(status->n_details, 2);
    Google__Rpc__ErrorInfo *info = google__rpc__error_info__unpack(
        NULL, status->details[0]->value.len, status->details[0]->value.data);
    ASSERT_STR_EQ(info->reason, "SEATS_UNAVAILABLE");
    ASSERT_INT_EQ(info->n_metadata, 2);
    ASSERT_STR_EQ(info->metadata[0]->key, "seats_left");
    ASSERT_STR_EQ(info->metadata[0]->value, "3");
    google__rpc__error_info__free_unpacked(info, NULL);
    ASSERT_STR_EQ(status->details[1]->type_url,
                  "type.googleapis.com/google.rpc.PreconditionFailure");
    google__rpc__status__free_unpacked(status, NULL);
    expect_end(c, STATUS_FAILED_PRECONDITION);
    finish();
}

TEST(reply, keeps_the_trailers_under_8_kib_by_dropping_details)
{
    begin();
    struct client *c = client_call("/test.S/Rambles", "", 0);
    size_t bytes = 0;
    for (unsigned i = 0; i < c->field_count; i++)
        bytes += strlen(c->names[i]) + strlen(c->values[i]) + 32;
    ASSERT_TRUE(bytes < 8192);
    Google__Rpc__Status *status = details_of(c);
    ASSERT_INT_EQ(status->n_details, 1);
    Google__Rpc__ErrorInfo *info = google__rpc__error_info__unpack(
        NULL, status->details[0]->value.len, status->details[0]->value.data);
    ASSERT_STR_EQ(info->reason, "FIELD_INVALID");
    ASSERT_INT_EQ(info->n_metadata, 0);
    google__rpc__error_info__free_unpacked(info, NULL);
    google__rpc__status__free_unpacked(status, NULL);
    expect_end(c, STATUS_INVALID_ARGUMENT);
    finish();
}

TEST(reply, compresses_long_replies_for_clients_that_read_gzip)
{
    static const char *const paths[] = {"/test.S/Long", "/test.S/Secret"};
    begin();
    for (int i = 0; i < 2; i++) {
        struct client *c = client_new();
        client_head(c, paths[i]);
        client_header(c, "grpc-accept-encoding", "identity, deflate, gzip");
        client_head_end(c);
        client_message(c, "", 0);
        client_end(c);
        client_take(c);
        ASSERT_STR_EQ(client_field(c, "grpc-encoding"), i == 0 ? "gzip" : "");
        ASSERT_INT_EQ(c->body.p[0], i == 0);
        ASSERT_TRUE((buf_len(&c->body) < 200) == (i == 0));
        expect_end(c, STATUS_OK);
    }
    struct client *c = client_call("/test.S/Long", "", 0);
    client_take(c);
    ASSERT_INT_EQ(buf_len(&c->body), 5 + 3 + 3999);
    expect_end(c, STATUS_OK);
    expect_end(client_call("/test.S/Short", "", 0), STATUS_RESOURCE_EXHAUSTED);
    finish();
}

/* What arrives is gzip of an empty message: the frame's flag is what the handler asks about. */
static const uint8_t zipped_nothing[] = {31, 139, 8, 0, 0, 0, 0, 0, 0, 3,
                                         3,  0,   0, 0, 0, 0, 0, 0, 0, 0};

TEST(reply, compresses_as_the_handler_says)
{
    static const struct {
        enum call_compress how;
        unsigned bytes;
        bool compressed;
    } cases[] = {
        {COMPRESS_BY_SIZE, 300, false}, {COMPRESS_ALWAYS, 300, true}, {COMPRESS_NEVER, 3999, false},
        {COMPRESS_BY_SIZE, 3999, true}, {COMPRESS_ALWAYS, 2, false},
    };
    begin();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        asked_compress = cases[i].how;
        asked_bytes = cases[i].bytes;
        struct client *c = client_new();
        client_head(c, "/test.S/Asked");
        client_header(c, "grpc-accept-encoding", "gzip");
        client_head_end(c);
        client_message(c, "", 0);
        client_end(c);
        client_take(c);
        ASSERT_INT_EQ(c->body.p[0], cases[i].compressed);
        ASSERT_STR_EQ(client_field(c, "grpc-encoding"), cases[i].compressed ? "gzip" : "");
        ASSERT_FALSE(saw_compressed);
        expect_end(c, STATUS_OK);
    }
    struct client *c = client_new();
    client_head(c, "/test.S/Asked");
    client_header(c, "grpc-encoding", "gzip");
    client_head_end(c);
    uint8_t framed[FRAME_PREFIX_BYTES + sizeof zipped_nothing];
    frame_prefix(framed, true, sizeof zipped_nothing);
    memcpy(framed + FRAME_PREFIX_BYTES, zipped_nothing, sizeof zipped_nothing);
    client_data(c, framed, sizeof framed);
    client_end(c);
    client_take(c);
    ASSERT_TRUE(saw_compressed);
    ASSERT_INT_EQ(c->body.p[0], 0);
    expect_end(c, STATUS_OK);
    finish();
}

TEST(reply, keeps_its_reasons_from_clients_of_foreign_services)
{
    begin();
    rig.service.is_foreign = true;
    struct client *c = client_call("/test.S/Short", "", 0);
    ASSERT_STR_EQ(client_field(c, "grpc-status-details-bin"), "");
    ASSERT_TRUE(client_field(c, "grpc-message")[0] != '\0');
    expect_end(c, STATUS_RESOURCE_EXHAUSTED);
    rig.service.is_foreign = false;
    c = client_call("/test.S/Short", "", 0);
    ASSERT_TRUE(client_field(c, "grpc-status-details-bin")[0] != '\0');
    expect_end(c, STATUS_RESOURCE_EXHAUSTED);
    finish();
}

static struct client *keyed_call(const char *name, const char *request_id)
{
    Faregate__V1__ConfirmPaymentIntentRequest request =
        FAREGATE__V1__CONFIRM_PAYMENT_INTENT_REQUEST__INIT;
    char name_copy[64];
    char id_copy[64];
    uint8_t bytes[256];
    snprintf(name_copy, sizeof name_copy, "%s", name);
    snprintf(id_copy, sizeof id_copy, "%s", request_id);
    request.name = name_copy;
    request.request_id = id_copy;
    return client_call("/test.S/Keyed", bytes,
                       faregate__v1__confirm_payment_intent_request__pack(&request, bytes));
}

TEST(reply, fingerprints_a_request_without_its_id)
{
    static const char one[] = "0190a1b2-0000-7000-8000-000000000001";
    static const char two_id[] = "0190a1b2-0000-7000-8000-000000000002";
    uint8_t print[16];
    struct uuid id;
    begin();
    struct client *c = keyed_call("paymentIntents/1", one);
    memcpy(print, seen->fingerprint, sizeof print);
    id = seen->request_id;
    ASSERT_INT_EQ(id.b[15], 1);
    ASSERT_STR_EQ(client_field(c, "idempotent-replayed"), "true");
    expect_end(c, STATUS_OK);
    c = keyed_call("paymentIntents/1", two_id);
    ASSERT_MEM_EQ(print, seen->fingerprint, sizeof print);
    ASSERT_FALSE(uuid_eq(id, seen->request_id));
    expect_end(c, STATUS_OK);
    c = keyed_call("paymentIntents/2", one);
    ASSERT_TRUE(memcmp(print, seen->fingerprint, sizeof print) != 0);
    expect_end(c, STATUS_OK);
    expect_end(keyed_call("paymentIntents/1", ""), STATUS_INVALID_ARGUMENT);
    expect_end(keyed_call("paymentIntents/1", "not-a-uuid"), STATUS_INVALID_ARGUMENT);
    finish();
}

/* Health and the reflection stream through the runner, with fake HTTP/2 streams in front.
 * Watch is where a drain could hang, so its end is tested as carefully as its beginning. */
#include "grpc/health.h"

#include <grpc/health/v1/health.pb-c.h>
#include <grpc/reflection/v1/reflection.pb-c.h>

#include <stdio.h>

#include "grpc/descriptors.h"
#include "grpc/reflection.h"
#include "pb.h"
#include "rig.h"

#define CHECK_PATH "/grpc.health.v1.Health/Check"
#define LIST_PATH "/grpc.health.v1.Health/List"
#define WATCH_PATH "/grpc.health.v1.Health/Watch"
#define REFLECTION_PATH "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"

/* A server with all four methods; everything is ready. */
static void begin(void)
{
    const struct rpc_method methods[] = {
        {.path = STR(CHECK_PATH),
         .handler = health_service.handlers[0],
         .request = &grpc__health__v1__health_check_request__descriptor},
        {.path = STR(LIST_PATH),
         .handler = health_service.handlers[1],
         .request = &grpc__health__v1__health_list_request__descriptor},
        {.path = STR(WATCH_PATH),
         .handler = health_service.handlers[2],
         .server_streaming = true,
         .request = &grpc__health__v1__health_check_request__descriptor},
        {.path = STR(REFLECTION_PATH),
         .handler = reflection_v1alpha_service.handlers[0],
         .server_streaming = true,
         .client_streaming = true,
         .request = &grpc__reflection__v1__server_reflection_request__descriptor},
    };
    char error[200];
    rig_start(methods, sizeof methods / sizeof methods[0], NULL);
    ASSERT_INT_EQ(descriptors_new(&rig.server->registry->descriptors, descriptors_embedded(), error,
                                  sizeof error),
                  0);
    health_set_ready(server_health(rig.server), true);
}

static struct client *ask(const char *path, const char *service)
{
    struct buf b = {0};
    if (service[0] != '\0')
        pb_text(&b, 1, service);
    struct client *c = client_call(path, b.p, buf_len(&b));
    buf_deinit(&b);
    rig_turn();
    return c;
}

/* The statuses the client has been sent since the last time, as digits: "12". */
static const char *statuses(struct client *c)
{
    static char text[64];
    size_t n = 0;
    client_take(c);
    rig_turn();
    while (buf_len(&c->body) >= 5) {
        const uint8_t *p = c->body.p + c->body.start;
        size_t bytes = p[4];
        ASSERT_INT_EQ(p[0], 0);
        ASSERT_TRUE(bytes <= 2 && n + 1 < sizeof text);
        text[n++] = (char)('0' + (bytes == 2 ? p[6] : 0));
        buf_consume(&c->body, 5 + bytes);
    }
    text[n] = '\0';
    return text;
}

static void end(struct client *c)
{
    client_close(c, false);
    client_free(c);
    ASSERT_TRUE(rig_is_clean());
    rig_stop();
}

static void expect_check(const char *service, const char *wanted)
{
    struct client *c = ask(CHECK_PATH, service);
    ASSERT_STR_EQ(statuses(c), wanted);
    client_close(c, false);
    client_free(c);
}

TEST(health, checks_the_names_it_knows)
{
    begin();
    expect_check("", "1");
    expect_check("readiness", "1");
    expect_check("liveness", "1");
    expect_check("grpc.health.v1.Health", "1");
    health_set_ready(server_health(rig.server), false);
    expect_check("", "2");
    expect_check("readiness", "2");
    expect_check("liveness", "1"); /* waiting for the database is no reason to be killed */
    expect_check("grpc.health.v1.Health", "2");
    struct client *c = ask(CHECK_PATH, "no.such.Service");
    ASSERT_INT_EQ(client_status(c), STATUS_NOT_FOUND);
    end(c);
}

TEST(health, lets_one_service_differ)
{
    begin();
    struct health *h = server_health(rig.server);
    ASSERT_INT_EQ(health_set(h, STR("grpc.health.v1.Health"), HEALTH_NOT_SERVING), 0);
    expect_check("grpc.health.v1.Health", "2");
    expect_check("", "1");
    ASSERT_INT_EQ(health_set(h, STR("grpc.health.v1.Health"), HEALTH_UNKNOWN), 0);
    expect_check("grpc.health.v1.Health", "1");
    ASSERT_INT_EQ(health_set(h, STR("extra"), HEALTH_SERVING), 0);
    struct client *c = ask(CHECK_PATH, "extra");
    ASSERT_STR_EQ(statuses(c), "1");
    end(c);
}

TEST(health, lists_every_name_once)
{
    begin();
    struct client *c = ask(LIST_PATH, "");
    client_take(c);
    ASSERT_TRUE(buf_len(&c->body) > 5);
    Grpc__Health__V1__HealthListResponse *list = grpc__health__v1__health_list_response__unpack(
        NULL, buf_len(&c->body) - 5, c->body.p + c->body.start + 5);
    ASSERT_NOT_NULL(list);
    ASSERT_INT_EQ(list->n_statuses, 5); /* "", liveness, readiness and two services */
    for (size_t i = 0; i < list->n_statuses; i++)
        ASSERT_INT_EQ(list->statuses[i]->value->status, HEALTH_SERVING);
    grpc__health__v1__health_list_response__free_unpacked(list, NULL);
    end(c);
}

/* gRFC A90: a hundred names are told, of more none. */
TEST(health, lists_a_hundred_names_and_no_more)
{
    static char paths[120][16];
    struct rpc_method methods[120];
    for (unsigned services = 96; services <= 97; services++) { /* and "", liveness, readiness */
        memset(methods, 0, sizeof methods);
        for (unsigned i = 0; i < services; i++) {
            snprintf(paths[i], sizeof paths[i], "/s%u/M", i);
            methods[i] = (struct rpc_method){.path = str_of(paths[i]),
                                             .handler = health_service.handlers[0]};
        }
        methods[services] =
            (struct rpc_method){.path = STR(LIST_PATH),
                                .handler = health_service.handlers[1],
                                .request = &grpc__health__v1__health_list_request__descriptor};
        rig_start(methods, services + 1, NULL);
        struct client *c = ask(LIST_PATH, "");
        ASSERT_INT_EQ(client_status(c), services == 96 ? STATUS_OK : STATUS_RESOURCE_EXHAUSTED);
        end(c);
    }
}

TEST(health, watch_speaks_at_once_and_then_at_changes_only)
{
    begin();
    struct health *h = server_health(rig.server);
    struct client *c = ask(WATCH_PATH, "");
    ASSERT_STR_EQ(statuses(c), "1");
    health_set_ready(h, true); /* no change */
    rig_turn();
    ASSERT_STR_EQ(statuses(c), "");
    health_set_ready(h, false);
    rig_turn();
    ASSERT_STR_EQ(statuses(c), "2");
    ASSERT_INT_EQ(health_set(h, STR("other"), HEALTH_SERVING), 0); /* another name's */
    rig_turn();
    ASSERT_STR_EQ(statuses(c), "");
    ASSERT_INT_EQ(c->end_count, 0);
    client_close(c, true);
    client_free(c);
    ASSERT_TRUE(rig_is_clean());
    health_set_ready(h, true); /* nobody is left to wake */
    rig_stop();
}

TEST(health, watch_tells_a_slow_client_the_newest_state_only)
{
    begin();
    struct health *h = server_health(rig.server);
    struct client *c = ask(WATCH_PATH, ""); /* SERVING lies there, not taken */
    for (unsigned i = 0; i < 100; i++) {
        health_set_ready(h, i % 2 == 1);
        rig_turn();
    }
    health_set_ready(h, false);
    rig_turn();
    ASSERT_INT_EQ(c->write_count, 1);
    ASSERT_STR_EQ(statuses(c), "1");
    ASSERT_STR_EQ(statuses(c), "2");
    ASSERT_STR_EQ(statuses(c), "");
    client_close(c, true);
    client_free(c);
    ASSERT_TRUE(rig_is_clean());
    rig_stop();
}

TEST(health, watch_waits_for_a_service_nobody_knows_yet)
{
    begin();
    struct client *c = ask(WATCH_PATH, "later");
    ASSERT_STR_EQ(statuses(c), "3");
    ASSERT_INT_EQ(c->end_count, 0);
    ASSERT_INT_EQ(health_set(server_health(rig.server), STR("later"), HEALTH_SERVING), 0);
    rig_turn();
    ASSERT_STR_EQ(statuses(c), "1");
    client_close(c, true);
    client_free(c);
    ASSERT_TRUE(rig_is_clean());
    rig_stop();
}

TEST(health, drain_says_not_serving_and_ends_the_watch)
{
    begin();
    struct client *c = ask(WATCH_PATH, "");
    ASSERT_STR_EQ(statuses(c), "1");
    server_drain(rig.server);
    rig_turn();
    ASSERT_INT_EQ(c->end_count, 0); /* not before the client has heard */
    ASSERT_STR_EQ(statuses(c), "2");
    rig_turn();
    ASSERT_INT_EQ(c->end_count, 1);
    ASSERT_INT_EQ(client_status(c), STATUS_UNAVAILABLE);
    health_set_ready(server_health(rig.server), true); /* too late: ignored */
    ASSERT_FALSE(health_is_ready(server_health(rig.server)));
    end(c);
}

/* ---- the reflection stream ---------------------------------------------------------------- */

static void question(struct client *c, uint32_t field, const char *text)
{
    struct buf b = {0};
    pb_text(&b, field, text);
    client_message(c, b.p, buf_len(&b));
    buf_deinit(&b);
    rig_turn();
}

/* The next answer, or NULL. */
static Grpc__Reflection__V1__ServerReflectionResponse *answer(struct client *c)
{
    client_take(c);
    rig_turn();
    if (buf_len(&c->body) < 5)
        return NULL;
    const uint8_t *p = c->body.p + c->body.start;
    size_t bytes = (size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 | p[4];
    Grpc__Reflection__V1__ServerReflectionResponse *a =
        grpc__reflection__v1__server_reflection_response__unpack(NULL, bytes, p + 5);
    ASSERT_NOT_NULL(a);
    buf_consume(&c->body, 5 + bytes);
    return a;
}

static void expect_answer(struct client *c, int kind)
{
    Grpc__Reflection__V1__ServerReflectionResponse *a = answer(c);
    ASSERT_NOT_NULL(a);
    ASSERT_INT_EQ(a->message_response_case, kind);
    grpc__reflection__v1__server_reflection_response__free_unpacked(a, NULL);
}

static struct client *open_reflection(void)
{
    begin();
    struct client *c = client_new();
    client_head(c, REFLECTION_PATH);
    client_head_end(c);
    return c;
}

TEST(reflection, answers_each_question_of_a_stream_in_turn)
{
    struct client *c = open_reflection();
    question(c, 7, "*");
    expect_answer(c, 6);
    question(c, 4, "no.such.symbol");
    expect_answer(c, 7);
    question(c, 4, "grpc.health.v1.Health");
    expect_answer(c, 4);
    question(c, 3, "google/protobuf/any.proto");
    question(c, 6, "google.protobuf.FieldOptions");
    expect_answer(c, 4);
    expect_answer(c, 5);
    ASSERT_INT_EQ(c->end_count, 0);
    client_end(c);
    rig_turn();
    ASSERT_INT_EQ(client_status(c), STATUS_OK);
    end(c);
}

TEST(reflection, ends_a_stream_that_asks_nothing)
{
    struct client *c = open_reflection();
    client_message(c, "", 0);
    rig_turn();
    ASSERT_INT_EQ(client_status(c), STATUS_INVALID_ARGUMENT);
    end(c);
}

TEST(reflection, lets_a_stream_without_questions_end_well)
{
    struct client *c = open_reflection();
    client_end(c);
    rig_turn();
    ASSERT_INT_EQ(client_status(c), STATUS_OK);
    end(c);
}

TEST(reflection, does_not_hold_up_a_drain)
{
    struct client *c = open_reflection();
    question(c, 7, "*");
    expect_answer(c, 6);
    server_drain(rig.server);
    rig_turn();
    ASSERT_INT_EQ(client_status(c), STATUS_UNAVAILABLE);
    end(c);
}

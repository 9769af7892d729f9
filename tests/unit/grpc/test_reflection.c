/* Reflection: files come raw and in order, every kind of symbol is found, what is unknown is an
 * answer. Asked without a call; the stream around it is tested over the wire. */
#include "grpc/reflection.h"

#include <errno.h>
#include <google/protobuf/descriptor.pb-c.h>
#include <grpc/reflection/v1/reflection.pb-c.h>
#include <stdio.h>
#include <stdlib.h>

#include "grpc/internal.h"
#include "support/test.h"

typedef Grpc__Reflection__V1__ServerReflectionRequest question;
typedef Grpc__Reflection__V1__ServerReflectionResponse answer;

#define ASK(field) GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_##field
#define GOT(field) GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_##field

static struct registry *registry;
static struct reflection *stream;

static void begin(void)
{
    static const struct rpc_service *const none[] = {NULL};
    char error[200];
    ASSERT_INT_EQ(registry_new(&registry, none, &server_limits_default, NULL, error, sizeof error),
                  0);
    stream = calloc(1, reflection_bytes);
}

static void end(void)
{
    registry = registry_free(registry);
    free(stream);
}

static const answer *ask(int kind, const char *text)
{
    question q;
    const answer *a;
    static char copy[200];
    snprintf(copy, sizeof copy, "%s", text);
    grpc__reflection__v1__server_reflection_request__init(&q);
    q.message_request_case =
        (Grpc__Reflection__V1__ServerReflectionRequest__MessageRequestCase)kind;
    q.file_by_filename = copy;
    ASSERT_INT_EQ(reflection_answer(stream, registry, &q, &a), 0);
    return a;
}

static void expect_first(const answer *a, const char *file)
{
    ASSERT_INT_EQ(a->message_response_case, GOT(FILE_DESCRIPTOR_RESPONSE));
    const Grpc__Reflection__V1__FileDescriptorResponse *files = a->file_descriptor_response;
    ASSERT_TRUE(files->n_file_descriptor_proto > 0);
    Google__Protobuf__FileDescriptorProto *proto = google__protobuf__file_descriptor_proto__unpack(
        NULL, files->file_descriptor_proto[0].len, files->file_descriptor_proto[0].data);
    ASSERT_NOT_NULL(proto);
    ASSERT_STR_EQ(proto->name, file);
    google__protobuf__file_descriptor_proto__free_unpacked(proto, NULL);
}

TEST(reflection, finds_symbols_of_every_kind)
{
    static const char *const symbols[] = {
        "faregate.v1.BookingService",               /* service */
        "faregate.v1.BookingService.CreateBooking", /* method */
        "faregate.v1.Booking",                      /* message */
        "faregate.v1.Booking.State",                /* nested enum */
        "faregate.v1.Booking.HELD",                 /* its value */
        "faregate.v1.Booking.record_locator",       /* field */
        "faregate.v1.CreateBookingRequest.Mode",    /* nested enum */
        ".faregate.v1.Passenger",                   /* a leading dot */
    };
    begin();
    for (size_t i = 0; i < sizeof symbols / sizeof symbols[0]; i++)
        expect_first(ask(ASK(FILE_CONTAINING_SYMBOL), symbols[i]),
                     "faregate/v1/booking_service.proto");
    expect_first(ask(ASK(FILE_CONTAINING_SYMBOL), "faregate.v1.CreateSessionResponse.outcome"),
                 "faregate/v1/auth_service.proto"); /* oneof */
    expect_first(ask(ASK(FILE_CONTAINING_SYMBOL), "faregate.v1.rules"),
                 "faregate/v1/options.proto"); /* extension */
    expect_first(ask(ASK(FILE_CONTAINING_SYMBOL), "faregate.v1.ECONOMY"),
                 "faregate/v1/common.proto");
    expect_first(ask(ASK(FILE_CONTAINING_SYMBOL), "faregate.v1.Flight.CabinAvailability.cabin"),
                 "faregate/v1/flight_service.proto");
    end();
}

TEST(reflection, sends_what_a_file_imports_once_in_a_stream)
{
    begin();
    const answer *a = ask(ASK(FILE_BY_FILENAME), "faregate/v1/booking_service.proto");
    expect_first(a, "faregate/v1/booking_service.proto");
    /* common, options, field_behavior, descriptor, timestamp, duration, date, money besides itself
     */
    ASSERT_INT_EQ(a->file_descriptor_response->n_file_descriptor_proto, 9);
    a = ask(ASK(FILE_BY_FILENAME), "faregate/v1/booking_service.proto");
    expect_first(a, "faregate/v1/booking_service.proto"); /* asked for again: always */
    ASSERT_INT_EQ(a->file_descriptor_response->n_file_descriptor_proto, 1);
    a = ask(ASK(FILE_BY_FILENAME), "google/protobuf/descriptor.proto");
    ASSERT_INT_EQ(a->file_descriptor_response->n_file_descriptor_proto, 1);
    end();
}

TEST(reflection, has_every_file_under_the_name_it_is_imported_by)
{
    begin();
    const struct descriptors *d = registry->descriptors;
    ASSERT_TRUE(d->file_count >= 20);
    for (size_t i = 0; i < d->file_count; i++) {
        const answer *a = ask(ASK(FILE_BY_FILENAME), d->files[i].name.p);
        expect_first(a, d->files[i].name.p);
    }
    end();
}

TEST(reflection, finds_extensions)
{
    question q;
    Grpc__Reflection__V1__ExtensionRequest asked;
    const answer *a;
    char type[] = "google.protobuf.FieldOptions";
    begin();
    grpc__reflection__v1__server_reflection_request__init(&q);
    grpc__reflection__v1__extension_request__init(&asked);
    asked.containing_type = type;
    asked.extension_number = 50001;
    q.message_request_case = ASK(FILE_CONTAINING_EXTENSION);
    q.file_containing_extension = &asked;
    ASSERT_INT_EQ(reflection_answer(stream, registry, &q, &a), 0);
    expect_first(a, "faregate/v1/options.proto");
    asked.extension_number = 1052;
    ASSERT_INT_EQ(reflection_answer(stream, registry, &q, &a), 0);
    expect_first(a, "google/api/field_behavior.proto");
    asked.extension_number = 7;
    ASSERT_INT_EQ(reflection_answer(stream, registry, &q, &a), 0);
    ASSERT_INT_EQ(a->message_response_case, GOT(ERROR_RESPONSE));
    a = ask(ASK(ALL_EXTENSION_NUMBERS_OF_TYPE), type);
    ASSERT_INT_EQ(a->message_response_case, GOT(ALL_EXTENSION_NUMBERS_RESPONSE));
    ASSERT_STR_EQ(a->all_extension_numbers_response->base_type_name, type);
    ASSERT_INT_EQ(a->all_extension_numbers_response->n_extension_number, 2);
    a = ask(ASK(ALL_EXTENSION_NUMBERS_OF_TYPE),
            "faregate.v1.Booking"); /* known, without extensions */
    ASSERT_INT_EQ(a->all_extension_numbers_response->n_extension_number, 0);
    end();
}

TEST(reflection, lists_what_is_served_and_knows_all_of_it)
{
    char name[128];
    begin();
    for (size_t i = 0; i < registry->service_count; i++) {
        const answer *a = ask(ASK(LIST_SERVICES), "*");
        ASSERT_INT_EQ(a->message_response_case, GOT(LIST_SERVICES_RESPONSE));
        ASSERT_INT_EQ(a->list_services_response->n_service, registry->service_count);
        snprintf(name, sizeof name, "%s", a->list_services_response->service[i]->name);
        ASSERT_INT_EQ(ask(ASK(FILE_CONTAINING_SYMBOL), name)->message_response_case,
                      GOT(FILE_DESCRIPTOR_RESPONSE));
    }
    ASSERT_TRUE(registry_has_service(registry, STR("grpc.channelz.v1.Channelz")));
    end();
}

/* Symbols come sorted from the index; what is asked for here is each of them. */
TEST(reflection, finds_every_symbol_there_is)
{
    begin();
    const struct descriptors *d = registry->descriptors;
    for (size_t i = 0; i < d->symbol_count; i++) {
        const struct descriptor_symbol *symbol = &d->symbols[i];
        ASSERT_TRUE(i == 0 || strcmp(symbol[-1].name.p, symbol->name.p) < 0); /* no name twice */
        expect_first(ask(ASK(FILE_CONTAINING_SYMBOL), symbol->name.p),
                     d->files[symbol->file].name.p);
    }
    ASSERT_TRUE(d->symbol_count > 500);
    end();
}

TEST(reflection, answers_not_found_and_goes_on)
{
    static const int kinds[] = {ASK(FILE_BY_FILENAME), ASK(FILE_CONTAINING_SYMBOL),
                                ASK(ALL_EXTENSION_NUMBERS_OF_TYPE)};
    begin();
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        const answer *a = ask(kinds[i], "no.such.thing");
        ASSERT_INT_EQ(a->message_response_case, GOT(ERROR_RESPONSE));
        ASSERT_INT_EQ(a->error_response->error_code, 5);
        ASSERT_HAS(a->error_response->error_message, "no.such.thing");
        ASSERT_STR_EQ(a->original_request->file_by_filename, "no.such.thing");
    }
    expect_first(ask(ASK(FILE_CONTAINING_SYMBOL), "grpc.health.v1.Health"),
                 "grpc/health/v1/health.proto");
    end();
}

/* The message quotes the question, which may be long and cut inside a character. */
TEST(reflection, quotes_a_long_name_as_utf8)
{
    char name[170];
    begin();
    for (unsigned shift = 0; shift < 3; shift++) {
        memset(name, 'a', shift);
        for (size_t i = shift; i + 3 < sizeof name; i += 3)
            memcpy(name + i, "\xe2\x82\xac", 4);
        const answer *a = ask(ASK(FILE_CONTAINING_SYMBOL), name);
        ASSERT_TRUE(str_is_utf8(str_of(a->error_response->error_message)));
    }
    end();
}

TEST(reflection, echoes_host_and_question_but_not_unknown_fields)
{
    question q;
    const answer *a;
    char host[] = "example.org";
    char name[] = "x";
    uint8_t junk[] = {1, 2, 3};
    ProtobufCMessageUnknownField unknown = {.tag = 99, .wire_type = 2, .len = 3, .data = junk};
    begin();
    grpc__reflection__v1__server_reflection_request__init(&q);
    q.host = host;
    q.message_request_case = ASK(FILE_BY_FILENAME);
    q.file_by_filename = name;
    q.base.n_unknown_fields = 1;
    q.base.unknown_fields = &unknown;
    ASSERT_INT_EQ(reflection_answer(stream, registry, &q, &a), 0);
    ASSERT_STR_EQ(a->valid_host, "example.org");
    ASSERT_STR_EQ(a->original_request->host, "example.org");
    ASSERT_INT_EQ(a->original_request->base.n_unknown_fields, 0);
    end();
}

TEST(reflection, refuses_a_question_that_asks_nothing)
{
    question q;
    const answer *a;
    begin();
    grpc__reflection__v1__server_reflection_request__init(&q);
    ASSERT_INT_EQ(reflection_answer(stream, registry, &q, &a), -EINVAL);
    end();
}

TEST(reflection, refuses_a_set_that_is_not_whole)
{
    struct descriptors *d;
    char error[200] = "";
    struct str set = descriptors_embedded();
    set.n -= 10;
    ASSERT_INT_EQ(descriptors_new(&d, set, error, sizeof error), -EBADMSG);
    ASSERT_HAS(error, "descriptor set");
    /* Without its first file an import dangles. */
    set = descriptors_embedded();
    size_t bytes = ((size_t)(uint8_t)set.p[1] & 0x7f) | (size_t)(uint8_t)set.p[2] << 7;
    ASSERT_TRUE((set.p[1] & 0x80) && !(set.p[2] & 0x80));
    set.p += 3 + bytes;
    set.n -= 3 + bytes;
    ASSERT_INT_EQ(descriptors_new(&d, set, error, sizeof error), -EBADMSG);
    ASSERT_HAS(error, "imports");
}

/* grpc.reflection.v1 and v1alpha: answers come raw from the descriptor set in the binary.
 * grpcurl and friends call it before they call anything else. What must stay true: the file asked
 * for comes first and always, what it imports only once in a stream; an unknown thing is an
 * error_response, and the stream goes on. */
#include "grpc/reflection.h"

#include <assert.h>
#include <errno.h>
#include <grpc/reflection/v1/reflection.pb-c.h>
#include <grpc/reflection/v1alpha/reflection.pb-c.h>
#include <stdio.h>

#include "base/check.h"
#include "grpc/internal.h"

#define SERVICES_MAX 64
#define NUMBERS_MAX 64

#define QUESTION(kind) GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_##kind
#define ANSWER(kind) GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_##kind

typedef Grpc__Reflection__V1__ServerReflectionRequest request_v1;
typedef Grpc__Reflection__V1alpha__ServerReflectionRequest request_v1alpha;

/* v1alpha messages are read through the v1 struct: protoc-c lays both out the same way. */
static_assert(sizeof(request_v1) == sizeof(request_v1alpha), "same layout");
static_assert(offsetof(request_v1, message_request_case) ==
                  offsetof(request_v1alpha, message_request_case),
              "same layout");
static_assert(offsetof(request_v1, file_by_filename) == offsetof(request_v1alpha, file_by_filename),
              "same layout");
static_assert(sizeof(Grpc__Reflection__V1__ExtensionRequest) ==
                  sizeof(Grpc__Reflection__V1alpha__ExtensionRequest),
              "same layout");

struct reflection {
    bool sent[DESCRIPTOR_FILES_MAX];
    Grpc__Reflection__V1__ServerReflectionRequest request;
    Grpc__Reflection__V1__ExtensionRequest extension;
    Grpc__Reflection__V1__ServerReflectionResponse response;
    union {
        Grpc__Reflection__V1__FileDescriptorResponse files;
        Grpc__Reflection__V1__ExtensionNumberResponse numbers;
        Grpc__Reflection__V1__ListServiceResponse list;
        Grpc__Reflection__V1__ErrorResponse error;
    } body;
    ProtobufCBinaryData file[DESCRIPTOR_FILES_MAX];
    int32_t number[NUMBERS_MAX];
    Grpc__Reflection__V1__ServiceResponse service[SERVICES_MAX];
    Grpc__Reflection__V1__ServiceResponse *services[SERVICES_MAX];
    char service_names[SERVICES_MAX][128];
    char text[256];
};

const size_t reflection_bytes = sizeof(struct reflection);

/* ---- the kinds of answer ---- */

static void answer_error(struct reflection *r, enum status_code code, const char *what,
                         struct str name)
{
    snprintf(r->text, sizeof r->text, "%s not found: %.*s", what,
             (int)(name.n < 160 ? name.n : 160), name.p);
    /* A cut may fall inside a character; the text must stay UTF-8. */
    while (!str_is_utf8(str_of(r->text)))
        r->text[strlen(r->text) - 1] = '\0';
    grpc__reflection__v1__error_response__init(&r->body.error);
    r->body.error.error_code = (int32_t)code;
    r->body.error.error_message = r->text;
    r->response.message_response_case = ANSWER(ERROR_RESPONSE);
    r->response.error_response = &r->body.error;
}

static void put_file(struct reflection *r, const struct descriptor_file *file)
{
    ProtobufCBinaryData *slot = &r->file[r->body.files.n_file_descriptor_proto++];
    slot->len = file->raw.n;
    slot->data = (uint8_t *)(uintptr_t)file->raw.p; /* packed, never written */
}

/* Breadth first, so that a file comes before what it imports. */
static void answer_file(struct reflection *r, const struct descriptors *d, unsigned first)
{
    uint16_t queue[DESCRIPTOR_FILES_MAX];
    bool queued[DESCRIPTOR_FILES_MAX] = {false};
    size_t head = 0;
    size_t tail = 0;
    grpc__reflection__v1__file_descriptor_response__init(&r->body.files);
    r->body.files.file_descriptor_proto = r->file;
    queue[tail++] = (uint16_t)first;
    queued[first] = true;
    while (head < tail) {
        uint16_t at = queue[head++];
        const struct descriptor_file *file = &d->files[at];
        if (head == 1 || !r->sent[at])
            put_file(r, file);
        r->sent[at] = true;
        for (size_t i = 0; i < file->import_count; i++) {
            if (queued[file->imports[i]])
                continue;
            queued[file->imports[i]] = true;
            queue[tail++] = file->imports[i];
        }
    }
    r->response.message_response_case = ANSWER(FILE_DESCRIPTOR_RESPONSE);
    r->response.file_descriptor_response = &r->body.files;
}

static void answer_filename(struct reflection *r, const struct descriptors *d, struct str name)
{
    int file = descriptors_file(d, name);
    if (file < 0)
        answer_error(r, STATUS_NOT_FOUND, "File", name);
    else
        answer_file(r, d, (unsigned)file);
}

static void answer_symbol(struct reflection *r, const struct descriptors *d, struct str name)
{
    const struct descriptor_symbol *symbol = descriptors_symbol(d, name);
    if (symbol)
        answer_file(r, d, symbol->file);
    else
        answer_error(r, STATUS_NOT_FOUND, "Symbol", name);
}

static void answer_extension(struct reflection *r, const struct descriptors *d,
                             const Grpc__Reflection__V1__ExtensionRequest *asked)
{
    const struct descriptor_extension *e;
    struct str type = str_of(asked->containing_type);
    size_t count = descriptors_extensions(d, type, &e);
    for (size_t i = 0; i < count; i++) {
        if (e[i].number != asked->extension_number)
            continue;
        answer_file(r, d, e[i].file);
        return;
    }
    answer_error(r, STATUS_NOT_FOUND, "Extension of", type);
}

static void answer_numbers(struct reflection *r, const struct descriptors *d, struct str type)
{
    const struct descriptor_extension *e;
    size_t count = descriptors_extensions(d, type, &e);
    const struct descriptor_symbol *symbol = descriptors_symbol(d, type);
    if (!symbol || symbol->kind != SYMBOL_MESSAGE) {
        answer_error(r, STATUS_NOT_FOUND, "Type", type);
        return;
    }
    grpc__reflection__v1__extension_number_response__init(&r->body.numbers);
    r->body.numbers.base_type_name = (char *)(uintptr_t)symbol->name.p;
    r->body.numbers.extension_number = r->number;
    for (size_t i = 0; i < count && i < NUMBERS_MAX; i++)
        r->number[r->body.numbers.n_extension_number++] = e[i].number;
    r->response.message_response_case = ANSWER(ALL_EXTENSION_NUMBERS_RESPONSE);
    r->response.all_extension_numbers_response = &r->body.numbers;
}

static void answer_services(struct reflection *r, const struct registry *registry)
{
    Grpc__Reflection__V1__ListServiceResponse *list = &r->body.list;
    CHECK(registry->service_count <= SERVICES_MAX);
    grpc__reflection__v1__list_service_response__init(list);
    list->service = r->services;
    for (size_t i = 0; i < registry->service_count; i++) {
        struct str name = registry->services[i];
        snprintf(r->service_names[i], sizeof r->service_names[i], "%.*s", (int)name.n, name.p);
        grpc__reflection__v1__service_response__init(&r->service[i]);
        r->service[i].name = r->service_names[i];
        r->services[i] = &r->service[i];
        list->n_service++;
    }
    r->response.message_response_case = ANSWER(LIST_SERVICES_RESPONSE);
    r->response.list_services_response = list;
}

/* ---- one question ---- */

/* The question goes back as it came, but as v1 and without what we do not know: that could be
 * large. */
static void echo(struct reflection *r, const Grpc__Reflection__V1__ServerReflectionRequest *request)
{
    r->request = *request;
    r->request.base = (ProtobufCMessage)PROTOBUF_C_MESSAGE_INIT(
        &grpc__reflection__v1__server_reflection_request__descriptor);
    if (request->message_request_case == QUESTION(FILE_CONTAINING_EXTENSION)) {
        r->extension = *request->file_containing_extension;
        r->extension.base = (ProtobufCMessage)PROTOBUF_C_MESSAGE_INIT(
            &grpc__reflection__v1__extension_request__descriptor);
        r->request.file_containing_extension = &r->extension;
    }
}

int reflection_answer(struct reflection *r, const struct registry *registry,
                      const Grpc__Reflection__V1__ServerReflectionRequest *request,
                      const Grpc__Reflection__V1__ServerReflectionResponse **ret_response)
{
    const struct descriptors *d = registry->descriptors;
    CHECK(d);
    echo(r, request);
    grpc__reflection__v1__server_reflection_response__init(&r->response);
    r->response.valid_host = r->request.host;
    r->response.original_request = &r->request;
    switch (request->message_request_case) {
    case QUESTION(FILE_BY_FILENAME):
        answer_filename(r, d, str_of(request->file_by_filename));
        break;
    case QUESTION(FILE_CONTAINING_SYMBOL):
        answer_symbol(r, d, str_of(request->file_containing_symbol));
        break;
    case QUESTION(FILE_CONTAINING_EXTENSION):
        answer_extension(r, d, request->file_containing_extension);
        break;
    case QUESTION(ALL_EXTENSION_NUMBERS_OF_TYPE):
        answer_numbers(r, d, str_of(request->all_extension_numbers_of_type));
        break;
    case QUESTION(LIST_SERVICES):
        answer_services(r, registry);
        break;
    default:
        return -EINVAL;
    }
    *ret_response = &r->response;
    return 0;
}

/* ---- the stream ---- */

static enum step answer(struct call *c)
{
    struct reflection *r = c->state;
    const Grpc__Reflection__V1__ServerReflectionRequest *request;
    while ((request = call_next_request(c))) {
        const Grpc__Reflection__V1__ServerReflectionResponse *response;
        if (reflection_answer(r, c->server->registry, request, &response) < 0)
            return call_fail_field(c, REASON_FIELD_INVALID, "message_request", "is required");
        if (!call_send(c, &response->base))
            return STEP_PARK;
    }
    if (call_half_closed(c))
        return call_reply(c, NULL);
    if (call_draining(c))
        return call_fail(c, REASON_SHUTTING_DOWN);
    return STEP_PARK;
}

static const struct step_def answer_steps[] = {STEP(answer)};

static const struct rpc_handler reflection_info = {
    .method = "ServerReflectionInfo",
    RPC_STEPS(answer_steps, struct reflection),
};

static const struct rpc_handler *const handlers[] = {&reflection_info, NULL};

const struct rpc_service reflection_service = {
    .descriptor = &grpc__reflection__v1__server_reflection__descriptor,
    .full_name = "grpc.reflection.v1.ServerReflection",
    .handlers = handlers,
};

const struct rpc_service reflection_v1alpha_service = {
    .descriptor = &grpc__reflection__v1alpha__server_reflection__descriptor,
    .full_name = "grpc.reflection.v1alpha.ServerReflection",
    .handlers = handlers,
};

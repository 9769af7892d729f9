/* Page tokens: base64url(16 bytes of HMAC-SHA256 || position), keyed with the installation's key.
 * The seal covers the request's name and arguments, so a token of one list is worth nothing to
 * another. */
#include "services/shared/page_token.h"

#include <errno.h>

#include "base/check.h"
#include "services/app.h"
#include "services/shared/seal.h"

#define TAG_BYTES 16

uint32_t page_size(int32_t asked, uint32_t standard, uint32_t max)
{
    if (asked <= 0)
        return standard;
    return (uint32_t)asked < max ? (uint32_t)asked : max;
}

/* Sets the two paging fields to their defaults; protobuf-c then leaves them out of the packed
 * bytes. */
static void forget_paging(ProtobufCMessage *copy)
{
    const ProtobufCFieldDescriptor *size =
        protobuf_c_message_descriptor_get_field_by_name(copy->descriptor, "page_size");
    const ProtobufCFieldDescriptor *token =
        protobuf_c_message_descriptor_get_field_by_name(copy->descriptor, "page_token");
    CHECK(size && token);
    CHECK(size->type == PROTOBUF_C_TYPE_INT32);
    CHECK(token->type == PROTOBUF_C_TYPE_STRING);
    *(int32_t *)((char *)copy + size->offset) = 0;
    *(const char **)((char *)copy + token->offset) = token->default_value;
}

void page_arguments(struct arena *arena, const ProtobufCMessage *request,
                    uint8_t ret_digest[static 32])
{
    size_t struct_bytes = request->descriptor->sizeof_message;
    ProtobufCMessage *copy = arena_alloc(arena, struct_bytes);
    memcpy(copy, request, struct_bytes);
    copy->n_unknown_fields = 0;
    forget_paging(copy);
    size_t packed_bytes = protobuf_c_message_get_packed_size(copy);
    uint8_t *packed = arena_alloc(arena, packed_bytes + 1);
    protobuf_c_message_pack(copy, packed);
    uint8_t contents[32];
    seal_sha256(str_bytes(packed, packed_bytes), contents);
    struct str name = str_of(request->descriptor->name);
    char *both = arena_alloc(arena, name.n + sizeof contents);
    memcpy(both, name.p, name.n);
    memcpy(both + name.n, contents, sizeof contents);
    seal_sha256(str_bytes(both, name.n + sizeof contents), ret_digest);
}

static void tag_make(const uint8_t key[static 32], const uint8_t arguments[static 32],
                     const void *position, size_t bytes, uint8_t ret_tag[static SEAL_BYTES])
{
    const struct str parts[] = {STR("page"), str_bytes(arguments, 32), str_bytes(position, bytes)};
    seal_mac(key, parts, 3, ret_tag);
}

char *page_token_make(struct arena *arena, const uint8_t key[static 32],
                      const uint8_t arguments[static 32], const void *position, size_t bytes)
{
    CHECK(bytes > 0 && bytes <= PAGE_POSITION_BYTES_MAX);
    uint8_t tag[SEAL_BYTES];
    tag_make(key, arguments, position, bytes, tag);
    uint8_t whole[TAG_BYTES + PAGE_POSITION_BYTES_MAX];
    memcpy(whole, tag, TAG_BYTES);
    memcpy(whole + TAG_BYTES, position, bytes);
    char *text = arena_alloc(arena, BASE64URL_LEN(TAG_BYTES + bytes) + 1);
    base64url_encode(whole, TAG_BYTES + bytes, text);
    return text;
}

int page_token_check(const uint8_t key[static 32], const uint8_t arguments[static 32],
                     struct str token, size_t bytes, void *ret_position)
{
    CHECK(bytes > 0 && bytes <= PAGE_POSITION_BYTES_MAX);
    uint8_t whole[TAG_BYTES + PAGE_POSITION_BYTES_MAX];
    size_t whole_bytes = 0;
    if (base64url_decode(token, sizeof whole, whole, &whole_bytes) < 0 ||
        whole_bytes != TAG_BYTES + bytes)
        return -EINVAL;
    uint8_t tag[SEAL_BYTES];
    tag_make(key, arguments, whole + TAG_BYTES, bytes, tag);
    if (!str_eq_secret(str_bytes(tag, TAG_BYTES), str_bytes(whole, TAG_BYTES)))
        return -EINVAL;
    memcpy(ret_position, whole + TAG_BYTES, bytes);
    return 0;
}

char *page_token_seal(struct call *c, const void *position, size_t bytes)
{
    uint8_t arguments[32];
    page_arguments(&c->arena, call_request(c), arguments);
    return page_token_make(&c->arena, app_of(c)->keys->page_token, arguments, position, bytes);
}

bool page_token_open(struct call *c, const char *token, size_t bytes, void *ret_position,
                     bool *ret_found)
{
    struct str text = str_of(token);
    *ret_found = text.n > 0;
    if (text.n == 0)
        return true;
    uint8_t arguments[32];
    page_arguments(&c->arena, call_request(c), arguments);
    const struct app *app = app_of(c);
    for (unsigned i = 0; i < app->secret_count; i++)
        if (page_token_check(app->keys[i].page_token, arguments, text, bytes, ret_position) == 0)
            return true;
    call_fail_field(c, REASON_PAGE_TOKEN_INVALID, "page_token", "does not belong to this request");
    return false;
}

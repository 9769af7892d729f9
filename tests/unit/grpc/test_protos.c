/* The .proto files as a manual: every RPC says which reasons it can answer, and each is a reason we
 * have. Reads protos/faregate/v1/ as text, since the descriptor set holds no comments. */
#include <faregate/v1/auth_service.pb-c.h>
#include <faregate/v1/booking_service.pb-c.h>
#include <faregate/v1/flight_service.pb-c.h>
#include <faregate/v1/payment_service.pb-c.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/reason.h"
#include "support/test.h"

static void read_whole(struct buf *text, const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/protos/faregate/v1/%s_service.proto", FG_SOURCE_DIR, name);
    FILE *file = fopen(path, "r");
    ASSERT_NOT_NULL(file);
    size_t n;
    do {
        n = fread(buf_reserve(text, 4096), 1, 4096, file);
        buf_commit(text, n);
    } while (n > 0);
    fclose(file);
}

static void expect_reasons(struct str list)
{
    if (str_eq(list, STR("none")))
        return;
    while (list.n > 0) {
        char name[64];
        struct str word = str_cut(&list, ',');
        str_skip(&word, STR(" "));
        ASSERT_INT_IN(word.n, 1, sizeof name - 1);
        snprintf(name, sizeof name, "%.*s", (int)word.n, word.p);
        if (reason_of_name(name) == REASON_NONE)
            FAIL(name);
    }
}

static void check_file(const char *name, const ProtobufCServiceDescriptor *service)
{
    struct buf text = {0};
    unsigned methods = 0;
    bool listed = false;
    read_whole(&text, name);
    struct str rest = {.p = (const char *)text.p + text.start, .n = buf_len(&text)};
    while (rest.n > 0) {
        struct str line = str_cut(&rest, '\n');
        if (str_skip(&line, STR("  // Errors: "))) {
            listed = true;
            expect_reasons(line);
        } else if (str_starts(line, STR("  rpc "))) {
            ASSERT_TRUE(listed);
            listed = false;
            methods++;
        } else {
            ASSERT_FALSE(listed); /* the list is the last thing before its method */
        }
    }
    buf_deinit(&text);
    ASSERT_INT_EQ(methods, service->n_methods);
}

TEST(protos, list_reasons_that_exist_at_every_method)
{
    check_file("auth", &faregate__v1__auth_service__descriptor);
    check_file("flight", &faregate__v1__flight_service__descriptor);
    check_file("booking", &faregate__v1__booking_service__descriptor);
    check_file("payment", &faregate__v1__payment_service__descriptor);
}

/* Message framing and gzip: every split, every limit. */
#include "grpc/frame.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "grpc/compress.h"
#include "support/test.h"

TEST(frame, reads_an_empty_message)
{
    struct frame frame;
    const uint8_t bytes[] = {0, 0, 0, 0, 0};
    ASSERT_INT_EQ(frame_peek(bytes, 5, 0, &frame), FRAME_READY);
    ASSERT_INT_EQ(frame.bytes, 0);
    ASSERT_FALSE(frame.is_compressed);
}

TEST(frame, waits_for_every_byte_of_prefix_and_body)
{
    struct frame frame;
    const uint8_t bytes[] = {1, 0, 0, 0, 3, 'a', 'b', 'c', 0};
    for (size_t n = 0; n < 8; n++)
        ASSERT_INT_EQ(frame_peek(bytes, n, 100, &frame), FRAME_PARTIAL);
    ASSERT_INT_EQ(frame_peek(bytes, 9, 100, &frame), FRAME_READY);
    ASSERT_TRUE(frame.is_compressed);
    ASSERT_INT_EQ(frame.bytes, 3);
    ASSERT_PTR_EQ(frame.body, bytes + 5);
}

TEST(frame, judges_flag_and_length_before_the_body_comes)
{
    struct frame frame;
    const uint8_t flag[] = {2};
    const uint8_t large[] = {0, 0, 1, 0, 1};
    const uint8_t huge[] = {0, 0xff, 0xff, 0xff, 0xff};
    ASSERT_INT_EQ(frame_peek(flag, 1, 100, &frame), FRAME_BAD_FLAG);
    ASSERT_INT_EQ(frame_peek(large, 5, 65536, &frame), FRAME_TOO_LARGE);
    ASSERT_INT_EQ(frame_peek(large, 5, 65537, &frame), FRAME_PARTIAL);
    ASSERT_INT_EQ(frame_peek(huge, 5, 4 << 20, &frame), FRAME_TOO_LARGE);
}

TEST(frame, writes_the_prefix_it_reads)
{
    struct frame frame;
    uint8_t bytes[FRAME_PREFIX_BYTES + 300] = {0};
    frame_prefix(bytes, true, 300);
    ASSERT_INT_EQ(frame_peek(bytes, sizeof bytes, 300, &frame), FRAME_READY);
    ASSERT_INT_EQ(frame.bytes, 300);
}

TEST(compress, inflates_what_it_deflated)
{
    struct compressor *z;
    uint8_t plain[5000];
    uint8_t small[5000];
    size_t bytes;
    struct str back;
    for (size_t i = 0; i < sizeof plain; i++)
        plain[i] = (uint8_t)(i / 50);
    ASSERT_INT_EQ(compressor_new(&z), 0);
    for (int round = 0; round < 3; round++) {
        ASSERT_INT_EQ(compressor_deflate(z, plain, sizeof plain, small, sizeof small, &bytes), 0);
        ASSERT_TRUE(bytes < 1000);
        ASSERT_INT_EQ(compressor_inflate(z, small, bytes, sizeof plain, &back), 0);
        ASSERT_INT_EQ(back.n, sizeof plain);
        ASSERT_MEM_EQ(back.p, plain, sizeof plain);
    }
    compressor_free(z);
}

TEST(compress, stops_a_bomb_at_the_limit)
{
    struct compressor *z;
    static uint8_t zeros[1 << 20];
    static uint8_t bomb[8192];
    size_t bytes;
    struct str back;
    ASSERT_INT_EQ(compressor_new(&z), 0);
    ASSERT_INT_EQ(compressor_deflate(z, zeros, sizeof zeros, bomb, sizeof bomb, &bytes), 0);
    ASSERT_INT_EQ(compressor_inflate(z, bomb, bytes, 65536, &back), -EMSGSIZE);
    ASSERT_INT_EQ(compressor_inflate(z, bomb, bytes, sizeof zeros - 1, &back), -EMSGSIZE);
    ASSERT_INT_EQ(compressor_inflate(z, bomb, bytes, sizeof zeros, &back), 0);
    compressor_free(z);
}

TEST(compress, refuses_garbage_truncation_and_trailing_bytes)
{
    struct compressor *z;
    uint8_t small[256];
    size_t bytes;
    struct str back;
    ASSERT_INT_EQ(compressor_new(&z), 0);
    ASSERT_INT_EQ(compressor_inflate(z, (const uint8_t *)"not gzip at all", 15, 1000, &back),
                  -EBADMSG);
    ASSERT_INT_EQ(compressor_inflate(z, (const uint8_t *)"", 0, 1000, &back), -EBADMSG);
    ASSERT_INT_EQ(compressor_deflate(z, (const uint8_t *)"hello hello hello", 17, small,
                                     sizeof small - 1, &bytes),
                  0);
    for (size_t n = 0; n < bytes; n++)
        ASSERT_INT_EQ(compressor_inflate(z, small, n, 1000, &back), -EBADMSG);
    small[bytes] = 'x';
    ASSERT_INT_EQ(compressor_inflate(z, small, bytes + 1, 1000, &back), -EBADMSG);
    ASSERT_INT_EQ(compressor_deflate(z, (const uint8_t *)"abc", 3, small, 2, &bytes), -ENOSPC);
    compressor_free(z);
}

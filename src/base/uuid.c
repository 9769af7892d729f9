/* UUIDs and random bytes, from the kernel. Called wherever something is named or kept secret.
 * What must stay true: a forked child never repeats its parent's identifiers. */
#include "base/uuid.h"

#include <errno.h>
#include <pthread.h>
#include <sys/random.h>

#include "base/check.h"
#include "base/text.h"

static _Thread_local struct {
    uint8_t bytes[4096]; /* one system call for the trace ids of some 170 calls */
    size_t left;
} block;

/* Only the forking thread lives on in the child, so its block is the only one to forget. */
static void on_fork_in_child(void)
{
    block.left = 0;
}

__attribute__((constructor)) static void watch_forks(void)
{
    CHECK(pthread_atfork(NULL, NULL, on_fork_in_child) == 0);
}

void random_bytes(void *buf, size_t bytes)
{
    uint8_t *p = buf;
    while (bytes) {
        ssize_t got = getrandom(p, bytes, 0);
        CHECK(got > 0 || errno == EINTR);
        if (got > 0) {
            p += got;
            bytes -= (size_t)got;
        }
    }
}

void random_id(void *buf, size_t bytes)
{
    CHECK(bytes <= sizeof block.bytes);
    if (block.left < bytes) {
        random_bytes(block.bytes, sizeof block.bytes);
        block.left = sizeof block.bytes;
    }
    block.left -= bytes;
    memcpy(buf, block.bytes + block.left, bytes);
}

/* 48 bits of milliseconds, then the fraction of the millisecond in rand_a (RFC 9562 section 6.2,
 * method 3). */
struct uuid uuid_v7(const struct clock *clock)
{
    struct uuid u;
    random_id(u.b + 8, 8);
    uint64_t wall_ns = (uint64_t)clock_wall_ns(clock);
    uint64_t ms = wall_ns / (uint64_t)NS_PER_MS;
    uint64_t fraction = wall_ns % (uint64_t)NS_PER_MS * 4096 / (uint64_t)NS_PER_MS;
    for (unsigned i = 0; i < 6; i++)
        u.b[i] = (uint8_t)(ms >> (40 - 8 * i));
    u.b[6] = (uint8_t)(0x70 | fraction >> 8);
    u.b[7] = (uint8_t)fraction;
    u.b[8] = (uint8_t)(0x80 | (u.b[8] & 0x3f));
    return u;
}

int uuid_parse(struct str text, struct uuid *ret_uuid)
{
    const char *p = text.p;
    if (text.n != UUID_TEXT_LEN || p[8] != '-' || p[13] != '-' || p[18] != '-' || p[23] != '-')
        return -EINVAL;
    struct uuid u;
    int signs = 0;
    for (size_t i = 0; i < sizeof u.b; i++, p += 2) {
        p += i == 4 || i == 6 || i == 8 || i == 10;
        int high = text_hex_digit(p[0]), low = text_hex_digit(p[1]);
        signs |= high | low;
        u.b[i] = (uint8_t)(high * 16 | low);
    }
    if (signs < 0)
        return -EINVAL;
    *ret_uuid = u;
    return 0;
}

void uuid_format(struct uuid u, char ret_text[static UUID_TEXT_LEN + 1])
{
    char hex[2 * sizeof u.b];
    text_hex(hex, u.b, sizeof u.b);
    memcpy(ret_text, hex, 8);
    memcpy(ret_text + 9, hex + 8, 4);
    memcpy(ret_text + 14, hex + 12, 4);
    memcpy(ret_text + 19, hex + 16, 4);
    memcpy(ret_text + 24, hex + 20, 12);
    ret_text[8] = ret_text[13] = ret_text[18] = ret_text[23] = '-';
    ret_text[UUID_TEXT_LEN] = '\0';
}

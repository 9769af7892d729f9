/* UUIDs: the bits of RFC 9562, text both ways, and no twins across fork. */
#include "base/uuid.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/test.h"

static int64_t fixed_wall_ns(const struct clock *c)
{
    (void)c;
    return INT64_C(0x017F22E279B0) * NS_PER_MS +
           NS_PER_MS / 2; /* RFC 9562's example, half a ms on */
}

static const struct clock fixed = {.wall_ns = fixed_wall_ns};

TEST(uuid, has_the_time_version_and_variant_in_their_places)
{
    char text[UUID_TEXT_LEN + 1];
    uuid_format(uuid_v7(&fixed), text);
    text[19] = 'v';
    ASSERT_MEM_EQ(text, "017f22e2-79b0-7800-v", 20);
    for (int i = 0; i < 1000; i++)
        ASSERT_INT_EQ(uuid_v7(&fixed).b[8] & 0xc0, 0x80);
}

TEST(uuid, grows_with_time)
{
    struct uuid before = uuid_v7(&clock_system);
    for (int i = 0; i < 5; i++) {
        usleep(1000);
        struct uuid now = uuid_v7(&clock_system);
        ASSERT_TRUE(memcmp(before.b, now.b, sizeof now.b) < 0);
        before = now;
    }
}

TEST(uuid, reads_what_it_writes_in_either_case)
{
    struct uuid u, again;
    char text[UUID_TEXT_LEN + 1];
    ASSERT_INT_EQ(uuid_parse(STR("0123ABcd-4567-89eF-0000-fedcba987654"), &u), 0);
    uuid_format(u, text);
    ASSERT_STR_EQ(text, "0123abcd-4567-89ef-0000-fedcba987654");
    ASSERT_INT_EQ(uuid_parse(str_of(text), &again), 0);
    ASSERT_TRUE(uuid_eq(u, again));
    ASSERT_TRUE(uuid_is_nil((struct uuid){0}));
    ASSERT_FALSE(uuid_is_nil(u));
}

TEST(uuid, refuses_what_is_no_uuid)
{
    static const char *const cases[] = {
        "",
        "0123abcd-4567-89ef-0000-fedcba98765",
        "0123abcd-4567-89ef-0000-fedcba9876544",
        "0123abcd04567-89ef-0000-fedcba987654",
        "0123abcd-4567-89ef-0000-fedcba98765g",
        "{123abcd-4567-89ef-0000-fedcba98765}",
        "0123abcd-456-789ef-0000-fedcba987654",
        "0123abcd-4567-89ef-0000_fedcba987654",
    };
    struct uuid u;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        ASSERT_INT_EQ(uuid_parse(str_of(cases[i]), &u), -EINVAL);
}

TEST(uuid, never_repeats_after_fork)
{
    uuid_v7(&fixed); /* fills the block that the child inherits */
    int pipefd[2];
    ASSERT_INT_EQ(pipe(pipefd), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct uuid theirs = uuid_v7(&fixed);
        ssize_t n = write(pipefd[1], &theirs, sizeof theirs);
        _exit(n != sizeof theirs);
    }
    struct uuid ours = uuid_v7(&fixed), theirs;
    ASSERT_INT_EQ(read(pipefd[0], &theirs, sizeof theirs), sizeof theirs);
    waitpid(pid, NULL, 0);
    close(pipefd[0]);
    close(pipefd[1]);
    ASSERT_FALSE(uuid_eq(ours, theirs));
}

TEST(random, fills_all_bytes_and_not_always_alike)
{
    uint8_t seen[64] = {0}, now[64];
    for (int turn = 0; turn < 64; turn++) {
        if (turn % 2)
            random_bytes(now, sizeof now);
        else
            random_id(now, sizeof now);
        for (size_t i = 0; i < sizeof now; i++)
            seen[i] |= now[i];
    }
    for (size_t i = 0; i < sizeof seen; i++)
        ASSERT_INT_EQ(seen[i], 0xff); /* 64 draws leave a bit at zero once in 10^17 runs */
}

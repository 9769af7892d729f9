/* Flags over environment over defaults, and one clear refusal for what is wrong. */
#include "sandbox/sandbox.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "support/test.h"

/* Parses with stderr closed to the tests' output. */
static int parse(struct sandbox_options *options, const char *a, const char *b)
{
    char *argv[] = {(char *)(uintptr_t) "sandbox-psp", (char *)(uintptr_t)a, (char *)(uintptr_t)b,
                    NULL};
    int keep = dup(STDERR_FILENO);
    fflush(stderr);
    (void)!freopen("/dev/null", "w", stderr);
    int r = sandbox_options_parse(b ? 3 : a ? 2 : 1, argv, options);
    fflush(stderr);
    dup2(keep, STDERR_FILENO);
    close(keep);
    return r;
}

TEST(options, flags_beat_the_environment_which_beats_the_defaults)
{
    struct sandbox_options o;
    ASSERT_INT_EQ(parse(&o, NULL, NULL), 0);
    ASSERT_INT_EQ(o.port, 12111);
    ASSERT_STR_EQ(o.host, "127.0.0.1");
    setenv("FAREGATE_SANDBOX_PSP_PORT", "2000", 1);
    ASSERT_INT_EQ(parse(&o, "--keys-max=17", NULL), 0);
    ASSERT_INT_EQ(o.port, 2000);
    ASSERT_INT_EQ(o.keys_max, 17);
    ASSERT_INT_EQ(parse(&o, "--port", "0"), 0);
    ASSERT_INT_EQ(o.port, 0);
    unsetenv("FAREGATE_SANDBOX_PSP_PORT");
    ASSERT_INT_EQ(parse(&o, "--authorization-ttl-ms", "31536000000"), 0);
    ASSERT_TRUE(o.authorization_ttl_ms == UINT64_C(31536000000));
}

TEST(options, what_is_wrong_is_refused)
{
    struct sandbox_options o;
    ASSERT_INT_EQ(parse(&o, "--port", "65536"), -EINVAL);
    ASSERT_INT_EQ(parse(&o, "--port", "x"), -EINVAL);
    ASSERT_INT_EQ(parse(&o, "--port", NULL), -EINVAL);
    ASSERT_INT_EQ(parse(&o, "--prot", "1"), -EINVAL);
    ASSERT_INT_EQ(parse(&o, "1", NULL), -EINVAL);
    ASSERT_INT_EQ(parse(&o, "--journal=", NULL), -EINVAL);
    ASSERT_INT_EQ(parse(&o, "--keys-max=0", NULL), -EINVAL);
    ASSERT_INT_EQ(parse(&o, "--api-key-file", "/nonexistent"), -EINVAL);
}

TEST(options, a_key_is_the_first_line_of_its_file)
{
    struct sandbox_options o;
    char path[] = "/tmp/faregate-key-XXXXXX";
    int fd = mkstemp(path);
    ASSERT_INT_EQ(write(fd, "sk_test_1\nmore\n", 15), 15);
    close(fd);
    ASSERT_INT_EQ(parse(&o, "--api-key-file", path), 0);
    ASSERT_STR_EQ(o.api_key, "sk_test_1");
    unlink(path);
}

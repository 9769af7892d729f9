/* The installation's secrets: the files, and what becomes of what was sealed when one replaces
 * another. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "reference_rig.h"
#include "services/shared/offer.h"
#include "support/test.h"

#define FILE_COUNT 5

static struct arena_pool pool;
static struct arena arena;
static char dir[32];
static char files[FILE_COUNT][64];

static void setup(void)
{
    arena_pool_init(&pool, 4);
    arena_init(&arena, &pool, 1 << 20);
    snprintf(dir, sizeof dir, "/tmp/faregate-secret-XXXXXX");
    ASSERT_NOT_NULL(mkdtemp(dir));
    for (unsigned i = 0; i < FILE_COUNT; i++)
        snprintf(files[i], sizeof files[i], "%s/%u", dir, i);
}

static void teardown(void)
{
    for (unsigned i = 0; i < FILE_COUNT; i++)
        unlink(files[i]);
    rmdir(dir);
    arena_reset(&arena);
    arena_pool_deinit(&pool);
}

static void make_files(void)
{
    char error[256];
    for (unsigned i = 0; i < FILE_COUNT; i++)
        ASSERT_INT_EQ(app_secret_make(files[i], error, sizeof error), 0);
}

static void load(struct app *app, const char *list)
{
    char error[256] = "";
    ASSERT_INT_EQ(app_keys_load(app->keys, &app->secret_count, list, error, sizeof error), 0);
    ASSERT_STR_EQ(error, "");
}

static const char *both(unsigned first, unsigned second)
{
    return arena_printf(&arena, "%s,%s", files[first], files[second]);
}

TEST(secrets, one_gives_every_server_the_same_keys)
{
    setup();
    make_files();
    make_files(); /* what is there stays */
    struct stat st;
    ASSERT_INT_EQ(stat(files[0], &st), 0);
    ASSERT_INT_EQ(st.st_mode & 0777, 0600);
    struct app a = {0}, b = {0};
    load(&a, files[0]);
    load(&b, files[0]);
    ASSERT_INT_EQ(a.secret_count, 1);
    ASSERT_MEM_EQ(a.keys, b.keys, sizeof a.keys);
    ASSERT_TRUE(memcmp(a.keys->offer, a.keys->refresh, 32) != 0);
    ASSERT_TRUE(memcmp(a.keys->offer, a.keys->page_token, 32) != 0);
    ASSERT_INT_EQ(strlen(a.keys->id), 8);
    load(&b, both(1, 0));
    ASSERT_INT_EQ(b.secret_count, 2);
    ASSERT_MEM_EQ(&b.keys[1], a.keys, sizeof a.keys[0]);
    ASSERT_TRUE(strcmp(b.keys[0].id, a.keys[0].id) != 0);
    teardown();
}

static void is_refused(const char *list, int result, const char *line)
{
    struct app app = {0};
    char error[256] = "";
    ASSERT_INT_EQ(app_keys_load(app.keys, &app.secret_count, list, error, sizeof error), result);
    ASSERT_STR_EQ(error, line);
    ASSERT_INT_EQ(app.secret_count, 0);
}

/* Offers and tokens of other releases are out there. */
TEST(secrets, of_one_the_keys_never_change)
{
    static const uint8_t offer[] = {0x98, 0x4a, 0x03, 0xc6}, page[] = {0xec, 0x17, 0x15, 0xa2},
                         fingerprint[] = {0xf5, 0x43, 0xcc, 0x84},
                         refresh[] = {0xe0, 0xb2, 0x86, 0x6b};
    setup();
    struct app app = {0};
    FILE *f = fopen(files[0], "w");
    ASSERT_NOT_NULL(f);
    ASSERT_INT_EQ(fchmod(fileno(f), 0600), 0);
    for (unsigned i = 0; i < 64; i++)
        fputc(i, f); /* a line's end and a comma among them: bytes like others */
    ASSERT_INT_EQ(fclose(f), 0);
    load(&app, files[0]);
    ASSERT_MEM_EQ(app.keys->offer, offer, sizeof offer);
    ASSERT_MEM_EQ(app.keys->page_token, page, sizeof page);
    ASSERT_MEM_EQ(app.keys->fingerprint, fingerprint, sizeof fingerprint);
    ASSERT_MEM_EQ(app.keys->refresh, refresh, sizeof refresh);
    ASSERT_STR_EQ(app.keys->id, "f014007c");
    teardown();
}

TEST(secrets, a_wrong_file_is_told_in_one_line)
{
    setup();
    is_refused(files[0], -ENOENT, arena_printf(&arena, "%s: No such file or directory", files[0]));
    make_files();
    const char *list = arena_printf(&arena, "%s,%s,%s", both(0, 1), both(2, 3), files[4]);
    is_refused(list, -E2BIG, "more than 4 files");
    list = arena_printf(&arena, "%s,,%s", files[0], files[1]);
    is_refused(list, -EINVAL, arena_printf(&arena, "%s: has an empty name", list));
    const char *line = arena_printf(&arena, "%s: others can read the secret; chmod 600", files[1]);
    ASSERT_INT_EQ(chmod(files[1], 0640), 0);
    is_refused(both(0, 1), -EPERM, line);
    ASSERT_INT_EQ(chmod(files[1], 0600), 0);
    line = arena_printf(&arena, "%s: the secret has less than 32 bytes", files[1]);
    ASSERT_INT_EQ(truncate(files[1], 31), 0);
    is_refused(both(0, 1), -EINVAL, line);
    line = arena_printf(&arena,
                        "%s: the secret has more than 4096 bytes; earlier releases used the first "
                        "of them, so cut it there",
                        files[1]);
    ASSERT_INT_EQ(truncate(files[1], 4097), 0);
    is_refused(both(0, 1), -EINVAL, line);
    teardown();
}

static struct str sealed_offer(const struct app *app)
{
    const struct offer offer = {
        .adults = 1,
        .currency = "USD",
        .unit_minor = {12345},
        .segment_count = 1,
        .segments = {{.carrier = "BA", .origin = "JFK", .destination = "LHR", .aircraft = "77W"}},
    };
    return offer_seal(app, &arena, &offer);
}

static bool opens(struct app *app, const char *list, struct str name)
{
    struct offer opened;
    load(app, list);
    return offer_open(app, name, &opened) == 0;
}

TEST(secrets, an_old_one_opens_until_it_is_dropped)
{
    enum { OLD, NEW };
    setup();
    make_files();
    struct app *app = rig_app();
    load(app, files[OLD]);
    struct str name = sealed_offer(app);
    ASSERT_TRUE(opens(app, both(OLD, NEW), name));
    ASSERT_TRUE(opens(app, both(NEW, OLD), name));
    struct str next = sealed_offer(app);
    ASSERT_FALSE(opens(app, files[NEW], name));
    ASSERT_TRUE(opens(app, files[NEW], next));
    ASSERT_TRUE(opens(app, both(OLD, NEW), next));
    ASSERT_FALSE(opens(app, files[OLD], next));
    teardown();
}

/* Bookings outlive secrets. */
TEST(secrets, an_offer_that_was_sold_is_read_without_its_seal)
{
    setup();
    struct app *app = rig_app();
    struct str name = sealed_offer(app);
    struct offer opened;
    app->keys->offer[31] ^= 1;
    ASSERT_TRUE(offer_open(app, name, &opened) < 0);
    ASSERT_INT_EQ(offer_open_sold(app, name, &opened), 0);
    ASSERT_INT_EQ(opened.total_minor, 12345);
    ASSERT_TRUE(offer_open_sold(app, (struct str){name.p, name.n - 4}, &opened) < 0);
    teardown();
}

/* The timetable in memory: what was filled in is found, changes are seen, and a look notices that
 * its half has gone. */
#include "services/flight/board.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/test.h"

#define BYTES ((size_t)16 << 20)
#define DAY 20000
#define DAY_US (86400 * INT64_C(1000000))

static struct str code(const char *text)
{
    return str_of(text);
}

static struct flight_read_departures_row row_of(uint8_t id, const char *origin,
                                                const char *destination, int32_t day, int16_t cabin)
{
    return (struct flight_read_departures_row){
        .origin = code(origin),
        .destination = code(destination),
        .flight_id = {{0xFF, [15] = id}},
        .carrier = STR("XX"),
        .number = id,
        .departure_date = day,
        .departure_time = day * DAY_US + id,
        .arrival_time = day * DAY_US + 7200 * INT64_C(1000000),
        .aircraft = STR("32Q"),
        .distance_km = 500,
        .cabin = cabin,
        .authorised = 100,
        .used = id,
        .base_minor = 1000 * id,
        .sales_close_time = INT64_MAX,
    };
}

static struct flight_read_changes_row change_of(uint8_t id, int32_t day, int32_t used)
{
    return (struct flight_read_changes_row){
        .flight_id = {{0xFF, [15] = id}},
        .departure_time = day * DAY_US,
        .arrival_time = day * DAY_US + 7200 * INT64_C(1000000),
        .aircraft = STR("32Q"),
        .is_scheduled = true,
        .cabin = 1,
        .authorised = 90,
        .used = used,
        .base_minor = 5,
        .sales_close_time = 6,
    };
}

/* Flights 1 to 3 of AAA-BBB on three days, 4 of BBB-AAA in two cabins, 5 in one. */
static void fill(struct board_fill *f, struct board *board, int64_t read_ns)
{
    const struct flight_read_departures_row rows[] = {
        row_of(1, "AAA", "BBB", DAY, 1),     row_of(2, "AAA", "BBB", DAY + 1, 1),
        row_of(3, "AAA", "BBB", DAY + 2, 1), row_of(4, "BBB", "AAA", DAY, 1),
        row_of(4, "BBB", "AAA", DAY, 3),     row_of(5, "BBB", "AAA", DAY, 2),
        row_of(6, "b1", "AAA", DAY, 1),
    };
    board_fill_begin(f, board, DAY);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        ASSERT_INT_EQ(board_add(f, &rows[i]), 0);
    board_publish(f, read_ns, 0);
}

/* Numbers of the flights found, as digits. */
static const char *found(const struct board_look *look, const char *route, int32_t first,
                         int32_t last)
{
    static char text[64];
    struct board_range range;
    size_t n = 0;
    if (!board_route(look, route, route + 3, first, &range))
        return "?";
    for (const struct departure *d; (d = board_next(look, &range, last));)
        text[n++] = (char)('0' + d->number);
    text[n] = '\0';
    return text;
}

TEST(board, gives_flights_by_route_and_day)
{
    struct board *board = board_new(BYTES);
    struct board_fill f = {0};
    struct board_look look;
    ASSERT_FALSE(board_look(board, INT64_MIN, &look));
    fill(&f, board, 70);
    ASSERT_INT_EQ(board_flights(&f), 5);
    ASSERT_TRUE(board_look(board, 70, &look));
    ASSERT_FALSE(board_look(board, 71, &look));
    ASSERT_INT_EQ(board_read_ns(&look), 70);
    board_publish(&f, 70000, 5000);
    ASSERT_INT_EQ(board_clock_us(&look, 73999), 5003);
    board_publish(&f, 70, 0);
    ASSERT_STR_EQ(found(&look, "AAABBB", DAY, DAY), "1");
    ASSERT_STR_EQ(found(&look, "AAABBB", DAY + 1, DAY + 5), "23");
    ASSERT_STR_EQ(found(&look, "AAABBB", DAY + 3, DAY + 9), "");
    ASSERT_STR_EQ(found(&look, "BBBAAA", DAY, DAY), "45");
    ASSERT_STR_EQ(found(&look, "AAACCC", DAY, DAY), "");
    ASSERT_STR_EQ(found(&look, "AAABBB", DAY - 1, DAY), "?");
    ASSERT_STR_EQ(found(&look, "b1_AAA", DAY, DAY), "?");
    ASSERT_TRUE(board_look_ends(&look));
    board_fill_deinit(&f);
    board_free(board);
}

/* However unevenly a route flies. */
TEST(board, finds_the_first_flight_of_any_day)
{
    struct board *board = board_new(BYTES);
    uint32_t noise = 7;
    for (unsigned round = 0; round < 40; round++) {
        struct board_fill f = {0};
        struct board_look look;
        int32_t days[60], day = DAY;
        unsigned count = 1 + round % 60;
        board_fill_begin(&f, board, DAY);
        for (unsigned i = 0; i < count; i++) {
            noise = noise * 1664525 + 1013904223;
            day += (int32_t)(noise >> 24 & 3) * (noise >> 28 == 0 ? 40 : 1);
            days[i] = day;
            struct flight_read_departures_row row = row_of((uint8_t)(i + 1), "AAA", "BBB", day, 1);
            ASSERT_INT_EQ(board_add(&f, &row), 0);
        }
        board_publish(&f, 1, 0);
        ASSERT_TRUE(board_look(board, 0, &look));
        for (int32_t wanted = DAY; wanted <= day + 2; wanted++) {
            struct board_range range;
            unsigned first = 0;
            while (first < count && days[first] < wanted)
                first++;
            ASSERT_TRUE(board_route(&look, "AAA", "BBB", wanted, &range));
            const struct departure *d = board_next(&look, &range, INT32_MAX);
            ASSERT_INT_EQ(d ? d->number : 0, first < count ? first + 1 : 0);
        }
        board_fill_deinit(&f);
    }
    board_free(board);
}

TEST(board, gives_cabins_as_they_are_now)
{
    struct board *board = board_new(BYTES);
    struct board_fill f = {0};
    struct board_look look;
    struct board_range range;
    struct departure_sale sale;
    fill(&f, board, 70);
    ASSERT_TRUE(board_look(board, 0, &look));
    ASSERT_TRUE(board_route(&look, "BBB", "AAA", DAY, &range));
    const struct departure *d = board_next(&look, &range, DAY);
    ASSERT_STR_EQ(d->carrier, "XX");
    ASSERT_STR_EQ(d->aircraft, "32Q");
    ASSERT_FALSE(board_sale(&look, d, 2, &sale));
    ASSERT_TRUE(board_sale(&look, d, 3, &sale));
    ASSERT_INT_EQ(sale.used, 4);
    ASSERT_INT_EQ(sale.base_minor, 4000);
    struct flight_read_changes_row change = change_of(4, DAY, 33);
    ASSERT_TRUE(board_change(&f, &change));
    ASSERT_TRUE(board_sale(&look, d, 1, &sale));
    ASSERT_INT_EQ(sale.used, 33);
    ASSERT_INT_EQ(sale.authorised, 90);
    ASSERT_INT_EQ(sale.base_minor, 5);
    ASSERT_INT_EQ(sale.close_us, 6);
    ASSERT_TRUE(board_sale(&look, d, 3, &sale));
    ASSERT_INT_EQ(sale.used, 4);
    board_publish(&f, 80, 0);
    ASSERT_INT_EQ(board_read_ns(&look), 80);
    ASSERT_TRUE(board_look_ends(&look));
    change.is_scheduled = false;
    ASSERT_TRUE(board_change(&f, &change));
    ASSERT_STR_EQ(found(&look, "BBBAAA", DAY, DAY), "5");
    board_fill_deinit(&f);
    board_free(board);
}

static const char *airports(const struct board_look *look, uint8_t id)
{
    static char text[8];
    char origin[4], destination[4];
    const struct departure *d =
        board_flight(look, (struct uuid){{0xFF, [15] = id}}, origin, destination);
    if (!d)
        return "";
    ASSERT_INT_EQ(d->number, id);
    memcpy(text, origin, 3);
    memcpy(text + 3, destination, 4);
    return text;
}

TEST(board, gives_flights_by_their_ids)
{
    struct board *board = board_new(BYTES);
    struct board_fill f = {0}, other = {0};
    struct board_look look, later;
    fill(&f, board, 70);
    ASSERT_TRUE(board_look(board, 0, &look));
    for (uint8_t id = 1; id <= 3; id++)
        ASSERT_STR_EQ(airports(&look, id), "AAABBB");
    ASSERT_STR_EQ(airports(&look, 5), "BBBAAA");
    ASSERT_STR_EQ(airports(&look, 6), ""); /* nobody can search for it */
    ASSERT_STR_EQ(airports(&look, 7), "");
    struct flight_read_changes_row change = change_of(4, DAY, 33);
    change.is_scheduled = false;
    ASSERT_STR_EQ(airports(&look, 4), "BBBAAA");
    ASSERT_TRUE(board_change(&f, &change));
    ASSERT_STR_EQ(airports(&look, 4), "");

    board_fill_begin(&other, board, DAY); /* enough that the ids need more room */
    for (unsigned i = 1; i <= 5000; i++) {
        struct flight_read_departures_row row = row_of((uint8_t)i, "ABC", "XYZ", DAY, 1);
        memcpy(&row.flight_id.b[8], &i, sizeof i);
        ASSERT_INT_EQ(board_add(&other, &row), 0);
    }
    board_publish(&other, 80, 0);
    ASSERT_TRUE(board_look(board, 80, &later));
    for (unsigned i = 1; i <= 5001; i++) {
        struct uuid id = {{0xFF, [15] = (uint8_t)i}};
        char origin[4], destination[4];
        memcpy(&id.b[8], &i, sizeof i);
        const struct departure *d = board_flight(&later, id, origin, destination);
        ASSERT_INT_EQ(d != NULL, i <= 5000);
        if (d)
            ASSERT_TRUE(uuid_eq(d->flight_id, id) && strcmp(origin, "ABC") == 0 &&
                        strcmp(destination, "XYZ") == 0);
    }
    board_release_other(&other);
    ASSERT_STR_EQ(airports(&look, 1), ""); /* wiped, and no harm done */
    board_fill_deinit(&f);
    board_fill_deinit(&other);
    board_free(board);
}

TEST(board, says_what_it_cannot_follow)
{
    struct board *board = board_new(BYTES);
    struct board_fill f = {0};
    fill(&f, board, 70);
    struct flight_read_changes_row change = change_of(9, DAY, 1); /* a new flight */
    ASSERT_FALSE(board_change(&f, &change));
    change.is_scheduled = false; /* which nobody looks for */
    ASSERT_TRUE(board_change(&f, &change));
    change = change_of(4, DAY + 1, 1); /* flies at another time */
    ASSERT_FALSE(board_change(&f, &change));
    change = change_of(4, DAY, 1);
    change.arrival_time += 60 * INT64_C(1000000);
    ASSERT_FALSE(board_change(&f, &change));
    change = change_of(4, DAY, 1);
    change.aircraft = STR("77W");
    ASSERT_FALSE(board_change(&f, &change));
    change = change_of(4, DAY, 1);
    change.cabin = 2; /* a new cabin */
    ASSERT_FALSE(board_change(&f, &change));
    struct flight_read_departures_row row = row_of(7, "AAA", "BBB", DAY, 1);
    ASSERT_INT_EQ(board_add(&f, &row), -EBADMSG); /* the route has ended */
    row = row_of(4, "BBB", "AAA", DAY, 1);
    ASSERT_INT_EQ(board_add(&f, &row), -EBADMSG); /* the cabin is there */
    row.cabin = 0;
    ASSERT_INT_EQ(board_add(&f, &row), -EBADMSG);
    board_fill_deinit(&f);
    board_free(board);
}

TEST(board, tells_a_look_that_another_timetable_has_come)
{
    struct board *board = board_new(BYTES);
    struct board_fill first = {0}, second = {0}, third = {0};
    struct board_look look, later;
    fill(&first, board, 70);
    ASSERT_TRUE(board_look(board, 0, &look));
    board_fill_begin(&second, board, DAY);
    ASSERT_TRUE(board_look_ends(&look)); /* it is filled behind the scene */
    const struct flight_read_departures_row row = row_of(8, "AAA", "BBB", DAY, 1);
    ASSERT_INT_EQ(board_add(&second, &row), 0);
    ASSERT_STR_EQ(found(&look, "AAABBB", DAY, DAY + 9), "123");
    board_publish(&second, 60, 0);
    ASSERT_FALSE(board_look_ends(&look));
    ASSERT_FALSE(board_look(board, 61, &later)); /* however fresh the other one was */
    ASSERT_TRUE(board_look(board, 60, &later));
    ASSERT_STR_EQ(found(&later, "AAABBB", DAY, DAY + 9), "8");
    board_release_other(&second);
    ASSERT_STR_EQ(found(&look, "AAABBB", DAY, DAY + 9), ""); /* wiped, and no harm done */
    board_fill_begin(&third, board, DAY);
    ASSERT_STR_EQ(found(&later, "AAABBB", DAY, DAY + 9), "8");
    struct board_state state;
    board_state(board, &state);
    ASSERT_INT_EQ(state.loads, 2);
    ASSERT_INT_EQ(state.flights, 1);
    board_fill_deinit(&first);
    board_fill_deinit(&second);
    board_fill_deinit(&third);
    board_free(board);
}

TEST(board, says_when_it_is_full)
{
    struct board *board = board_new(BYTES);
    struct board_fill kept = {0}, f = {0};
    struct board_look look;
    struct board_state state;
    fill(&kept, board, 70);
    board_fill_begin(&f, board, DAY);
    int r = 0;
    unsigned i;
    struct flight_read_departures_row row = row_of(1, "AAA", "BBB", DAY, 1);
    for (i = 0; i < 1000000 && r == 0; i++) {
        memcpy(&row.flight_id.b[8], &i, sizeof i);
        r = board_add(&f, &row);
    }
    ASSERT_INT_EQ(r, -ENOSPC);
    ASSERT_INT_IN(i, 50000, 80000); /* six million bytes beside the routes, 88 each */
    board_fill_cancel(&f);
    board_state(board, &state);
    ASSERT_TRUE(state.is_full);
    ASSERT_TRUE(board_look(board, 70, &look)); /* the one before is still there */
    ASSERT_STR_EQ(found(&look, "AAABBB", DAY, DAY), "1");
    fill(&f, board, 90);
    board_state(board, &state);
    ASSERT_FALSE(state.is_full);
    board_fill_deinit(&kept);
    board_fill_deinit(&f);
    board_free(board);
}

/* Filled up to the last, all is still found: the ids between the flights and their cabins too. */
TEST(board, is_whole_when_it_is_full)
{
    struct board *board = board_new(BYTES);
    struct board_fill f = {0};
    struct board_look look;
    struct flight_read_departures_row row = row_of(0, "AAA", "BBB", DAY, 1);
    board_fill_begin(&f, board, DAY);
    for (int32_t i = 0;; i++) {
        memcpy(&row.flight_id.b[8], &i, sizeof i);
        row.used = i;
        if (board_add(&f, &row) < 0)
            break;
    }
    board_publish(&f, 70, 0);
    ASSERT_TRUE(board_look(board, 70, &look));
    for (int32_t i = 0; i < (int32_t)board_flights(&f); i++) {
        char origin[4], destination[4];
        struct departure_sale sale;
        memcpy(&row.flight_id.b[8], &i, sizeof i);
        const struct departure *d = board_flight(&look, row.flight_id, origin, destination);
        if (!d || !board_sale(&look, d, 1, &sale) || sale.used != i)
            FAIL("lost");
    }
    board_fill_deinit(&f);
    board_free(board);
}

/* Two processes: one fills and changes, the other looks. Seats and price of a timetable are those
 * of its number, so a look that mixes two of them shows. */
static void keep_filling(struct board *board)
{
    struct board_fill f = {0};
    for (uint32_t n = 1;; n++) {
        struct flight_read_departures_row row = row_of(1, "AAA", "BBB", DAY, 1);
        row.number = (int32_t)(n & 0x7FFF);
        row.used = (int32_t)(n & 0x7FFF);
        board_fill_begin(&f, board, DAY);
        board_add(&f, &row);
        board_publish(&f, n, 0);
    }
}

TEST(board, never_mixes_two_timetables)
{
    struct board *board = board_new(BYTES);
    pid_t filler = fork();
    if (filler == 0)
        keep_filling(board);
    unsigned whole = 0, gone = 0;
    uint64_t last = 0;
    for (unsigned i = 0; i < 100000000 && (whole < 1000 || gone < 10); i++) {
        struct board_look look;
        struct board_range range;
        struct departure_sale sale;
        const struct departure *d = NULL;
        if (!board_look(board, 0, &look) || !board_route(&look, "AAA", "BBB", DAY, &range) ||
            !(d = board_next(&look, &range, DAY)) || !board_sale(&look, d, 1, &sale)) {
            gone += look.generation > 0 && !board_look_ends(&look);
            continue;
        }
        char origin[4], destination[4];
        uint16_t number = d->number;
        d = board_flight(&look, (struct uuid){{0xFF, [15] = 1}}, origin, destination);
        uint16_t by_id = d ? d->number : 0;
        if (!board_look_ends(&look)) {
            gone++;
            continue;
        }
        if (sale.used != number || by_id != number || look.generation < last)
            FAIL("a mixture");
        last = look.generation;
        whole++;
    }
    kill(filler, SIGKILL);
    waitpid(filler, NULL, 0);
    ASSERT_TRUE(whole >= 1000);
    ASSERT_TRUE(gone >= 10);
    board_free(board);
}

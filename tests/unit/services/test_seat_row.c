/* Rows of a seat map as bytes: what a client reads in them. */
#include "services/seat_row.h"

#include <stdio.h>

#include "faregate/v1/flight_service.pb-c.h"
#include "reference_rig.h"
#include "support/test.h"

/* "25 exit A.146 -B.25": each seat with the numbers of its attributes, a minus where it is taken.
 */
static const char *read_row(const uint8_t *p, const uint8_t *end)
{
    static char text[1024];
    Faregate__V1__SeatMapCabin *cabin =
        faregate__v1__seat_map_cabin__unpack(NULL, (size_t)(end - p), p);
    ASSERT_NOT_NULL(cabin);
    ASSERT_INT_EQ(cabin->n_rows, 1);
    const Faregate__V1__SeatMapRow *row = cabin->rows[0];
    int n = snprintf(text, sizeof text, "%d%s", row->number, row->exit_row ? " exit" : "");
    for (size_t i = 0; i < row->n_seats; i++) {
        const Faregate__V1__Seat *seat = row->seats[i];
        n += snprintf(text + n, sizeof text - (size_t)n, " %s%s.", seat->available ? "" : "-",
                      seat->designator);
        for (size_t k = 0; k < seat->n_attributes; k++)
            n += snprintf(text + n, sizeof text - (size_t)n, "%d", seat->attributes[k]);
    }
    faregate__v1__seat_map_cabin__free_unpacked(cabin, NULL);
    return text;
}

TEST(seat_row, says_where_each_seat_is_and_whether_it_is_free)
{
    const struct reference *r = rig_reference();
    const struct reference_cabin *cabin = &reference_aircraft(r, STR("320"))->cabins[1];
    uint8_t bytes[SEAT_ROW_BYTES_MAX], *end = bytes + sizeof bytes;
    ASSERT_STR_EQ(read_row(seat_row_put(end, cabin, 7, 0), end),
                  "7 7A.16 7B.36 7C.26 7D.26 7E.36 7F.16");
    ASSERT_STR_EQ(read_row(seat_row_put(end, cabin, 12, 1u << 1 | 1u << 5), end),
                  "12 exit 12A.145 -12B.345 12C.245 12D.245 12E.345 -12F.145");
    cabin = &reference_aircraft(r, STR("320"))->cabins[3];
    ASSERT_STR_EQ(read_row(seat_row_put(end, cabin, 4, 0), end), "4 4A.1 4C.2 4D.2 4F.1");
    ASSERT_INT_EQ(cabin->letters, 1u | 1u << 2 | 1u << 3 | 1u << 5);
}

TEST(seat_row, is_kept_with_all_its_seats_free)
{
    const struct reference *r = rig_reference();
    const struct reference_cabin *cabin = &reference_aircraft(r, STR("77W"))->cabins[1];
    size_t bytes_in_all = 0;
    for (int row = 25; row <= 50; row++) {
        const struct str *kept = &cabin->free_rows[row - 25];
        uint8_t bytes[SEAT_ROW_BYTES_MAX], *end = bytes + sizeof bytes;
        const uint8_t *p = seat_row_put(end, cabin, row, 0);
        ASSERT_INT_EQ(kept->n, end - p);
        ASSERT_INT_EQ(memcmp(kept->p, p, kept->n), 0);
        bytes_in_all += kept->n;
    }
    ASSERT_INT_EQ(cabin->free_rows_bytes, bytes_in_all);
}

TEST(seat_row, fits_its_room_when_it_is_as_long_as_can_be)
{
    static const int16_t exit_rows[] = {INT16_MAX};
    static char columns[] = "ABCDEFGHIJKLMNOPQRST";
    const struct reference_cabin cabin = {
        .first_row = INT16_MAX, .columns = columns, .exit_rows = exit_rows, .exit_row_count = 1};
    uint8_t bytes[SEAT_ROW_BYTES_MAX], *end = bytes + sizeof bytes;
    ASSERT_INT_EQ(strlen(columns), SEAT_ROW_COLUMNS_MAX);
    ASSERT_TRUE(seat_row_put(end, &cabin, INT16_MAX, 0) > bytes);
}

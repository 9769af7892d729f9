/* Rows of a seat map, seat by seat. See seat_row.h. */
#include "services/seat_row.h"

#include "base/text.h"
#include "faregate/v1/flight_service.pb-c.h"
#include "grpc/pb_put.h"

/* As the .proto numbers them. */
enum { ROW_NUMBER = 1, ROW_EXIT_ROW, ROW_SEATS };
enum { SEAT_DESIGNATOR = 1, SEAT_AVAILABLE, SEAT_ATTRIBUTES };

bool seat_row_is_exit(const struct reference_cabin *cabin, int row)
{
    for (uint16_t i = 0; i < cabin->exit_row_count; i++)
        if (cabin->exit_rows[i] == row)
            return true;
    return false;
}

/* Window: at either end of the row; aisle: beside a gap; a single seat between window and aisle is
 * both. */
static uint8_t *put_attributes(uint8_t *p, const struct reference_cabin *cabin, size_t column,
                               bool exit_row, bool bulkhead)
{
    const char *columns = cabin->columns;
    const uint8_t *end = p;
    bool window = column == 0 || columns[column + 1] == '\0';
    bool aisle = columns[column + 1] == '-' || (column > 0 && columns[column - 1] == '-');
    if (bulkhead)
        *--p = FAREGATE__V1__SEAT__ATTRIBUTE__BULKHEAD;
    if (exit_row) {
        *--p = FAREGATE__V1__SEAT__ATTRIBUTE__EXTRA_LEGROOM;
        *--p = FAREGATE__V1__SEAT__ATTRIBUTE__EXIT_ROW;
    }
    if (!window && !aisle)
        *--p = FAREGATE__V1__SEAT__ATTRIBUTE__MIDDLE;
    if (aisle)
        *--p = FAREGATE__V1__SEAT__ATTRIBUTE__AISLE;
    if (window)
        *--p = FAREGATE__V1__SEAT__ATTRIBUTE__WINDOW;
    return pb_put_around(p, SEAT_ATTRIBUTES, end);
}

uint8_t *seat_row_put(uint8_t *p, const struct reference_cabin *cabin, int row, uint32_t taken)
{
    char designator[TEXT_DECIMAL_MAX + 1], *letter = text_decimal(designator, (unsigned)row);
    struct str text = {.p = designator, .n = (size_t)(letter + 1 - designator)};
    bool exit_row = seat_row_is_exit(cabin, row);
    const uint8_t *row_end = p;
    for (size_t i = strlen(cabin->columns); i-- > 0;) {
        const uint8_t *end = p;
        *letter = cabin->columns[i];
        if (*letter < 'A' || *letter > 'Z')
            continue;
        p = put_attributes(p, cabin, i, exit_row, row == cabin->first_row);
        p = pb_put_number(p, SEAT_AVAILABLE, !(taken >> (*letter - 'A') & 1));
        p = pb_put_text(p, SEAT_DESIGNATOR, text);
        p = pb_put_around(p, ROW_SEATS, end);
    }
    p = pb_put_number(p, ROW_EXIT_ROW, exit_row);
    p = pb_put_number(p, ROW_NUMBER, row);
    return pb_put_around(p, SEAT_ROW_FIELD, row_end);
}

/* One row of a seat map as bytes. The reference keeps those of every row with all its seats free,
 * as nearly all of them are: GetSeatMap copies these and writes the others. */
#pragma once

#include "services/reference.h"

#define SEAT_ROW_FIELD 3 /* SeatMapCabin.rows */

/* At an emergency exit: no children or infants. */
bool seat_row_is_exit(const struct reference_cabin *cabin, int row);
#define SEAT_ROW_COLUMNS_MAX 20
#define SEAT_ROW_BYTES_MAX (24 * (SEAT_ROW_COLUMNS_MAX + 1))

/* Writes the row in front of @p, as grpc/pb_put.h has it. @taken: a bit for each letter; with more
 * of them it is shorter. */
uint8_t *seat_row_put(uint8_t *p, const struct reference_cabin *cabin, int row, uint32_t taken);

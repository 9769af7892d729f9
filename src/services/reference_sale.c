/* What is sold and flown: airlines, aircraft with their cabins, brands, buckets, taxes. Part of
 * making the reference. */
#include <stdarg.h>
#include <stdio.h>

#include "base/check.h"
#include "services/reference_internal.h"
#include "services/seat_row.h"

bool reference_refuse(struct reference_build *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(b->error, b->error_bytes, format, args);
    va_end(args);
    return false;
}

static void build_airlines(struct reference_build *b)
{
    const struct reference_read_airlines_rows *rows = &b->source->airlines;
    struct arena *arena = &b->made->arena;
    struct reference_airline *airlines = arena_array(arena, rows->count + 1, sizeof *airlines);
    for (uint32_t i = 0; i < rows->count; i++)
        airlines[i] = (struct reference_airline){
            .iata = arena_dup(arena, rows->rows[i].iata),
            .name = arena_dup(arena, rows->rows[i].name),
            .ticket_code = arena_dup(arena, rows->rows[i].ticket_code),
        };
    b->made->airlines = airlines;
    b->made->airline_count = (uint16_t)rows->count;
}

static void take_exit_rows(struct arena *arena, struct str list, struct reference_cabin *cabin)
{
    int16_t *exit_rows = arena_array(arena, list.n / 2 + 1, sizeof *exit_rows);
    while (list.n > 0) {
        int64_t row;
        if (str_int64(str_cut(&list, ','), 1, 999, &row) == 0)
            exit_rows[cabin->exit_row_count++] = (int16_t)row;
    }
    cabin->exit_rows = exit_rows;
}

/* A seat map is made of them in no time, as long as nobody has taken a seat in a row. */
static bool build_rows(struct arena *arena, struct reference_cabin *cabin)
{
    if (cabin->first_row < 1 || cabin->last_row < cabin->first_row ||
        strlen(cabin->columns) > SEAT_ROW_COLUMNS_MAX)
        return false;
    for (const char *column = cabin->columns; *column; column++)
        if (*column >= 'A' && *column <= 'Z')
            cabin->letters |= 1u << (*column - 'A');
    struct str *rows =
        arena_array(arena, (size_t)(cabin->last_row - cabin->first_row + 1), sizeof *rows);
    for (int row = cabin->first_row; row <= cabin->last_row; row++) {
        uint8_t bytes[SEAT_ROW_BYTES_MAX], *end = bytes + sizeof bytes;
        const uint8_t *p = seat_row_put(end, cabin, row, 0);
        struct str text = {.p = (const char *)p, .n = (size_t)(end - p)};
        rows[row - cabin->first_row] = arena_dup_str(arena, text);
        cabin->free_rows_bytes += (uint32_t)text.n;
    }
    cabin->free_rows = rows;
    return true;
}

static bool build_aircraft(struct reference_build *b)
{
    const struct reference_read_aircraft_rows *rows = &b->source->aircraft;
    const struct reference_read_cabins_rows *cabins = &b->source->cabins;
    struct arena *arena = &b->made->arena;
    struct reference_aircraft *aircraft = arena_array(arena, rows->count + 1, sizeof *aircraft);
    uint32_t next = 0;
    for (uint32_t i = 0; i < rows->count; i++) {
        aircraft[i].code = arena_dup(arena, rows->rows[i].code);
        aircraft[i].name = arena_dup(arena, rows->rows[i].name);
        for (; next < cabins->count && str_eq(cabins->rows[next].aircraft, rows->rows[i].code);
             next++) {
            const struct reference_read_cabins_row *row = &cabins->rows[next];
            if (row->cabin < 1 || row->cabin >= REFERENCE_CABINS)
                return reference_refuse(b, "aircraft %s has a cabin %d", aircraft[i].code,
                                        row->cabin);
            struct reference_cabin *cabin = &aircraft[i].cabins[row->cabin];
            cabin->exists = true;
            cabin->first_row = row->first_row;
            cabin->last_row = row->last_row;
            cabin->columns = arena_dup(arena, row->columns);
            take_exit_rows(arena, row->exit_rows, cabin);
            if (!build_rows(arena, cabin))
                return reference_refuse(b, "aircraft %s has a cabin %d without good rows",
                                        aircraft[i].code, row->cabin);
        }
    }
    if (next < cabins->count)
        return reference_refuse(b, "a cabin belongs to no aircraft");
    b->made->aircraft = aircraft;
    b->made->aircraft_count = (uint16_t)rows->count;
    return true;
}

static bool build_brands(struct reference_build *b)
{
    const struct reference_read_brands_rows *rows = &b->source->brands;
    struct arena *arena = &b->made->arena;
    struct reference_brand *brands = arena_array(arena, rows->count + 1, sizeof *brands);
    for (uint32_t i = 0; i < rows->count; i++) {
        const struct reference_read_brands_row *row = &rows->rows[i];
        brands[i] = (struct reference_brand){
            .code = arena_dup(arena, row->brand),
            .name = arena_dup(arena, row->name),
            .key = reference_brand_key(row->brand),
            .cabin = (uint8_t)row->cabin,
            .price_permille = row->price_permille,
            .terms =
                {
                    .refundable = row->refundable,
                    .changeable = row->changeable,
                    .refund_penalty_permille = (uint16_t)row->refund_penalty_permille,
                    .change_penalty_permille = (uint16_t)row->change_penalty_permille,
                    .checked_bags = (uint8_t)row->checked_bags,
                    .cabin_bags = (uint8_t)row->cabin_bags,
                },
        };
        for (uint32_t k = 0; k < i; k++)
            if (brands[k].key == brands[i].key)
                return reference_refuse(b, "brands %s and %s have the same key", brands[k].code,
                                        brands[i].code);
    }
    b->made->brands = brands;
    b->made->brand_count = (uint16_t)rows->count;
    return true;
}

static bool build_buckets(struct reference_build *b)
{
    const struct reference_read_buckets_rows *rows = &b->source->buckets;
    struct fare_bucket *buckets = arena_array(&b->made->arena, rows->count + 1, sizeof *buckets);
    for (uint32_t i = 0; i < rows->count; i++) {
        const struct reference_read_buckets_row *row = &rows->rows[i];
        if (row->cabin < 1 || row->cabin >= REFERENCE_CABINS || row->booking_class.n != 1)
            return reference_refuse(b, "a fare bucket has cabin %d", row->cabin);
        buckets[i] = (struct fare_bucket){
            .upto_permille = row->upto_permille,
            .price_permille = row->price_permille,
            .booking_class = row->booking_class.p[0],
        };
        if (b->made->bucket_count[row->cabin]++ == 0)
            b->made->buckets[row->cabin] = &buckets[i];
    }
    return true;
}

/* '*' sorts before all letters, so the taxes of everywhere come first. */
static bool build_taxes(struct reference_build *b)
{
    const struct reference_read_taxes_rows *rows = &b->source->taxes;
    struct arena *arena = &b->made->arena;
    struct reference_tax *taxes = arena_array(arena, rows->count + 1, sizeof *taxes);
    for (uint32_t i = 0; i < rows->count; i++) {
        const struct reference_read_taxes_row *row = &rows->rows[i];
        taxes[i] = (struct reference_tax){
            .key = reference_tax_key(row->country, row->code),
            .country = arena_dup(arena, row->country),
            .code = arena_dup(arena, row->code),
            .name = arena_dup(arena, row->name),
            .international_only = row->international_only,
            .refundable = row->refundable,
            .amount_minor = row->amount_minor,
        };
        if (str_eq(row->country, STR("*")) && b->made->tax_everywhere == i)
            b->made->tax_everywhere++;
        if (i > 0 && taxes[i].key <= taxes[i - 1].key)
            return reference_refuse(b, "taxes %s and %s are out of order or the same",
                                    taxes[i - 1].code, taxes[i].code);
    }
    b->made->taxes = taxes;
    b->made->tax_count = (uint16_t)rows->count;
    return true;
}

bool reference_build_sale(struct reference_build *b)
{
    build_airlines(b);
    return build_taxes(b) && build_aircraft(b) && build_brands(b) && build_buckets(b);
}

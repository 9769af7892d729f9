/* Arithmetic of prices. See fares.h. */
#include "domain/fares.h"

#include "base/check.h"
#include "domain/money.h"
#include "domain/passengers.h"

#define CENTS_PER_DOLLAR 100
#define MICRO INT64_C(1000000)
#define DAY_S INT64_C(86400)
#define REGRET_S DAY_S /* a booking can be undone for nothing so long after it was made */
#define REGRET_AHEAD_S (7 * DAY_S) /* if it was made at least so long before departure */

int fare_bucket_find(const struct fare_bucket *buckets, size_t count, int32_t authorised,
                     int32_t used, int32_t seats, int32_t *ret_left)
{
    CHECK(seats >= 0);
    for (size_t i = 0; i < count; i++) {
        bool last = i + 1 == count;
        int32_t limit =
            last ? authorised : (int32_t)((int64_t)authorised * buckets[i].upto_permille / 1000);
        if (limit - used >= seats && limit > used) {
            *ret_left = limit - used;
            return (int)i;
        }
    }
    return -1;
}

/* Prices fit 64 bits nearly always, and by a constant those are divided without a division. */
static inline __attribute__((always_inline)) int64_t divided(__int128 value, int64_t by)
{
    return value == (int64_t)value ? (int64_t)value / by : (int64_t)(value / by);
}

int64_t fare_share(int64_t minor, int32_t permille)
{
    return divided((__int128)minor * permille + 500, 1000);
}

int64_t fare_convert(const struct fare_fx *fx, int64_t minor)
{
    CHECK(fx->rate_micro > 0);
    static const int64_t powers[] = {1, 10, 100, 1000};
    CHECK(fx->exponent < sizeof powers / sizeof powers[0]);
    __int128 scaled = (__int128)minor * fx->rate_micro * powers[fx->exponent];
    const int64_t step = money_step(fx->exponent), unit = CENTS_PER_DOLLAR * MICRO * step;
    return divided(scaled + unit - 1, unit) * step;
}

struct fare_units fare_units(int64_t base_minor, int32_t bucket_permille, int32_t brand_permille,
                             const struct fare_fx *fx, const struct passenger_mix *party)
{
    static const int32_t share_of[FARE_TYPES] = {
        [PASSENGER_ADULT - 1] = 1000,
        [PASSENGER_CHILD - 1] = 750,
        [PASSENGER_INFANT_ON_LAP - 1] = 100,
        [PASSENGER_INFANT_IN_SEAT - 1] = 750,
    };
    int64_t adult =
        divided((__int128)base_minor * bucket_permille * brand_permille + MICRO / 2, MICRO);
    const unsigned counts[FARE_TYPES] = {1, party->children, party->lap_infants,
                                         party->seat_infants};
    struct fare_units units = {0};
    for (unsigned i = 0; i < FARE_TYPES; i++)
        if (counts[i] > 0)
            units.minor[i] = fare_convert(fx, fare_share(adult, share_of[i]));
    return units;
}

/* Units of the currency for one dollar, in millionths. */
static const struct fare_fx rates[] = {
    {"USD", 2, 1000000},    {"EUR", 2, 858000},   {"GBP", 2, 752000},   {"JPY", 0, 149200000},
    {"CHF", 2, 803000},     {"CAD", 2, 1391000},  {"AUD", 2, 1527000},  {"NZD", 2, 1722000},
    {"SEK", 2, 9410000},    {"NOK", 2, 10080000}, {"DKK", 2, 6405000},  {"PLN", 2, 3652000},
    {"CZK", 2, 20850000},   {"SGD", 2, 1287000},  {"HKD", 2, 7782000},  {"INR", 2, 88210000},
    {"KRW", 0, 1398000000}, {"AED", 2, 3672500},  {"QAR", 2, 3640000},  {"SAR", 2, 3750000},
    {"ZAR", 2, 17360000},   {"BRL", 2, 5342000},  {"MXN", 2, 18410000}, {"TRY", 2, 41600000},
    {"THB", 2, 32300000},   {"KWD", 3, 306100},   {"BHD", 3, 376000},
};
const int64_t fare_fx_quote_s = INT64_C(1793491200); /* 2026-11-01 */

const struct fare_fx *fare_fx_find(struct str currency)
{
    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++)
        if (str_eq(currency, str_of(rates[i].currency)))
            return &rates[i];
    return NULL;
}

/* Country, then the currency it pays in, one after the other. */
static const char countries[] = "ATEURBEEURBGEURCYEURDEEUREEEURESEURFIEURFREURGREURHREURIEEURITEURL"
                                "TEURLUEURLVEURMTEURNLEURPTEURSIEURSKEUR"
                                "GBGBPJPJPYCHCHFLICHFCACADAUAUDNZNZDSESEKNONOKDKDKKPLPLNCZCZKSGSGDH"
                                "KHKDININRKRKRWAEAEDQAQARSASARZAZARBRBRL"
                                "MXMXNTRTRYTHTHBKWKWDBHBHD";

struct str fare_currency_of_country(struct str country)
{
    for (const char *p = countries; country.n == 2 && *p; p += 5)
        if (p[0] == country.p[0] && p[1] == country.p[1])
            return (struct str){.p = p + 2, .n = 3};
    return STR(FARE_FILED_CURRENCY);
}

int64_t fare_penalty(int64_t minor, int32_t permille, int exponent)
{
    const int64_t step = money_step(exponent);
    return (fare_share(minor, permille) + step - 1) / step * step;
}

int64_t fare_refund(const struct fare_terms *terms, const struct fare_refund_question *q)
{
    CHECK(q->captured_minor >= 0);
    bool regret =
        q->departure_s - q->booked_s >= REGRET_AHEAD_S && q->now_s - q->booked_s < REGRET_S;
    int64_t refund = q->captured_minor;
    if (!regret && terms->refundable)
        refund -= fare_penalty(q->base_minor, terms->refund_penalty_permille, q->exponent);
    else if (!regret && refund > q->refundable_tax_minor)
        refund = q->refundable_tax_minor;
    return refund > 0 ? refund - refund % money_step(q->exponent) : 0;
}

/* The places that the binary brings along: people find them by the names they know, and no code
 * means two. What must stay true: the rows are those of the data file but for zones, which would
 * need a database. */
#include <stdio.h>
#include <stdlib.h>

#include "reference_rig.h"
#include "seed/internal.h"
#include "support/test.h"

#define AIRPORTS_MAX 6000

static struct reference *reference;

static void forget(void)
{
    reference = reference_free(reference);
}

static const struct reference *embedded(void)
{
    if (reference)
        return reference;
    struct reference_read_airports_row *rows = calloc(AIRPORTS_MAX, sizeof *rows);
    struct tsv t;
    uint32_t count = 0;
    for (tsv_open(&t, "airport.tsv"); count < AIRPORTS_MAX && tsv_next(&t); count++) {
        rows[count] = (struct reference_read_airports_row){
            .iata = tsv_text(&t, "iata"),
            .name = tsv_text(&t, "name"),
            .city = tsv_text(&t, "city"),
            .metro = tsv_text(&t, "metro"),
            .area = tsv_text(&t, "area"),
            .country = tsv_text(&t, "country"),
            .zone = STR("Europe/London"),
            .traffic = tsv_int(&t, "traffic"),
        };
    }
    struct reference_source source = rig_source();
    char error[160];
    source.airports = (struct reference_read_airports_rows){.rows = rows, .count = count};
    source.routes.count = 0;
    reference = reference_new(&source, error, sizeof error);
    free(rows);
    ASSERT_NOT_NULL(reference);
    atexit(forget);
    return reference;
}

/* A code that is both an area's and an airport's stands for the area: the airport must be there. */
TEST(places, no_area_has_the_code_of_an_airport_elsewhere)
{
    const struct reference *r = embedded();
    ASSERT_INT_EQ(r->airport_count > 4000, 1);
    for (uint16_t i = 0; i < r->airport_count; i++) {
        const struct reference_airport *a = &r->airports[i];
        const struct reference_airport *own = reference_airport(r, str_of(a->metro));
        if (!own)
            continue;
        ASSERT_STR_EQ(own->metro, a->metro);
        ASSERT_STR_EQ(own->country, a->country);
    }
}

TEST(places, are_found_by_the_city_they_serve)
{
    static const struct {
        const char *query;
        const char *found; /* the first, the busiest first; a star: a city */
    } cases[] = {
        {"toronto", "*YTO YYZ YTZ"}, {"nagoya", "*NGO NGO NKM"},   {"sapporo", "*SPK CTS OKD"},
        {"chengdu", "*CTU TFU CTU"}, {"montreal", "*YMQ YUL YHU"}, {"istanbul", "*IST IST SAW"},
        {"goa", "GOA *GOI GOI"},     {"new york", "*NYC JFK EWR"}, {"san fran", "*QBY SFO SJC"},
        {"paris", "*PAR CDG ORY"},   {"xi'an", "XIY XFN DXJ"},     {"setif", "QSF"},
    };
    const struct reference *r = embedded();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint16_t found[3];
        char text[32] = "";
        size_t count = reference_places(r, str_of(cases[i].query), 3, found), at = 0;
        for (size_t k = 0; k < count; k++) {
            bool city = found[k] >= r->airport_count;
            at += (size_t)snprintf(
                text + at, sizeof text - at, "%s%s%s", k ? " " : "", city ? "*" : "",
                city ? r->cities[found[k] - r->airport_count].iata : r->airports[found[k]].iata);
        }
        ASSERT_STR_EQ(text, cases[i].found);
    }
}

/* The reference object: look-ups, cities, places, what it refuses. */
#include "services/reference.h"

#include "reference_rig.h"
#include "support/test.h"

TEST(reference, finds_by_code_and_only_by_code)
{
    const struct reference *r = rig_reference();
    ASSERT_STR_EQ(reference_airport(r, STR("LHR"))->city, "London");
    ASSERT_NULL(reference_airport(r, STR("LH")));
    ASSERT_NULL(reference_airport(r, STR("lhr")));
    ASSERT_NULL(reference_airport(r, STR("ZZZ")));
    ASSERT_STR_EQ(reference_airline(r, STR("QF"))->ticket_code, "081");
    ASSERT_NULL(reference_airline(r, STR("Q")));
    ASSERT_NULL(reference_airline(r, STR("QFA")));
    ASSERT_STR_EQ(reference_aircraft(r, STR("77W"))->name, "Boeing 777-300ER");
    ASSERT_NULL(reference_aircraft(r, STR("747")));
    ASSERT_INT_EQ(reference_tax(r, STR("JP"), STR("TK"))->amount_minor, 700);
    ASSERT_INT_EQ(reference_tax(r, STR("*"), STR("ZX"))->amount_minor, 250);
    ASSERT_NULL(reference_tax(r, STR("JP"), STR("ZX")));
    for (uint16_t i = 0; i < r->brand_count; i++)
        ASSERT_INT_EQ(reference_brand_of_key(r, r->brands[i].key), i);
}

TEST(reference, expands_areas_the_busiest_airport_first)
{
    const struct reference *r = rig_reference();
    uint16_t airports[REFERENCE_CITY_AIRPORTS_MAX];
    ASSERT_INT_EQ(reference_expand(r, STR("NYC"), airports), 3);
    ASSERT_STR_EQ(r->airports[airports[0]].iata, "JFK");
    ASSERT_STR_EQ(r->airports[airports[1]].iata, "EWR");
    ASSERT_STR_EQ(r->airports[airports[2]].iata, "LGA");
    ASSERT_INT_EQ(reference_expand(r, STR("LHR"), airports), 1);
    ASSERT_INT_EQ(reference_expand(r, STR("PAR"), airports), 0); /* one airport is no area */
    ASSERT_INT_EQ(reference_expand(r, STR("XXX"), airports), 0);
}

TEST(reference, takes_the_most_specific_connection_time)
{
    const struct reference *r = rig_reference();
    const struct reference_airport *lhr = reference_airport(r, STR("LHR")),
                                   *ams = reference_airport(r, STR("AMS"));
    ASSERT_INT_EQ(lhr->connection_min[CONNECTION_DD], 45);
    ASSERT_INT_EQ(lhr->connection_min[CONNECTION_ID], 95);
    ASSERT_INT_EQ(lhr->connection_min[CONNECTION_II], 75);
    ASSERT_INT_EQ(ams->connection_min[CONNECTION_II], 50);
    ASSERT_INT_EQ(ams->connection_min[CONNECTION_ID], 90);
}

TEST(reference, knows_routes_from_both_ends)
{
    const struct reference *r = rig_reference();
    const struct reference_airport *lhr = reference_airport(r, STR("LHR"));
    ASSERT_INT_EQ(lhr->to_count, 2);
    ASSERT_STR_EQ(r->airports[lhr->to[0].airport].iata, "AMS");
    ASSERT_INT_EQ(lhr->to[1].distance_km, 5540);
    ASSERT_INT_EQ(lhr->from_count, 2);
    ASSERT_STR_EQ(r->airports[lhr->from[1].airport].iata, "JFK");
    ASSERT_INT_EQ(reference_airport(r, STR("HNL"))->from_count, 1);
    ASSERT_INT_EQ(reference_airport(r, STR("HNL"))->to_count, 0);
}

TEST(reference, knows_offsets_on_both_sides_of_a_change)
{
    const struct reference_airport *lhr = reference_airport(rig_reference(), STR("LHR"));
    ASSERT_INT_EQ(zone_offset_min(&lhr->zone, 1806195600 - 1), 0);
    ASSERT_INT_EQ(zone_offset_min(&lhr->zone, 1806195600), 60);
}

static const char *places(const char *query, size_t max)
{
    static char text[256];
    const struct reference *r = rig_reference();
    uint16_t found[REFERENCE_PLACES_MAX];
    size_t count = reference_places(r, str_of(query), max, found);
    text[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        bool city = found[i] >= r->airport_count;
        const char *code =
            city ? r->cities[found[i] - r->airport_count].iata : r->airports[found[i]].iata;
        strncat(text, city ? " *" : " ", sizeof text - strlen(text) - 1);
        strncat(text, code, sizeof text - strlen(text) - 1);
    }
    return text;
}

TEST(places, are_found_by_the_beginning_of_code_name_or_city)
{
    ASSERT_STR_EQ(places("lon", 9), " *LON LHR LGW");
    ASSERT_STR_EQ(places("LHR", 9), " LHR");
    ASSERT_STR_EQ(places("heath", 9), " LHR");
    ASSERT_STR_EQ(places("london g", 9), " LGW");
    ASSERT_STR_EQ(places("NYC", 9), " *NYC JFK EWR LGA");
    ASSERT_STR_EQ(places("new", 9), " *NYC JFK EWR LGA");
    ASSERT_STR_EQ(places("new", 2), " *NYC JFK");
    ASSERT_STR_EQ(places("eathrow", 9), "");
    ASSERT_STR_EQ(places("", 9), "");
    ASSERT_STR_EQ(places(" - ", 9), "");
}

TEST(places, ignore_accents_and_case)
{
    ASSERT_STR_EQ(places("tokyo", 9), " NRT");
    ASSERT_STR_EQ(places("T\xc5\x8cKY", 9), " NRT");
    ASSERT_STR_EQ(places("To\xcc\x84kyo", 9), " NRT"); /* a letter and its mark apart */
    ASSERT_STR_EQ(places("Par\xc3\xads", 9), " CDG");
}

TEST(places, are_found_where_others_write_one_word)
{
    ASSERT_STR_EQ(places("T\u014d Ky\u014d", 9), " NRT");
    ASSERT_STR_EQ(places("to kyoto", 9), "");
    ASSERT_STR_EQ(places("l o n d o n g", 9), ""); /* two words there */
}

TEST(places, put_an_exact_code_first)
{
    ASSERT_STR_EQ(places("syd", 9), " SYD");
    ASSERT_STR_EQ(places("jfk", 1), " JFK");
    ASSERT_STR_EQ(places("s", 1), " SYD");
}

static const char *fold(const char *text)
{
    static char folded[128];
    reference_fold(str_of(text), folded);
    return folded;
}

TEST(places, fold_latin_letters)
{
    ASSERT_STR_EQ(fold("M\xc3\xa1laga"), "malaga");
    ASSERT_STR_EQ(fold("K\xc3\xb8"
                       "benhavn, \xc3\x85lesund"),
                  "kobenhavn alesund");
    ASSERT_STR_EQ(fold("Stra\xc3\x9f"
                       "e \xc5\x81\xc3\xb3"
                       "d\xc5\xba"),
                  "strasse lodz");
    ASSERT_STR_EQ(fold("\xc4\xb0stanbul  O'Hare"), "istanbul ohare");
    ASSERT_STR_EQ(fold("  42--x "), "42 x");
    ASSERT_STR_EQ(fold("\xe6\x9d\xb1\xe4\xba\xac"), "");
}

TEST(places, fold_what_people_really_type)
{
    ASSERT_STR_EQ(fold("\u0110\u00e0 N\u1eb5ng"), "da nang");
    ASSERT_STR_EQ(fold("H\u00e0 N\u1ed9i, H\u1ed3 Ch\u00ed Minh"), "ha noi ho chi minh");
    ASSERT_STR_EQ(fold("Ia\u0219i Chi\u0219in\u0103u Constan\u021ba"), "iasi chisinau constanta");
    ASSERT_STR_EQ(fold("St. John\u2019s, O\u2019Hare"), "st johns ohare");
    ASSERT_STR_EQ(fold("St. John's, O'Hare"), "st johns ohare");
    ASSERT_STR_EQ(fold("Kaua\u02bbi \u2018quoted\u2019"), "kauai quoted");
    ASSERT_STR_EQ(fold("\u018fhm\u0259dli GRO\u1e9e"), "ehmedli gross");
    ASSERT_STR_EQ(fold("\u20ac \u1e00\u1eff\u1f00\u024f\u0250"), "ay y");
}

TEST(places, fold_letters_whose_marks_come_apart)
{
    static const char *const pairs[][2] = {
        {"Ha\u0300 No\u0323\u0302i", "H\u00e0 N\u1ed9i"},
        {"\u0110a\u0300 Na\u0306\u0303ng", "\u0110\u00e0 N\u1eb5ng"},
        {"Ias\u0326i", "Ia\u0219i"},
        {"Quy Nho\u031bn", "Quy Nh\u01a1n"},
    };
    char composed[128];
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        reference_fold(str_of(pairs[i][1]), composed);
        ASSERT_STR_EQ(fold(pairs[i][0]), composed);
    }
}

static const char *refuses(struct reference_source *source)
{
    static char error[160];
    error[0] = '\0';
    struct reference *r = reference_new(source, error, sizeof error);
    if (r)
        reference_free(r);
    return r ? "made" : error;
}

TEST(reference, refuses_rows_that_make_no_sense)
{
    struct reference_source s = rig_source();
    ASSERT_STR_EQ(refuses(&s), "made");
    struct reference_read_routes_row route = {STR("LHR"), STR("XXX"), 1};
    s.routes = (struct reference_read_routes_rows){.rows = &route, .count = 1};
    ASSERT_STR_EQ(refuses(&s), "a route has an unknown airport");
    s = rig_source();
    s.zones.count = 0;
    ASSERT_STR_EQ(refuses(&s), "airport AMS: no rules for time zone Europe/Amsterdam");
    s = rig_source();
    struct reference_read_buckets_row bucket = {9, STR("Y"), 1000, 1000};
    s.buckets = (struct reference_read_buckets_rows){.rows = &bucket, .count = 1};
    ASSERT_STR_EQ(refuses(&s), "a fare bucket has cabin 9");
    s = rig_source();
    struct reference_read_airports_row airport = {.iata = STR("L1R")};
    s.airports = (struct reference_read_airports_rows){.rows = &airport, .count = 1};
    ASSERT_STR_EQ(refuses(&s), "airport code L1R");
    s = rig_source();
    s.installation.locator_key = STR("short");
    ASSERT_STR_EQ(refuses(&s), "the installation has a locator key of 5 bytes");
    s = rig_source();
    struct reference_read_cabins_row cabin = {STR("320"), 1, 9, 8, STR("AB"), STR("")};
    s.cabins = (struct reference_read_cabins_rows){.rows = &cabin, .count = 1};
    ASSERT_STR_EQ(refuses(&s), "aircraft 320 has a cabin 1 without good rows");
}

TEST(reference, can_be_empty)
{
    struct reference_source s = {.installation = rig_source().installation};
    char error[160];
    struct reference *r = reference_new(&s, error, sizeof error);
    uint16_t found[4];
    ASSERT_NOT_NULL(r);
    ASSERT_NULL(reference_airport(r, STR("LHR")));
    ASSERT_INT_EQ(reference_places(r, STR("lon"), 4, found), 0);
    reference_free(r);
}

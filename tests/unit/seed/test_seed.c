/* `faregate seed` against a real PostgreSQL, at a small scale. */
#include "seed/seed.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "schema/migrate.h"
#include "support/cluster.h"
#include "support/test.h"

static struct seed_options options_for(const char *conninfo)
{
    return (struct seed_options){.conninfo = conninfo,
                                 .scale = 0.05,
                                 .days = 20,
                                 .seed = 5,
                                 .start = "2027-03-20",
                                 .quiet = true};
}

static int quietly(const struct seed_options *options)
{
    fflush(stderr);
    int kept = dup(STDERR_FILENO);
    FILE *null = fopen("/dev/null", "we");
    dup2(fileno(null), STDERR_FILENO);
    int r = seed_run(options);
    dup2(kept, STDERR_FILENO);
    close(kept);
    fclose(null);
    return r;
}

static const char digest[] =
    "SELECT count(*) || md5(string_agg(i::text, '' ORDER BY flight_id, cabin)) FROM inventory i";

TEST(seed, loads_what_sql_would_compute)
{
    const char *db = test_database("seeded");
    struct seed_options o = options_for(db);
    ASSERT_INT_EQ(migrate_run(db, NULL), 0);
    ASSERT_INT_EQ(seed_run(&o), 0);
    ASSERT_STR_EQ(test_sql(db, "SELECT count(*) > 4000 FROM airport"), "t");
    ASSERT_STR_EQ(test_sql(db, "SELECT count(*) BETWEEN 3500 AND 5000 FROM flight"), "t");
    /* Over the European change of clocks; offsets, dates and instants are PostgreSQL's own. */
    ASSERT_STR_EQ(
        test_sql(
            db, "SELECT count(*) FROM flight f JOIN schedule s USING (carrier, number) "
                "JOIN airport o ON o.iata = f.origin JOIN airport d ON d.iata = f.destination "
                "WHERE departure_time <> (departure_date + departure_local) AT TIME ZONE o.zone "
                "OR arrival_time <> departure_time + block_minutes * interval '1 minute' "
                "OR departure_time AT TIME ZONE 'UTC' + departure_offset_min * interval '1 minute' "
                "   <> departure_time AT TIME ZONE o.zone "
                "OR arrival_time AT TIME ZONE 'UTC' + arrival_offset_min * interval '1 minute' "
                "   <> arrival_time AT TIME ZONE d.zone "
                "OR weekdays >> (extract(isodow FROM departure_date)::int4 - 1) & 1 = 0"),
        "0");
    ASSERT_STR_EQ(
        test_sql(db, "SELECT count(DISTINCT departure_offset_min) > 1 FROM flight f JOIN airport o "
                     "ON o.iata = origin WHERE zone = 'Europe/London'"),
        "t");
    /* Every day of every pattern is there, once. */
    ASSERT_STR_EQ(test_sql(db, "SELECT (SELECT count(*) FROM flight) - count(*) FROM schedule, "
                               "generate_series(first_date, last_date, '1 day') d "
                               "WHERE weekdays >> (extract(isodow FROM d)::int4 - 1) & 1 = 1"),
                  "0");
}

TEST(seed, gives_each_flight_the_cabins_of_its_aircraft)
{
    const char *db = test_database("cabins");
    struct seed_options o = options_for(db);
    ASSERT_INT_EQ(migrate_run(db, NULL), 0);
    ASSERT_INT_EQ(seed_run(&o), 0);
    ASSERT_STR_EQ(test_sql(db,
                           "SELECT count(*) FROM flight JOIN aircraft_cabin USING (aircraft) "
                           "FULL JOIN inventory i USING (flight_id, cabin) "
                           "WHERE authorised IS DISTINCT FROM (last_row - first_row + 1) * "
                           "length(replace(columns, '-', '')) "
                           "OR sales_close_time IS DISTINCT FROM i.departure_time - interval '1 "
                           "hour' OR base_minor <= 0"),
                  "0");
    ASSERT_STR_EQ(test_sql(db,
                           "SELECT count(*) FROM inventory e JOIN inventory b USING (flight_id) "
                           "WHERE e.cabin < b.cabin AND e.base_minor >= b.base_minor"),
                  "0");
}

TEST(seed, does_nothing_the_second_time)
{
    char first[256];
    const char *db = test_database("twice");
    struct seed_options o = options_for(db);
    ASSERT_INT_EQ(migrate_run(db, NULL), 0);
    ASSERT_INT_EQ(seed_run(&o), 0);
    snprintf(first, sizeof first, "%s", test_sql(db, digest));
    o.seed = 6;
    ASSERT_INT_EQ(seed_run(&o), 0);
    ASSERT_STR_EQ(test_sql(db, digest), first);
    ASSERT_STR_EQ(test_sql(db, "SELECT count(*) FROM seed_run"), "1");
}

TEST(seed, makes_the_same_flights_when_it_extends)
{
    char whole[256];
    const char *db = test_database("whole_horizon");
    struct seed_options o = options_for(db);
    ASSERT_INT_EQ(migrate_run(db, NULL), 0);
    ASSERT_INT_EQ(seed_run(&o), 0);
    snprintf(whole, sizeof whole, "%s", test_sql(db, digest));
    db = test_database("grown_horizon");
    o.days = 8;
    ASSERT_INT_EQ(migrate_run(db, NULL), 0);
    ASSERT_INT_EQ(seed_run(&o), 0);
    o.days = 20;
    o.seed = 99; /* the first run's counts */
    ASSERT_INT_EQ(seed_run(&o), 0);
    ASSERT_STR_EQ(test_sql(db, digest), whole);
}

TEST(seed, goes_on_from_today_where_a_timetable_ended_long_ago)
{
    int32_t first, last;
    const char *db = test_database("old_horizon");
    struct seed_options o = options_for(db);
    o.days = 3;
    ASSERT_INT_EQ(migrate_run(db, NULL), 0);
    ASSERT_INT_EQ(seed_dates(db, &first, &last), -ENOENT);
    ASSERT_INT_EQ(seed_run(&o), 0);
    o.start = "2027-04-20";
    ASSERT_INT_EQ(seed_run(&o), 0);
    ASSERT_STR_EQ(test_sql(db, "SELECT count(*) FROM flight WHERE departure_date BETWEEN "
                               "'2027-03-23' AND '2027-04-19'"),
                  "0");
    ASSERT_STR_EQ(test_sql(db, "SELECT count(DISTINCT departure_date) FROM flight"), "6");
    ASSERT_INT_EQ(seed_dates(db, &first, &last), 0);
    ASSERT_INT_EQ(last - first, 33);
    o.start = "2027-04-01"; /* reaches no further */
    ASSERT_INT_EQ(seed_run(&o), 0);
    ASSERT_STR_EQ(test_sql(db, "SELECT count(*) FROM seed_run"), "2");
}

TEST(seed, refuses_what_makes_no_sense)
{
    const char *db = test_database("refused");
    struct seed_options o = options_for(db);
    ASSERT_INT_EQ(quietly(&o), -EINVAL); /* not migrated */
    ASSERT_INT_EQ(migrate_run(db, NULL), 0);
    o.start = "2027-02-29";
    ASSERT_INT_EQ(quietly(&o), -EINVAL);
    o.start = "soon";
    ASSERT_INT_EQ(quietly(&o), -EINVAL);
    o = options_for(db);
    o.scale = 11;
    ASSERT_INT_EQ(quietly(&o), -EINVAL);
    o = options_for(db);
    o.days = 0;
    ASSERT_INT_EQ(quietly(&o), -EINVAL);
    o = options_for("host=/nowhere");
    ASSERT_INT_EQ(quietly(&o), -ENOTCONN);
    test_sql(
        db,
        "INSERT INTO inventory (flight_id, cabin, authorised, free, base_minor, sales_close_time, "
        "carrier, number, origin, destination, departure_date, departure_time, arrival_time, "
        "departure_offset_min, arrival_offset_min, aircraft, distance_km) SELECT "
        "gen_random_uuid(), 1, 1, 1, 100, now(), 'XX', 1, 'AAA', 'BBB', '2027-01-01', now(), "
        "now() + interval '1 hour', 0, 0, '320', 100");
    o = options_for(db);
    ASSERT_INT_EQ(quietly(&o), -EINVAL);
    ASSERT_STR_EQ(test_sql(db, "SELECT count(*) FROM flight"), "1");
}

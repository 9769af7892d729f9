-- What every worker keeps in memory. Read by an internal call at start; orders are those of C, whatever the database's locale.

-- name: read_installation() -> one (locator_key bytea)
-- read
SELECT locator_key FROM installation;

-- name: read_airports() -> many (iata text, name text, city text, metro text, area text, country text, zone text,
--   latitude float8, longitude float8, traffic int4)
-- read
-- max: 20000 rows
SELECT iata, name, city, metro, area, country, zone, latitude, longitude, traffic FROM airport ORDER BY iata COLLATE "C";

-- name: read_airlines() -> many (iata text, name text, ticket_code text)
-- read
-- max: 4000 rows
SELECT iata, name, ticket_code FROM airline ORDER BY iata COLLATE "C";

-- name: read_aircraft() -> many (code text, name text)
-- read
-- max: 500 rows
SELECT code, name FROM aircraft ORDER BY code COLLATE "C";

-- name: read_cabins() -> many (aircraft text, cabin int2, first_row int2, last_row int2, columns text, exit_rows text)
-- read
-- max: 2000 rows
SELECT aircraft, cabin, first_row, last_row, columns, array_to_string(exit_rows, ',')
  FROM aircraft_cabin ORDER BY aircraft COLLATE "C", cabin;

-- name: read_brands() -> many (brand text, cabin int2, name text, price_permille int4, refundable bool,
--   refund_penalty_permille int4, changeable bool, change_penalty_permille int4, checked_bags int2, cabin_bags int2)
-- read
-- max: 200 rows
SELECT brand, cabin, name, price_permille, refundable, refund_penalty_permille, changeable, change_penalty_permille,
       checked_bags, cabin_bags
  FROM fare_brand ORDER BY cabin, price_permille, brand COLLATE "C";

-- name: read_buckets() -> many (cabin int2, booking_class text, upto_permille int4, price_permille int4)
-- read
-- max: 200 rows
SELECT cabin, booking_class, upto_permille, price_permille FROM fare_bucket ORDER BY cabin, upto_permille;

-- name: read_taxes() -> many (country text, code text, name text, international_only bool, amount_minor int8, refundable bool)
-- read
-- max: 2000 rows
SELECT country, code, name, international_only, amount_minor, refundable
  FROM tax ORDER BY country COLLATE "C", code COLLATE "C";

-- name: read_connections() -> many (airport text, kind text, minutes int4)
-- read
-- max: 20000 rows
SELECT airport, kind, minutes FROM connection_time ORDER BY airport COLLATE "C", kind;

-- name: read_zones() -> many (zone text, from_time timestamptz, offset_min int2)
-- read
-- max: 10000 rows
-- Offsets of the zones in use from two days ago for 58 weeks. Changes are looked for week by week, then day by day, then by
-- the half hour; no zone changes at another minute.
WITH z AS (
    SELECT DISTINCT zone FROM airport
), week AS (
    SELECT zone, t, extract(epoch FROM (t AT TIME ZONE zone) - (t AT TIME ZONE 'UTC'))::int4 / 60 AS m
      FROM z, generate_series(date_trunc('day', now(), 'UTC') - interval '2 days',
                              date_trunc('day', now(), 'UTC') + interval '404 days', interval '7 days') t
), day AS (
    SELECT zone, since, t, before, extract(epoch FROM (t AT TIME ZONE zone) - (t AT TIME ZONE 'UTC'))::int4 / 60 AS m
      FROM (SELECT zone, t AS since, m AS before, lead(m) OVER (PARTITION BY zone ORDER BY t) AS after FROM week) w,
           generate_series(since + interval '1 day', since + interval '7 days', interval '1 day') t
     WHERE before <> after
), first_day AS (
    SELECT DISTINCT ON (zone, since) zone, t, before FROM day WHERE m <> before ORDER BY zone, since, t
), half_hour AS (
    SELECT zone, f.t AS day, h AS t, before,
           extract(epoch FROM (h AT TIME ZONE zone) - (h AT TIME ZONE 'UTC'))::int4 / 60 AS m
      FROM first_day f, generate_series(f.t - interval '23.5 hours', f.t, interval '30 minutes') h
)
SELECT zone, t, m::int2 FROM (
    SELECT DISTINCT ON (zone) zone, t, m FROM week ORDER BY zone, t) x
UNION ALL
SELECT zone, t, m::int2 FROM (
    SELECT DISTINCT ON (zone, day) zone, t, m FROM half_hour WHERE m <> before ORDER BY zone, day, t) y
ORDER BY 1, 2;

-- name: read_routes() -> many (origin text, destination text, distance_km int4)
-- read
-- max: 60000 rows
SELECT origin COLLATE "C", destination COLLATE "C", min(distance_km)
  FROM schedule WHERE last_date >= current_date - 1 GROUP BY 1, 2 ORDER BY 1, 2;

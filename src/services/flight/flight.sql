-- Searching and reading flights. Everything here reads; equal searches of one moment share an execution. A cut-off may lie
-- behind the departure, where there is none or the flight leaves early: nothing is sold that has left, as `hold` has it.

-- name: find_flights(origins text[], destinations text[], first_dates date[], last_dates date[], tags int4[], cabin int2,
--   seats int4) -> many (tag int4, flight_id uuid, carrier text, number int4, departure_time timestamptz,
--   arrival_time timestamptz, departure_offset_min int2, arrival_offset_min int2, aircraft text, distance_km int4,
--   authorised int4, used int4, base_minor int8, sales_close_time timestamptz)
-- read
-- batched: max 64
-- max: 1000 rows
-- Flights of the routes with room for the party in the cabin and still on sale, among the first 40 of a route. A tag is the
-- caller's number of the route. Times are taken from the index in its order, so no sort is needed.
-- Scans: inventory
-- one:
SELECT r.tag, i.flight_id, i.carrier, i.number, i.departure_time, i.arrival_time, i.departure_offset_min,
       i.arrival_offset_min, i.aircraft, i.distance_km, i.authorised, i.taken, i.base_minor,
       least(i.sales_close_time, i.departure_time)
  FROM unnest(@origins, @destinations, @first_dates, @last_dates, @tags) r(origin, destination, first, last, tag)
 CROSS JOIN LATERAL (
       SELECT * FROM inventory x
        WHERE x.origin = r.origin AND x.destination = r.destination AND x.departure_date BETWEEN r.first AND r.last
          AND x.cabin = @cabin AND x.state = 'SCHEDULED'
        LIMIT 40) i
 WHERE i.free >= @seats AND least(i.sales_close_time, i.departure_time) > now();
-- many:
SELECT r.n, r.tag, i.flight_id, i.carrier, i.number, i.departure_time, i.arrival_time, i.departure_offset_min,
       i.arrival_offset_min, i.aircraft, i.distance_km, i.authorised, i.taken, i.base_minor,
       least(i.sales_close_time, i.departure_time)
  FROM unnest(@origins, @destinations, @first_dates, @last_dates, @tags, @origins__ord)
       r(origin, destination, first, last, tag, n)
 CROSS JOIN LATERAL (
       SELECT * FROM inventory x
        WHERE x.origin = r.origin AND x.destination = r.destination AND x.departure_date BETWEEN r.first AND r.last
          AND x.cabin = (@cabin)[r.n] AND x.state = 'SCHEDULED'
        LIMIT 40) i
 WHERE i.free >= (@seats)[r.n] AND least(i.sales_close_time, i.departure_time) > now();

-- name: count_seats(flight_ids uuid[], cabin int2) -> one (flights int4, open_flights int4, free_seats int4?,
--   close_time timestamptz)
-- read
-- batched: max 64
-- What is left of an offer: its flights that exist, that are on sale, the fewest free seats on one of them, and when
-- the first of them is no longer sold: what a hold ends at.
-- one:
SELECT count(*)::int4,
       count(*) FILTER (WHERE i.state = 'SCHEDULED' AND least(i.sales_close_time, i.departure_time) > now())::int4,
       min(i.free)::int4, coalesce(min(least(i.sales_close_time, i.departure_time)), 'infinity')
  FROM unnest(@flight_ids) r(flight_id)
  JOIN inventory i ON i.flight_id = r.flight_id AND i.cabin = @cabin;
-- many:
SELECT m.n::int4, coalesce(s.flights, 0), coalesce(s.open_flights, 0), s.free_seats,
       coalesce(s.close_time, 'infinity')
  FROM generate_subscripts(@cabin, 1) m(n)
  LEFT JOIN (
       SELECT r.n, count(*)::int4 AS flights,
              count(*) FILTER (WHERE i.state = 'SCHEDULED' AND least(i.sales_close_time, i.departure_time) > now())::int4
                  AS open_flights,
              min(i.free)::int4 AS free_seats, min(least(i.sales_close_time, i.departure_time)) AS close_time
         FROM unnest(@flight_ids, @flight_ids__ord) r(flight_id, n)
         JOIN inventory i ON i.flight_id = r.flight_id AND i.cabin = (@cabin)[r.n]
        GROUP BY r.n) s USING (n);

-- name: read_flight(flight_id uuid) -> many (carrier text, number int4, origin text, destination text,
--   departure_time timestamptz, arrival_time timestamptz, departure_offset_min int2, arrival_offset_min int2,
--   aircraft text, distance_km int4, state text, cabin int2, authorised int4, used int4, base_minor int8,
--   on_sale bool, departed bool, landed bool)
-- read
-- batched: max 64
-- max: 8 rows
-- A row for each cabin, in their order; none: no such flight. A LATERAL runs in a loop: the index gives the order, and the
-- batch is not sorted.
-- one:
SELECT i.carrier, i.number, i.origin, i.destination, i.departure_time, i.arrival_time, i.departure_offset_min,
       i.arrival_offset_min, i.aircraft, i.distance_km, i.state, i.cabin, i.authorised, i.taken, i.base_minor,
       least(i.sales_close_time, i.departure_time) > now(), i.departure_time <= now(), i.arrival_time <= now()
  FROM inventory i
 WHERE i.flight_id = @flight_id
 ORDER BY i.cabin;
-- many:
SELECT r.n::int4, i.carrier, i.number, i.origin, i.destination, i.departure_time, i.arrival_time, i.departure_offset_min,
       i.arrival_offset_min, i.aircraft, i.distance_km, i.state, i.cabin, i.authorised, i.taken, i.base_minor,
       least(i.sales_close_time, i.departure_time) > now(), i.departure_time <= now(), i.arrival_time <= now()
  FROM unnest(@flight_id) WITH ORDINALITY r(flight_id, n)
 CROSS JOIN LATERAL (SELECT * FROM inventory x WHERE x.flight_id = r.flight_id ORDER BY x.cabin) i;

-- name: read_seats(flight_id uuid) -> one (aircraft text?, cabins int4?, taken text?, read_time timestamptz)
-- read
-- batched: max 64
-- Cabins on the flight, a bit for each, and the seats that are assigned and can be taken over by nobody yet, as claim_seats
-- has it, parted by commas.
-- one:
SELECT min(i.aircraft), bit_or(1 << i.cabin),
       (SELECT string_agg(a.seat, ',') FROM seat_assignment a WHERE a.flight_id = @flight_id AND a.expire_time > now() - interval '30 seconds'),
       now()
  FROM inventory i WHERE i.flight_id = @flight_id;
-- many:
SELECT r.n::int4, i.aircraft, i.cabins,
       (SELECT string_agg(a.seat, ',') FROM seat_assignment a WHERE a.flight_id = r.flight_id AND a.expire_time > now() - interval '30 seconds'),
       now()
  FROM unnest(@flight_id) WITH ORDINALITY r(flight_id, n)
 CROSS JOIN LATERAL (SELECT min(x.aircraft) AS aircraft, bit_or(1 << x.cabin) AS cabins
                       FROM inventory x WHERE x.flight_id = r.flight_id) i;

-- name: begin_timetable() -> one (snapshot text, session text, read_time timestamptz, first_date date)
-- read
-- Where a reading of the timetable begins: what commits later is in no snapshot before this one. Dates from three days back:
-- no zone's today, and no flight on from there, lies before.
SELECT pg_current_snapshot()::text, pg_backend_pid() || ' ' || pg_postmaster_start_time(), now(), current_date - 3;

-- name: read_departures(first_date date, origin text, destination text, departure_date date, departure_time timestamptz,
--   flight_id uuid, cabin int2, row_count int4) -> many (origin text, destination text, flight_id uuid, carrier text,
--   number int4, departure_date date, departure_time timestamptz, arrival_time timestamptz, departure_offset_min int2,
--   arrival_offset_min int2, aircraft text, distance_km int4, cabin int2, authorised int4, used int4, base_minor int8,
--   sales_close_time timestamptz)
-- read
-- max: 8000 rows
-- The next @row_count cabins of flights behind the one named, route by route; a flight's cabins follow each other.
-- Scans: inventory
SELECT i.origin, i.destination, i.flight_id, i.carrier, i.number, i.departure_date, i.departure_time, i.arrival_time,
       i.departure_offset_min, i.arrival_offset_min, i.aircraft, i.distance_km, i.cabin, i.authorised, i.taken,
       i.base_minor, least(i.sales_close_time, i.departure_time)
  FROM inventory i
 WHERE (i.origin, i.destination, i.departure_date, i.departure_time, i.flight_id, i.cabin)
       > (@origin, @destination, @departure_date, @departure_time, @flight_id, @cabin)
   AND i.departure_date >= @first_date AND i.state = 'SCHEDULED'
 ORDER BY i.origin, i.destination, i.departure_date, i.departure_time, i.flight_id, i.cabin LIMIT @row_count;

-- name: read_changes(since text, since_time timestamptz, first_date date, is_whole bool, origin text, destination text,
--   departure_date date, departure_time timestamptz, flight_id uuid, cabin int2) -> many (snapshot text?, session text?,
--   read_time timestamptz?, is_lost bool, flight_id uuid?, departure_time timestamptz?, arrival_time timestamptz?,
--   aircraft text?, is_scheduled bool?, cabin int2?, authorised int4?, used int4?, base_minor int8?,
--   sales_close_time timestamptz?)
-- read
-- max: 50000 rows
-- What changed that the snapshot @since does not see: the flights as they are in this statement's snapshot, which one row
-- brings. Unless @is_whole, those alone that read_departures has passed: the others come with its next rows, which will not
-- be older. @is_lost: more than flights by their ids, or too much, or too long since @since_time, when @since was taken: half
-- of what prune_changes leaves, by the clock that it prunes by.
-- Scans: inventory_change
WITH c AS MATERIALIZED (
    SELECT flight_ids FROM inventory_change
     WHERE xid >= pg_snapshot_xmin(@since::pg_snapshot) AND NOT pg_visible_in_snapshot(xid, @since::pg_snapshot)
     ORDER BY xid LIMIT 5000
)
SELECT pg_current_snapshot()::text AS snapshot, pg_backend_pid() || ' ' || pg_postmaster_start_time() AS session,
       now() AS read_time,
       count(*) = 5000 OR coalesce(bool_or(flight_ids = '{}'), false) OR now() > @since_time + interval '5 minutes' AS is_lost,
       NULL::uuid AS flight_id,
       NULL::timestamptz AS departure_time, NULL::timestamptz AS arrival_time, NULL::text AS aircraft,
       NULL::bool AS is_scheduled, NULL::int2 AS cabin, NULL::int4 AS authorised, NULL::int4 AS used, NULL::int8 AS base_minor,
       NULL::timestamptz AS sales_close_time
  FROM c
UNION ALL
SELECT NULL, NULL, NULL, false, i.flight_id, i.departure_time, i.arrival_time, i.aircraft, i.state = 'SCHEDULED',
       i.cabin, i.authorised, i.taken, i.base_minor, least(i.sales_close_time, i.departure_time)
  FROM (SELECT DISTINCT x.flight_id FROM c, unnest(c.flight_ids) AS x(flight_id)) d
  JOIN inventory i ON i.flight_id = d.flight_id
 WHERE i.departure_date >= @first_date
   AND (@is_whole OR (i.origin, i.destination, i.departure_date, i.departure_time, i.flight_id, i.cabin)
        <= (@origin, @destination, @departure_date, @departure_time, @flight_id, @cabin));

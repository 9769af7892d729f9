-- Searching and reading flights. Everything here reads; equal searches of one moment share an execution.

-- name: find_flights(origins text[], destinations text[], first_dates date[], last_dates date[], tags int4[], cabin int2,
--   seats int4) -> many (tag int4, flight_id uuid, carrier text, number int4, departure_time timestamptz,
--   arrival_time timestamptz, departure_offset_min int2, arrival_offset_min int2, aircraft text, distance_km int4,
--   authorised int4, used int4, base_minor int8, sales_close_time timestamptz)
-- read
-- batched: max 64
-- max: 1000 rows
-- Flights of the routes with room for the party in the cabin and still on sale; at most 40 of a route. A tag is the
-- caller's number of the route. Times are taken from the index in its order, so no sort is needed.
-- Scans: flight
-- one:
SELECT r.tag, f.flight_id, f.carrier, f.number, f.departure_time, f.arrival_time, f.departure_offset_min,
       f.arrival_offset_min, f.aircraft, f.distance_km, i.authorised, i.held + i.sold, i.base_minor, i.sales_close_time
  FROM unnest(@origins, @destinations, @first_dates, @last_dates, @tags) r(origin, destination, first, last, tag)
 CROSS JOIN LATERAL (
       SELECT * FROM flight x
        WHERE x.origin = r.origin AND x.destination = r.destination AND x.departure_date BETWEEN r.first AND r.last
          AND x.state = 'SCHEDULED'
        LIMIT 40) f
  JOIN inventory i ON i.flight_id = f.flight_id AND i.cabin = @cabin
 WHERE i.free >= @seats AND i.sales_close_time > now();
-- many:
SELECT r.n, r.tag, f.flight_id, f.carrier, f.number, f.departure_time, f.arrival_time, f.departure_offset_min,
       f.arrival_offset_min, f.aircraft, f.distance_km, i.authorised, i.held + i.sold, i.base_minor, i.sales_close_time
  FROM unnest(@origins, @destinations, @first_dates, @last_dates, @tags, @origins__ord)
       r(origin, destination, first, last, tag, n)
 CROSS JOIN LATERAL (
       SELECT * FROM flight x
        WHERE x.origin = r.origin AND x.destination = r.destination AND x.departure_date BETWEEN r.first AND r.last
          AND x.state = 'SCHEDULED'
        LIMIT 40) f
  JOIN inventory i ON i.flight_id = f.flight_id AND i.cabin = (@cabin)[r.n]
 WHERE i.free >= (@seats)[r.n] AND i.sales_close_time > now();

-- name: count_seats(flight_ids uuid[], cabin int2) -> one (flights int4, open_flights int4, free_seats int4?)
-- read
-- batched: max 64
-- What is left of an offer: its flights that exist, that are on sale, and the fewest free seats on one of them.
-- one:
SELECT count(*)::int4, count(*) FILTER (WHERE f.state = 'SCHEDULED' AND i.sales_close_time > now())::int4,
       min(i.free)::int4
  FROM unnest(@flight_ids) r(flight_id)
  JOIN flight f ON f.flight_id = r.flight_id
  JOIN inventory i ON i.flight_id = r.flight_id AND i.cabin = @cabin;
-- many:
SELECT m.n::int4, coalesce(s.flights, 0), coalesce(s.open_flights, 0), s.free_seats
  FROM generate_subscripts(@cabin, 1) m(n)
  LEFT JOIN (
       SELECT r.n, count(*)::int4 AS flights,
              count(*) FILTER (WHERE f.state = 'SCHEDULED' AND i.sales_close_time > now())::int4 AS open_flights,
              min(i.free)::int4 AS free_seats
         FROM unnest(@flight_ids, @flight_ids__ord) r(flight_id, n)
         JOIN flight f ON f.flight_id = r.flight_id
         JOIN inventory i ON i.flight_id = r.flight_id AND i.cabin = (@cabin)[r.n]
        GROUP BY r.n) s USING (n);

-- name: read_flight(flight_id uuid) -> many (carrier text, number int4, origin text, destination text,
--   departure_time timestamptz, arrival_time timestamptz, departure_offset_min int2, arrival_offset_min int2,
--   aircraft text, distance_km int4, state text, cabin int2, authorised int4, used int4, base_minor int8,
--   on_sale bool, landed bool)
-- read
-- batched: max 64
-- max: 8 rows
-- A row for each cabin, in their order; none: no such flight. A LATERAL runs in a loop: the index gives the order, and the
-- batch is not sorted.
-- one:
SELECT f.carrier, f.number, f.origin, f.destination, f.departure_time, f.arrival_time, f.departure_offset_min,
       f.arrival_offset_min, f.aircraft, f.distance_km, f.state, i.cabin, i.authorised, i.held + i.sold, i.base_minor,
       i.sales_close_time > now(), f.arrival_time <= now()
  FROM flight f JOIN inventory i ON i.flight_id = f.flight_id
 WHERE f.flight_id = @flight_id
 ORDER BY i.cabin;
-- many:
SELECT r.n::int4, f.carrier, f.number, f.origin, f.destination, f.departure_time, f.arrival_time, f.departure_offset_min,
       f.arrival_offset_min, f.aircraft, f.distance_km, f.state, i.cabin, i.authorised, i.held + i.sold, i.base_minor,
       i.sales_close_time > now(), f.arrival_time <= now()
  FROM unnest(@flight_id) WITH ORDINALITY r(flight_id, n)
  JOIN flight f ON f.flight_id = r.flight_id
 CROSS JOIN LATERAL (SELECT * FROM inventory x WHERE x.flight_id = f.flight_id ORDER BY x.cabin) i;

-- name: read_seats(flight_id uuid) -> one (aircraft text?, cabins int4?, taken text?, read_time timestamptz)
-- read
-- batched: max 64
-- Cabins on the flight, a bit for each, and the seats that are assigned and have not lapsed, parted by commas.
-- one:
SELECT (SELECT f.aircraft FROM flight f WHERE f.flight_id = @flight_id),
       (SELECT bit_or(1 << i.cabin) FROM inventory i WHERE i.flight_id = @flight_id),
       (SELECT string_agg(a.seat, ',') FROM seat_assignment a WHERE a.flight_id = @flight_id AND a.expire_time > now()),
       now();
-- many:
SELECT r.n::int4, f.aircraft, (SELECT bit_or(1 << i.cabin) FROM inventory i WHERE i.flight_id = r.flight_id),
       (SELECT string_agg(a.seat, ',') FROM seat_assignment a WHERE a.flight_id = r.flight_id AND a.expire_time > now()),
       now()
  FROM unnest(@flight_id) WITH ORDINALITY r(flight_id, n) LEFT JOIN flight f ON f.flight_id = r.flight_id;

-- name: begin_timetable() -> one (snapshot text, session text, first_date date)
-- read
-- Where a reading of the timetable begins: what commits later is in no snapshot before this one. Dates from three days back:
-- no zone's today, and no flight on from there, lies before.
SELECT pg_current_snapshot()::text, pg_backend_pid() || ' ' || pg_postmaster_start_time(), current_date - 3;

-- name: read_departures(first_date date, origin text, destination text, departure_date date, departure_time timestamptz,
--   flight_id uuid, row_count int4) -> many (origin text, destination text, flight_id uuid, carrier text, number int4,
--   departure_date date, departure_time timestamptz, arrival_time timestamptz, departure_offset_min int2,
--   arrival_offset_min int2, aircraft text, distance_km int4, cabin int2, authorised int4, used int4, base_minor int8,
--   sales_close_time timestamptz)
-- read
-- max: 8000 rows
-- The next @row_count flights behind the one named, route by route, with a row for each cabin; cabin 0: it has none.
-- Scans: flight
SELECT f.origin, f.destination, f.flight_id, f.carrier, f.number, f.departure_date, f.departure_time, f.arrival_time,
       f.departure_offset_min, f.arrival_offset_min, f.aircraft, f.distance_km, coalesce(i.cabin, 0::int2),
       coalesce(i.authorised, 0), coalesce(i.held + i.sold, 0), coalesce(i.base_minor, 0),
       coalesce(i.sales_close_time, '-infinity')
  FROM (SELECT * FROM flight x
         WHERE (x.origin, x.destination, x.departure_date, x.departure_time, x.flight_id)
               > (@origin, @destination, @departure_date, @departure_time, @flight_id)
           AND x.departure_date >= @first_date AND x.state = 'SCHEDULED'
         ORDER BY x.origin, x.destination, x.departure_date, x.departure_time, x.flight_id LIMIT @row_count) f
  LEFT JOIN inventory i ON i.flight_id = f.flight_id
 ORDER BY f.origin, f.destination, f.departure_date, f.departure_time, f.flight_id, i.cabin;

-- name: read_changes(since text, first_date date) -> many (snapshot text?, session text?, is_lost bool, flight_id uuid?,
--   departure_time timestamptz?, is_scheduled bool?, cabin int2?, authorised int4?, used int4?, base_minor int8?,
--   sales_close_time timestamptz?)
-- read
-- max: 50000 rows
-- What changed that the snapshot @since does not see: the flights as they are in this statement's snapshot, which one row
-- brings. @is_lost: more than flights by their ids, or too much.
-- Scans: inventory_change
WITH c AS MATERIALIZED (
    SELECT flight_ids FROM inventory_change
     WHERE xid >= pg_snapshot_xmin(@since::pg_snapshot) AND NOT pg_visible_in_snapshot(xid, @since::pg_snapshot)
     ORDER BY xid LIMIT 5000
)
SELECT pg_current_snapshot()::text AS snapshot, pg_backend_pid() || ' ' || pg_postmaster_start_time() AS session,
       count(*) = 5000 OR coalesce(bool_or(flight_ids = '{}'), false) AS is_lost, NULL::uuid AS flight_id,
       NULL::timestamptz AS departure_time, NULL::bool AS is_scheduled, NULL::int2 AS cabin, NULL::int4 AS authorised,
       NULL::int4 AS used, NULL::int8 AS base_minor, NULL::timestamptz AS sales_close_time
  FROM c
UNION ALL
SELECT NULL, NULL, false, f.flight_id, f.departure_time, f.state = 'SCHEDULED', i.cabin, i.authorised, i.held + i.sold,
       i.base_minor, i.sales_close_time
  FROM (SELECT DISTINCT x.flight_id FROM c, unnest(c.flight_ids) AS x(flight_id)) d
  JOIN flight f ON f.flight_id = d.flight_id JOIN inventory i ON i.flight_id = f.flight_id
 WHERE f.departure_date >= @first_date;

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
 WHERE i.authorised - i.held - i.sold >= @seats AND i.sales_close_time > now();
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
 WHERE i.authorised - i.held - i.sold >= (@seats)[r.n] AND i.sales_close_time > now();

-- name: count_seats(flight_ids uuid[], cabin int2) -> one (flights int4, open_flights int4, free_seats int4?)
-- read
-- batched: max 64
-- What is left of an offer: its flights that exist, that are on sale, and the fewest free seats on one of them.
-- one:
SELECT count(*)::int4, count(*) FILTER (WHERE f.state = 'SCHEDULED' AND i.sales_close_time > now())::int4,
       min(i.authorised - i.held - i.sold)::int4
  FROM unnest(@flight_ids) r(flight_id)
  JOIN flight f ON f.flight_id = r.flight_id
  JOIN inventory i ON i.flight_id = r.flight_id AND i.cabin = @cabin;
-- many:
SELECT m.n::int4, coalesce(s.flights, 0), coalesce(s.open_flights, 0), s.free_seats
  FROM generate_subscripts(@cabin, 1) m(n)
  LEFT JOIN (
       SELECT r.n, count(*)::int4 AS flights,
              count(*) FILTER (WHERE f.state = 'SCHEDULED' AND i.sales_close_time > now())::int4 AS open_flights,
              min(i.authorised - i.held - i.sold)::int4 AS free_seats
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
-- A row for each cabin; none: no such flight.
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
  JOIN inventory i ON i.flight_id = f.flight_id
 ORDER BY r.n, i.cabin;

-- name: read_seats(flight_id uuid) -> one (aircraft text?, cabins text?, taken text?, read_time timestamptz)
-- read
-- batched: max 64
-- Cabins on the flight and the seats that are assigned and have not lapsed, parted by commas.
-- one:
SELECT (SELECT f.aircraft FROM flight f WHERE f.flight_id = @flight_id),
       (SELECT string_agg(i.cabin::text, ',') FROM inventory i WHERE i.flight_id = @flight_id),
       (SELECT string_agg(a.seat, ',') FROM seat_assignment a WHERE a.flight_id = @flight_id AND a.expire_time > now()),
       now();
-- many:
SELECT r.n::int4, (SELECT f.aircraft FROM flight f WHERE f.flight_id = r.flight_id),
       (SELECT string_agg(i.cabin::text, ',') FROM inventory i WHERE i.flight_id = r.flight_id),
       (SELECT string_agg(a.seat, ',') FROM seat_assignment a WHERE a.flight_id = r.flight_id AND a.expire_time > now()),
       now()
  FROM unnest(@flight_id) WITH ORDINALITY r(flight_id, n);

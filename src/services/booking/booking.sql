-- BookingService. The statements that take and give back seats lock inventory rows in (flight_id, cabin) order, always.

-- name: hold(flight uuid, principal uuid, request_id uuid, fingerprint bytea, booking_id uuid, locator text, seats int4, party int4,
--       total_minor int8, currency text, offer text, offer_expire timestamptz, snapshot bytea, passengers bytea,
--       hold_seconds int4, holds_since uuid, holds_max int4, flight_ids uuid[], cabins int2[])
--       -> one (claimed bool, refusal text?, create_time timestamptz?, due_time timestamptz?)
-- batched: on flight distinct request_id max 64
-- Takes the seats on every flight or on none, and writes the booking, its locator, its first event and its claim at once.
-- The outcome is decided from the locked inventory before the claim is written, so that a refusal replays like a success.
-- CROWDED: enough seats for this party alone, but not behind those that stood before it in the batch; leaves no trace.
-- @holds_since is the least booking id (version 7: time-ordered) that can still be an unpaid hold.
-- one:
WITH s AS MATERIALIZED (
    SELECT * FROM unnest(@flight_ids, @cabins) AS s(flight_id, cabin)
), l AS MATERIALIZED (
    SELECT i.flight_id, i.cabin, i.authorised - i.held - i.sold AS free, i.sales_close_time > now() AS open
      FROM inventory i JOIN s USING (flight_id, cabin)
     ORDER BY i.flight_id, i.cabin FOR UPDATE OF i
), v AS MATERIALIZED (
    SELECT CASE
               WHEN @offer_expire <= now() THEN 'OFFER_EXPIRED'
               WHEN count(*) < cardinality(@flight_ids) OR NOT bool_and(l.open) THEN 'SALES_CLOSED'
               WHEN min(l.free) < @seats THEN 'SEATS_UNAVAILABLE'
               WHEN (SELECT count(*) FROM booking b
                      WHERE b.user_id = @principal AND b.booking_id >= @holds_since
                        AND b.state = 'HELD' AND b.payment_required_time > now()) >= @holds_max THEN 'HOLD_LIMIT'
           END AS refusal
      FROM l
), k AS (
    INSERT INTO idempotency (principal, method, request_id, fingerprint, resource, reason)
    SELECT @principal, 5, @request_id, @fingerprint, CASE WHEN refusal IS NULL THEN @booking_id END, refusal FROM v
        ON CONFLICT DO NOTHING
    RETURNING reason
), g AS MATERIALIZED (
    SELECT FROM k WHERE k.reason IS NULL
), u AS (
    UPDATE inventory i SET held = held + @seats FROM g, s WHERE i.flight_id = s.flight_id AND i.cabin = s.cabin
), c AS (
    INSERT INTO record_locator (locator, booking_id) SELECT @locator, @booking_id FROM g
), b AS (
    INSERT INTO booking (booking_id, user_id, locator, state, total_minor, currency, seats, party, flight_ids, cabins, offer,
                         snapshot, passengers, payment_required_time)
    SELECT @booking_id, @principal, @locator, 'HELD', @total_minor, @currency, @seats, @party, @flight_ids, @cabins, @offer,
           @snapshot, @passengers, now() + @hold_seconds * interval '1 second'
      FROM g
    RETURNING create_time, payment_required_time
), e AS (
    INSERT INTO booking_event (booking_id, sequence, type, state, actor)
    SELECT @booking_id, 1, 'CREATED', 'HELD', 'users/' || @principal FROM g
)
SELECT EXISTS (SELECT FROM k) AS claimed, v.refusal, b.create_time, b.payment_required_time AS due_time
  FROM v LEFT JOIN b ON true;
-- many:
WITH r AS MATERIALIZED (
    SELECT * FROM unnest(@flight, @principal, @request_id, @fingerprint, @booking_id, @locator, @seats, @party, @total_minor,
                         @currency, @offer, @offer_expire, @snapshot, @passengers, @hold_seconds, @holds_since, @holds_max)
        WITH ORDINALITY AS r(flight, principal, request_id, fingerprint, booking_id, locator, seats, party, total_minor,
                             currency, offer, offer_expire, snapshot, passengers, hold_seconds, holds_since, holds_max, n)
), s AS MATERIALIZED (
    SELECT s.n, s.flight_id, s.cabin, s.i, r.seats
      FROM unnest(@flight_ids__ord, @flight_ids, @cabins) WITH ORDINALITY AS s(n, flight_id, cabin, i) JOIN r USING (n)
), l AS MATERIALIZED (
    SELECT i.flight_id, i.cabin, i.authorised - i.held - i.sold AS free, i.sales_close_time > now() AS open
      FROM inventory i JOIN (SELECT DISTINCT flight_id, cabin FROM s) d USING (flight_id, cabin)
     ORDER BY i.flight_id, i.cabin FOR UPDATE OF i
), q AS (
    SELECT s.n, s.flight_id, s.cabin, s.i, s.seats, l.free, l.open,
           sum(s.seats) OVER (PARTITION BY s.flight_id, s.cabin ORDER BY s.n) AS running
      FROM s LEFT JOIN l USING (flight_id, cabin)
), v AS MATERIALIZED (
    SELECT q.n, array_agg(q.flight_id ORDER BY q.i) AS flight_ids, array_agg(q.cabin ORDER BY q.i) AS cabins,
           CASE
               WHEN NOT bool_and(coalesce(q.open, false)) THEN 'SALES_CLOSED'
               WHEN min(q.free) < min(q.seats) THEN 'SEATS_UNAVAILABLE'
               WHEN bool_or(q.running > q.free) THEN 'CROWDED'
           END AS refusal
      FROM q GROUP BY q.n
), w AS MATERIALIZED (
    SELECT r.n, r.principal, r.request_id, r.booking_id, r.fingerprint, v.flight_ids, v.cabins,
           CASE
               WHEN r.offer_expire <= now() THEN 'OFFER_EXPIRED'
               WHEN v.refusal IS NOT NULL THEN v.refusal
               WHEN row_number() OVER (PARTITION BY r.principal ORDER BY r.n)
                    + (SELECT count(*) FROM booking b
                        WHERE b.user_id = r.principal AND b.booking_id >= r.holds_since
                          AND b.state = 'HELD' AND b.payment_required_time > now()) > r.holds_max THEN 'HOLD_LIMIT'
           END AS refusal
      FROM r JOIN v USING (n)
), k AS (
    INSERT INTO idempotency (principal, method, request_id, fingerprint, resource, reason)
    SELECT principal, 5, request_id, fingerprint, CASE WHEN refusal IS NULL THEN booking_id END, refusal
      FROM w WHERE refusal IS DISTINCT FROM 'CROWDED' ORDER BY principal, request_id
        ON CONFLICT DO NOTHING
    RETURNING principal, request_id, resource
), g AS MATERIALIZED (
    SELECT r.*, w.flight_ids, w.cabins FROM k JOIN w USING (principal, request_id) JOIN r USING (n)
     WHERE k.resource IS NOT NULL
), u AS (
    UPDATE inventory i SET held = held + t.seats
      FROM (SELECT s.flight_id, s.cabin, sum(s.seats)::int4 AS seats FROM g JOIN s USING (n) GROUP BY 1, 2) t
     WHERE i.flight_id = t.flight_id AND i.cabin = t.cabin
), c AS (
    INSERT INTO record_locator (locator, booking_id) SELECT locator, booking_id FROM g
), b AS (
    INSERT INTO booking (booking_id, user_id, locator, state, total_minor, currency, seats, party, flight_ids, cabins, offer,
                         snapshot, passengers, payment_required_time)
    SELECT booking_id, principal, locator, 'HELD', total_minor, currency, seats, party, flight_ids, cabins, offer,
           snapshot, passengers, now() + hold_seconds * interval '1 second'
      FROM g
    RETURNING booking_id, create_time, payment_required_time
), e AS (
    INSERT INTO booking_event (booking_id, sequence, type, state, actor)
    SELECT booking_id, 1, 'CREATED', 'HELD', 'users/' || principal FROM g
)
SELECT w.n::int4, k.request_id IS NOT NULL AS claimed, w.refusal, b.create_time, b.payment_required_time AS due_time
  FROM w LEFT JOIN k USING (principal, request_id) LEFT JOIN b USING (booking_id)
 ORDER BY w.n;

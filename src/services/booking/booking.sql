-- BookingService. The statements that take and give back seats lock inventory rows in (flight_id, cabin) order, always.

-- name: hold(flight uuid, principal uuid, request_id uuid, fingerprint bytea, booking_id uuid, ticket_code text, seats int4,
--       party int4, total_minor int8, currency text, offer text, offer_expire timestamptz, snapshot bytea, passengers bytea,
--       hold_seconds int4, holds_since uuid, holds_max int4, flight_ids uuid[], cabins int2[])
--       -> one (claimed bool, refusal text?, serial int8?, create_time timestamptz?, due_time timestamptz?)
-- batched: on flight distinct request_id max 64
-- Takes the seats on every flight or on none, and writes the booking and its claim at once. The booking's row is its first
-- event too. @serial: a number that no other booking has, from which its locator is made.
-- The outcome is decided from the inventory as the snapshot has it, before the claim is written, so that a refusal replays
-- like a success. The inventory's row is written last (@b before @u), so that who waits for it waits for a flush of the log
-- and not for the rest of the statement as well. Seats that somebody took meanwhile are missing then: seat_count_ck ends
-- the statement without a trace, and the lane runs it again, on a new snapshot.
-- CROWDED: enough seats (or holds left) for this request alone, but not behind those that stood before it in the batch;
-- leaves no trace. So is, until it is alone, one that flies a flight twice and has seats only for once.
-- A hold ends when the first of its flights is no longer sold, if not before; it never outlives a departure.
-- @holds_since is the least booking id (version 7: time-ordered) that can still be an unpaid hold, or one whose money is in
-- flight. Calls that race may overshoot @holds_max by the size of their batches, or by one for each transaction.
-- IS TRUE behind IN makes a hashed look-up of what would be a join, each member with each claim.
-- What a member brings is picked from the arrays where it is needed: unnest and joins would copy the long columns about.
-- Scans: booking
-- Spans: booking_id, flight_id, principal
-- one:
WITH s AS MATERIALIZED (
    SELECT s.flight_id, s.cabin, count(*)::int4 * @seats AS seats
      FROM unnest(@flight_ids, @cabins) AS s(flight_id, cabin) GROUP BY 1, 2
), l AS MATERIALIZED (
    SELECT s.seats, i.free, CASE WHEN i.state = 'SCHEDULED' THEN least(i.sales_close_time, i.departure_time) END AS close_time
      FROM inventory i JOIN s USING (flight_id, cabin)
), v AS MATERIALIZED (
    SELECT least(now() + @hold_seconds * interval '1 second', min(l.close_time)) AS due_time,
           CASE
               WHEN @offer_expire <= now() THEN 'OFFER_EXPIRED'
               WHEN count(*) FILTER (WHERE l.close_time > now()) < (SELECT count(*) FROM s) THEN 'SALES_CLOSED'
               WHEN min(l.free - l.seats) < 0 THEN 'SEATS_UNAVAILABLE'
               WHEN (SELECT count(*) FROM booking b
                      WHERE b.user_id = @principal AND b.booking_id >= @holds_since
                        AND b.state IN ('HELD', 'CONFIRMING')
                        AND greatest(b.payment_required_time, b.pin_time) > now()) >= @holds_max THEN 'HOLD_LIMIT'
           END AS refusal
      FROM l
), k AS (
    INSERT INTO idempotency (principal, method, request_id, fingerprint, resource, reason)
    SELECT @principal, 5, @request_id, @fingerprint, CASE WHEN refusal IS NULL THEN @booking_id END, refusal FROM v
        ON CONFLICT DO NOTHING
    RETURNING reason
), g AS MATERIALIZED (
    SELECT v.due_time FROM v, k WHERE k.reason IS NULL
), b AS (
    INSERT INTO booking (booking_id, user_id, state, total_minor, currency, ticket_code, seats, party, flight_ids, cabins,
                         offer, snapshot, passengers, payment_required_time)
    SELECT @booking_id, @principal, 'HELD', @total_minor, @currency, @ticket_code, @seats, @party, @flight_ids, @cabins, @offer,
           @snapshot, @passengers, due_time
      FROM g
    RETURNING serial, create_time, payment_required_time
), u AS (
    UPDATE inventory i SET free = i.free - t.seats, taken = i.taken + t.seats
      FROM (SELECT s.* FROM s, (SELECT count(*) AS n FROM b) b WHERE b.n > 0 ORDER BY flight_id, cabin) t
     WHERE i.flight_id = t.flight_id AND i.cabin = t.cabin
    RETURNING i.flight_id
), f AS (
    INSERT INTO inventory_change (flight_id, flight_ids)
    SELECT (array_agg(flight_id))[1], array_agg(flight_id) FROM u HAVING count(*) > 0
)
SELECT EXISTS (SELECT FROM k) AS claimed, v.refusal, b.serial, b.create_time, b.payment_required_time AS due_time
  FROM v LEFT JOIN b ON true;
-- many:
WITH s AS MATERIALIZED (
    SELECT i, (@flight_ids__ord)[i] AS n, (@flight_ids)[i] AS flight_id, (@cabins)[i] AS cabin, (@seats)[(@flight_ids__ord)[i]] AS seats
      FROM generate_subscripts(@flight_ids, 1) AS i
), l AS MATERIALIZED (
    SELECT i.flight_id, i.cabin, i.free,
           CASE WHEN i.state = 'SCHEDULED' THEN least(i.sales_close_time, i.departure_time) END AS close_time
      FROM inventory i JOIN (SELECT DISTINCT flight_id, cabin FROM s) d USING (flight_id, cabin)
), v AS (
    SELECT n, min(i) AS first, max(i) AS last, (@principal)[n] AS principal,
           row_number() OVER (PARTITION BY (@principal)[n] ORDER BY n) AS place,
           least(now() + (@hold_seconds)[n] * interval '1 second', min(close_time)) AS due_time,
           CASE
               WHEN NOT bool_and(coalesce(close_time > now(), false)) THEN 'SALES_CLOSED'
               WHEN min(free - seats) < 0 THEN 'SEATS_UNAVAILABLE'
               WHEN bool_or(running > free) THEN 'CROWDED'
           END AS refusal
      FROM (SELECT s.i, s.n, s.seats, l.free, l.close_time,
                   sum(s.seats) OVER (PARTITION BY s.flight_id, s.cabin ORDER BY s.n) AS running
              FROM s LEFT JOIN l USING (flight_id, cabin)) q
     GROUP BY n
), w AS MATERIALIZED (
    SELECT v.n, v.first, v.last, v.principal, v.due_time, (@request_id)[v.n] AS request_id,
           CASE
               WHEN (@offer_expire)[v.n] <= now() THEN 'OFFER_EXPIRED'
               WHEN v.refusal IS NOT NULL THEN v.refusal
               ELSE (SELECT CASE WHEN count(*) >= (@holds_max)[v.n] THEN 'HOLD_LIMIT'
                                 WHEN count(*) + v.place > (@holds_max)[v.n] THEN 'CROWDED' END
                       FROM booking b
                      WHERE b.user_id = v.principal AND b.booking_id >= (@holds_since)[v.n]
                        AND b.state IN ('HELD', 'CONFIRMING') AND greatest(b.payment_required_time, b.pin_time) > now())
           END AS refusal
      FROM v
), k AS (
    INSERT INTO idempotency (principal, method, request_id, fingerprint, resource, reason)
    SELECT principal, 5, request_id, (@fingerprint)[n], CASE WHEN refusal IS NULL THEN (@booking_id)[n] END, refusal
      FROM w WHERE refusal IS DISTINCT FROM 'CROWDED' ORDER BY principal, request_id
        ON CONFLICT DO NOTHING
    RETURNING principal, request_id, resource
), g AS MATERIALIZED (
    SELECT n, first, last, due_time, refusal, claimed, CASE WHEN claimed AND refusal IS NULL THEN nextval('booking_serial') END AS serial
      FROM (SELECT w.*, ((principal, request_id, CASE WHEN refusal IS NULL THEN (@booking_id)[n] ELSE request_id END)
                         IN (SELECT principal, request_id, coalesce(resource, request_id) FROM k)) IS TRUE AS claimed
              FROM w OFFSET 0) w
), b AS (
    INSERT INTO booking (booking_id, user_id, serial, state, total_minor, currency, ticket_code, seats, party, flight_ids, cabins,
                         offer, snapshot, passengers, payment_required_time)
    SELECT (@booking_id)[n], (@principal)[n], serial, 'HELD', (@total_minor)[n], (@currency)[n], (@ticket_code)[n], (@seats)[n], (@party)[n],
           (@flight_ids)[first:last], (@cabins)[first:last], (@offer)[n], (@snapshot)[n], (@passengers)[n],
           due_time
      FROM g WHERE serial IS NOT NULL
    RETURNING booking_id
), u AS (
    UPDATE inventory i SET free = i.free - t.seats, taken = i.taken + t.seats
      FROM (SELECT flight_id, cabin, sum(seats)::int4 AS seats
              FROM s, (SELECT count(*) AS n FROM b) b
             WHERE b.n > 0 AND (s.n IN (SELECT n FROM g WHERE serial IS NOT NULL)) IS TRUE
             GROUP BY flight_id, cabin ORDER BY flight_id, cabin) t
     WHERE i.flight_id = t.flight_id AND i.cabin = t.cabin
    RETURNING i.flight_id
), f AS (
    INSERT INTO inventory_change (flight_id, flight_ids)
    SELECT (array_agg(flight_id))[1], array_agg(flight_id) FROM u HAVING count(*) > 0
)
SELECT n::int4, claimed, refusal, serial, CASE WHEN serial IS NOT NULL THEN now() END AS create_time,
       CASE WHEN serial IS NOT NULL THEN due_time END AS due_time
  FROM g;

-- name: claim_seats(booking_id uuid, flight_ids uuid[], cabins int2[], seats text[], passengers int2[])
--       -> one (missing int4?)
-- Inside the hold's transaction. A seat whose assignment has lapsed is taken over in place, but not at once: who began to pay
-- in time may still be writing that he keeps it, and the sweep gives it back before that. @missing: the first, from 1 on, that
-- somebody else has; then all are given back by unhold.
-- Spans: booking_id, flight_id
WITH b AS (
    UPDATE booking SET has_assigned_seats = true WHERE booking_id = @booking_id RETURNING payment_required_time
), s AS (
    INSERT INTO seat_assignment (flight_id, seat, cabin, booking_id, passenger, expire_time)
    SELECT x.flight_id, x.seat, x.cabin, @booking_id, x.passenger, b.payment_required_time
      FROM b, unnest(@flight_ids, @seats, @cabins, @passengers) AS x(flight_id, seat, cabin, passenger)
     ORDER BY x.flight_id, x.seat
        ON CONFLICT (flight_id, seat) DO UPDATE
           SET booking_id = excluded.booking_id, passenger = excluded.passenger, cabin = excluded.cabin,
               expire_time = excluded.expire_time
         WHERE seat_assignment.expire_time <= now() - interval '30 seconds'
    RETURNING flight_id, seat
)
SELECT min(x.n)::int4 AS missing
  FROM unnest(@flight_ids, @seats) WITH ORDINALITY AS x(flight_id, seat, n)
 WHERE (x.flight_id, x.seat) NOT IN (SELECT flight_id, seat FROM s);

-- name: unhold(booking_id uuid, principal uuid, request_id uuid, seats int4, flight_ids uuid[], cabins int2[]) -> none
-- Inside the hold's transaction, which nobody else has seen: takes back all it did but the claim, which keeps the refusal.
-- Its locks are those that the hold has. Seats whose lapsed assignments it took over are free.
-- Spans: booking_id, flight_id, principal
WITH u AS (
    UPDATE inventory i SET free = i.free + s.seats, taken = i.taken - s.seats
      FROM (SELECT x.flight_id, x.cabin, count(*)::int4 * @seats AS seats
              FROM unnest(@flight_ids, @cabins) AS x(flight_id, cabin) GROUP BY 1, 2) s
     WHERE i.flight_id = s.flight_id AND i.cabin = s.cabin
    RETURNING i.flight_id
), f AS (
    INSERT INTO inventory_change (flight_id, flight_ids)
    SELECT (array_agg(flight_id))[1], array_agg(flight_id) FROM u HAVING count(*) > 0
), z AS (
    DELETE FROM seat_assignment WHERE flight_id = ANY (@flight_ids) AND booking_id = @booking_id
), b AS (
    DELETE FROM booking WHERE booking_id = @booking_id
)
UPDATE idempotency SET resource = NULL, reason = 'SEAT_TAKEN'
 WHERE principal = @principal AND method = 5 AND request_id = @request_id;

-- name: get(booking_id uuid) -> maybe (booking_id uuid, user_id uuid, serial int8, state text, state_reason text?,
--       total_minor int8, currency text, authorised_minor int8, captured_minor int8, refunded_minor int8, offer text,
--       snapshot bytea, passengers bytea, intent_id uuid?, create_time timestamptz, update_time timestamptz,
--       due_time timestamptz, lapsed bool, event_count int4, ticket_code text, ticket_serials text?, coupons text?,
--       ticket_time timestamptz?)
-- read
-- batched: on booking_id max 32
-- A hold past its lease is dead even if nobody swept it yet: @lapsed. @ticket_serials are parted by commas, in the order of
-- the passengers; @coupons has as many letters for each.
-- one:
SELECT b.booking_id, b.user_id, b.serial, b.state, b.state_reason, b.total_minor, b.currency,
       b.authorised_minor, b.captured_minor, b.refunded_minor, b.offer, b.snapshot, b.passengers, b.intent_id,
       b.create_time, b.update_time, b.payment_required_time AS due_time,
       b.state = 'HELD' AND b.payment_required_time <= now() AS lapsed, b.event_count, b.ticket_code,
       array_to_string(b.ticket_serials, ',') AS ticket_serials, b.coupons, b.ticket_time
  FROM booking b WHERE b.booking_id = @booking_id;
-- many:
SELECT r.n::int4, b.booking_id, b.user_id, b.serial, b.state, b.state_reason, b.total_minor, b.currency,
       b.authorised_minor, b.captured_minor, b.refunded_minor, b.offer, b.snapshot, b.passengers, b.intent_id,
       b.create_time, b.update_time, b.payment_required_time AS due_time,
       b.state = 'HELD' AND b.payment_required_time <= now() AS lapsed, b.event_count, b.ticket_code,
       array_to_string(b.ticket_serials, ',') AS ticket_serials, b.coupons, b.ticket_time
  FROM unnest(@booking_id) WITH ORDINALITY AS r(booking_id, n) JOIN booking b USING (booking_id);

-- name: owner(booking_id uuid) -> maybe (user_id uuid)
-- read
-- batched: max 64
-- Whose booking it is: all that its history must know of it.
-- one:
SELECT user_id FROM booking WHERE booking_id = @booking_id;
-- many:
SELECT r.n::int4, b.user_id FROM unnest(@booking_id) WITH ORDINALITY r(booking_id, n) JOIN booking b USING (booking_id);

-- name: seats(booking_id uuid) -> many (segment int4, passenger int2, seat text)
-- read
-- batched: max 64
-- max: 216 rows
-- Spans: booking_id, flight_id
-- one:
SELECT f.i::int4 AS segment, s.passenger, s.seat
  FROM booking b CROSS JOIN LATERAL unnest(b.flight_ids) WITH ORDINALITY AS f(flight_id, i)
  JOIN seat_assignment s ON s.flight_id = f.flight_id AND s.booking_id = b.booking_id
 WHERE b.booking_id = @booking_id AND b.has_assigned_seats AND s.expire_time > now()
 ORDER BY 1, 2;
-- many:
SELECT r.n::int4, f.i::int4 AS segment, s.passenger, s.seat
  FROM unnest(@booking_id) WITH ORDINALITY r(booking_id, n) JOIN booking b USING (booking_id)
 CROSS JOIN LATERAL unnest(b.flight_ids) WITH ORDINALITY AS f(flight_id, i)
  JOIN seat_assignment s ON s.flight_id = f.flight_id AND s.booking_id = b.booking_id
 WHERE b.has_assigned_seats AND s.expire_time > now()
 ORDER BY 2, 3;

-- name: list(user_id uuid, before uuid, states text?, row_count int4) -> many (booking_id uuid, serial int8, state text,
--       state_reason text?, total_minor int8, currency text, authorised_minor int8?, captured_minor int8?,
--       refunded_minor int8?, snapshot bytea, passengers bytea, intent_id uuid?, create_time timestamptz,
--       update_time timestamptz?, due_time timestamptz, lapsed bool?, event_count int4)
-- read
-- batched: max 32
-- max: 101 rows
-- Newest first: booking ids are ordered by time. @states are parted by commas; none: all. NULL: zero, false, or not updated
-- since it was made; a column that is sent is a sixtieth of the whole. A LATERAL runs in a loop, in order: the batch
-- is not sorted again.
-- Scans: booking
-- one:
SELECT b.booking_id, b.serial, b.state, b.state_reason, b.total_minor, b.currency,
       nullif(b.authorised_minor, 0) AS authorised_minor, nullif(b.captured_minor, 0) AS captured_minor,
       nullif(b.refunded_minor, 0) AS refunded_minor,
       b.snapshot, b.passengers, b.intent_id, b.create_time, nullif(b.update_time, b.create_time) AS update_time,
       b.payment_required_time AS due_time,
       CASE WHEN b.state = 'HELD' AND b.payment_required_time <= now() THEN true END AS lapsed, b.event_count
  FROM booking b
 WHERE b.user_id = @user_id AND b.booking_id < @before
   AND (@states IS NULL
        OR CASE WHEN b.state = 'HELD' AND b.payment_required_time <= now() THEN 'EXPIRED' ELSE b.state END
           = ANY (string_to_array(@states, ',')))
 ORDER BY b.booking_id DESC LIMIT @row_count;
-- many:
SELECT r.n::int4, x.*
  FROM unnest(@user_id, @before, @states, @row_count) WITH ORDINALITY r(user_id, before, states, row_count, n)
 CROSS JOIN LATERAL (
       SELECT b.booking_id, b.serial, b.state, b.state_reason, b.total_minor, b.currency,
              nullif(b.authorised_minor, 0) AS authorised_minor, nullif(b.captured_minor, 0) AS captured_minor,
              nullif(b.refunded_minor, 0) AS refunded_minor,
              b.snapshot, b.passengers, b.intent_id, b.create_time, nullif(b.update_time, b.create_time) AS update_time,
              b.payment_required_time AS due_time,
              CASE WHEN b.state = 'HELD' AND b.payment_required_time <= now() THEN true END AS lapsed, b.event_count
         FROM booking b
        WHERE b.user_id = r.user_id AND b.booking_id < r.before
          AND (r.states IS NULL
               OR CASE WHEN b.state = 'HELD' AND b.payment_required_time <= now() THEN 'EXPIRED' ELSE b.state END
                  = ANY (string_to_array(r.states, ',')))
        ORDER BY b.booking_id DESC LIMIT r.row_count) x;

-- name: events(booking_id uuid, after int4, row_count int4) -> many (sequence int4, type text, before text?, state text,
--       actor text, reason text?, occur_time timestamptz, subject uuid?)
-- read
-- batched: max 32
-- max: 201 rows
-- The one at @after is read for its state.
-- one:
SELECT * FROM (SELECT sequence, type, lag(state) OVER (ORDER BY sequence) AS before, state, actor, reason, occur_time, subject
                 FROM booking_history WHERE booking_id = @booking_id AND sequence >= @after) h
 WHERE sequence > @after ORDER BY sequence LIMIT @row_count;
-- many:
SELECT r.n::int4, x.*
  FROM unnest(@booking_id, @after, @row_count) WITH ORDINALITY r(booking_id, after, row_count, n)
 CROSS JOIN LATERAL (
       SELECT * FROM (SELECT sequence, type, lag(state) OVER (ORDER BY sequence) AS before, state, actor, reason, occur_time, subject
                        FROM booking_history h WHERE h.booking_id = r.booking_id AND sequence >= r.after) h
        WHERE sequence > r.after ORDER BY sequence LIMIT r.row_count) x;

-- name: refundable(booking_id uuid) -> maybe (refundable_minor int8)
-- What is there and not yet on its way back.
SELECT p.refundable_minor
  FROM booking b JOIN payment p USING (booking_id, intent_id) WHERE b.booking_id = @booking_id AND p.intent_state IS NOT NULL;

-- name: quote(principal uuid, request_id uuid, fingerprint bytea, booking_id uuid, cancellation_id uuid, event_count int4,
--       refund_minor int8, penalty_minor int8, quote_seconds int4, departure_time timestamptz, etag_count int4?,
--       etag_time timestamptz?)
--       -> one (claimed bool, refusal text?, create_time timestamptz, expire_time timestamptz)
-- A quote for the booking as it was read (@event_count, and its money but for refunds, also those on their way); CONFLICT
-- when it has changed since, which leaves no claim. The fare tells what comes back before @departure_time, the first
-- flight's: no quote outlives it.
-- Spans: booking_id, principal
WITH b AS MATERIALIZED (
    SELECT * FROM booking WHERE booking_id = @booking_id FOR UPDATE
), r AS MATERIALIZED (
    SELECT p.refundable_minor
      FROM payment p JOIN b ON b.booking_id = p.booking_id AND b.intent_id = p.intent_id
     WHERE p.intent_state IS NOT NULL FOR UPDATE OF p
), v AS MATERIALIZED (
    SELECT CASE
               WHEN b.event_count <> @event_count OR coalesce(r.refundable_minor, 0) <> @refund_minor + @penalty_minor
                   THEN 'CONFLICT'
               WHEN b.event_count <> @etag_count OR b.update_time <> @etag_time THEN 'ETAG_MISMATCH'
               WHEN b.state = 'CONFIRMING' OR b.state = 'CONFIRMED' AND b.captured_minor < b.total_minor
                   THEN 'PAYMENT_IN_PROGRESS'
               WHEN b.state NOT IN ('HELD', 'CONFIRMED') OR b.state = 'HELD' AND b.payment_required_time <= now()
                   THEN 'BOOKING_STATE'
               WHEN @departure_time <= now() THEN 'FLIGHT_DEPARTED'
           END AS refusal, least(now() + @quote_seconds * interval '1 second', @departure_time) AS expire_time
      FROM b LEFT JOIN r ON true
), k AS (
    INSERT INTO idempotency (principal, method, request_id, fingerprint, resource, reason)
    SELECT @principal, 6, @request_id, @fingerprint, CASE WHEN refusal IS NULL THEN @cancellation_id END, refusal
      FROM v WHERE refusal IS NULL OR refusal IN ('BOOKING_STATE', 'FLIGHT_DEPARTED')
        ON CONFLICT DO NOTHING
    RETURNING resource
), g AS MATERIALIZED (
    SELECT b.event_count, b.currency, b.state, v.expire_time FROM k, b, v WHERE k.resource IS NOT NULL
), s AS (
    UPDATE cancellation SET state = 'SUPERSEDED'
      FROM g WHERE cancellation.booking_id = @booking_id AND cancellation.state = 'QUOTED'
), q AS (
    INSERT INTO cancellation (booking_id, cancellation_id, state, refund_minor, penalty_minor, currency, expire_time)
    SELECT @booking_id, @cancellation_id, 'QUOTED', @refund_minor, @penalty_minor, currency, expire_time FROM g
), u AS (
    UPDATE booking SET event_count = booking.event_count + 1, update_time = now() FROM g WHERE booking_id = @booking_id
), e AS (
    INSERT INTO booking_event (booking_id, sequence, type, state, actor, subject)
    SELECT @booking_id, event_count + 1, 'CANCELLATION_QUOTED', state, 'users/' || @principal, @cancellation_id FROM g
)
SELECT EXISTS (SELECT FROM k) AS claimed,
       v.refusal, now() AS create_time, v.expire_time
  FROM v;

-- name: cancellation(booking_id uuid, cancellation_id uuid) -> maybe (user_id uuid, state text, refund_minor int8,
--       penalty_minor int8, currency text, refund_id uuid?, expire_time timestamptz, create_time timestamptz, lapsed bool,
--       offer text)
SELECT b.user_id, c.state, c.refund_minor, c.penalty_minor, c.currency, c.refund_id, c.expire_time, c.create_time,
       c.state = 'QUOTED' AND c.expire_time <= now() AS lapsed, b.offer
  FROM cancellation c JOIN booking b USING (booking_id)
 WHERE c.booking_id = @booking_id AND c.cancellation_id = @cancellation_id;

-- name: cancel(principal uuid, request_id uuid, fingerprint bytea, booking_id uuid, cancellation_id uuid, refund_id uuid)
--       -> one (claimed bool, refusal text?)
-- Gives the seats back, voids the tickets and reserves the refund, all or nothing. The completer sends the refund to the
-- provider at once (due now) and ends CANCELLING. NOT_FOUND and PAYMENT_IN_PROGRESS are not recorded.
-- The quote and the intent are locked as well: they are read as they are after the wait for the booking. After the
-- inventory, here and everywhere, come the assigned seats: who takes over a lapsed one comes that way too.
-- Spans: booking_id, flight_id, principal
WITH b AS MATERIALIZED (
    SELECT * FROM booking WHERE booking_id = @booking_id FOR UPDATE
), q AS MATERIALIZED (
    SELECT c.* FROM cancellation c JOIN b USING (booking_id) WHERE c.cancellation_id = @cancellation_id FOR UPDATE OF c
), r AS MATERIALIZED (
    SELECT p.refundable_minor
      FROM payment p JOIN b ON b.booking_id = p.booking_id AND b.intent_id = p.intent_id
     WHERE p.intent_state IS NOT NULL FOR UPDATE OF p
), v AS MATERIALIZED (
    SELECT CASE
               WHEN b.user_id IS DISTINCT FROM @principal OR q.cancellation_id IS NULL THEN 'NOT_FOUND'
               WHEN q.state = 'SUPERSEDED' THEN 'QUOTE_SUPERSEDED'
               -- Without @r another try took the intent over during the wait, too late to be seen here.
               WHEN b.state = 'CONFIRMING' OR b.state = 'CONFIRMED' AND b.captured_minor < b.total_minor
                    OR b.state IN ('HELD', 'CONFIRMED') AND b.intent_id IS NOT NULL AND r.refundable_minor IS NULL
                   THEN 'PAYMENT_IN_PROGRESS'
               WHEN q.state NOT IN ('QUOTED', 'EXPIRED') OR b.state NOT IN ('HELD', 'CONFIRMED')
                    OR b.state = 'HELD' AND b.payment_required_time <= now() THEN 'BOOKING_STATE'
               WHEN q.expire_time <= now() THEN 'QUOTE_EXPIRED'
               WHEN coalesce(r.refundable_minor, 0) <> q.refund_minor + q.penalty_minor THEN 'QUOTE_SUPERSEDED'
           END AS refusal
      FROM (SELECT 1) x LEFT JOIN b ON true LEFT JOIN q ON true LEFT JOIN r ON true
), k AS (
    INSERT INTO idempotency (principal, method, request_id, fingerprint, resource, reason)
    SELECT @principal, 7, @request_id, @fingerprint, CASE WHEN refusal IS NULL THEN @cancellation_id END, refusal
      FROM v WHERE refusal IS NULL OR refusal NOT IN ('NOT_FOUND', 'PAYMENT_IN_PROGRESS')
        ON CONFLICT DO NOTHING
    RETURNING resource
), g AS MATERIALIZED (
    SELECT b.*, q.refund_minor, q.penalty_minor FROM k, b, q WHERE k.resource IS NOT NULL
), u AS (
    UPDATE inventory i SET free = i.free + s.seats, taken = i.taken - s.seats
      FROM (SELECT x.flight_id, x.cabin, sum(g.seats)::int4 AS seats
              FROM g, unnest(g.flight_ids, g.cabins) AS x(flight_id, cabin) GROUP BY 1, 2 ORDER BY 1, 2) s
     WHERE i.flight_id = s.flight_id AND i.cabin = s.cabin
    RETURNING i.flight_id
), h AS (
    INSERT INTO inventory_change (flight_id, flight_ids)
    SELECT (array_agg(flight_id))[1], array_agg(flight_id) FROM u HAVING count(*) > 0
), z AS (
    DELETE FROM seat_assignment a USING g, unnest(g.flight_ids) AS x(flight_id), (SELECT count(*) FROM u) locked
     WHERE g.has_assigned_seats AND a.flight_id = x.flight_id AND a.booking_id = g.booking_id
), w AS (
    UPDATE booking SET state = CASE WHEN g.refund_minor > 0 THEN 'CANCELLING' ELSE 'CANCELLED' END, update_time = now(),
                       coupons = replace(booking.coupons, 'O', CASE WHEN g.refund_minor > 0 THEN 'R' ELSE 'V' END),
                       event_count = booking.event_count + CASE WHEN g.refund_minor > 0 THEN 1 ELSE 2 END
      FROM g WHERE booking.booking_id = g.booking_id
), e AS (
    INSERT INTO booking_event (booking_id, sequence, type, state, actor, subject)
    SELECT g.booking_id, g.event_count + x.i, x.type, CASE WHEN g.refund_minor > 0 THEN 'CANCELLING' ELSE 'CANCELLED' END,
           'users/' || @principal, CASE x.i WHEN 1 THEN @cancellation_id END
      FROM g JOIN (VALUES (1, 'CANCELLATION_CONFIRMED'), (2, 'BOOKING_CANCELLED')) AS x(i, type)
        ON x.i = 1 OR g.refund_minor = 0
), c AS (
    UPDATE cancellation SET state = CASE WHEN g.refund_minor > 0 THEN 'CONFIRMING' ELSE 'APPLIED' END,
                            refund_id = CASE WHEN g.refund_minor > 0 THEN @refund_id END
      FROM g WHERE cancellation.booking_id = @booking_id AND cancellation.cancellation_id = @cancellation_id
), p AS (
    UPDATE payment i
       SET refundable_minor = i.refundable_minor - g.refund_minor, update_time = now(),
           intent_state = CASE WHEN i.intent_state IN ('REQUIRES_PAYMENT_METHOD', 'REQUIRES_ACTION') THEN 'CANCELLED'
                          ELSE i.intent_state END
      FROM g WHERE i.booking_id = g.booking_id AND i.intent_id = g.intent_id AND i.intent_state IS NOT NULL
), f AS (
    INSERT INTO refund (booking_id, refund_id, intent_id, state, amount_minor, currency, cause, due_time)
    SELECT booking_id, @refund_id, intent_id, 'RESERVED', refund_minor, currency, 'CANCELLATION', now()
      FROM g WHERE refund_minor > 0
), m AS (
    INSERT INTO ledger_transfer (booking_id, cause, kind, debit, credit, amount_minor, currency)
    SELECT booking_id, @cancellation_id, 'PENALTY', 'unearned_revenue', 'penalty_revenue', penalty_minor, currency
      FROM g WHERE penalty_minor > 0
)
SELECT EXISTS (SELECT FROM k) AS claimed,
       v.refusal
  FROM v;

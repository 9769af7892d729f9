-- PaymentService. Every statement that changes a payment locks its booking row first: one order for everybody.
-- Inventory rows are locked after bookings, in (flight_id, cabin) order.

-- name: start(booking_id uuid, principal uuid, method int2, request_id uuid, fingerprint bytea, intent_id uuid,
--       is_new bool, attempt_id uuid, amount_minor int8?, currency text?, provider text, method_token text,
--       user_key text, card_key text, user_max int4, card_max int4, booking_max int4, due_seconds int4, pin_seconds int4)
--       -> one (claimed bool, known bool, refusal text?, amount_minor int8?, currency text?, create_time timestamptz?)
-- batched: on booking_id distinct request_id max 64
-- Everything that must be true before money moves, and the attempt's row, committed before a byte leaves for the provider.
-- @is_new makes the intent as well (CreatePaymentIntent with confirm). Velocity is looked at here and counted for those
-- that go on; batches racing on one key may overshoot a limit by their size.
-- NOT_FOUND is not recorded: it is an answer about permission; PAYMENT_IN_PROGRESS neither: it passes. `known` tells them
-- from a repeated request, whose own record is the answer.
-- many:
WITH r AS MATERIALIZED (
    SELECT * FROM unnest(@booking_id, @principal, @method, @request_id, @fingerprint, @intent_id, @is_new, @attempt_id,
                         @amount_minor, @currency, @provider, @method_token, @user_key, @card_key, @user_max, @card_max,
                         @booking_max, @due_seconds, @pin_seconds)
        WITH ORDINALITY AS r(booking_id, principal, method, request_id, fingerprint, intent_id, is_new, attempt_id,
                             amount_minor, currency, provider, method_token, user_key, card_key, user_max, card_max,
                             booking_max, due_seconds, pin_seconds, n)
), b AS MATERIALIZED (
    SELECT k.booking_id, k.user_id, k.state, k.total_minor, k.captured_minor, k.currency, k.event_count,
           k.payment_required_time <= now() AS lapsed
      FROM booking k JOIN (SELECT DISTINCT booking_id FROM r) d USING (booking_id)
     ORDER BY k.booking_id FOR UPDATE OF k
), v AS MATERIALIZED (
    SELECT r.n, r.principal, r.method, r.request_id, r.intent_id, r.fingerprint,
           coalesce(r.amount_minor, i.amount_minor) AS amount_minor, coalesce(r.currency, i.currency) AS currency,
           CASE
               WHEN b.user_id IS DISTINCT FROM r.principal THEN 'NOT_FOUND'
               WHEN NOT r.is_new AND i.intent_id IS NULL THEN 'NOT_FOUND'
               WHEN b.state = 'CONFIRMING' THEN 'PAYMENT_IN_PROGRESS'
               WHEN b.state = 'EXPIRED' OR b.state = 'HELD' AND b.lapsed THEN 'HOLD_EXPIRED'
               WHEN b.state <> 'HELD' THEN 'BOOKING_STATE'
               WHEN coalesce(r.currency, i.currency) <> b.currency THEN 'CURRENCY_MISMATCH'
               WHEN coalesce(r.amount_minor, i.amount_minor) <> b.total_minor - b.captured_minor THEN 'AMOUNT_MISMATCH'
               WHEN NOT r.is_new AND i.state <> 'REQUIRES_PAYMENT_METHOD' THEN 'PAYMENT_STATE'
               WHEN r.is_new AND EXISTS (SELECT FROM payment_intent p WHERE p.booking_id = r.booking_id
                    AND p.state IN ('REQUIRES_PAYMENT_METHOD', 'REQUIRES_ACTION', 'PROCESSING', 'AUTHORIZED', 'CAPTURED'))
                   THEN 'PAYMENT_STATE'
               -- One attempt of a booking at a time also within this batch.
               WHEN row_number() OVER (PARTITION BY r.booking_id ORDER BY r.n) > 1 THEN 'PAYMENT_IN_PROGRESS'
               WHEN (SELECT count(*) FROM payment_attempt a WHERE a.booking_id = r.booking_id) >= r.booking_max
                   THEN 'RISK_VELOCITY'
               WHEN (SELECT coalesce(sum(hits), 0) FROM velocity x WHERE x.key = r.user_key
                        AND x.window_start > now() - interval '1 hour') >= r.user_max THEN 'RISK_VELOCITY'
               WHEN (SELECT coalesce(sum(hits), 0) FROM velocity x WHERE x.key = r.card_key
                        AND x.window_start > now() - interval '1 hour') >= r.card_max THEN 'RISK_VELOCITY'
           END AS refusal
      FROM r LEFT JOIN b USING (booking_id)
      LEFT JOIN payment_intent i ON NOT r.is_new AND i.booking_id = r.booking_id AND i.intent_id = r.intent_id
), k AS (
    INSERT INTO idempotency (principal, method, request_id, fingerprint, resource, reason)
    SELECT principal, method, request_id, fingerprint, CASE WHEN refusal IS NULL THEN intent_id END, refusal
      FROM v WHERE refusal IS NULL OR refusal NOT IN ('NOT_FOUND', 'PAYMENT_IN_PROGRESS') ORDER BY principal, method, request_id
        ON CONFLICT DO NOTHING
    RETURNING principal, method, request_id, resource
), g AS MATERIALIZED (
    SELECT r.*, v.amount_minor AS pay_minor, v.currency AS pay_currency, b.event_count
      FROM k JOIN v USING (principal, method, request_id) JOIN r USING (n) JOIN b USING (booking_id)
     WHERE k.resource IS NOT NULL
), u AS (
    UPDATE booking SET state = 'CONFIRMING', pin_time = now() + g.pin_seconds * interval '1 second', update_time = now(),
                       event_count = booking.event_count + 1, intent_id = g.intent_id, state_reason = NULL
      FROM g WHERE booking.booking_id = g.booking_id
), e AS (
    INSERT INTO booking_event (booking_id, sequence, type, state, actor)
    SELECT booking_id, event_count + 1, 'PAYMENT_STARTED', 'CONFIRMING', 'users/' || principal FROM g
), p AS (
    INSERT INTO payment_intent (booking_id, intent_id, user_id, state, amount_minor, currency)
    SELECT booking_id, intent_id, principal, 'PROCESSING', pay_minor, pay_currency FROM g WHERE is_new
), q AS (
    UPDATE payment_intent SET state = 'PROCESSING', update_time = now()
      FROM g WHERE NOT g.is_new AND payment_intent.booking_id = g.booking_id AND payment_intent.intent_id = g.intent_id
), a AS (
    INSERT INTO payment_attempt (booking_id, attempt_id, intent_id, state, provider, method_token, amount_minor, currency,
                                 due_time)
    SELECT booking_id, attempt_id, intent_id, 'SENT', provider, method_token, pay_minor, pay_currency,
           now() + due_seconds * interval '1 second'
      FROM g
), h AS (
    INSERT INTO velocity (key, window_start, hits)
    SELECT t.key, date_trunc('minute', now()), count(*)::int4
      FROM (SELECT user_key AS key FROM g UNION ALL SELECT card_key FROM g) t
     GROUP BY t.key ORDER BY t.key
        ON CONFLICT (key, window_start) DO UPDATE SET hits = velocity.hits + excluded.hits
)
SELECT v.n::int4, k.request_id IS NOT NULL AS claimed,
       EXISTS (SELECT FROM idempotency o WHERE o.principal = v.principal AND o.method = v.method
                  AND o.request_id = v.request_id) AS known,
       v.refusal, v.amount_minor, v.currency, now() AS create_time
  FROM v LEFT JOIN k USING (principal, method, request_id)
 ORDER BY v.n;

-- name: authorised(booking_id uuid, attempt_id uuid, provider_reference text, card_fingerprint bytea?, capture_seconds int4)
--       -> one (outcome text)
-- batched: on booking_id distinct booking_id max 64
-- The point of no return: held seats become sold, tickets are issued, the booking is CONFIRMED.
-- DONE · LATE: the booking is dead, the money must go back (the completer reverses it) · STALE: somebody else was faster.
-- many:
WITH r AS MATERIALIZED (
    SELECT * FROM unnest(@booking_id, @attempt_id, @provider_reference, @card_fingerprint, @capture_seconds)
        WITH ORDINALITY AS r(booking_id, attempt_id, provider_reference, card_fingerprint, capture_seconds, n)
), b AS MATERIALIZED (
    SELECT k.booking_id, k.state, k.seats, k.party, k.flight_ids, k.cabins, k.event_count, k.has_assigned_seats
      FROM booking k JOIN r USING (booking_id)
     ORDER BY k.booking_id FOR UPDATE OF k
), a AS MATERIALIZED (
    SELECT r.n, a.booking_id, a.attempt_id, a.intent_id, a.amount_minor
      FROM payment_attempt a JOIN r USING (booking_id, attempt_id)
     WHERE a.state IN ('SENT', 'UNKNOWN', 'ACTION_REQUIRED') AND EXISTS (SELECT FROM b WHERE b.booking_id = a.booking_id)
), g AS MATERIALIZED (
    SELECT r.*, a.intent_id, a.amount_minor, b.seats, b.party, b.flight_ids, b.cabins, b.event_count, b.has_assigned_seats
      FROM r JOIN a USING (n) JOIN b ON b.booking_id = r.booking_id
     WHERE b.state = 'CONFIRMING'
), s AS MATERIALIZED (
    SELECT x.flight_id, x.cabin, sum(g.seats)::int4 AS seats
      FROM g, unnest(g.flight_ids, g.cabins) AS x(flight_id, cabin) GROUP BY 1, 2
), l AS MATERIALIZED (
    SELECT i.flight_id, i.cabin, s.seats FROM inventory i JOIN s USING (flight_id, cabin)
     ORDER BY i.flight_id, i.cabin FOR UPDATE OF i
), u AS (
    UPDATE inventory i SET held = held - l.seats, sold = sold + l.seats
      FROM l WHERE i.flight_id = l.flight_id AND i.cabin = l.cabin
), w AS (
    UPDATE booking SET state = 'CONFIRMED', update_time = now(), pin_time = NULL, event_count = booking.event_count + 1
      FROM g WHERE booking.booking_id = g.booking_id
), e AS (
    INSERT INTO booking_event (booking_id, sequence, type, state, actor)
    SELECT booking_id, event_count + 1, 'BOOKING_CONFIRMED', 'CONFIRMED', 'system' FROM g
), t AS (
    INSERT INTO ticket (booking_id, number, passenger, coupons)
    SELECT g.booking_id, m.ticket_code || lpad(nextval('ticket_serial')::text, 10, '0'), p,
           repeat('O', cardinality(g.flight_ids))
      FROM g JOIN flight f ON f.flight_id = g.flight_ids[1] JOIN airline m ON m.iata = f.carrier,
           generate_series(0, g.party - 1) p
), z AS (
    UPDATE seat_assignment SET expire_time = 'infinity'
      FROM g, unnest(g.flight_ids) AS x(flight_id)
     WHERE g.has_assigned_seats AND seat_assignment.flight_id = x.flight_id AND seat_assignment.booking_id = g.booking_id
), d AS (
    UPDATE payment_attempt SET state = 'AUTHORIZED', provider_reference = c.provider_reference,
                               card_fingerprint = c.card_fingerprint, update_time = now(),
                               due_time = CASE WHEN c.confirmed THEN now() + c.capture_seconds * interval '1 second' ELSE now() END
      FROM (SELECT a.booking_id, a.attempt_id, r.provider_reference, r.card_fingerprint, r.capture_seconds,
                   EXISTS (SELECT FROM g WHERE g.n = a.n) AS confirmed
              FROM a JOIN r USING (n)) c
     WHERE payment_attempt.booking_id = c.booking_id AND payment_attempt.attempt_id = c.attempt_id
), i AS (
    UPDATE payment_intent SET state = 'AUTHORIZED', authorised_minor = c.amount_minor, update_time = now(),
                              provider_reference = c.provider_reference, decline_code = NULL
      FROM (SELECT a.booking_id, a.intent_id, a.amount_minor, r.provider_reference FROM a JOIN r USING (n)) c
     WHERE payment_intent.booking_id = c.booking_id AND payment_intent.intent_id = c.intent_id
)
SELECT r.n::int4, CASE WHEN g.n IS NOT NULL THEN 'DONE' WHEN a.n IS NOT NULL THEN 'LATE' ELSE 'STALE' END AS outcome
  FROM r LEFT JOIN a USING (n) LEFT JOIN g USING (n)
 ORDER BY r.n;

-- name: captured(booking_id uuid, attempt_id uuid, transfer_id uuid) -> one (done bool)
-- batched: on booking_id distinct booking_id max 64
-- Money taken: totals, and one transfer from the provider's clearing account to unearned revenue. Once per attempt.
-- many:
WITH r AS MATERIALIZED (
    SELECT * FROM unnest(@booking_id, @attempt_id, @transfer_id) WITH ORDINALITY AS r(booking_id, attempt_id, transfer_id, n)
), b AS MATERIALIZED (
    SELECT k.booking_id FROM booking k JOIN r USING (booking_id) ORDER BY k.booking_id FOR UPDATE OF k
), a AS (
    UPDATE payment_attempt x SET state = 'CAPTURED', due_time = NULL, update_time = now()
      FROM r JOIN b USING (booking_id)
     WHERE x.booking_id = r.booking_id AND x.attempt_id = r.attempt_id AND x.state = 'AUTHORIZED'
    RETURNING x.booking_id, x.attempt_id, x.intent_id, x.amount_minor, x.currency, r.transfer_id
), i AS (
    UPDATE payment_intent p SET state = 'CAPTURED', captured_minor = a.amount_minor, update_time = now()
      FROM a WHERE p.booking_id = a.booking_id AND p.intent_id = a.intent_id
), w AS (
    UPDATE booking SET captured_minor = booking.captured_minor + a.amount_minor, update_time = now()
      FROM a WHERE booking.booking_id = a.booking_id
), t AS (
    INSERT INTO ledger_transfer (booking_id, transfer_id, kind, debit, credit, amount_minor, currency, cause)
    SELECT booking_id, transfer_id, 'CAPTURE', 'provider_clearing', 'unearned_revenue', amount_minor, currency, attempt_id
      FROM a
)
SELECT r.n::int4, a.attempt_id IS NOT NULL AS done FROM r LEFT JOIN a USING (booking_id, attempt_id) ORDER BY r.n;

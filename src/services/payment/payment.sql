-- PaymentService. Every statement that changes a payment locks its booking row first: one order for everybody.
-- Inventory rows are locked after bookings, in (flight_id, cabin) order.

-- name: start(booking_id uuid, principal uuid, method int2, request_id uuid, fingerprint bytea, intent_id uuid,
--       is_new bool, attempt_id uuid, amount_minor int8?, currency text?, etag_time timestamptz?, provider text,
--       method_token text, card_key uuid, user_max int4, card_max int4, booking_max int4, due_seconds int4,
--       pin_seconds int4)
--       -> maybe (claimed bool, refusal text?, amount_minor int8?, currency text?, create_time timestamptz,
--                 update_time timestamptz)
-- batched: on booking_id distinct request_id max 64
-- No row: no such booking.
-- Everything that must be true before money moves, and the attempt's row, committed before a byte leaves for the provider.
-- @is_new makes the intent as well (CreatePaymentIntent with confirm); otherwise the try takes over telling of it.
-- The risk rules count tries that can have reached the provider: what did not tells nothing about user or card, and proxies
-- repeat it on their own. Calls that race may overshoot a limit by the size of their batches.
-- NOT_FOUND is not recorded: it is an answer about permission; PAYMENT_IN_PROGRESS and ETAG_MISMATCH neither: they pass.
-- The handler asks for a record of the same request before such a refusal stands.
-- Intents are locked behind their booking: they are read as they are after the wait for it, not as they were before.
-- Assigned seats are kept from here on as long as the booking is: a lapsed hold may be paid, if it was in time.
-- The lock on a HELD booking is what keeps its live intents and attempts from becoming two (M6).
-- Who dies after this is found by payment_watch: a row for all the attempts of a batch, so that none needs an index entry.
-- Scans: payment
-- Spans: booking_id, flight_id, principal
-- many:
WITH b AS MATERIALIZED (
    SELECT r.n, k.booking_id, k.user_id, k.state, k.total_minor - k.captured_minor AS owed_minor, k.currency, k.event_count,
           k.intent_id, CASE WHEN k.has_assigned_seats THEN k.flight_ids END AS seat_flights, k.payment_required_time
      FROM unnest(@booking_id) WITH ORDINALITY AS r(booking_id, n) JOIN booking k USING (booking_id)
     ORDER BY k.booking_id FOR UPDATE OF k
), i AS MATERIALIZED (
    -- A booking without an intent has none that matters to who brings a new one.
    SELECT b.n, p.attempt_id, p.intent_id, p.intent_state AS state, p.amount_minor, p.currency,
           p.intent_create_time AS create_time, p.update_time
      FROM b JOIN payment p USING (booking_id)
     WHERE p.intent_state IS NOT NULL AND (b.intent_id IS NOT NULL OR NOT (@is_new)[b.n])
       FOR UPDATE OF p
), c AS MATERIALIZED (
    SELECT b.n, b.booking_id, b.event_count, b.seat_flights, i.attempt_id AS former_id,
           coalesce((@amount_minor)[b.n], i.amount_minor) AS amount_minor, coalesce((@currency)[b.n], i.currency) AS currency,
           coalesce(i.create_time, now()) AS create_time,
           CASE
               WHEN b.user_id IS DISTINCT FROM (@principal)[b.n] THEN 'NOT_FOUND'
               -- The booking names an intent or a try that was made during the wait, too late to be seen here.
               WHEN b.state = 'CONFIRMING' OR NOT EXISTS (SELECT FROM i o WHERE o.n = b.n AND o.intent_id = b.intent_id)
                    AND CASE WHEN (@is_new)[b.n] THEN b.intent_id IS NOT NULL ELSE b.intent_id = (@intent_id)[b.n] END
                   THEN 'PAYMENT_IN_PROGRESS'
               WHEN NOT (@is_new)[b.n] AND i.intent_id IS NULL THEN 'NOT_FOUND'
               -- By the clock after the wait: others may have taken its seats since the lease ended.
               WHEN b.state = 'EXPIRED' OR b.state = 'HELD' AND b.payment_required_time <= clock_timestamp() THEN 'HOLD_EXPIRED'
               WHEN b.state <> 'HELD' THEN 'BOOKING_STATE'
               WHEN coalesce((@currency)[b.n], i.currency) <> b.currency THEN 'CURRENCY_MISMATCH'
               WHEN coalesce((@amount_minor)[b.n], i.amount_minor) <> b.owed_minor THEN 'AMOUNT_MISMATCH'
               WHEN i.update_time <> (@etag_time)[b.n] THEN 'ETAG_MISMATCH'
               WHEN NOT (@is_new)[b.n] AND i.state <> 'REQUIRES_PAYMENT_METHOD' THEN 'PAYMENT_STATE'
               WHEN (@is_new)[b.n] AND EXISTS (SELECT FROM i o WHERE o.n = b.n AND o.state NOT IN ('CANCELLED', 'EXPIRED'))
                   THEN 'PAYMENT_STATE'
               WHEN b.intent_id IS NOT NULL AND (SELECT count(*) FROM payment x WHERE x.booking_id = b.booking_id
                        AND x.state <> 'NOT_RECEIVED') >= (@booking_max)[b.n] THEN 'RISK_VELOCITY'
               WHEN (SELECT count(*) FROM payment x WHERE x.user_id = (@principal)[b.n]
                        AND x.create_time > now() - interval '1 hour' AND x.state <> 'NOT_RECEIVED') >= (@user_max)[b.n]
                    OR (SELECT count(*) FROM payment x WHERE x.card_key = (@card_key)[b.n]
                        AND x.create_time > now() - interval '1 hour' AND x.state <> 'NOT_RECEIVED') >= (@card_max)[b.n]
                   THEN 'RISK_VELOCITY'
               -- A repeat must not stand in the way of others in this batch: what came of it is on record.
               WHEN cardinality(array_positions(@booking_id, b.booking_id)) > 1
                    AND (SELECT count(*) FROM idempotency o WHERE o.principal = (@principal)[b.n]
                            AND o.method = (@method)[b.n] AND o.request_id = (@request_id)[b.n]) > 0
                   THEN 'PAYMENT_IN_PROGRESS'
           END AS refusal
      FROM b LEFT JOIN i ON i.n = b.n AND i.intent_id = (@intent_id)[b.n]
), v AS MATERIALIZED (
    -- One attempt of a booking at a time also within this batch: the first that nothing else speaks against.
    SELECT n, booking_id, event_count, seat_flights, former_id, amount_minor, currency, create_time,
           coalesce(refusal, CASE WHEN row_number() OVER (PARTITION BY booking_id, refusal IS NULL ORDER BY n) > 1
                                  THEN 'PAYMENT_IN_PROGRESS' END) AS refusal
      FROM c
), k AS (
    INSERT INTO idempotency (principal, method, request_id, fingerprint, resource, reason)
    SELECT (@principal)[n], (@method)[n], (@request_id)[n], (@fingerprint)[n],
           CASE WHEN refusal IS NULL THEN (@intent_id)[n] END, refusal
      FROM v
     WHERE refusal IS NULL OR refusal NOT IN ('NOT_FOUND', 'PAYMENT_IN_PROGRESS', 'ETAG_MISMATCH')
     ORDER BY 1, 2, 3
        ON CONFLICT DO NOTHING
    RETURNING request_id
), g AS MATERIALIZED (
    SELECT n, booking_id, event_count, seat_flights, former_id, amount_minor, currency, create_time
      FROM v
     WHERE refusal IS NULL AND ((@request_id)[n] IN (SELECT request_id FROM k)) IS TRUE
), u AS (
    UPDATE booking SET state = 'CONFIRMING', pin_time = now() + (@pin_seconds)[g.n] * interval '1 second',
                       update_time = now(), event_count = booking.event_count + 1, intent_id = (@intent_id)[g.n],
                       authorised_minor = 0, state_reason = NULL
      FROM g WHERE booking.booking_id = g.booking_id
), p AS (
    UPDATE payment SET intent_state = NULL
      FROM g WHERE g.former_id IS NOT NULL AND payment.booking_id = g.booking_id AND payment.attempt_id = g.former_id
), a AS (
    INSERT INTO payment (booking_id, attempt_id, intent_id, user_id, card_key, intent_create_time, amount_minor, currency,
                         start_event, intent_state, state, provider, method_token)
    SELECT booking_id, (@attempt_id)[n], (@intent_id)[n], (@principal)[n], (@card_key)[n], create_time, amount_minor, currency,
           event_count + 1, 'PROCESSING', 'SENT', (@provider)[n], (@method_token)[n]
      FROM g
), o AS (
    INSERT INTO payment_watch (booking_id, due_time, booking_ids, attempt_ids)
    SELECT (array_agg(booking_id))[1], now() + max((@due_seconds)[n]) * interval '1 second', array_agg(booking_id),
           array_agg((@attempt_id)[n])
      FROM g HAVING count(*) > 0
), z AS (
    UPDATE seat_assignment q SET expire_time = 'infinity'
     WHERE q.flight_id = ANY (ARRAY(SELECT unnest(seat_flights) FROM g))
       AND q.booking_id = ANY (ARRAY(SELECT booking_id FROM g WHERE seat_flights IS NOT NULL))
)
SELECT n::int4, (@request_id)[n] IN (SELECT request_id FROM k) AS claimed, refusal, amount_minor, currency, create_time,
       now() AS update_time
  FROM v;

-- name: authorised(booking_id uuid, attempt_id uuid, provider_reference text, card_fingerprint bytea?, card text?,
--       is_captured bool, refund_id uuid, capture_seconds int4) -> maybe (outcome text, update_time timestamptz)
-- batched: on booking_id distinct booking_id max 64
-- The point of no return: the seats are kept, tickets are issued, the booking is CONFIRMED.
-- DONE; LATE: the booking is dead, the money must go back (the completer reverses it); no row: somebody else was faster.
-- @is_captured: the provider took the money in the same message. It is booked at once, as captured would: totals and the
-- transfer; for a dead booking all of it is reserved to go back, as @refund_id.
-- A booking follows its latest intent.
-- many:
WITH b AS MATERIALIZED (
    SELECT r.n, k.booking_id, k.state, k.state = 'CONFIRMING' AS sells, (@is_captured)[r.n] AS is_captured,
           (@is_captured)[r.n] AND k.state IN ('EXPIRED', 'FAILED', 'CANCELLING', 'CANCELLED') AS refunds,
           k.party, k.event_count
      FROM unnest(@booking_id) WITH ORDINALITY AS r(booking_id, n) JOIN booking k USING (booking_id)
     ORDER BY k.booking_id FOR UPDATE OF k
), a AS (
    -- An update sees the attempt as it is after the wait for its booking, not as it was before.
    UPDATE payment x
       SET state = CASE WHEN b.is_captured THEN 'CAPTURED' ELSE 'AUTHORIZED' END, update_time = now(),
           provider_reference = (@provider_reference)[b.n], card_fingerprint = (@card_fingerprint)[b.n], card = (@card)[b.n],
           inquiry_count = CASE WHEN b.sells THEN 0 ELSE x.inquiry_count END,
           due_time = CASE WHEN NOT (b.is_captured OR b.sells) THEN now() END,
           intent_state = CASE WHEN b.is_captured THEN 'CAPTURED'
                               WHEN b.sells OR x.intent_state IN ('PROCESSING', 'REQUIRES_ACTION') THEN 'AUTHORIZED'
                               ELSE x.intent_state END,
           authorised_minor = CASE WHEN b.is_captured OR b.sells OR x.intent_state IN ('PROCESSING', 'REQUIRES_ACTION')
                              THEN x.amount_minor ELSE x.authorised_minor END,
           captured_minor = CASE WHEN b.is_captured THEN x.amount_minor ELSE 0 END,
           refundable_minor = CASE WHEN b.is_captured AND NOT b.refunds THEN x.amount_minor ELSE 0 END
      FROM b
     WHERE x.booking_id = b.booking_id AND x.attempt_id = (@attempt_id)[b.n] AND x.state IN ('SENT', 'UNKNOWN', 'ACTION_REQUIRED')
    RETURNING b.n, b.booking_id, b.state, b.sells, b.refunds, b.party, b.event_count, x.attempt_id, x.intent_id,
              x.amount_minor, x.currency, x.authorised_minor, x.captured_minor, b.is_captured
), w AS (
    UPDATE booking
       SET state = CASE WHEN a.sells THEN 'CONFIRMED' ELSE booking.state END,
           update_time = now(),
           pin_time = CASE WHEN a.sells THEN NULL ELSE booking.pin_time END,
           authorised_minor = CASE WHEN booking.intent_id = a.intent_id THEN a.authorised_minor
                              ELSE booking.authorised_minor END,
           captured_minor = booking.captured_minor + a.captured_minor,
           event_count = booking.event_count + (a.sells OR a.refunds)::int4,
           ticket_event = CASE WHEN a.sells THEN booking.event_count + 1 ELSE booking.ticket_event END,
           ticket_time = CASE WHEN a.sells THEN now() ELSE booking.ticket_time END,
           ticket_serials = CASE WHEN a.sells THEN ARRAY(SELECT nextval('ticket_serial') FROM generate_series(1, a.party))
                            ELSE booking.ticket_serials END,
           coupons = CASE WHEN a.sells THEN repeat('O', a.party * cardinality(booking.flight_ids)) ELSE booking.coupons END
      FROM a WHERE a.authorised_minor > 0 AND booking.booking_id = a.booking_id
), e AS (
    INSERT INTO booking_event (booking_id, sequence, type, state, actor, reason, subject)
    SELECT booking_id, event_count + 1, 'REFUND_STARTED', state, 'system', 'LATE_PAYMENT', (@refund_id)[n] FROM a WHERE refunds
), l AS (
    INSERT INTO ledger_transfer (booking_id, cause, kind, debit, credit, amount_minor, currency)
    SELECT booking_id, attempt_id, 'CAPTURE', 'provider_clearing', 'unearned_revenue', amount_minor, currency
      FROM a WHERE is_captured
), f AS (
    INSERT INTO refund (booking_id, refund_id, intent_id, state, amount_minor, currency, cause, due_time)
    SELECT booking_id, (@refund_id)[n], intent_id, 'RESERVED', amount_minor, currency, 'LATE_PAYMENT', now()
      FROM a WHERE refunds
), o AS (
    INSERT INTO payment_watch (booking_id, due_time, booking_ids, attempt_ids)
    SELECT (array_agg(booking_id))[1], now() + max((@capture_seconds)[n]) * interval '1 second', array_agg(booking_id),
           array_agg(attempt_id)
      FROM a WHERE sells AND NOT is_captured HAVING count(*) > 0
)
SELECT n::int4, CASE WHEN sells THEN 'DONE' ELSE 'LATE' END AS outcome, now() AS update_time FROM a;

-- name: captured(booking_id uuid, attempt_id uuid, refund_id uuid) -> one (done bool, update_time timestamptz)
-- batched: on booking_id distinct booking_id max 64
-- Money taken: totals, and one transfer from the provider's clearing account to unearned revenue. Once per attempt.
-- If the booking has died meanwhile, all of it is reserved to go back at once: @refund_id.
-- many:
WITH b AS MATERIALIZED (
    SELECT r.n, k.booking_id, k.state IN ('EXPIRED', 'FAILED', 'CANCELLING', 'CANCELLED') AS dead, k.state, k.event_count
      FROM unnest(@booking_id) WITH ORDINALITY AS r(booking_id, n) JOIN booking k USING (booking_id)
     ORDER BY k.booking_id FOR UPDATE OF k
), a AS (
    UPDATE payment x
       SET state = 'CAPTURED', intent_state = 'CAPTURED', captured_minor = x.amount_minor, due_time = NULL, update_time = now(),
           refundable_minor = CASE WHEN b.dead THEN 0 ELSE x.amount_minor END
      FROM b
     WHERE x.booking_id = b.booking_id AND x.attempt_id = (@attempt_id)[b.n] AND x.state = 'AUTHORIZED'
    RETURNING b.n, x.booking_id, x.attempt_id, x.intent_id, x.amount_minor, x.currency, b.dead, b.state, b.event_count
), w AS (
    UPDATE booking SET captured_minor = booking.captured_minor + a.amount_minor, update_time = now(),
                       event_count = booking.event_count + a.dead::int4
      FROM a WHERE booking.booking_id = a.booking_id
), t AS (
    INSERT INTO ledger_transfer (booking_id, cause, kind, debit, credit, amount_minor, currency)
    SELECT booking_id, attempt_id, 'CAPTURE', 'provider_clearing', 'unearned_revenue', amount_minor, currency FROM a
), f AS (
    INSERT INTO refund (booking_id, refund_id, intent_id, state, amount_minor, currency, cause, due_time)
    SELECT booking_id, (@refund_id)[n], intent_id, 'RESERVED', amount_minor, currency, 'LATE_PAYMENT', now() FROM a WHERE dead
), e AS (
    INSERT INTO booking_event (booking_id, sequence, type, state, actor, reason, subject)
    SELECT booking_id, event_count + 1, 'REFUND_STARTED', state, 'system', 'LATE_PAYMENT', (@refund_id)[n] FROM a WHERE dead
)
SELECT n::int4, n IN (SELECT n FROM a) AS done, now() AS update_time FROM generate_series(1, cardinality(@booking_id)) n;

-- name: failed(booking_id uuid, attempt_id uuid, outcome text, error_code text?, decline_code text?,
--       provider_reference text?, due_seconds int4?, cancel_intent bool, principal uuid, method int2, unclaim uuid?)
--       -> one (done bool, booking_state text?, update_time timestamptz)
-- batched: on booking_id distinct booking_id max 64
-- An attempt ends without money: @outcome is DECLINED, NOT_RECEIVED or REVERSED. The booking it pinned is HELD again, or
-- EXPIRED with its seats given back when the lease has passed meanwhile. @unclaim forgets the request: nothing was done, so
-- the same request_id may try again; @cancel_intent goes with it, because nobody was told of the intent.
-- Spans: booking_id, flight_id, principal
-- many:
WITH r AS MATERIALIZED (
    SELECT * FROM unnest(@booking_id, @attempt_id, @outcome, @error_code, @decline_code, @provider_reference, @due_seconds,
                         @cancel_intent, @principal, @method, @unclaim)
        WITH ORDINALITY AS r(booking_id, attempt_id, outcome, error_code, decline_code, provider_reference, due_seconds,
                             cancel_intent, principal, method, unclaim, n)
), b AS MATERIALIZED (
    SELECT k.booking_id, k.state, k.seats, k.flight_ids, k.cabins, k.event_count, k.has_assigned_seats,
           k.payment_required_time, k.payment_required_time <= now() AS lapsed
      FROM booking k JOIN r USING (booking_id)
     ORDER BY k.booking_id FOR UPDATE OF k
), a AS MATERIALIZED (
    SELECT r.n, x.booking_id, x.attempt_id, x.intent_id, x.state <> 'NOT_RECEIVED' AS was_live,
           x.state IN ('SENT', 'UNKNOWN', 'ACTION_REQUIRED') AND b.state = 'CONFIRMING' AS pinned
      FROM payment x JOIN r USING (booking_id, attempt_id) JOIN b USING (booking_id)
     WHERE x.state IN ('SENT', 'UNKNOWN', 'ACTION_REQUIRED')
        OR r.outcome = 'REVERSED' AND (x.state = 'NOT_RECEIVED'
                                       OR x.state = 'AUTHORIZED' AND b.state NOT IN ('CONFIRMED', 'COMPLETED'))
       FOR UPDATE OF x
), g AS MATERIALIZED (
    SELECT r.*, a.intent_id, a.was_live, a.pinned, b.seats, b.flight_ids, b.cabins, b.event_count,
           a.pinned AND b.has_assigned_seats AS has_seats, b.payment_required_time,
           a.pinned AND b.lapsed AS expires,
           CASE WHEN NOT a.pinned THEN b.state WHEN b.lapsed THEN 'EXPIRED' ELSE 'HELD' END AS after
      FROM r JOIN a USING (n) JOIN b ON b.booking_id = r.booking_id
), u AS (
    UPDATE inventory i SET free = i.free + s.seats, taken = i.taken - s.seats
      FROM (SELECT x.flight_id, x.cabin, sum(g.seats)::int4 AS seats
              FROM g, unnest(g.flight_ids, g.cabins) AS x(flight_id, cabin) WHERE g.expires GROUP BY 1, 2 ORDER BY 1, 2) s
     WHERE i.flight_id = s.flight_id AND i.cabin = s.cabin
    RETURNING i.flight_id
), f AS (
    INSERT INTO inventory_change (flight_id, flight_ids)
    SELECT (array_agg(flight_id))[1], array_agg(flight_id) FROM u HAVING count(*) > 0
), z AS (
    DELETE FROM seat_assignment q USING g, unnest(g.flight_ids) AS x(flight_id), (SELECT count(*) FROM u) locked
     WHERE g.expires AND g.has_seats AND q.flight_id = x.flight_id AND q.booking_id = g.booking_id
), y AS (
    UPDATE seat_assignment q SET expire_time = g.payment_required_time
      FROM g, unnest(g.flight_ids) AS x(flight_id), (SELECT count(*) FROM u) locked
     WHERE NOT g.expires AND g.has_seats AND q.flight_id = x.flight_id AND q.booking_id = g.booking_id
), w AS (
    UPDATE booking SET state = g.after, update_time = now(),
                       pin_time = CASE WHEN g.pinned THEN NULL ELSE booking.pin_time END,
                       intent_id = CASE WHEN g.pinned AND g.cancel_intent THEN NULL ELSE booking.intent_id END,
                       authorised_minor = CASE WHEN g.was_live AND booking.intent_id = g.intent_id THEN 0
                                          ELSE booking.authorised_minor END,
                       state_reason = CASE WHEN g.expires THEN 'HOLD_EXPIRED' WHEN g.pinned THEN g.error_code
                                      ELSE booking.state_reason END,
                       event_count = booking.event_count + CASE WHEN g.expires THEN 2 ELSE 1 END
      FROM g WHERE booking.booking_id = g.booking_id
), e AS (
    INSERT INTO booking_event (booking_id, sequence, type, state, actor, reason, subject)
    SELECT g.booking_id, g.event_count + x.i, coalesce(x.type, CASE g.outcome WHEN 'REVERSED' THEN 'PAYMENT_VOIDED'
                                                               ELSE 'PAYMENT_DECLINED' END),
           g.after, 'system', CASE x.i WHEN 1 THEN g.error_code END, CASE x.i WHEN 1 THEN g.intent_id END
      FROM g JOIN (VALUES (1, NULL), (2, 'BOOKING_EXPIRED')) AS x(i, type) ON x.i = 1 OR g.expires
), d AS (
    UPDATE payment x
       SET state = g.outcome, error_code = g.error_code, decline_code = g.decline_code, authorised_minor = 0,
           -- Of a forgotten try nothing is left: who repeats the request comes with the etag from before it.
           update_time = coalesce(CASE WHEN g.unclaim IS NOT NULL AND NOT g.cancel_intent THEN
                             (SELECT max(o.update_time) FROM payment o WHERE o.booking_id = g.booking_id
                                 AND o.intent_id = g.intent_id AND o.attempt_id <> g.attempt_id) END, now()),
           provider_reference = coalesce(g.provider_reference, x.provider_reference),
           due_time = now() + g.due_seconds * interval '1 second',
           intent_state = CASE WHEN NOT g.was_live OR x.intent_state NOT IN ('PROCESSING', 'REQUIRES_ACTION', 'AUTHORIZED')
                                   THEN x.intent_state
                               WHEN g.after = 'EXPIRED' THEN 'EXPIRED'
                               WHEN g.cancel_intent OR NOT g.pinned THEN 'CANCELLED'
                               ELSE 'REQUIRES_PAYMENT_METHOD' END
      FROM g WHERE x.booking_id = g.booking_id AND x.attempt_id = g.attempt_id
), k AS (
    DELETE FROM idempotency o USING g
     WHERE o.principal = g.principal AND o.method = g.method AND o.request_id = g.unclaim
)
SELECT r.n::int4, g.n IS NOT NULL AS done, g.after AS booking_state, now() AS update_time
  FROM r LEFT JOIN g USING (n);

-- name: wait(booking_id uuid, attempt_id uuid, state text, provider_reference text?, redirect_url text?, inquired bool,
--       due_seconds int4?) -> one (done bool, update_time timestamptz)
-- batched: on booking_id distinct booking_id max 64
-- The attempt goes on waiting until @due_seconds from now: for the provider (@state UNKNOWN) or for the customer
-- (ACTION_REQUIRED). What is known of it is never forgotten: UNKNOWN replaces SENT only. NULL: nobody asks any more.
-- Asking once more for what never arrived changes nothing of the intent, whose etag is update_time.
-- many:
WITH r AS MATERIALIZED (
    SELECT * FROM unnest(@booking_id, @attempt_id, @state, @provider_reference, @redirect_url, @inquired, @due_seconds)
        WITH ORDINALITY AS r(booking_id, attempt_id, state, provider_reference, redirect_url, inquired, due_seconds, n)
), b AS MATERIALIZED (
    SELECT k.booking_id, k.state, k.event_count FROM booking k JOIN r USING (booking_id) ORDER BY k.booking_id FOR UPDATE OF k
), a AS MATERIALIZED (
    SELECT r.n, x.intent_id, x.state = 'SENT' AND r.state = 'UNKNOWN' AND b.state = 'CONFIRMING' AS told, b.event_count,
           CASE WHEN r.state = 'UNKNOWN' AND x.state = 'SENT' THEN 'UNKNOWN'
                WHEN r.state = 'ACTION_REQUIRED' AND x.state IN ('SENT', 'UNKNOWN') THEN 'ACTION_REQUIRED'
                ELSE x.state END AS after
      FROM payment x JOIN r USING (booking_id, attempt_id) JOIN b USING (booking_id)
     WHERE x.state IN ('SENT', 'UNKNOWN', 'ACTION_REQUIRED', 'AUTHORIZED', 'NOT_RECEIVED')
       FOR UPDATE OF x
), d AS (
    UPDATE payment x
       SET state = a.after, inquiry_count = x.inquiry_count + r.inquired::int4,
           provider_reference = coalesce(r.provider_reference, x.provider_reference),
           redirect_url = coalesce(r.redirect_url, x.redirect_url),
           due_time = now() + r.due_seconds * interval '1 second',
           update_time = CASE a.after WHEN 'NOT_RECEIVED' THEN x.update_time ELSE now() END,
           intent_state = CASE WHEN a.after = 'ACTION_REQUIRED' AND x.intent_state = 'PROCESSING' THEN 'REQUIRES_ACTION'
                          ELSE x.intent_state END
      FROM a JOIN r USING (n) WHERE x.booking_id = r.booking_id AND x.attempt_id = r.attempt_id
), w AS (
    UPDATE booking SET event_count = booking.event_count + 1, update_time = now()
      FROM a JOIN r USING (n) WHERE a.told AND booking.booking_id = r.booking_id
), e AS (
    INSERT INTO booking_event (booking_id, sequence, type, state, actor, subject)
    SELECT r.booking_id, a.event_count + 1, 'PAYMENT_UNKNOWN', 'CONFIRMING', 'system', a.intent_id
      FROM a JOIN r USING (n) WHERE a.told
)
SELECT r.n::int4, a.n IS NOT NULL AS done, now() AS update_time FROM r LEFT JOIN a USING (n);

-- name: attention(booking_id uuid, attempt_id uuid, item_id uuid, kind text, detail text, final bool, inquired bool,
--       due_seconds int4?) -> one (done bool)
-- key: booking_id
-- What the machine cannot decide, told to people once. @final: it stops trying; the booking waits in ATTENTION with what it
-- has (seats held or sold), and so does an attempt that never found out.
WITH b AS MATERIALIZED (
    SELECT booking_id, state, event_count FROM booking WHERE booking_id = @booking_id FOR UPDATE
), a AS MATERIALIZED (
    SELECT x.attempt_id, x.state FROM payment x JOIN b USING (booking_id)
     WHERE x.attempt_id = @attempt_id AND x.state IN ('SENT', 'UNKNOWN', 'ACTION_REQUIRED', 'AUTHORIZED', 'NOT_RECEIVED')
       FOR UPDATE OF x
), n AS (
    INSERT INTO attention_item (booking_id, item_id, kind, detail)
    SELECT @booking_id, @item_id, @kind, @detail FROM a
     WHERE NOT EXISTS (SELECT FROM attention_item o
                        WHERE o.booking_id = @booking_id AND o.kind = @kind AND o.resolve_time IS NULL)
), d AS (
    UPDATE payment x
       SET state = CASE WHEN @final AND x.state IN ('SENT', 'UNKNOWN', 'ACTION_REQUIRED') THEN 'ATTENTION' ELSE x.state END,
           inquiry_count = x.inquiry_count + @inquired::int4, update_time = now(), due_time = now() + @due_seconds * interval '1 second'
      FROM a WHERE x.booking_id = @booking_id AND x.attempt_id = a.attempt_id
), g AS (
    SELECT b.* FROM a, b WHERE @final AND a.state <> 'NOT_RECEIVED' AND b.state IN ('CONFIRMING', 'CONFIRMED')
), w AS (
    UPDATE booking SET state = 'ATTENTION', state_reason = @kind, update_time = now(), event_count = g.event_count + 1
      FROM g WHERE booking.booking_id = g.booking_id
), e AS (
    INSERT INTO booking_event (booking_id, sequence, type, state, actor, reason)
    SELECT booking_id, event_count + 1, 'ATTENTION_RAISED', 'ATTENTION', 'system', @kind FROM g
)
SELECT EXISTS (SELECT FROM a) AS done;

-- name: intent_create(booking_id uuid, principal uuid, request_id uuid, fingerprint bytea, intent_id uuid,
--       amount_minor int8, currency text) -> one (claimed bool, refusal text?, create_time timestamptz)
-- batched: on booking_id distinct request_id max 64
-- What is owed, without a try yet. The same refusals as start.
-- Spans: booking_id, principal
-- many:
WITH r AS MATERIALIZED (
    SELECT * FROM unnest(@booking_id, @principal, @request_id, @fingerprint, @intent_id, @amount_minor, @currency)
        WITH ORDINALITY AS r(booking_id, principal, request_id, fingerprint, intent_id, amount_minor, currency, n)
), b AS MATERIALIZED (
    SELECT k.booking_id, k.user_id, k.state, k.total_minor, k.captured_minor, k.currency,
           k.intent_id, k.payment_required_time <= now() AS lapsed
      FROM booking k JOIN (SELECT DISTINCT booking_id FROM r) d USING (booking_id)
     ORDER BY k.booking_id FOR UPDATE OF k
), i AS MATERIALIZED (
    SELECT p.booking_id, p.intent_id, p.intent_state AS state FROM payment p JOIN b USING (booking_id)
     WHERE p.intent_state IS NOT NULL FOR UPDATE OF p
), c AS MATERIALIZED (
    SELECT r.n, r.booking_id, r.principal, r.request_id, r.fingerprint, r.intent_id,
           CASE
               WHEN b.user_id IS DISTINCT FROM r.principal THEN 'NOT_FOUND'
               WHEN b.state = 'CONFIRMING' THEN 'PAYMENT_IN_PROGRESS'
               WHEN b.state = 'EXPIRED' OR b.state = 'HELD' AND b.lapsed THEN 'HOLD_EXPIRED'
               WHEN b.state <> 'HELD' THEN 'BOOKING_STATE'
               WHEN r.currency <> b.currency THEN 'CURRENCY_MISMATCH'
               WHEN r.amount_minor <> b.total_minor - b.captured_minor THEN 'AMOUNT_MISMATCH'
               WHEN b.intent_id IS NOT NULL AND b.intent_id NOT IN (SELECT intent_id FROM i) THEN 'PAYMENT_IN_PROGRESS'
               WHEN r.booking_id IN (SELECT booking_id FROM i WHERE state NOT IN ('CANCELLED', 'EXPIRED'))
                   THEN 'PAYMENT_STATE'
               WHEN cardinality(array_positions(@booking_id, r.booking_id)) > 1
                    AND (SELECT count(*) FROM idempotency o WHERE o.principal = r.principal AND o.method = 8
                            AND o.request_id = r.request_id) > 0
                   THEN 'PAYMENT_IN_PROGRESS'
           END AS refusal
      FROM r LEFT JOIN b USING (booking_id)
), v AS MATERIALIZED (
    SELECT n, principal, request_id, fingerprint, intent_id,
           coalesce(refusal, CASE WHEN row_number() OVER (PARTITION BY booking_id, refusal IS NULL ORDER BY n) > 1
                                  THEN 'PAYMENT_IN_PROGRESS' END) AS refusal
      FROM c
), k AS (
    INSERT INTO idempotency (principal, method, request_id, fingerprint, resource, reason)
    SELECT principal, 8, request_id, fingerprint, CASE WHEN refusal IS NULL THEN intent_id END, refusal
      FROM v WHERE refusal IS NULL OR refusal NOT IN ('NOT_FOUND', 'PAYMENT_IN_PROGRESS') ORDER BY principal, request_id
        ON CONFLICT DO NOTHING
    RETURNING principal, request_id, resource
), g AS MATERIALIZED (
    SELECT r.* FROM k JOIN v USING (principal, request_id) JOIN r USING (n)
     WHERE k.resource = v.intent_id AND v.refusal IS NULL
), p AS (
    INSERT INTO payment (booking_id, attempt_id, intent_id, user_id, intent_state, amount_minor, currency)
    SELECT booking_id, intent_id, intent_id, principal, 'REQUIRES_PAYMENT_METHOD', amount_minor, currency FROM g
), w AS (
    UPDATE booking SET intent_id = g.intent_id, authorised_minor = 0, update_time = now()
      FROM g WHERE booking.booking_id = g.booking_id
)
SELECT v.n::int4, k.request_id IS NOT NULL AS claimed,
       v.refusal, now() AS create_time
  FROM v LEFT JOIN k USING (principal, request_id)
 ORDER BY v.n;

-- name: get(booking_id uuid, intent_id uuid) -> maybe (user_id uuid, state text, amount_minor int8, currency text,
--       authorised_minor int8, captured_minor int8, refund_reserved_minor int8, create_time timestamptz,
--       update_time timestamptz, pin_time timestamptz?, attempt_id uuid?, attempt_state text?, provider text?,
--       provider_reference text?, error_code text?, decline_code text?, redirect_url text?, inquiry_count int4?,
--       due_time timestamptz?, attempt_create_time timestamptz?, card text?)
-- batched: on booking_id max 64
-- The intent with its latest attempt. Not marked read: replays must see the commit that won the claim.
-- many:
SELECT r.n::int4, p.user_id, p.intent_state AS state, p.amount_minor, p.currency, p.authorised_minor, p.captured_minor,
       p.captured_minor - p.refundable_minor AS refund_reserved_minor, p.intent_create_time AS create_time, p.update_time,
       b.pin_time, CASE WHEN p.state IS NOT NULL THEN p.attempt_id END AS attempt_id, p.state AS attempt_state, p.provider,
       p.provider_reference, p.error_code, p.decline_code, p.redirect_url, p.inquiry_count, p.due_time,
       CASE WHEN p.state IS NOT NULL THEN p.create_time END AS attempt_create_time, p.card
  FROM unnest(@booking_id, @intent_id) WITH ORDINALITY AS r(booking_id, intent_id, n)
  JOIN payment p ON p.booking_id = r.booking_id AND p.intent_id = r.intent_id AND p.intent_state IS NOT NULL
  JOIN booking b ON b.booking_id = r.booking_id;

-- name: refund_create(principal uuid, request_id uuid, fingerprint bytea, booking_id uuid, intent_id uuid, refund_id uuid,
--       amount_minor int8, currency text, cause text, provider text, due_seconds int4)
--       -> one (claimed bool, refusal text?, provider_reference text?, sends bool)
-- key: booking_id
-- Sets the amount aside, so that refunds running at the same time cannot exceed what was taken, and marks it as sent.
-- Money goes back where it came from: when that is another provider than @provider, a process that has it sends it.
-- Spans: booking_id, principal
WITH b AS MATERIALIZED (
    SELECT booking_id, state, event_count, intent_id FROM booking WHERE booking_id = @booking_id FOR UPDATE
), i AS MATERIALIZED (
    SELECT p.* FROM payment p JOIN b USING (booking_id)
     WHERE p.intent_id = @intent_id AND p.intent_state IS NOT NULL FOR UPDATE OF p
), v AS MATERIALIZED (
    SELECT i.provider_reference, i.provider IS NOT DISTINCT FROM @provider AS sends, CASE
               -- Another try took the intent over during the wait, too late to be seen here.
               WHEN i.intent_id IS NULL AND b.intent_id = @intent_id THEN 'PAYMENT_IN_PROGRESS'
               WHEN i.intent_id IS NULL THEN 'NOT_FOUND'
               WHEN i.intent_state <> 'CAPTURED' THEN 'PAYMENT_STATE'
               WHEN i.currency <> @currency THEN 'CURRENCY_MISMATCH'
               WHEN @amount_minor > i.refundable_minor THEN 'REFUND_EXCEEDS_CAPTURE'
           END AS refusal
      FROM (SELECT 1) x LEFT JOIN b ON true LEFT JOIN i ON true
), k AS (
    INSERT INTO idempotency (principal, method, request_id, fingerprint, resource, reason)
    SELECT @principal, 10, @request_id, @fingerprint, CASE WHEN refusal IS NULL THEN @refund_id END, refusal
      FROM v WHERE refusal IS NULL OR refusal NOT IN ('NOT_FOUND', 'PAYMENT_IN_PROGRESS')
        ON CONFLICT DO NOTHING
    RETURNING resource
), g AS MATERIALIZED (
    SELECT b.state, b.event_count, v.sends FROM k, b, v WHERE k.resource IS NOT NULL
), f AS (
    INSERT INTO refund (booking_id, refund_id, intent_id, state, amount_minor, currency, cause, sent_time, due_time)
    SELECT @booking_id, @refund_id, @intent_id, CASE WHEN sends THEN 'SENT' ELSE 'RESERVED' END, @amount_minor, @currency,
           @cause, CASE WHEN sends THEN now() END,
           CASE WHEN sends THEN now() + @due_seconds * interval '1 second' ELSE now() END
      FROM g
), p AS (
    UPDATE payment p SET refundable_minor = p.refundable_minor - @amount_minor, update_time = now()
      FROM g WHERE p.booking_id = @booking_id AND p.intent_id = @intent_id AND p.intent_state = 'CAPTURED'
), w AS (
    UPDATE booking SET event_count = g.event_count + 1, update_time = now() FROM g WHERE booking_id = @booking_id
), e AS (
    INSERT INTO booking_event (booking_id, sequence, type, state, actor, reason, subject)
    SELECT @booking_id, event_count + 1, 'REFUND_STARTED', state, 'users/' || @principal, @cause, @refund_id FROM g
)
SELECT EXISTS (SELECT FROM k) AS claimed,
       v.refusal, v.provider_reference, v.sends
  FROM v;

-- name: refund_get(booking_id uuid, refund_id uuid) -> maybe (user_id uuid, intent_id uuid, state text, amount_minor int8,
--       currency text, cause text, error_code text?, create_time timestamptz, update_time timestamptz, cancellation_id uuid?)
-- key: booking_id
SELECT b.user_id, f.intent_id, f.state, f.amount_minor, f.currency, f.cause, f.error_code, f.create_time, f.update_time,
       (SELECT c.cancellation_id FROM cancellation c WHERE c.booking_id = f.booking_id AND c.refund_id = f.refund_id LIMIT 1)
           AS cancellation_id
  FROM refund f JOIN booking b USING (booking_id)
 WHERE f.booking_id = @booking_id AND f.refund_id = @refund_id;

-- name: refund_wait(booking_id uuid, refund_id uuid, state text, provider_reference text?, key_spent bool,
--       inquiry_count int4, due_seconds int4, item_id uuid) -> one (done bool)
-- key: booking_id
-- Still under way: asked for again at @due_seconds. @key_spent: what is sent next is sent under a new key.
-- A provider that has it (SENT) may take many days. People are told of what takes longer, and of what nobody can tell.
WITH b AS MATERIALIZED (
    SELECT booking_id FROM booking WHERE booking_id = @booking_id FOR UPDATE
), u AS (
    UPDATE refund f
       SET state = @state, update_time = now(), try_count = f.try_count + @key_spent::int4, inquiry_count = @inquiry_count,
           provider_reference = coalesce(@provider_reference, f.provider_reference),
           due_time = now() + @due_seconds * interval '1 second'
      FROM b WHERE f.booking_id = b.booking_id AND f.refund_id = @refund_id AND f.state IN ('RESERVED', 'SENT', 'UNKNOWN')
    RETURNING f.create_time
), n AS (
    INSERT INTO attention_item (booking_id, item_id, kind, detail)
    SELECT @booking_id, @item_id, 'REFUND_UNRESOLVED', 'refund ' || @refund_id || ' is ' || @state || ' since ' || create_time
      FROM u
     WHERE create_time < now() - CASE @state WHEN 'SENT' THEN interval '14 days' ELSE interval '1 hour' END
       AND NOT EXISTS (SELECT FROM attention_item o
                        WHERE o.booking_id = @booking_id AND o.kind = 'REFUND_UNRESOLVED' AND o.resolve_time IS NULL)
)
SELECT EXISTS (SELECT FROM u) AS done;

-- name: refund_succeeded(booking_id uuid, refund_id uuid, provider_reference text, twice_item_id uuid?) -> one (done bool)
-- key: booking_id
-- The money is back with the customer. A cancellation that waited for it is applied and its booking CANCELLED.
-- A penalty is kept as far as money is left for it: what is given back beyond that is taken out of it first (t). What has
-- been taken so far follows from the money that was left before, which the lock shows as it is now: a transfer that
-- another refund made during the wait would not be seen. A penalty that came during the wait is not seen either: it left this
-- refund, which was on its way already, out.
-- @twice_item_id: the provider paid it more than once, which people are told.
WITH b AS MATERIALIZED (
    SELECT booking_id, state, event_count, captured_minor - refunded_minor AS there_minor
      FROM booking WHERE booking_id = @booking_id FOR UPDATE
), u AS (
    UPDATE refund f SET state = 'SUCCEEDED', update_time = now(), due_time = NULL, provider_reference = @provider_reference,
                        error_code = NULL
      FROM b WHERE f.booking_id = b.booking_id AND f.refund_id = @refund_id AND f.state IN ('RESERVED', 'SENT', 'UNKNOWN')
    RETURNING f.intent_id, f.amount_minor, f.currency, f.cause
), i AS (
    UPDATE payment p SET refunded_minor = p.refunded_minor + u.amount_minor, update_time = now()
      FROM u WHERE p.booking_id = @booking_id AND p.intent_id = u.intent_id AND p.intent_state IS NOT NULL
), g AS MATERIALIZED (
    SELECT u.*, b.state, b.event_count, b.there_minor, u.cause = 'CANCELLATION' AND b.state = 'CANCELLING' AS cancels FROM u, b
), w AS (
    UPDATE booking SET refunded_minor = booking.refunded_minor + g.amount_minor, update_time = now(),
                       state = CASE WHEN g.cancels THEN 'CANCELLED' ELSE booking.state END,
                       event_count = g.event_count + CASE WHEN g.cancels THEN 2 ELSE 1 END
      FROM g WHERE booking.booking_id = @booking_id
), e AS (
    INSERT INTO booking_event (booking_id, sequence, type, state, actor, subject)
    SELECT @booking_id, g.event_count + x.i, x.type, CASE x.i WHEN 1 THEN g.state ELSE 'CANCELLED' END, 'system',
           CASE x.i WHEN 1 THEN @refund_id END
      FROM g JOIN (VALUES (1, 'REFUND_SUCCEEDED'), (2, 'BOOKING_CANCELLED')) AS x(i, type) ON x.i = 1 OR g.cancels
), c AS (
    UPDATE cancellation SET state = 'APPLIED'
      FROM u WHERE cancellation.booking_id = @booking_id AND cancellation.refund_id = @refund_id
       AND cancellation.state = 'CONFIRMING'
), k AS MATERIALIZED (
    SELECT coalesce(sum(amount_minor), 0)::int8 AS penalty_minor
      FROM ledger_transfer WHERE booking_id = @booking_id AND kind = 'PENALTY'
), t AS (
    INSERT INTO ledger_transfer (booking_id, cause, kind, debit, credit, amount_minor, currency)
    SELECT @booking_id, @refund_id, x.*, g.currency
      FROM g, k, LATERAL (VALUES ('PENALTY_WAIVED', 'penalty_revenue', 'unearned_revenue',
                                  least(k.penalty_minor, g.there_minor)
                                      - least(k.penalty_minor, g.there_minor - g.amount_minor)),
                                 ('REFUND', 'unearned_revenue', 'provider_clearing', g.amount_minor))
           AS x(kind, debit, credit, amount_minor)
     WHERE x.amount_minor > 0
), n AS (
    INSERT INTO attention_item (booking_id, item_id, kind, detail)
    SELECT @booking_id, @twice_item_id, 'REFUNDED_TWICE', 'refund ' || @refund_id || ' was paid more than once'
      FROM u WHERE @twice_item_id IS NOT NULL
)
SELECT EXISTS (SELECT FROM u) AS done;

-- name: refund_failed(booking_id uuid, refund_id uuid, error_code text, item_id uuid) -> one (done bool)
-- key: booking_id
-- Refused for good: the amount can be refunded again, and a person must see to it.
WITH b AS MATERIALIZED (
    SELECT booking_id, state, event_count FROM booking WHERE booking_id = @booking_id FOR UPDATE
), u AS (
    UPDATE refund f SET state = 'FAILED', update_time = now(), due_time = NULL, error_code = @error_code
      FROM b WHERE f.booking_id = b.booking_id AND f.refund_id = @refund_id AND f.state IN ('RESERVED', 'SENT', 'UNKNOWN')
    RETURNING f.intent_id, f.amount_minor, f.cause
), i AS (
    UPDATE payment p SET refundable_minor = p.refundable_minor + u.amount_minor, update_time = now()
      FROM u WHERE p.booking_id = @booking_id AND p.intent_id = u.intent_id AND p.intent_state IS NOT NULL
), g AS MATERIALIZED (
    SELECT u.*, b.state, b.event_count, u.cause = 'CANCELLATION' AND b.state = 'CANCELLING' AS stops FROM u, b
), w AS (
    UPDATE booking SET state = CASE WHEN g.stops THEN 'ATTENTION' ELSE booking.state END, update_time = now(),
                       state_reason = CASE WHEN g.stops THEN 'REFUND_FAILED' ELSE booking.state_reason END,
                       event_count = g.event_count + CASE WHEN g.stops THEN 2 ELSE 1 END
      FROM g WHERE booking.booking_id = @booking_id
), e AS (
    INSERT INTO booking_event (booking_id, sequence, type, state, actor, reason, subject)
    SELECT @booking_id, g.event_count + x.i, x.type, CASE x.i WHEN 1 THEN g.state ELSE 'ATTENTION' END, 'system', @error_code,
           CASE x.i WHEN 1 THEN @refund_id END
      FROM g JOIN (VALUES (1, 'REFUND_FAILED'), (2, 'ATTENTION_RAISED')) AS x(i, type) ON x.i = 1 OR g.stops
), c AS (
    UPDATE cancellation SET state = 'FAILED'
      FROM u WHERE cancellation.booking_id = @booking_id AND cancellation.refund_id = @refund_id
       AND cancellation.state = 'CONFIRMING'
), n AS (
    INSERT INTO attention_item (booking_id, item_id, kind, detail)
    SELECT @booking_id, @item_id, 'REFUND_FAILED', 'refund ' || @refund_id || ': ' || @error_code FROM u
)
SELECT EXISTS (SELECT FROM u) AS done;

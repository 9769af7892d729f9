-- What must be true of the data at any committed snapshot (domain invariants; the letters are theirs).
-- `faregate check` runs each in a read-only transaction of its own. A check is one query, so that it sees one snapshot, and
-- answers one text row per violation: none is good. @booking_moves@ stands for the list in domain/states.c. Each begins with
-- a comment line of the word check, its name and a sentence, and goes on to the next.

-- check: I1 every seat that may be sold is free or taken, and no other
SELECT format('flight %s cabin %s: free %s, taken %s of %s', flight_id, cabin, free, taken, authorised)
  FROM inventory WHERE free + taken <> authorised

-- check: I3 taken seats are the bookings' seats
WITH live AS (
    SELECT x.flight_id, x.cabin, sum(b.seats) AS seats
      FROM booking b CROSS JOIN LATERAL unnest(b.flight_ids, b.cabins) AS x(flight_id, cabin)
     WHERE b.state IN ('PENDING', 'HELD', 'CONFIRMING', 'CONFIRMED', 'COMPLETED')
           -- What a cancellation gave back before a person had to see to its refund has no open coupon.
        OR b.state = 'ATTENTION' AND (b.coupons IS NULL OR b.coupons ~ 'O')
     GROUP BY 1, 2
)
SELECT format('flight %s cabin %s: taken %s, bookings have %s', flight_id, cabin, coalesce(i.taken, 0), coalesce(l.seats, 0))
  FROM live l FULL JOIN (SELECT * FROM inventory WHERE taken <> 0) i USING (flight_id, cabin)
 WHERE coalesce(l.seats, 0) <> coalesce(i.taken, 0)

-- check: I4 a live seat assignment is of a live booking on that flight, in its cabin, and kept for good from its payment on
SELECT format('flight %s cabin %s seat %s until %s: booking %s is %s', s.flight_id, s.cabin, s.seat, s.expire_time, s.booking_id,
              coalesce(b.state, 'missing'))
  FROM seat_assignment s
  LEFT JOIN (SELECT *, state IN ('CONFIRMING', 'CONFIRMED', 'COMPLETED') AS keeps FROM booking) b USING (booking_id)
 WHERE (s.expire_time > now() OR b.keeps)
   AND (b.booking_id IS NULL OR s.cabin IS DISTINCT FROM b.cabins[array_position(b.flight_ids, s.flight_id)]
        OR s.passenger >= b.party OR b.keeps AND s.expire_time < 'infinity' OR NOT b.has_assigned_seats
        OR NOT b.keeps AND b.state NOT IN ('HELD', 'ATTENTION'))
UNION ALL
SELECT format('flight %s: booking %s has %s seats for passenger %s', flight_id, booking_id, count(*), passenger)
  FROM seat_assignment GROUP BY flight_id, booking_id, passenger HAVING count(*) > 1
UNION ALL
SELECT format('booking %s is %s and has lost its assigned seats', booking_id, state)
  FROM booking b
 WHERE has_assigned_seats AND NOT EXISTS (SELECT FROM seat_assignment s WHERE s.booking_id = b.booking_id)
   AND (state IN ('CONFIRMING', 'CONFIRMED', 'COMPLETED') OR state = 'HELD' AND payment_required_time > now()
        OR state = 'ATTENTION' AND (coupons IS NULL OR coupons ~ 'O'))

-- check: I6 no unpaid hold outlives its lease by more than two minutes
SELECT format('booking %s: due %s', booking_id, payment_required_time)
  FROM booking WHERE state = 'HELD' AND payment_required_time < now() - interval '2 minutes'

-- check: I7 lap infants are no more than the others and take no seat; each flight has its cabin
SELECT format('booking %s: party %s, seats %s, flights %s, cabins %s', booking_id, party, seats, flight_ids, cabins)
  FROM booking WHERE seats < 1 OR seats > 9 OR party < seats OR party > 2 * seats OR cardinality(flight_ids) <> cardinality(cabins)

-- check: F1 the cabins of a flight tell the same of it, and it arrives after it leaves
SELECT format('flight %s: cabins %s and %s', a.flight_id, a.cabin, b.cabin)
  FROM inventory a JOIN inventory b USING (flight_id)
 WHERE a.cabin < b.cabin
   AND (a.carrier, a.number, a.origin, a.destination, a.departure_date, a.departure_time, a.arrival_time,
        a.departure_offset_min, a.arrival_offset_min, a.aircraft, a.distance_km, a.state)
       <> (b.carrier, b.number, b.origin, b.destination, b.departure_date, b.departure_time, b.arrival_time,
           b.departure_offset_min, b.arrival_offset_min, b.aircraft, b.distance_km, b.state)
UNION ALL
SELECT format('flight %s: departs %s, arrives %s', flight_id, departure_time, arrival_time)
  FROM inventory WHERE arrival_time <= departure_time

-- check: B1 a booking's history is dense, ends in its state and follows the state machine
WITH moves(before, after) AS (
    VALUES @booking_moves@
), e AS (
    SELECT booking_id, sequence, state, lag(state) OVER w AS before, row_number() OVER w AS n,
           lead(sequence) OVER w IS NULL AS is_last
      FROM booking_history WINDOW w AS (PARTITION BY booking_id ORDER BY sequence)
)
SELECT format('booking %s: event %s stands at place %s', booking_id, sequence, n) FROM e WHERE sequence <> n
UNION ALL
SELECT format('booking %s: %s -> %s at event %s', booking_id, before, state, sequence)
  FROM e WHERE before <> state AND (before, state) NOT IN (SELECT before, after FROM moves)
UNION ALL
SELECT format('booking %s: state %s, %s events; last event %s says %s', b.booking_id, b.state, b.event_count, e.sequence, e.state)
  FROM booking b LEFT JOIN e ON e.booking_id = b.booking_id AND e.is_last
 WHERE e.state IS DISTINCT FROM b.state OR e.sequence IS DISTINCT FROM b.event_count

-- check: B2 a confirmed booking has a ticket for everybody, a coupon for every flight, and its money
SELECT format('booking %s: tickets %s for %s travellers, coupons %s for %s flights, %s of %s authorised', booking_id,
              ticket_serials, party, coupons, cardinality(flight_ids), authorised_minor, total_minor)
  FROM booking
 WHERE state IN ('CONFIRMED', 'COMPLETED')
   AND (cardinality(ticket_serials) IS DISTINCT FROM party OR length(coupons) IS DISTINCT FROM party * cardinality(flight_ids)
        OR coupons !~ '^[OCBF]+$' OR authorised_minor <> total_minor)
UNION ALL
SELECT format('booking %s was not confirmed and has tickets: %s, coupons %s, of %s', booking_id, ticket_serials, coupons, ticket_time)
  FROM booking WHERE ticket_event IS NULL AND num_nonnulls(ticket_serials, coupons, ticket_time) > 0

-- check: B3 a dead booking keeps no open coupon, and no money but its penalty and what is going back, or a person knows
SELECT format('booking %s is %s: its tickets have coupons %s', booking_id, state, coupons)
  FROM booking WHERE state IN ('CANCELLING', 'CANCELLED', 'EXPIRED', 'FAILED') AND coupons ~ '[OCB]'
UNION ALL
SELECT format('booking %s is %s: captured %s, refunded %s and going back %s, penalty %s', b.booking_id, b.state, b.captured_minor,
              b.refunded_minor, coalesce(r.live, 0), coalesce(c.penalty, 0))
  FROM booking b
  LEFT JOIN (SELECT booking_id, sum(penalty_minor) AS penalty FROM cancellation
              WHERE state IN ('CONFIRMING', 'APPLIED', 'FAILED') GROUP BY 1) c USING (booking_id)
  LEFT JOIN (SELECT booking_id, sum(amount_minor) AS live FROM refund
              WHERE state IN ('RESERVED', 'SENT', 'UNKNOWN') GROUP BY 1) r USING (booking_id)
 WHERE b.state IN ('CANCELLING', 'CANCELLED', 'EXPIRED', 'FAILED')
   AND b.captured_minor - b.refunded_minor - coalesce(r.live, 0) > coalesce(c.penalty, 0)
   AND NOT EXISTS (SELECT FROM attention_item a WHERE a.booking_id = b.booking_id AND a.resolve_time IS NULL)

-- check: B4 a cancellation gives back what it quoted, by its refund
SELECT format('booking %s: cancellation %s is %s and gives back %s, refund %s is %s of %s', booking_id, c.cancellation_id,
              c.state, c.refund_minor, refund_id, r.state, r.amount_minor)
  FROM (SELECT * FROM cancellation WHERE state IN ('CONFIRMING', 'APPLIED', 'FAILED')) c
  FULL JOIN (SELECT * FROM refund WHERE cause = 'CANCELLATION') r USING (booking_id, refund_id)
 WHERE c.refund_minor IS DISTINCT FROM coalesce(r.amount_minor, 0) OR c.currency <> r.currency
    OR c.state <> CASE WHEN r.state IS NULL OR r.state = 'SUCCEEDED' THEN 'APPLIED' WHEN r.state = 'FAILED' THEN 'FAILED'
                       ELSE 'CONFIRMING' END

-- check: B5 locators, which are serials but for 2^30, and ticket numbers are unique
SELECT format('locator of serial %s: %s bookings', min(serial), count(*)) FROM booking GROUP BY serial % (1 << 30) HAVING count(*) > 1
UNION ALL
SELECT format('ticket %s: %s times', number, count(*)) FROM ticket GROUP BY number HAVING count(*) > 1

-- check: B10 nothing is confirming, cancelling or going back for days without a person knowing
SELECT format('booking %s is %s since %s', booking_id, state, update_time)
  FROM booking b
 WHERE state IN ('PENDING', 'CONFIRMING', 'CANCELLING') AND update_time < now() - interval '1 day'
   AND NOT EXISTS (SELECT FROM attention_item a WHERE a.booking_id = b.booking_id AND a.resolve_time IS NULL)
       -- A refund has an age of its own: a bank may take two weeks for it.
   AND NOT (state = 'CANCELLING' AND booking_id IN (SELECT booking_id FROM refund WHERE state IN ('RESERVED', 'SENT', 'UNKNOWN')))
UNION ALL
SELECT format('refund %s of booking %s is %s since %s', refund_id, booking_id, state, create_time)
  FROM refund r
 WHERE state IN ('RESERVED', 'SENT', 'UNKNOWN')
   AND create_time < now() - CASE state WHEN 'SENT' THEN interval '16 days' ELSE interval '2 days' END
   AND NOT EXISTS (SELECT FROM attention_item a WHERE a.booking_id = r.booking_id AND a.resolve_time IS NULL)

-- check: M1 every transfer is of a known kind, between the two accounts of that kind
SELECT format('transfer %s %s of booking %s: %s %s from %s to %s', kind, cause, booking_id, amount_minor, currency, credit, debit)
  FROM ledger_transfer
 WHERE (kind, debit, credit) NOT IN (('CAPTURE', 'provider_clearing', 'unearned_revenue'),
                                     ('REFUND', 'unearned_revenue', 'provider_clearing'),
                                     ('PENALTY', 'unearned_revenue', 'penalty_revenue'),
                                     ('PENALTY_WAIVED', 'penalty_revenue', 'unearned_revenue'))

-- check: M2 a booking's accounts: cleared is what was captured less refunds, kept are the penalties as far as that goes
SELECT format('booking %s: captured %s, refunded %s, penalties %s; its accounts say cleared %s, kept %s', booking_id,
              b.captured_minor, b.refunded_minor, coalesce(c.penalty, 0), coalesce(l.cleared, 0), coalesce(l.kept, 0))
  FROM (SELECT booking_id, captured_minor, refunded_minor FROM booking WHERE captured_minor <> 0 OR refunded_minor <> 0) b
  FULL JOIN (SELECT booking_id,
                    sum(CASE 'provider_clearing' WHEN debit THEN amount_minor WHEN credit THEN -amount_minor END) AS cleared,
                    sum(CASE 'penalty_revenue' WHEN credit THEN amount_minor WHEN debit THEN -amount_minor END) AS kept
               FROM ledger_transfer GROUP BY 1) l USING (booking_id)
  LEFT JOIN (SELECT booking_id, sum(penalty_minor) AS penalty FROM cancellation
              WHERE state IN ('CONFIRMING', 'APPLIED', 'FAILED') GROUP BY 1) c USING (booking_id)
 WHERE coalesce(l.cleared, 0) <> coalesce(b.captured_minor - b.refunded_minor, 0)
    OR coalesce(l.kept, 0) <> least(coalesce(c.penalty, 0), coalesce(b.captured_minor - b.refunded_minor, 0))

-- check: M3 authorised and captured is all of an intent or nothing, as its state says; what may be refunded is the rest of it
SELECT format('intent %s is %s: authorised %s captured %s reserved %s refunded %s, refunds live %s done %s', i.intent_id,
              i.state, i.authorised_minor, i.captured_minor, i.captured_minor - i.refundable_minor, i.refunded_minor,
              coalesce(r.live, 0), coalesce(r.done, 0))
  FROM payment_intent i
  LEFT JOIN (SELECT booking_id, intent_id, sum(amount_minor) FILTER (WHERE state <> 'FAILED') AS live,
                    sum(amount_minor) FILTER (WHERE state = 'SUCCEEDED') AS done FROM refund GROUP BY 1, 2) r
    USING (booking_id, intent_id)
 WHERE i.authorised_minor <> CASE WHEN i.state IN ('AUTHORIZED', 'CAPTURED') THEN i.amount_minor ELSE 0 END
    OR i.captured_minor <> CASE i.state WHEN 'CAPTURED' THEN i.amount_minor ELSE 0 END
    OR i.captured_minor - i.refundable_minor <> coalesce(r.live, 0) OR i.refunded_minor <> coalesce(r.done, 0)

-- check: M4 a booking tells what its intents do
SELECT format('booking %s: captured %s refunded %s, its intents say %s and %s; authorised %s, its latest says %s', b.booking_id,
              b.captured_minor, b.refunded_minor, coalesce(i.captured, 0), coalesce(i.refunded, 0), b.authorised_minor,
              coalesce(p.authorised_minor, 0))
  FROM booking b
  LEFT JOIN (SELECT booking_id, sum(captured_minor) AS captured, sum(refunded_minor) AS refunded FROM payment_intent GROUP BY 1) i
    USING (booking_id)
  LEFT JOIN payment_intent p ON p.booking_id = b.booking_id AND p.intent_id = b.intent_id
 WHERE b.captured_minor <> coalesce(i.captured, 0) OR b.refunded_minor <> coalesce(i.refunded, 0)
    OR b.authorised_minor <> coalesce(p.authorised_minor, 0)

-- check: M5 confirmed bookings are captured within ten minutes, or a person knows
SELECT format('booking %s: captured %s of %s', booking_id, captured_minor, total_minor)
  FROM booking b
 WHERE state = 'CONFIRMED' AND captured_minor <> total_minor AND update_time < now() - interval '10 minutes'
   AND NOT EXISTS (SELECT FROM attention_item a WHERE a.booking_id = b.booking_id AND a.resolve_time IS NULL)

-- check: M6 one live intent per booking, one live attempt per intent: its latest, which tells of it; their states go together
SELECT format('intent %s: %s live attempts', intent_id, count(*)) FROM payment_attempt
 WHERE state IN ('CREATED', 'SENT', 'ACTION_REQUIRED', 'UNKNOWN', 'AUTHORIZED', 'CAPTURED')
 GROUP BY booking_id, intent_id HAVING count(*) > 1
UNION ALL
SELECT format('attempt %s is %s, and a later one tells of intent %s', attempt_id, state, intent_id) FROM payment
 WHERE intent_state IS NULL AND state NOT IN ('DECLINED', 'NOT_RECEIVED', 'REVERSED', 'ATTENTION')
UNION ALL
SELECT format('intent %s: told of by %s attempts', intent_id, count(intent_state)) FROM payment
 GROUP BY booking_id, intent_id HAVING count(intent_state) <> 1
UNION ALL
SELECT format('booking %s: %s live intents', booking_id, count(*)) FROM payment_intent
 WHERE state NOT IN ('CANCELLED', 'EXPIRED') GROUP BY booking_id HAVING count(*) > 1
UNION ALL
SELECT format('booking %s is %s and nothing is under way', booking_id, state) FROM booking b
 WHERE state = 'CONFIRMING'
   AND NOT EXISTS (SELECT FROM payment p WHERE p.booking_id = b.booking_id AND p.intent_id = b.intent_id
                      AND p.state IN ('SENT', 'UNKNOWN', 'ACTION_REQUIRED'))
UNION ALL
-- Money on its way keeps a booking CONFIRMING, unless a person has ended that: what comes then goes back.
SELECT format('booking %s is %s, intent %s is %s, its attempt %s', p.booking_id, b.state, p.intent_id, p.intent_state, p.state)
  FROM payment p
  LEFT JOIN (SELECT booking_id, state, state IN ('CANCELLING', 'CANCELLED', 'EXPIRED', 'FAILED') AS is_dead FROM booking) b
    USING (booking_id)
 WHERE p.intent_state IS NOT NULL
   AND CASE WHEN b.state IS NULL THEN false
            WHEN p.state = 'ATTENTION' THEN true
            WHEN p.intent_state = 'REQUIRES_PAYMENT_METHOD'
                THEN b.state = 'HELD' AND (p.state IS NULL OR p.state IN ('DECLINED', 'NOT_RECEIVED', 'REVERSED'))
            WHEN p.intent_state = 'PROCESSING' THEN p.state IN ('SENT', 'UNKNOWN') AND (b.state = 'CONFIRMING' OR b.is_dead)
            WHEN p.intent_state = 'REQUIRES_ACTION' THEN p.state = 'ACTION_REQUIRED' AND (b.state = 'CONFIRMING' OR b.is_dead)
            WHEN p.intent_state IN ('AUTHORIZED', 'CAPTURED')
                THEN p.state::text = p.intent_state::text AND b.state NOT IN ('PENDING', 'HELD', 'CONFIRMING')
            ELSE p.state IS NULL OR p.state IN ('DECLINED', 'NOT_RECEIVED', 'REVERSED') OR p.state <> 'CAPTURED' AND b.is_dead
       END IS NOT TRUE

-- check: M7 a capture has a provider's reference, each stands once; captures, refunds and penalties have transfers, and those a cause
SELECT format('reference %s: %s attempts', provider_reference, count(*)) FROM payment_attempt
 WHERE provider_reference IS NOT NULL GROUP BY provider, provider_reference HAVING count(*) > 1
UNION ALL
SELECT format('attempt %s is captured: provider %s, reference %s', attempt_id, provider, provider_reference)
  FROM payment WHERE state = 'CAPTURED' AND num_nulls(provider, provider_reference) > 0
UNION ALL
SELECT format('reference %s: %s refunds', r.provider_reference, count(*))
  FROM refund r JOIN payment p USING (booking_id, intent_id)
 WHERE p.intent_state IS NOT NULL AND r.provider_reference IS NOT NULL
 GROUP BY p.provider, r.provider_reference HAVING count(*) > 1
UNION ALL
SELECT format('booking %s: %s of %s %s, its transfer says %s %s; cause %s', booking_id, kind, d.amount_minor, d.currency,
              l.amount_minor, l.currency, cause)
  FROM (SELECT booking_id, attempt_id AS cause, 'CAPTURE' AS kind, amount_minor, currency FROM payment WHERE state = 'CAPTURED'
         UNION ALL
        SELECT booking_id, refund_id, 'REFUND', amount_minor, currency FROM refund WHERE state = 'SUCCEEDED'
         UNION ALL
        SELECT booking_id, cancellation_id, 'PENALTY', penalty_minor, currency FROM cancellation
         WHERE state IN ('CONFIRMING', 'APPLIED', 'FAILED') AND penalty_minor <> 0) d
  FULL JOIN (SELECT booking_id, cause, kind, amount_minor, currency FROM ledger_transfer WHERE kind <> 'PENALTY_WAIVED') l
    USING (booking_id, cause, kind)
 WHERE d.amount_minor IS DISTINCT FROM l.amount_minor OR d.currency IS DISTINCT FROM l.currency

-- check: M8 what may still move money is looked at some time
SELECT format('attempt %s is %s, booking %s is %s: nobody will look at it', p.attempt_id, p.state, b.booking_id, b.state)
  FROM payment p JOIN booking b USING (booking_id)
 WHERE p.due_time IS NULL
   AND (p.state IN ('SENT', 'UNKNOWN', 'ACTION_REQUIRED')
        OR p.state = 'AUTHORIZED' AND b.state <> 'ATTENTION'
           AND b.booking_id NOT IN (SELECT booking_id FROM attention_item WHERE resolve_time IS NULL))
       -- A watch is of attempts as they were when it was set.
   AND NOT EXISTS (SELECT FROM payment_watch w, unnest(w.attempt_ids) AS x(attempt_id)
                    WHERE x.attempt_id = p.attempt_id AND w.create_time = p.update_time)
UNION ALL
SELECT format('refund %s of booking %s is %s: nobody will look at it', refund_id, booking_id, state)
  FROM refund WHERE due_time IS NULL AND state IN ('RESERVED', 'SENT', 'UNKNOWN')

-- check: M10 one currency from booking to refund, and one amount in all attempts of an intent
SELECT format('intent %s, attempt %s: %s, booking %s', p.intent_id, p.attempt_id, p.currency, b.currency)
  FROM payment p JOIN booking b USING (booking_id) WHERE p.currency <> b.currency
UNION ALL
SELECT format('attempt %s: %s, intent %s', a.attempt_id, a.amount_minor, i.amount_minor)
  FROM payment a JOIN payment_intent i USING (booking_id, intent_id)
 WHERE a.intent_state IS NULL AND a.amount_minor <> i.amount_minor
UNION ALL
SELECT format('refund %s: %s, intent %s', r.refund_id, r.currency, i.currency)
  FROM refund r LEFT JOIN payment_intent i USING (booking_id, intent_id) WHERE r.currency IS DISTINCT FROM i.currency

-- check: K1 what a request made is there and belongs to who asked
-- A refund belongs to whoever may make refunds.
SELECT format('method %s request %s of %s: %s is missing', k.method, k.request_id, k.principal, k.resource)
  FROM idempotency k
 WHERE k.method BETWEEN 5 AND 11 AND k.resource IS NOT NULL
   AND NOT EXISTS (
       SELECT FROM (SELECT 5 AS method, booking_id AS made, user_id FROM booking
                     UNION ALL
                    SELECT 6, cancellation_id, user_id FROM cancellation JOIN booking USING (booking_id)
                     UNION ALL
                    SELECT 8, intent_id, user_id FROM payment_intent
                     UNION ALL
                    SELECT 10, refund_id, NULL FROM refund) m
        WHERE m.made = k.resource AND m.method = CASE WHEN k.method = 7 THEN 6 WHEN k.method IN (9, 11) THEN 8 ELSE k.method END
          AND coalesce(m.user_id, k.principal) = k.principal)
UNION ALL
SELECT format('booking %s has no claim', b.booking_id)
  FROM booking b
 WHERE b.create_time > now() - interval '20 hours'
   AND NOT EXISTS (SELECT FROM idempotency k WHERE k.principal = b.user_id AND k.method = 5 AND k.resource = b.booking_id)
UNION ALL
-- A claim is no older than what it made; a cancellation is as old as its quote.
SELECT format('%s %s of booking %s has no claim', CASE method WHEN 7 THEN 'cancellation' ELSE 'refund' END, made, booking_id)
  FROM (SELECT 7 AS method, cancellation_id AS made, booking_id, create_time FROM cancellation
         WHERE state IN ('CONFIRMING', 'APPLIED', 'FAILED')
         UNION ALL
        SELECT 10, refund_id, booking_id, create_time FROM refund WHERE cause NOT IN ('CANCELLATION', 'LATE_PAYMENT')) m
 WHERE create_time > now() - interval '20 hours'
   AND NOT EXISTS (SELECT FROM idempotency k WHERE k.create_time > now() - interval '20 hours' AND k.method >= 5
                      AND k.method = m.method AND k.resource = m.made)

-- check: K4 no request is in progress for more than five minutes
SELECT format('method %s request %s of %s since %s', method, request_id, principal, create_time)
  FROM idempotency
 WHERE resource IS NULL AND reason IS NULL AND response IS NULL AND create_time < now() - interval '5 minutes'

-- check: A1 sessions end for good, and what is ended was revoked
SELECT format('session %s ended %s without a revocation', s.session_id, s.end_time)
  FROM session s
 WHERE s.end_time > now() - interval '5 minutes'
   AND NOT EXISTS (SELECT FROM revocation r WHERE r.user_id = s.user_id AND r.session_id = s.session_id)

-- check: A4 no secret in clear and nothing that looks like a card number
SELECT format('login of user %s: not an argon2id hash', user_id) FROM login WHERE password_hash !~ '^\$argon2id\$v=19\$'
UNION ALL
SELECT format('session %s: refresh hash of %s bytes', session_id, length(refresh_hash)) FROM session WHERE length(refresh_hash) <> 32
UNION ALL
SELECT format('attempt %s: a column looks like a card number', attempt_id) FROM payment_attempt
 WHERE concat_ws(' ', method_token, provider_reference, decline_code) ~ '(^|[^0-9a-zA-Z_])[0-9]{13,19}($|[^0-9a-zA-Z_])'

-- What must be true of the data at any committed snapshot (domain invariants; the letters are theirs).
-- `faregate check` runs each in one read-only REPEATABLE READ transaction. A check is a query that answers one text row
-- per violation: none is good. @booking_moves@ stands for the list in domain/states.c. Each begins with
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

-- check: I4 a live seat assignment belongs to a live booking on that flight
SELECT format('flight %s seat %s: booking %s is %s', s.flight_id, s.seat, s.booking_id, coalesce(b.state, 'missing'))
  FROM seat_assignment s LEFT JOIN booking b USING (booking_id)
 WHERE s.expire_time > now()
   AND (b.booking_id IS NULL OR s.flight_id <> ALL (b.flight_ids) OR s.passenger >= b.party
        OR b.state NOT IN ('HELD', 'CONFIRMING', 'CONFIRMED', 'COMPLETED', 'ATTENTION'))

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

-- check: B3 a dead booking keeps no open coupon and no money beyond its penalty
SELECT format('booking %s is %s: its tickets have coupons %s', booking_id, state, coupons)
  FROM booking WHERE state IN ('CANCELLING', 'CANCELLED', 'EXPIRED', 'FAILED') AND coupons ~ '[OCB]'
UNION ALL
SELECT format('booking %s is %s: captured %s, refunded %s, penalty %s', b.booking_id, b.state, b.captured_minor,
              b.refunded_minor, coalesce(c.penalty_minor, 0))
  FROM booking b
  LEFT JOIN LATERAL (SELECT sum(penalty_minor) AS penalty_minor FROM cancellation c
                      WHERE c.booking_id = b.booking_id AND c.state IN ('APPLIED', 'CONFIRMING')) c ON true
 WHERE b.state IN ('CANCELLED', 'EXPIRED', 'FAILED') AND b.captured_minor - b.refunded_minor > coalesce(c.penalty_minor, 0)
   AND NOT EXISTS (SELECT FROM refund r WHERE r.booking_id = b.booking_id AND r.state IN ('RESERVED', 'SENT', 'UNKNOWN'))

-- check: B5 locators, which are serials but for 2^30, and ticket numbers are unique
SELECT format('locator of serial %s: %s bookings', min(serial), count(*)) FROM booking GROUP BY serial % (1 << 30) HAVING count(*) > 1
UNION ALL
SELECT format('ticket %s: %s times', number, count(*)) FROM ticket GROUP BY number HAVING count(*) > 1

-- check: B10 nothing is confirming, cancelling or going back for days without a person knowing
SELECT format('booking %s is %s since %s', booking_id, state, update_time)
  FROM booking b
 WHERE state IN ('PENDING', 'CONFIRMING', 'CANCELLING') AND update_time < now() - interval '1 day'
   AND NOT EXISTS (SELECT FROM attention_item a WHERE a.booking_id = b.booking_id AND a.resolve_time IS NULL)
UNION ALL
SELECT format('refund %s of booking %s is %s since %s', refund_id, booking_id, state, create_time)
  FROM refund r
 WHERE state IN ('RESERVED', 'SENT', 'UNKNOWN')
   AND create_time < now() - CASE state WHEN 'SENT' THEN interval '16 days' ELSE interval '2 days' END
   AND NOT EXISTS (SELECT FROM attention_item a WHERE a.booking_id = r.booking_id AND a.resolve_time IS NULL)

-- check: M1 every transfer moves a positive amount between two accounts
SELECT format('transfer %s %s of booking %s: %s %s from %s to %s', kind, cause, booking_id, amount_minor, currency, credit, debit)
  FROM ledger_transfer WHERE amount_minor <= 0 OR debit = credit

-- check: M2 the trial balance is zero, the clearing account is what was captured less what was refunded, and no booking owes
WITH postings AS NOT MATERIALIZED (
    SELECT booking_id, currency, debit AS account, amount_minor AS amount FROM ledger_transfer
    UNION ALL
    SELECT booking_id, currency, credit, -amount_minor FROM ledger_transfer
), balances AS (
    SELECT currency, account, sum(amount) AS balance FROM postings GROUP BY 1, 2
)
SELECT format('trial balance in %s is %s', currency, sum(balance)) FROM balances GROUP BY currency HAVING sum(balance) <> 0
UNION ALL
SELECT format('provider_clearing in %s is %s, payments say %s', currency, coalesce(b.balance, 0), coalesce(p.money, 0))
  FROM (SELECT currency, balance FROM balances WHERE account = 'provider_clearing') b
  FULL JOIN (SELECT currency, sum(captured_minor - refunded_minor) AS money FROM payment_intent GROUP BY 1) p USING (currency)
 WHERE coalesce(b.balance, 0) <> coalesce(p.money, 0)
UNION ALL
SELECT format('%s of booking %s is on the wrong side: %s %s', account, booking_id, sum(amount), currency)
  FROM postings WHERE account IN ('unearned_revenue', 'penalty_revenue')
 GROUP BY booking_id, currency, account HAVING sum(amount) > 0

-- check: M3 captured within authorised, refunds within captured, reservations are the refunds
SELECT format('intent %s: authorised %s captured %s reserved %s refunded %s, refunds live %s done %s', i.intent_id,
              i.authorised_minor, i.captured_minor, i.captured_minor - i.refundable_minor, i.refunded_minor, coalesce(r.live, 0), coalesce(r.done, 0))
  FROM payment_intent i
  LEFT JOIN (SELECT booking_id, intent_id, sum(amount_minor) FILTER (WHERE state <> 'FAILED') AS live,
                    sum(amount_minor) FILTER (WHERE state = 'SUCCEEDED') AS done FROM refund GROUP BY 1, 2) r
    USING (booking_id, intent_id)
 WHERE i.captured_minor > i.authorised_minor
    OR i.captured_minor - i.refundable_minor <> coalesce(r.live, 0) OR i.refunded_minor <> coalesce(r.done, 0)

-- check: M4 no captured money without a booking for it, or a refund on its way, and a booking tells what its intents do
SELECT format('booking %s is %s: captured %s, refunded %s', b.booking_id, b.state, b.captured_minor, b.refunded_minor)
  FROM booking b
 WHERE b.captured_minor > 0 AND b.state IN ('HELD', 'EXPIRED', 'FAILED') AND b.captured_minor > b.refunded_minor
   AND b.update_time < now() - interval '2 minutes'
   AND NOT EXISTS (SELECT FROM refund r WHERE r.booking_id = b.booking_id AND r.state IN ('RESERVED', 'SENT', 'UNKNOWN'))
UNION ALL
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

-- check: M6 one live attempt per intent, its latest, which alone tells of it; one live intent per booking
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

-- check: M7 a provider's reference stands once, and every capture and refund has its transfer
SELECT format('reference %s: %s attempts', provider_reference, count(*)) FROM payment_attempt
 WHERE provider_reference IS NOT NULL GROUP BY provider, provider_reference HAVING count(*) > 1
UNION ALL
SELECT format('attempt %s is %s: %s CAPTURE transfers of %s', a.attempt_id, a.state, count(l.cause), coalesce(sum(l.amount_minor), 0))
  FROM payment a
  LEFT JOIN ledger_transfer l ON l.booking_id = a.booking_id AND l.cause = a.attempt_id AND l.kind = 'CAPTURE'
 WHERE a.state IS NOT NULL
 GROUP BY a.booking_id, a.attempt_id
HAVING coalesce(sum(l.amount_minor), 0) <> CASE WHEN a.state = 'CAPTURED' THEN a.amount_minor ELSE 0 END
UNION ALL
SELECT format('refund %s is %s: transfers of %s', r.refund_id, r.state, coalesce(sum(l.amount_minor), 0))
  FROM refund r
  LEFT JOIN ledger_transfer l ON l.booking_id = r.booking_id AND l.cause = r.refund_id AND l.kind = 'REFUND'
 GROUP BY r.booking_id, r.refund_id
HAVING coalesce(sum(l.amount_minor), 0) <> CASE WHEN r.state = 'SUCCEEDED' THEN r.amount_minor ELSE 0 END

-- check: M8 an attempt that may still move money is looked at some time
SELECT format('attempt %s is %s, nobody will look at it', a.attempt_id, a.state)
  FROM payment_attempt a JOIN booking b USING (booking_id)
 WHERE a.due_time IS NULL
   AND (a.state IN ('SENT', 'UNKNOWN', 'ACTION_REQUIRED') OR a.state = 'AUTHORIZED' AND b.state = 'CONFIRMED')
   AND NOT EXISTS (SELECT FROM payment_watch w WHERE a.attempt_id = ANY (w.attempt_ids))

-- check: M10 one currency from booking to refund
SELECT format('intent %s: %s, booking %s', i.intent_id, i.currency, b.currency)
  FROM payment_intent i JOIN booking b USING (booking_id) WHERE i.currency <> b.currency
UNION ALL
SELECT format('attempt %s: %s, intent %s', a.attempt_id, a.currency, i.currency)
  FROM payment_attempt a JOIN payment_intent i USING (booking_id, intent_id)
 WHERE a.currency <> i.currency OR a.amount_minor <> i.amount_minor
UNION ALL
SELECT format('refund %s: %s, intent %s', r.refund_id, r.currency, i.currency)
  FROM refund r JOIN payment_intent i USING (booking_id, intent_id) WHERE r.currency <> i.currency

-- check: K1 what a request made is there and belongs to who asked
SELECT format('CreateBooking %s of %s: booking %s is missing', k.request_id, k.principal, k.resource)
  FROM idempotency k LEFT JOIN booking b ON b.booking_id = k.resource
 WHERE k.method = 5 AND k.resource IS NOT NULL AND b.user_id IS DISTINCT FROM k.principal
UNION ALL
SELECT format('booking %s has no claim', b.booking_id)
  FROM booking b
 WHERE b.create_time > now() - interval '20 hours'
   AND NOT EXISTS (SELECT FROM idempotency k WHERE k.principal = b.user_id AND k.method = 5 AND k.resource = b.booking_id)

-- check: K4 no request is in progress for more than five minutes
SELECT format('method %s request %s of %s since %s', method, request_id, principal, create_time)
  FROM idempotency
 WHERE resource IS NULL AND reason IS NULL AND response IS NULL AND create_time < now() - interval '5 minutes'

-- check: A1 sessions end for good, and what is ended was revoked
SELECT format('session %s ended %s without a revocation', s.session_id, s.end_time)
  FROM session s
 WHERE s.end_time > now() - interval '5 minutes' AND s.end_reason IN ('LOGOUT', 'REFRESH_REUSED')
   AND NOT EXISTS (SELECT FROM revocation r WHERE r.user_id = s.user_id AND r.session_id = s.session_id)

-- check: A4 no secret in clear and nothing that looks like a card number
SELECT format('login of user %s: not an argon2id hash', user_id) FROM login WHERE password_hash !~ '^\$argon2id\$v=19\$'
UNION ALL
SELECT format('session %s: refresh hash of %s bytes', session_id, length(refresh_hash)) FROM session WHERE length(refresh_hash) <> 32
UNION ALL
SELECT format('attempt %s: a column looks like a card number', attempt_id) FROM payment_attempt
 WHERE concat_ws(' ', method_token, provider_reference, decline_code) ~ '(^|[^0-9a-zA-Z_])[0-9]{13,19}($|[^0-9a-zA-Z_])'

-- The background work: what is due, claimed so that any number of processes may look at once.

-- name: sweep_begin() -> one (watermark timestamptz)
-- Where a process that starts goes on: it neither walks over all bookings that there are, nor leaves out what lapsed while
-- nobody swept, however long that was. Where the clock was set back, holds have lapsed behind the watermark: with the first of
-- them, among the leases of the last day and no more of those than are read in a moment. The minute is LAG_US of sweep.c.
-- Scans: booking
SELECT least(coalesce((SELECT watermark FROM sweep WHERE task = 'EXPIRE_HOLDS'),
                      (SELECT min(payment_required_time) FROM booking)),
             (SELECT min(payment_required_time)
                FROM (SELECT payment_required_time, state FROM booking
                       WHERE payment_required_time BETWEEN now() - interval '1 day' AND now()
                       ORDER BY payment_required_time DESC LIMIT 100000) x
               WHERE state = 'HELD'),
             now() - interval '1 minute') AS watermark;

-- name: sweep_move(watermark timestamptz) -> none
-- Forward only: several servers may sweep, each with a watermark of its own. But one that the clock has not reached was
-- written before it was set back.
INSERT INTO sweep (task, watermark) VALUES ('EXPIRE_HOLDS', @watermark)
    ON CONFLICT (task) DO UPDATE SET watermark = excluded.watermark
 WHERE sweep.watermark < excluded.watermark OR sweep.watermark > now();

-- name: expire(after timestamptz, until timestamptz, row_count int4)
--       -> one (found int4, expired int4, clock timestamptz, horizon timestamptz)
-- Unpaid holds past their lease give their seats back. @until: not farther than this in one go. Who is being changed by
-- somebody else is left for the next round, and so is whose intent is in use or too young to be seen, and to be ended, here:
-- nothing is waited for but inventory, in the order that everybody keeps. @found: with those that were left.
-- @horizon: when the oldest of those who may be changing something began. A commit can wait for its standby for long, and
-- its booking, HELD again, is not seen by then.
-- Scans: booking
-- Spans: booking_id, flight_id
WITH b AS MATERIALIZED (
    SELECT booking_id, seats, flight_ids, cabins, event_count, has_assigned_seats, intent_id
      FROM booking
     WHERE payment_required_time >= @after AND payment_required_time <= least(@until, now()) AND state = 'HELD'
     ORDER BY payment_required_time LIMIT @row_count
       FOR UPDATE SKIP LOCKED
), i AS MATERIALIZED (
    SELECT booking_id, intent_id FROM payment
     WHERE booking_id = ANY (ARRAY(SELECT booking_id FROM b WHERE intent_id IS NOT NULL)) AND intent_state IS NOT NULL
       FOR UPDATE SKIP LOCKED
), d AS MATERIALIZED (
    SELECT * FROM b WHERE intent_id IS NULL OR (booking_id, intent_id) IN (SELECT booking_id, intent_id FROM i)
), u AS (
    UPDATE inventory i SET free = i.free + s.seats, taken = i.taken - s.seats
      FROM (SELECT x.flight_id, x.cabin, sum(d.seats)::int4 AS seats
              FROM d, unnest(d.flight_ids, d.cabins) AS x(flight_id, cabin) GROUP BY 1, 2 ORDER BY 1, 2) s
     WHERE i.flight_id = s.flight_id AND i.cabin = s.cabin
    RETURNING i.flight_id
), f AS (
    INSERT INTO inventory_change (flight_id, flight_ids)
    SELECT (array_agg(flight_id))[1], array_agg(flight_id) FROM u HAVING count(*) > 0
), z AS (
    DELETE FROM seat_assignment a USING d, unnest(d.flight_ids) AS x(flight_id), (SELECT count(*) FROM u) locked
     WHERE d.has_assigned_seats AND a.flight_id = x.flight_id AND a.booking_id = d.booking_id
), w AS (
    UPDATE booking SET state = 'EXPIRED', state_reason = 'HOLD_EXPIRED', update_time = now(),
                       event_count = booking.event_count + 1
      FROM d WHERE booking.booking_id = d.booking_id
), p AS (
    UPDATE payment i SET intent_state = 'EXPIRED', update_time = now()
      FROM d WHERE i.booking_id = d.booking_id AND i.intent_state = 'REQUIRES_PAYMENT_METHOD'
), e AS (
    INSERT INTO booking_event (booking_id, sequence, type, state, actor)
    SELECT booking_id, event_count + 1, 'BOOKING_EXPIRED', 'EXPIRED', 'system' FROM d
)
SELECT (SELECT count(*) FROM b)::int4 AS found, (SELECT count(*) FROM d)::int4 AS expired, now() AS clock,
       least(now(), (SELECT min(xact_start) FROM pg_stat_activity WHERE backend_xid IS NOT NULL)) AS horizon;

-- name: release_watches(row_count int4) -> one (taken int4)
-- Attempts that their calls have left alone, as they were when the watch was set, for too long fall due. Those that went on
-- have a younger watch. Each watch is of up to a batch of attempts, looked up as one array, in order: of a join the planner
-- expects so much, not knowing how many are due, that it would read all attempts instead; or of watches, planned while there
-- were few, all for each. Nothing is waited for: a watch of what somebody else is changing is put off, out of the way of those
-- behind it. @taken: of @row_count watches.
-- Scans: payment_watch
WITH w AS MATERIALIZED (
    SELECT due_time, booking_id, booking_ids, attempt_ids, create_time FROM payment_watch
     WHERE due_time <= now() ORDER BY due_time LIMIT @row_count FOR UPDATE SKIP LOCKED
), a AS MATERIALIZED (
    SELECT booking_id, attempt_id, update_time FROM payment
     WHERE booking_id = ANY (ARRAY(SELECT unnest(booking_ids) FROM w))
       AND ((attempt_id, update_time) IN (SELECT unnest(attempt_ids), create_time FROM w)) IS TRUE
       AND due_time IS NULL AND state IN ('SENT', 'AUTHORIZED')
), l AS MATERIALIZED (
    SELECT booking_id, attempt_id FROM payment
     WHERE booking_id = ANY (ARRAY(SELECT booking_id FROM a))
       AND ((attempt_id, update_time) IN (SELECT attempt_id, update_time FROM a)) IS TRUE
       AND due_time IS NULL
       FOR UPDATE SKIP LOCKED
), u AS (
    UPDATE payment SET due_time = now()
     WHERE booking_id = ANY (ARRAY(SELECT booking_id FROM l))
       AND (attempt_id IN (SELECT attempt_id FROM l)) IS TRUE
), k AS MATERIALIZED (
    SELECT due_time, booking_id, row_number() OVER () AS n FROM w
     WHERE attempt_ids && ARRAY(SELECT attempt_id FROM a EXCEPT SELECT attempt_id FROM l)
), o AS (
    UPDATE payment_watch p SET due_time = now() + interval '5 seconds' + k.n * interval '1 microsecond'
      FROM k WHERE p.due_time = k.due_time AND p.booking_id = k.booking_id
), x AS (
    DELETE FROM payment_watch
     WHERE due_time BETWEEN (SELECT min(due_time) FROM w) AND (SELECT max(due_time) FROM w)
       AND ((due_time, booking_id) IN (SELECT due_time, booking_id FROM w)) IS TRUE
       AND ((due_time, booking_id) IN (SELECT due_time, booking_id FROM k)) IS NOT TRUE
)
SELECT count(*)::int4 AS taken FROM w;

-- name: due_attempts(provider text, row_count int4, lease_seconds int4) -> many (booking_id uuid, attempt_id uuid,
--       intent_id uuid, state text, booking_state text, provider_reference text?, amount_minor int8, currency text,
--       inquiry_count int4, age_seconds int8, pin_passed bool)
-- max: 64 rows
-- Attempts to look at, taken for @lease_seconds: if this process dies, they are due again.
-- Both rows are locked, so that they tell of one moment: an attempt just AUTHORIZED beside its booking as it was before
-- that would look like money for nothing, and be voided. Nothing is waited for.
-- Scans: booking, payment
WITH d AS MATERIALIZED (
    SELECT a.booking_id, a.attempt_id, b.state AS booking_state, coalesce(b.pin_time <= now(), true) AS pin_passed
      FROM payment a JOIN booking b USING (booking_id)
     WHERE a.due_time <= now() AND a.provider = @provider
     ORDER BY a.due_time LIMIT @row_count
       FOR UPDATE OF a SKIP LOCKED FOR KEY SHARE OF b SKIP LOCKED
), u AS (
    UPDATE payment a SET due_time = now() + @lease_seconds * interval '1 second'
      FROM d WHERE a.booking_id = d.booking_id AND a.attempt_id = d.attempt_id
    RETURNING a.*, d.booking_state, d.pin_passed
)
SELECT u.booking_id, u.attempt_id, u.intent_id, u.state, u.booking_state, u.provider_reference, u.amount_minor,
       u.currency, u.inquiry_count, extract(epoch FROM now() - u.create_time)::int8 AS age_seconds, u.pin_passed
  FROM u;

-- name: due_refunds(provider text, row_count int4, lease_seconds int4) -> many (booking_id uuid, refund_id uuid, state text,
--       amount_minor int8, currency text, payment_reference text?, is_known bool, try_count int4, inquiry_count int4,
--       sent_age_seconds int8)
-- max: 64 rows
-- Refunds of what @provider took. One that was only RESERVED is marked as sent before a byte leaves; @state is what it was.
-- @is_known: the provider has acknowledged it. Payments are looked up one by one: for a join all of them might be read.
-- Scans: refund
WITH d AS MATERIALIZED (
    SELECT booking_id, refund_id, state FROM refund f
     WHERE due_time <= now()
       AND (SELECT provider FROM payment p WHERE p.booking_id = f.booking_id AND p.intent_id = f.intent_id
                                             AND p.intent_state IS NOT NULL) = @provider
     ORDER BY due_time LIMIT @row_count
       FOR UPDATE SKIP LOCKED
), u AS (
    UPDATE refund f SET due_time = now() + @lease_seconds * interval '1 second',
                        state = CASE f.state WHEN 'RESERVED' THEN 'SENT' ELSE f.state END,
                        sent_time = CASE f.state WHEN 'RESERVED' THEN now() ELSE f.sent_time END
      FROM d WHERE f.booking_id = d.booking_id AND f.refund_id = d.refund_id
    RETURNING f.*, d.state AS was
)
SELECT u.booking_id, u.refund_id, u.was AS state, u.amount_minor, u.currency, p.provider_reference AS payment_reference,
       u.provider_reference IS NOT NULL AS is_known, u.try_count, u.inquiry_count,
       coalesce(extract(epoch FROM now() - u.sent_time), 0)::int8 AS sent_age_seconds
  FROM u JOIN payment p ON p.booking_id = u.booking_id AND p.intent_id = u.intent_id AND p.intent_state IS NOT NULL;

-- name: backlog(row_count int4) -> one (payments int4, payments_since timestamptz?, refunds int4, refunds_since timestamptz?,
--       attention int4, attention_since timestamptz?)
-- What is not over, for those who watch: payments and refunds whose end is not known yet, what waits for a person, and since
-- when. @row_count: of each, no more are looked at. What never arrived at the provider is asked for once more, and no longer
-- open. The conditions on times are there for the indexes.
-- Scans: payment, refund, attention_item
SELECT p.n AS payments, p.since AS payments_since, r.n AS refunds, r.since AS refunds_since,
       a.n AS attention, a.since AS attention_since
  FROM (SELECT count(*)::int4 AS n, min(create_time) AS since
          FROM (SELECT create_time FROM payment WHERE due_time < 'infinity' AND state <> 'NOT_RECEIVED'
                 ORDER BY due_time LIMIT @row_count) x) p,
       (SELECT count(*)::int4 AS n, min(create_time) AS since
          FROM (SELECT create_time FROM refund WHERE due_time < 'infinity' ORDER BY due_time LIMIT @row_count) x) r,
       (SELECT count(*)::int4 AS n, min(create_time) AS since
          FROM (SELECT create_time FROM attention_item WHERE resolve_time IS NULL AND create_time <= now()
                 ORDER BY create_time LIMIT @row_count) x) a;

-- name: prune_claims(row_count int4) -> one (pruned int4)
-- Claims of cheap calls after a day, of those that hold seats or move money after thirty: up to @row_count of each.
-- Scans: idempotency
WITH c AS MATERIALIZED (
    SELECT principal, method, request_id FROM idempotency
     WHERE method < 5 AND create_time < now() - interval '1 day'
     ORDER BY create_time LIMIT @row_count FOR UPDATE SKIP LOCKED
), m AS MATERIALIZED (
    SELECT principal, method, request_id FROM idempotency
     WHERE method >= 5 AND create_time < now() - interval '30 days'
     ORDER BY create_time LIMIT @row_count FOR UPDATE SKIP LOCKED
), x AS (
    DELETE FROM idempotency i USING (SELECT * FROM c UNION ALL SELECT * FROM m) d
     WHERE i.principal = d.principal AND i.method = d.method AND i.request_id = d.request_id
    RETURNING 1
)
SELECT count(*)::int4 AS pruned FROM x;

-- name: prune_throttles(after uuid, row_count int4) -> one (next uuid?, pruned int4)
-- Failed logins that are forgotten, among the next @row_count keys: an index by time would be written by each failure.
-- @next: where to go on; none: all have been seen. Who is logging in holds two of them, in an order of his own: passed over.
-- Scans: login_throttle
WITH w AS MATERIALIZED (
    SELECT key FROM login_throttle WHERE key > @after ORDER BY key LIMIT @row_count
), d AS MATERIALIZED (
    SELECT key FROM login_throttle WHERE key = ANY (ARRAY(SELECT key FROM w)) AND expire_time < now() FOR UPDATE SKIP LOCKED
), x AS (
    DELETE FROM login_throttle WHERE key = ANY (ARRAY(SELECT key FROM d)) RETURNING 1
)
SELECT (SELECT key FROM w ORDER BY key OFFSET @row_count - 1) AS next, (SELECT count(*) FROM x)::int4 AS pruned;

-- name: prune_accounts(after uuid, user_count int4, row_count int4) -> one (next uuid?, pruned int4)
-- Of the next @user_count users: sessions that have been over for ninety days, revocations of tokens that are no longer good,
-- and what happened more than four hundred days ago, up to @row_count of each; where there may be more, @next is @after again.
-- Looked up as one array: a join might read all sessions.
-- Scans: app_user
WITH w AS MATERIALIZED (
    SELECT user_id FROM app_user WHERE user_id > @after ORDER BY user_id LIMIT @user_count
), s AS (
    DELETE FROM session t
     USING (SELECT o.user_id, o.session_id FROM session o
             WHERE o.user_id = ANY (ARRAY(SELECT user_id FROM w)) AND o.expire_time < now() - interval '90 days'
             LIMIT @row_count) d
     WHERE t.user_id = d.user_id AND t.session_id = d.session_id
    RETURNING 1
), r AS (
    DELETE FROM revocation t
     WHERE t.user_id = ANY (ARRAY(SELECT user_id FROM w)) AND t.expire_time < now() - interval '1 hour' RETURNING 1
), e AS (
    DELETE FROM security_event t
     USING (SELECT o.user_id, o.event_id FROM security_event o
             WHERE o.user_id = ANY (ARRAY(SELECT user_id FROM w)) AND o.create_time < now() - interval '400 days'
             LIMIT @row_count) d
     WHERE t.user_id = d.user_id AND t.event_id = d.event_id
    RETURNING 1
), n AS (
    SELECT (SELECT count(*) FROM s) AS sessions, (SELECT count(*) FROM r) AS revocations, (SELECT count(*) FROM e) AS events
)
SELECT CASE WHEN greatest(sessions, events) >= @row_count THEN @after
            ELSE (SELECT user_id FROM w ORDER BY user_id OFFSET @user_count - 1) END AS next,
       (sessions + revocations + events)::int4 AS pruned
  FROM n;

-- name: prune_changes(row_count int4) -> one (pruned int4)
-- What every timetable in memory has seen by now: it reads all anew when it has not looked for half as long.
-- Scans: inventory_change
WITH d AS MATERIALIZED (
    SELECT xid, flight_id, create_time FROM inventory_change
     WHERE create_time < now() - interval '10 minutes'
     ORDER BY xid LIMIT @row_count FOR UPDATE SKIP LOCKED
), x AS (
    DELETE FROM inventory_change c USING d
     WHERE c.xid = d.xid AND c.flight_id = d.flight_id AND c.create_time = d.create_time
    RETURNING 1
)
SELECT count(*)::int4 AS pruned FROM x;

-- name: expire_quotes(row_count int4) -> one (expired int4)
-- Quotes nobody confirmed. A minute of grace: who confirms at the last moment meets the quote, not this.
-- Scans: cancellation
WITH d AS MATERIALIZED (
    SELECT booking_id, cancellation_id FROM cancellation
     WHERE state = 'QUOTED' AND expire_time < now() - interval '1 minute'
     ORDER BY expire_time LIMIT @row_count FOR UPDATE SKIP LOCKED
), x AS (
    UPDATE cancellation c SET state = 'EXPIRED'
      FROM d WHERE c.booking_id = d.booking_id AND c.cancellation_id = d.cancellation_id AND c.state = 'QUOTED'
    RETURNING 1
)
SELECT count(*)::int4 AS expired FROM x;

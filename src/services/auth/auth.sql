-- Users, sessions and what slows guessing. The principal of a public method is a keyed hash of the e-mail.

-- name: create_user(principal uuid, request_id uuid, fingerprint bytea, user_id uuid, email text,
--   password_hash text, display_name text, language_code text, roles int4, email_verified bool, event_id uuid,
--   network text) -> one (claimed bool, is_new bool, create_time timestamptz)
-- An address that is taken claims the request, tells its owner's event log, and makes nothing else: the caller
-- cannot tell.
-- Spans: email, principal, user_id
WITH k AS (
    INSERT INTO idempotency (principal, method, request_id, fingerprint, resource)
    VALUES (@principal, 1, @request_id, @fingerprint, @user_id)
    ON CONFLICT DO NOTHING
    RETURNING create_time
), l AS (
    INSERT INTO login (email, user_id, password_hash)
    SELECT @email, @user_id, @password_hash FROM k
    ON CONFLICT DO NOTHING
    RETURNING user_id
), u AS (
    INSERT INTO app_user (user_id, email, email_verified, display_name, language_code, roles)
    SELECT user_id, @email, @email_verified, @display_name, @language_code, @roles FROM l
), e AS (
    INSERT INTO security_event (user_id, event_id, kind, network)
    SELECT user_id, @event_id, 'USER_CREATED', @network FROM l
    UNION ALL
    SELECT o.user_id, @event_id, 'REGISTRATION_REPEATED', @network
      FROM k, login o
     WHERE o.email = @email AND NOT EXISTS (SELECT FROM l)
)
SELECT EXISTS (SELECT FROM k) AS claimed, EXISTS (SELECT FROM l) AS is_new, now() AS create_time;

-- name: login_begin(email text, network uuid, pair uuid, totals uuid[], total_max int8, network_free int4,
--   network_delay_s_max float8, pair_free int4, pair_delay_s_max float8, window_s float8)
--   -> one (is_open bool, wait_ms int4, user_id uuid?, password_hash text?, can_log_in bool,
--   roles int4)
-- Counts the attempt before the password is looked at, so that many at once cannot slip through; of the network only
-- where the pair does not have to wait, or one device with an old password would use up what all others have. Both rows
-- are locked in one order everywhere: network, then pair. By the clock after that wait: who was before in the queue may
-- have begun later. A network's failures are forgotten a window after the first, or attempts of innocents would keep
-- them alive. When failures everywhere exceed their limit, networks lose their free attempts: one that has not failed
-- does not notice. Nobody waits longer than the longest delay: a time beyond it is of a clock that was set back.
-- Spans: email, key, user_id
WITH g AS MATERIALIZED (
    SELECT CASE WHEN coalesce(sum(failures), 0) > @total_max THEN 0 ELSE @network_free END AS free
      FROM login_throttle
     WHERE key = ANY (@totals) AND expire_time > now()
), n AS (
    INSERT INTO login_throttle AS o (key, failures, next_time, expire_time)
    SELECT @network, 1, now(), now() + @window_s * interval '1 second'
     WHERE NOT EXISTS (SELECT FROM login_throttle
                        WHERE key = @pair AND next_time > clock_timestamp()
                          AND next_time <= clock_timestamp() + @pair_delay_s_max * interval '1 second')
    ON CONFLICT (key) DO UPDATE
    SET failures = CASE WHEN o.expire_time <= now() THEN 1 ELSE o.failures + 1 END,
        next_time = CASE WHEN o.expire_time <= now() OR o.failures < (SELECT free FROM g) THEN now()
            ELSE now() + least(@network_delay_s_max,
                power(2.0::float8, least(o.failures - (SELECT free FROM g), 20))) * interval '1 second' END,
        expire_time = CASE WHEN o.expire_time <= now() THEN excluded.expire_time ELSE o.expire_time END
    WHERE o.next_time <= clock_timestamp() OR o.next_time > clock_timestamp() + @network_delay_s_max * interval '1 second'
    RETURNING 1
), p AS (
    INSERT INTO login_throttle AS o (key, failures, next_time, expire_time)
    SELECT @pair, 1, now(), now() + @window_s * interval '1 second' FROM n
    ON CONFLICT (key) DO UPDATE
    SET failures = CASE WHEN o.expire_time <= now() THEN 1 ELSE o.failures + 1 END,
        next_time = CASE WHEN o.expire_time <= now() OR o.failures < @pair_free THEN now()
            ELSE now() + least(@pair_delay_s_max,
                power(2.0::float8, least(o.failures - @pair_free, 20))) * interval '1 second' END,
        expire_time = excluded.expire_time
    WHERE o.next_time <= clock_timestamp() OR o.next_time > clock_timestamp() + @pair_delay_s_max * interval '1 second'
    RETURNING 1
)
SELECT EXISTS (SELECT FROM p) AS is_open,
       greatest(1000, coalesce((SELECT ceil(extract(epoch FROM max(t.next_time) - now()) * 1000)
                                  FROM login_throttle t
                                 WHERE t.key IN (@network, @pair)
                                   AND t.next_time <= clock_timestamp() + interval '1 second' *
                                       CASE t.key WHEN @pair THEN @pair_delay_s_max ELSE @network_delay_s_max END), 0))::int4
           AS wait_ms,
       l.user_id, l.password_hash, coalesce(u.state = 'ACTIVE', false) AS can_log_in,
       coalesce(u.roles, 0) AS roles
  FROM (SELECT 1) one
  LEFT JOIN login l ON l.email = @email
  LEFT JOIN app_user u ON u.user_id = l.user_id;

-- name: login_failed(user_id uuid?, event_id uuid, network text, total uuid) -> none
-- Totals count by the minute, in one of several rows so that guessing everywhere does not queue on one.
-- Spans: key, user_id
WITH e AS (
    INSERT INTO security_event (user_id, event_id, kind, network)
    SELECT @user_id, @event_id, 'LOGIN_FAILED', @network
     WHERE @user_id IS NOT NULL
)
INSERT INTO login_throttle AS o (key, failures, next_time, expire_time)
VALUES (@total, 1, now(), now() + interval '1 minute')
ON CONFLICT (key) DO UPDATE
SET failures = CASE WHEN o.expire_time <= now() THEN 1 ELSE o.failures + 1 END,
    expire_time = CASE WHEN o.expire_time <= now() THEN excluded.expire_time ELSE o.expire_time END;

-- name: create_session(user_id uuid, request_id uuid, fingerprint bytea, session_id uuid, device_label text,
--   network text, seed bytea, refresh_hash bytea, idle_s float8, absolute_s float8, token_s float8,
--   sessions_max int4, event_id uuid, network_key uuid, pair uuid, email text, old_hash text, new_hash text?)
--   -> one (claimed bool, ended bytea?, create_time timestamptz)
-- A right password gives back the attempt that login_begin counted, and the wait. The oldest sessions over the limit
-- end, and there may be several: logins at once do not see each other's. Their ids stand in ended, one after the other.
-- Spans: email, key, principal, user_id
WITH k AS (
    INSERT INTO idempotency (principal, method, request_id, fingerprint, resource)
    VALUES (@user_id, 2, @request_id, @fingerprint, @session_id)
    ON CONFLICT DO NOTHING
    RETURNING 1
), s AS (
    INSERT INTO session (user_id, session_id, device_label, network, seed, refresh_hash, idle_expire_time,
        expire_time)
    SELECT @user_id, @session_id, @device_label, @network, @seed, @refresh_hash,
           now() + least(@idle_s, @absolute_s) * interval '1 second', now() + @absolute_s * interval '1 second'
      FROM k
), x AS (
    UPDATE session
       SET end_time = now(), end_reason = 'TOO_MANY'
     WHERE user_id = @user_id AND end_time IS NULL AND EXISTS (SELECT FROM k)
       AND session_id = ANY (ARRAY(
           SELECT session_id FROM session
            WHERE user_id = @user_id AND end_time IS NULL AND idle_expire_time > now()
            ORDER BY session_id DESC OFFSET @sessions_max - 1))
    RETURNING session_id
), v AS (
    INSERT INTO revocation (user_id, session_id, expire_time)
    SELECT @user_id, session_id, now() + @token_s * interval '1 second' FROM x
    ON CONFLICT DO NOTHING
), e AS (
    INSERT INTO security_event (user_id, event_id, kind, session_id, network)
    SELECT @user_id, @event_id, 'LOGIN', @session_id, @network FROM k
), n AS (
    UPDATE login_throttle
       SET failures = greatest(failures - 1, 0), next_time = now()
     WHERE key = @network_key
    RETURNING 1
), p AS (
    DELETE FROM login_throttle WHERE key = @pair AND (SELECT count(*) FROM n) >= 0
), h AS (
    UPDATE login SET password_hash = @new_hash
     WHERE email = @email AND password_hash = @old_hash AND @new_hash IS NOT NULL
)
SELECT EXISTS (SELECT FROM k) AS claimed, (SELECT string_agg(uuid_send(session_id), '') FROM x) AS ended,
       now() AS create_time;

-- name: get_session(user_id uuid, session_id uuid) -> maybe (device_label text, network text, seed bytea,
--   create_time timestamptz, refresh_time timestamptz, idle_expire_time timestamptz, expire_time timestamptz,
--   is_live bool, generation int4, roles int4)
-- Not marked read: it follows the statement that made the session.
SELECT s.device_label, s.network, s.seed, s.create_time, s.refresh_time, s.idle_expire_time, s.expire_time,
       s.end_time IS NULL AND s.idle_expire_time > now() AND u.state = 'ACTIVE' AS is_live, s.generation, u.roles
  FROM session s
  JOIN app_user u ON u.user_id = s.user_id
 WHERE s.user_id = @user_id AND s.session_id = @session_id;

-- name: refresh_session(user_id uuid, session_id uuid, request_id uuid, fingerprint bytea, hash bytea,
--   next_hash bytea, generation int4, network text, grace_s float8, idle_s float8, token_s float8, event_id uuid)
--   -> one (outcome text, refresh_time timestamptz?, device_label text?, create_time timestamptz?,
--   expire_time timestamptz?, network text?, roles int4?)
-- The session row's lock decides between two that come with the same token: the second finds itself to be the
-- previous one, and gets the same successor. The token itself was proven to be ours before this runs, so a hash that
-- is neither current nor in its grace is one that was used up: the session ends. A session that is over, however it
-- came to be, is TOKEN_REVOKED: TOKEN_EXPIRED would ask for what was just tried.
-- Spans: principal, user_id
WITH s AS MATERIALIZED (
    SELECT refresh_hash, previous_hash, refresh_time, idle_expire_time, expire_time, end_time, device_label,
           create_time, network
      FROM session
     WHERE user_id = @user_id AND session_id = @session_id
       FOR UPDATE
), i AS MATERIALIZED (
    SELECT fingerprint, create_time
      FROM idempotency
     WHERE principal = @user_id AND method = 3 AND request_id = @request_id
), o AS MATERIALIZED (
    SELECT CASE
               WHEN i.fingerprint <> @fingerprint THEN 'IDEMPOTENCY_MISMATCH'
               WHEN s.create_time IS NULL OR s.end_time IS NOT NULL OR s.idle_expire_time <= now()
                    OR u.state IS DISTINCT FROM 'ACTIVE' THEN 'TOKEN_REVOKED'
               WHEN i.fingerprint IS NOT NULL THEN 'REPLAYED'
               WHEN s.refresh_hash = @hash THEN 'ROTATED'
               WHEN s.previous_hash = @hash AND s.refresh_time > now() - @grace_s * interval '1 second'
                   THEN 'REPEATED'
               ELSE 'REFRESH_REUSED'
           END AS outcome,
           i.create_time AS replay_time, u.roles, s.refresh_time, s.device_label, s.create_time, s.expire_time,
           s.network
      FROM (SELECT 1) one
      LEFT JOIN s ON true
      LEFT JOIN i ON true
      LEFT JOIN app_user u ON u.user_id = @user_id
), k AS (
    INSERT INTO idempotency (principal, method, request_id, fingerprint, resource, create_time)
    SELECT @user_id, 3, @request_id, @fingerprint, @session_id,
           CASE outcome WHEN 'ROTATED' THEN now() ELSE refresh_time END
      FROM o
     WHERE outcome IN ('ROTATED', 'REPEATED')
    ON CONFLICT DO NOTHING
), r AS (
    UPDATE session
       SET refresh_hash = CASE o.outcome WHEN 'ROTATED' THEN @next_hash ELSE refresh_hash END,
           previous_hash = CASE o.outcome WHEN 'ROTATED' THEN @hash ELSE previous_hash END,
           generation = CASE o.outcome WHEN 'ROTATED' THEN @generation ELSE generation END,
           network = CASE o.outcome WHEN 'ROTATED' THEN @network ELSE session.network END,
           refresh_time = CASE o.outcome WHEN 'ROTATED' THEN now() ELSE session.refresh_time END,
           idle_expire_time = CASE o.outcome
               WHEN 'ROTATED' THEN least(now() + @idle_s * interval '1 second', session.expire_time)
               ELSE idle_expire_time END,
           end_time = CASE o.outcome WHEN 'REFRESH_REUSED' THEN now() END,
           end_reason = CASE o.outcome WHEN 'REFRESH_REUSED' THEN 'REFRESH_REUSED' END
      FROM o
     WHERE user_id = @user_id AND session_id = @session_id AND o.outcome IN ('ROTATED', 'REFRESH_REUSED')
), v AS (
    INSERT INTO revocation (user_id, session_id, expire_time)
    SELECT @user_id, @session_id, now() + @token_s * interval '1 second' FROM o WHERE outcome = 'REFRESH_REUSED'
    ON CONFLICT DO NOTHING
), e AS (
    INSERT INTO security_event (user_id, event_id, kind, session_id, network)
    SELECT @user_id, @event_id, 'REFRESH_REUSED', @session_id, @network FROM o WHERE outcome = 'REFRESH_REUSED'
)
SELECT o.outcome,
       CASE o.outcome WHEN 'ROTATED' THEN now() WHEN 'REPLAYED' THEN replay_time ELSE refresh_time END
           AS refresh_time,
       o.device_label, o.create_time, o.expire_time,
       CASE o.outcome WHEN 'ROTATED' THEN @network ELSE o.network END AS network, o.roles
  FROM o;

-- name: end_session(principal uuid, request_id uuid, fingerprint bytea, user_id uuid, session_id uuid,
--   end_reason text, token_s float8, event_id uuid, network text) -> one (claimed bool, ended bool)
-- A session that is not there, or has ended, records the refusal; but one that has just expired, whose access tokens
-- some server's clock may still take, can be ended.
-- Spans: principal, user_id
WITH s AS MATERIALIZED (
    SELECT session_id
      FROM session
     WHERE user_id = @user_id AND session_id = @session_id AND end_time IS NULL
       AND idle_expire_time > now() - @token_s * interval '1 second'
       FOR UPDATE
), k AS (
    INSERT INTO idempotency (principal, method, request_id, fingerprint, resource, reason)
    SELECT @principal, 4, @request_id, @fingerprint, (SELECT session_id FROM s),
           CASE WHEN EXISTS (SELECT FROM s) THEN NULL ELSE 'NOT_FOUND' END
    ON CONFLICT DO NOTHING
    RETURNING resource
), z AS (
    UPDATE session
       SET end_time = now(), end_reason = @end_reason
      FROM k
     WHERE user_id = @user_id AND session_id = @session_id AND k.resource IS NOT NULL
), v AS (
    INSERT INTO revocation (user_id, session_id, expire_time)
    SELECT @user_id, @session_id, now() + @token_s * interval '1 second' FROM k WHERE k.resource IS NOT NULL
    ON CONFLICT DO NOTHING
), e AS (
    INSERT INTO security_event (user_id, event_id, kind, session_id, network)
    SELECT @user_id, @event_id, 'SESSION_ENDED', @session_id, @network FROM k WHERE k.resource IS NOT NULL
)
SELECT EXISTS (SELECT FROM k) AS claimed, EXISTS (SELECT FROM s) AS ended;

-- name: get_user(user_id uuid) -> maybe (email text, email_verified bool, display_name text, language_code text,
--   roles int4, state text, create_time timestamptz, update_time timestamptz)
-- read
SELECT email, email_verified, display_name, language_code, roles, state, create_time, update_time
  FROM app_user
 WHERE user_id = @user_id;

-- name: list_sessions(user_id uuid, before uuid?, count int4) -> many (session_id uuid, device_label text,
--   network text, create_time timestamptz, refresh_time timestamptz, expire_time timestamptz)
-- read
-- max: 101 rows
-- Session ids are made in order of time, so they are the order and the position.
SELECT session_id, device_label, network, create_time, refresh_time, expire_time
  FROM session
 WHERE user_id = @user_id AND end_time IS NULL AND idle_expire_time > now()
   AND (@before IS NULL OR session_id < @before)
 ORDER BY session_id DESC
 LIMIT @count;

-- name: list_revocations(since timestamptz) -> many (session_id uuid?, revoke_time timestamptz?,
--   expire_time timestamptz?, read_time timestamptz)
-- read
-- max: 10000 rows
-- One more than those: so it is known that there are more. Where there is none, one row that only tells when that was.
-- Scans: revocation
SELECT r.session_id, r.revoke_time, r.expire_time, now() AS read_time
  FROM (SELECT 1) one
  LEFT JOIN (SELECT session_id, revoke_time, expire_time FROM revocation
              WHERE revoke_time >= @since AND expire_time > now() ORDER BY revoke_time LIMIT 10001) r ON true
 ORDER BY r.revoke_time;

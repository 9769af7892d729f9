-- Users, how they log in, their sessions, and what ends tokens before their time.

-- The claim on an address and what a login needs, in one row: unique by e-mail, which is no key of the user.
CREATE TABLE login (                    -- distributed by email
    email          text NOT NULL CONSTRAINT login_pk PRIMARY KEY
        CONSTRAINT login_email_ck CHECK (email !~ '[A-Z]'),
    user_id        uuid NOT NULL,
    password_hash  text NOT NULL            -- PHC string: argon2id, its parameters, salt and hash
) WITH (fillfactor = 90);

CREATE TABLE app_user (                 -- distributed by user_id
    user_id        uuid NOT NULL CONSTRAINT app_user_pk PRIMARY KEY,
    email          text NOT NULL,
    email_verified boolean NOT NULL DEFAULT false,
    display_name   text NOT NULL,
    language_code  text NOT NULL,
    roles          int4 NOT NULL            -- bit (1 << faregate.v1.Role)
        CONSTRAINT app_user_roles_ck CHECK (roles > 0 AND roles < 256),
    state          text NOT NULL DEFAULT 'ACTIVE'
        CONSTRAINT app_user_state_ck CHECK (state IN ('ACTIVE', 'SUSPENDED', 'DELETED')),
    create_time    timestamptz NOT NULL DEFAULT now(),
    update_time    timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 90);

-- A login of a device, and the family of its refresh tokens. Tokens are nowhere: only their SHA-256, and a seed that
-- gives the first one only together with the installation's secret.
CREATE TABLE session (                  -- distributed by user_id
    user_id          uuid NOT NULL,
    session_id       uuid NOT NULL,
    device_label     text NOT NULL,
    network          text NOT NULL,         -- of the last refresh, host part removed
    seed             bytea NOT NULL,
    refresh_hash     bytea NOT NULL,        -- of the token that is good now
    previous_hash    bytea,                 -- of the one before: good for the grace period, for the same successor
    generation       int4 NOT NULL DEFAULT 0,
    create_time      timestamptz NOT NULL DEFAULT now(),
    refresh_time     timestamptz NOT NULL DEFAULT now(),
    idle_expire_time timestamptz NOT NULL,
    expire_time      timestamptz NOT NULL,
    end_time         timestamptz,
    end_reason       text CONSTRAINT session_end_reason_ck
        CHECK (end_reason IN ('LOGOUT', 'REFRESH_REUSED', 'TOO_MANY', 'STAFF')),
    CONSTRAINT session_pk PRIMARY KEY (user_id, session_id),
    CONSTRAINT session_end_ck CHECK ((end_time IS NULL) = (end_reason IS NULL)),
    CONSTRAINT session_idle_ck CHECK (idle_expire_time <= expire_time)
) WITH (fillfactor = 70);
-- Refreshing touches neither column nor predicate, so it stays HOT.
CREATE INDEX session_live_ix ON session (user_id, session_id) WHERE end_time IS NULL;

-- Sessions that ended while an access token of theirs may still be good. Workers poll it each second by revoke_time;
-- jobs/retain.c deletes rows past expire_time.
CREATE TABLE revocation (               -- distributed by user_id
    user_id     uuid NOT NULL,
    session_id  uuid NOT NULL,
    revoke_time timestamptz NOT NULL DEFAULT now(),
    expire_time timestamptz NOT NULL,
    CONSTRAINT revocation_pk PRIMARY KEY (user_id, session_id)
);
CREATE INDEX revocation_time_ix ON revocation (revoke_time);

-- Failed logins by keyed hash of (address, network), of network, and of all. No permanent lock: next_time is never far
-- away, and failures are forgotten at expire_time; jobs/retain.c deletes rows past that.
CREATE TABLE login_throttle (           -- distributed by key
    key         uuid NOT NULL CONSTRAINT login_throttle_pk PRIMARY KEY,
    failures    int4 NOT NULL,
    next_time   timestamptz NOT NULL,
    expire_time timestamptz NOT NULL
) WITH (fillfactor = 50);

-- Append-only: what happened to an account, for its owner and for staff.
CREATE TABLE security_event (           -- distributed by user_id
    user_id     uuid NOT NULL,
    event_id    uuid NOT NULL,
    kind        text NOT NULL CONSTRAINT security_event_kind_ck
        CHECK (kind IN ('USER_CREATED', 'REGISTRATION_REPEATED', 'LOGIN', 'LOGIN_FAILED', 'SESSION_ENDED',
            'REFRESH_REUSED')),
    session_id  uuid,
    network     text NOT NULL,
    create_time timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT security_event_pk PRIMARY KEY (user_id, event_id)
);

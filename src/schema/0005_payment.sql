-- Money: what is owed (intent) and each try at a provider (attempt), what goes back (refund), and the double-entry ledger.

CREATE DOMAIN payment_intent_state AS text CONSTRAINT payment_intent_state_ck
    CHECK (VALUE IN ('REQUIRES_PAYMENT_METHOD', 'REQUIRES_ACTION', 'PROCESSING', 'AUTHORIZED', 'CAPTURED', 'CANCELLED',
        'EXPIRED'));
CREATE DOMAIN payment_attempt_state AS text CONSTRAINT payment_attempt_state_ck
    CHECK (VALUE IN ('CREATED', 'SENT', 'AUTHORIZED', 'CAPTURED', 'DECLINED', 'ACTION_REQUIRED', 'UNKNOWN',
        'NOT_RECEIVED', 'REVERSED', 'ATTENTION'));
CREATE DOMAIN refund_state AS text CONSTRAINT refund_state_ck
    CHECK (VALUE IN ('RESERVED', 'SENT', 'UNKNOWN', 'SUCCEEDED', 'FAILED'));
-- What may still be refunded is a column of its own, so that its domain keeps refunds within what was captured: a CHECK
-- over several columns is read and compiled again by every statement that writes a row. The rest of M3 `faregate check` proves.
CREATE DOMAIN refundable AS int8 CONSTRAINT refundable_ck CHECK (VALUE >= 0);

-- A try to pay, in a row of its own: committed before any byte leaves for the provider, whose idempotency key is its id.
-- The latest try of an intent tells of the intent as well, so that a usual payment is one row; an earlier one has no
-- intent_state. An intent that nobody has tried to pay yet is a row without a try: no state, the intent's id for its own.
-- M6, one live intent per booking, and while one attempt may have moved money there is no second one: both are made only
-- behind the lock on their booking, the attempt with the booking's step from HELD to CONFIRMING, and the way back is open
-- only to an attempt that ended without money. `faregate check` proves it.
-- Rows made together are all updated soon after, before anything can be pruned, and grow: more than half of a page is left
-- for that.
CREATE TABLE payment (                  -- distributed by booking_id
    booking_id          uuid NOT NULL,
    attempt_id          uuid NOT NULL,
    intent_id           uuid NOT NULL,
    user_id             uuid NOT NULL,
    card_key            uuid,                   -- what risk rules know the method by: a keyed hash
    intent_create_time  timestamptz NOT NULL DEFAULT now(),
    create_time         timestamptz NOT NULL DEFAULT now(),
    update_time         timestamptz NOT NULL DEFAULT now(),
    amount_minor        amount NOT NULL,
    authorised_minor    int8 NOT NULL DEFAULT 0,
    captured_minor      int8 NOT NULL DEFAULT 0,
    refundable_minor    refundable NOT NULL DEFAULT 0,  -- captured less all refunds, live and finished
    refunded_minor      int8 NOT NULL DEFAULT 0,
    -- When the completer looks at it next; NULL: nothing to do, or a call is at it and payment_watch knows, so that
    -- the usual attempt is in no index of what is due, and every update of it HOT.
    due_time            timestamptz,
    inquiry_count       int4 NOT NULL DEFAULT 0,
    start_event         int4,                   -- the number of the booking's event that this try is
    intent_state        payment_intent_state,
    state               payment_attempt_state,
    currency            text NOT NULL,
    provider            text,
    method_token        text,                   -- the provider's token; never a card number
    provider_reference  text,
    error_code          text,                   -- why it failed, in our words; the bank's are in decline_code
    decline_code        text,
    redirect_url        text,                   -- ACTION_REQUIRED: where the customer proves who they are
    card_fingerprint    bytea,                  -- keyed hash
    card                text,                   -- what may be shown of it: brand and last four digits
    CONSTRAINT payment_pk PRIMARY KEY (booking_id, attempt_id)
) WITH (fillfactor = 40);
CREATE INDEX payment_due_ix ON payment (due_time) WHERE due_time IS NOT NULL;
-- For the risk rules: how often a user or card has tried to pay within the last hour.
CREATE INDEX payment_user_ix ON payment (user_id, create_time);
CREATE INDEX payment_card_ix ON payment (card_key, create_time);
-- What is owed, and each try to pay it, for people and checks.
CREATE VIEW payment_intent AS
    SELECT booking_id, intent_id, attempt_id, user_id, intent_state AS state, amount_minor, currency, authorised_minor,
           captured_minor, refundable_minor, refunded_minor, provider_reference, intent_create_time AS create_time, update_time
      FROM payment WHERE intent_state IS NOT NULL;
CREATE VIEW payment_attempt AS
    SELECT booking_id, attempt_id, intent_id, state, provider, method_token, amount_minor, currency, provider_reference,
           error_code, decline_code, redirect_url, card_fingerprint, card, inquiry_count, due_time, create_time, update_time
      FROM payment WHERE state IS NOT NULL;

-- The attempts that one statement left to its calls: if these have not gone on with them by then, the completer does.
CREATE TABLE payment_watch (            -- distributed by booking_id
    booking_id          uuid NOT NULL,          -- the first of those
    due_time            timestamptz NOT NULL,
    create_time         timestamptz NOT NULL DEFAULT now(), -- update_time of those attempts, until they go on
    booking_ids         uuid[] NOT NULL,
    attempt_ids         uuid[] NOT NULL,
    CONSTRAINT payment_watch_pk PRIMARY KEY (due_time, booking_id)
);

CREATE TABLE refund (                   -- distributed by booking_id
    booking_id          uuid NOT NULL,
    refund_id           uuid NOT NULL,
    intent_id           uuid NOT NULL,
    state               refund_state NOT NULL,
    amount_minor        amount NOT NULL,
    currency            text NOT NULL,
    cause               text NOT NULL,          -- faregate.v1.Refund.Cause
    provider_reference  text,
    error_code          text,
    try_count           int4 NOT NULL DEFAULT 0,    -- part of the provider's idempotency key
    inquiry_count       int4 NOT NULL DEFAULT 0,
    sent_time           timestamptz,            -- of the last request that may have moved money
    due_time            timestamptz,
    create_time         timestamptz NOT NULL DEFAULT now(),
    update_time         timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT refund_pk PRIMARY KEY (booking_id, refund_id)
);
CREATE INDEX refund_due_ix ON refund (due_time) WHERE due_time IS NOT NULL;

-- A posting pair in one immutable row: it debits one account and credits another, so that no transaction can fail to sum
-- to zero. Corrections are new rows.
CREATE TABLE ledger_transfer (          -- distributed by booking_id
    booking_id   uuid NOT NULL,
    cause        uuid NOT NULL,                 -- the attempt or refund: one transfer of a kind for each
    kind         text NOT NULL,                 -- CAPTURE, REFUND, PENALTY, ...
    debit        text NOT NULL,                 -- account, e.g. provider_clearing
    credit       text NOT NULL,                 -- account, e.g. unearned_revenue
    amount_minor amount NOT NULL,
    currency     text NOT NULL,
    create_time  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT ledger_transfer_pk PRIMARY KEY (booking_id, cause, kind)
);

-- A booking's events, those that other rows tell (0004_booking.sql) with the others.
CREATE VIEW booking_history AS
    SELECT booking_id, 1 AS sequence, 'CREATED' AS type, 'HELD' AS state, 'users/' || user_id AS actor, NULL AS reason,
           create_time AS occur_time, NULL::uuid AS subject
      FROM booking
     UNION ALL
    SELECT booking_id, ticket_event, 'BOOKING_CONFIRMED', 'CONFIRMED', 'system', NULL, ticket_time, NULL
      FROM booking WHERE ticket_event IS NOT NULL
     UNION ALL
    SELECT booking_id, start_event, 'PAYMENT_STARTED', 'CONFIRMING', 'users/' || user_id, NULL, create_time, intent_id
      FROM payment WHERE start_event IS NOT NULL
     UNION ALL
    SELECT booking_id, sequence, type, state, actor, reason, occur_time, subject FROM booking_event;

-- Money: what is owed (intent), each try at a provider (attempt), what goes back (refund), and the double-entry ledger.

CREATE TABLE payment_intent (           -- distributed by booking_id
    booking_id          uuid NOT NULL,
    intent_id           uuid NOT NULL,
    user_id             uuid NOT NULL,
    state               text NOT NULL CONSTRAINT payment_intent_state_ck
        CHECK (state IN ('REQUIRES_PAYMENT_METHOD', 'REQUIRES_ACTION', 'PROCESSING', 'AUTHORIZED', 'CAPTURED',
            'CANCELLED', 'EXPIRED')),
    amount_minor        int8 NOT NULL CONSTRAINT payment_intent_amount_ck CHECK (amount_minor > 0),
    currency            text NOT NULL,
    authorised_minor    int8 NOT NULL DEFAULT 0,
    captured_minor      int8 NOT NULL DEFAULT 0
        CONSTRAINT payment_intent_captured_ck CHECK (captured_minor <= authorised_minor),
    refund_reserved_minor int8 NOT NULL DEFAULT 0,   -- live and finished refunds together
    refunded_minor      int8 NOT NULL DEFAULT 0,
    decline_code        text,
    provider_reference  text,
    create_time         timestamptz NOT NULL DEFAULT now(),
    update_time         timestamptz NOT NULL DEFAULT now(),
    -- For the index alone: it sees a change only when an intent dies, so that paying is a HOT update.
    is_live             boolean NOT NULL GENERATED ALWAYS AS (state NOT IN ('CANCELLED', 'EXPIRED')) STORED,
    CONSTRAINT payment_intent_pk PRIMARY KEY (booking_id, intent_id),
    CONSTRAINT payment_intent_refund_ck CHECK (refund_reserved_minor <= captured_minor
        AND refunded_minor <= refund_reserved_minor)
) WITH (fillfactor = 70);
-- M6: one live intent per booking.
CREATE UNIQUE INDEX payment_intent_live_uq ON payment_intent (booking_id) WHERE is_live;

-- The row is committed before any byte leaves for the provider; its id is the provider's idempotency key.
CREATE TABLE payment_attempt (          -- distributed by booking_id
    booking_id          uuid NOT NULL,
    attempt_id          uuid NOT NULL,
    intent_id           uuid NOT NULL,
    state               text NOT NULL CONSTRAINT payment_attempt_state_ck
        CHECK (state IN ('CREATED', 'SENT', 'AUTHORIZED', 'CAPTURED', 'DECLINED', 'ACTION_REQUIRED', 'UNKNOWN',
            'NOT_RECEIVED', 'REVERSING', 'REVERSED', 'ATTENTION')),
    provider            text NOT NULL,
    method_token        text NOT NULL,          -- the provider's token; never a card number
    amount_minor        int8 NOT NULL,
    currency            text NOT NULL,
    provider_reference  text,
    error_code          text,                   -- why it failed, in our words; the bank's are in decline_code
    decline_code        text,
    redirect_url        text,                   -- ACTION_REQUIRED: where the customer proves who they are
    card_fingerprint    bytea,                  -- keyed hash
    card                text,                   -- what may be shown of it: brand and last four digits
    inquiry_count       int4 NOT NULL DEFAULT 0,
    due_time            timestamptz,            -- when the completer looks at it next; NULL: nothing to do
    create_time         timestamptz NOT NULL DEFAULT now(),
    update_time         timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT payment_attempt_pk PRIMARY KEY (booking_id, attempt_id)
) WITH (fillfactor = 70);
-- M6: while one attempt may have moved money there is no second one.
CREATE UNIQUE INDEX payment_attempt_live_uq ON payment_attempt (booking_id, intent_id)
    WHERE state IN ('CREATED', 'SENT', 'ACTION_REQUIRED', 'UNKNOWN', 'AUTHORIZED', 'CAPTURED', 'REVERSING');
CREATE INDEX payment_attempt_due_ix ON payment_attempt (due_time) WHERE due_time IS NOT NULL;

CREATE TABLE refund (                   -- distributed by booking_id
    booking_id          uuid NOT NULL,
    refund_id           uuid NOT NULL,
    intent_id           uuid NOT NULL,
    state               text NOT NULL CONSTRAINT refund_state_ck
        CHECK (state IN ('RESERVED', 'SENT', 'UNKNOWN', 'SUCCEEDED', 'FAILED')),
    amount_minor        int8 NOT NULL CONSTRAINT refund_amount_ck CHECK (amount_minor > 0),
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
    transfer_id  uuid NOT NULL,
    kind         text NOT NULL,                 -- CAPTURE, REFUND, PENALTY, ...
    debit        text NOT NULL,                 -- account, e.g. provider_clearing
    credit       text NOT NULL,                 -- account, e.g. unearned_revenue
    amount_minor int8 NOT NULL CONSTRAINT ledger_transfer_amount_ck CHECK (amount_minor > 0),
    currency     text NOT NULL,
    cause        uuid NOT NULL,                 -- the attempt or refund: one transfer of a kind for each
    create_time  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT ledger_transfer_pk PRIMARY KEY (booking_id, transfer_id),
    CONSTRAINT ledger_transfer_accounts_ck CHECK (debit <> credit)
);
CREATE UNIQUE INDEX ledger_transfer_cause_uq ON ledger_transfer (booking_id, cause, kind);

-- Sliding windows for the risk rules: hits of a key (user, card, booking) in one window.
CREATE TABLE velocity (                 -- distributed by key
    key          text NOT NULL,
    window_start timestamptz NOT NULL,
    hits         int4 NOT NULL,
    CONSTRAINT velocity_pk PRIMARY KEY (key, window_start)
) WITH (fillfactor = 60);

-- What retention walks: appended in time order, so a few pages of summary find what is old.
CREATE INDEX idempotency_create_ix ON idempotency USING brin (create_time);
CREATE INDEX velocity_window_ix ON velocity USING brin (window_start);
CREATE INDEX cancellation_due_ix ON cancellation (expire_time) WHERE state = 'QUOTED';

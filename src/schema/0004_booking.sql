-- Bookings, their history and documents, and the claims that make every mutation happen once.

-- What one column may hold is said by a domain: its rule is read once by a session, and judged where the column is written.
-- A CHECK of a table is read again by each execution that writes the table, and judged for every row. On the way of a
-- booking there is none: what ties columns together `faregate check` proves.
CREATE DOMAIN amount AS int8 CONSTRAINT amount_ck CHECK (VALUE > 0); -- minor units
CREATE DOMAIN amount_or_none AS int8 CONSTRAINT amount_or_none_ck CHECK (VALUE >= 0);
CREATE DOMAIN flight_list AS uuid[] CONSTRAINT flight_list_ck CHECK (cardinality(VALUE) BETWEEN 1 AND 16);
CREATE DOMAIN coupon_list AS text CONSTRAINT coupon_list_ck CHECK (VALUE <> '' AND ltrim(VALUE, 'ORVFCBXS') = '');
CREATE DOMAIN booking_state AS text CONSTRAINT booking_state_ck
    CHECK (VALUE IN ('PENDING', 'HELD', 'CONFIRMING', 'CONFIRMED', 'CANCELLING', 'CANCELLED', 'EXPIRED', 'FAILED',
        'COMPLETED', 'ATTENTION'));
CREATE DOMAIN cancellation_state AS text CONSTRAINT cancellation_state_ck
    CHECK (VALUE IN ('QUOTED', 'CONFIRMING', 'APPLIED', 'EXPIRED', 'SUPERSEDED', 'FAILED'));

-- One row per (principal, method, request_id): written by the statement that has the effect, in the same transaction.
-- domain.md section 7. A row without resource, reason and response belongs to work that is still in progress.
CREATE TABLE idempotency (              -- distributed by principal
    principal    uuid NOT NULL,
    method       int2 NOT NULL,             -- enum idempotent_method
    request_id   uuid NOT NULL,
    fingerprint  bytea NOT NULL,
    resource     uuid,                      -- what it made: the answer is rendered from it
    reason       text,                      -- the recorded refusal
    response     bytea,                     -- the answer's bytes where it cannot be rendered again
    create_time  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT idempotency_pk PRIMARY KEY (principal, method, request_id)
) WITH (fillfactor = 90);
-- What retention walks: claims of cheap calls (below method 5) are kept for a day, those that hold seats or move money for
-- thirty. Apart, so that it does not pass all of those in search of the others. Both grow at their right edge.
CREATE INDEX idempotency_day_ix ON idempotency (create_time) WHERE method < 5;
CREATE INDEX idempotency_month_ix ON idempotency (create_time) WHERE method >= 5;

-- A booking's record locator is its serial, written with the installation's key (domain/locator.h): unique without a claim,
-- never reused soon (after 2^30 bookings). Which serial is the larger means nothing: each session takes 64 at once.
CREATE SEQUENCE booking_serial MINVALUE 1 CACHE 64;

-- The order record. No foreign keys and no CHECKs on this path: `faregate check` proves what they would. Paying updates it
-- twice within a moment, and its neighbours, made with it, as well: over half of a page is left for that, or the row moves
-- (at 60: in two updates of five).
CREATE TABLE booking (                  -- distributed by booking_id
    booking_id            uuid NOT NULL CONSTRAINT booking_pk PRIMARY KEY,
    user_id               uuid NOT NULL,
    total_minor           amount_or_none NOT NULL,
    serial                int8 NOT NULL DEFAULT nextval('booking_serial'),
    create_time           timestamptz NOT NULL DEFAULT now(),
    payment_required_time timestamptz NOT NULL, -- the lease on the seats, by the database's clock
    -- What changes stands together, before what is long and never does: the log of an update within a page leaves out
    -- what is equal at both ends of the row, here nearly all of it.
    update_time           timestamptz NOT NULL DEFAULT now(),
    authorised_minor      int8 NOT NULL DEFAULT 0,  -- of the latest payment intent, as its own row has it
    captured_minor        int8 NOT NULL DEFAULT 0,
    refunded_minor        int8 NOT NULL DEFAULT 0,
    pin_time              timestamptz,          -- money is in flight: not expired before this
    ticket_time           timestamptz,          -- when it was confirmed and its tickets were issued
    event_count           int4 NOT NULL DEFAULT 1,
    ticket_event          int4,                 -- the number of that event
    has_assigned_seats    boolean NOT NULL DEFAULT false,
    state                 booking_state NOT NULL,
    intent_id             uuid,                 -- the latest payment intent
    state_reason          text,
    ticket_serials        int8[],               -- a ticket for each passenger: ten digits behind ticket_code
    coupons               coupon_list,          -- a letter per ticket and flight: O open, R refunded, V void, F flown
    currency              text NOT NULL,
    ticket_code           text NOT NULL,        -- of the airline that issues the tickets: the first flight's
    seats                 int2 NOT NULL,        -- per flight: lap infants take none
    party                 int2 NOT NULL,        -- passengers with lap infants: as many tickets
    flight_ids            flight_list NOT NULL, -- every flight of the booking holds or has sold @seats in its cabin
    cabins                int2[] NOT NULL,
    offer                 text NOT NULL,        -- the sealed name that was bought
    -- Two fragments of faregate.v1.Booking; concatenated with the changing fields they are the message.
    snapshot              bytea NOT NULL,       -- journeys, price, conditions, allowances: never change
    passengers            bytea NOT NULL        -- passengers and metadata; apart, so that a key can shred it
) WITH (fillfactor = 45);
CREATE INDEX booking_user_ix ON booking (user_id, booking_id);
-- Never updated after the insert, so payments stay HOT; the sweeper walks it forward from its watermark.
CREATE INDEX booking_due_ix ON booking (payment_required_time);
-- How far that is: no hold whose lease ended before is left. A row for each task that walks so.
CREATE TABLE sweep (                    -- reference
    task       text NOT NULL CONSTRAINT sweep_pk PRIMARY KEY,
    watermark  timestamptz NOT NULL
);
-- To find a booking by its locator; new ones stand at the right edge. Unique it need not be: `faregate check` proves it.
CREATE INDEX booking_serial_ix ON booking (serial);

-- Append-only history, dense from 1 per booking; booking_history has it. What a row of another table tells for good is not
-- written twice: that the booking was made and confirmed stands in its own row, and that a payment was started in the try's.
CREATE TABLE booking_event (            -- distributed by booking_id
    booking_id  uuid NOT NULL,
    sequence    int4 NOT NULL,
    type        text NOT NULL,              -- faregate.v1.BookingEvent.Type
    state       text NOT NULL,              -- the booking's state after it
    actor       text NOT NULL,              -- users/{id} or system
    reason      text,
    occur_time  timestamptz NOT NULL DEFAULT now(),
    subject     uuid,                       -- by its type: of a payment intent, cancellation or refund
    CONSTRAINT booking_event_pk PRIMARY KEY (booking_id, sequence)
);

CREATE SEQUENCE ticket_serial MINVALUE 1 MAXVALUE 9999999999 CACHE 64;
CREATE VIEW ticket AS
    SELECT b.booking_id, b.ticket_code || lpad(s.serial::text, 10, '0') AS number, (s.place - 1)::int2 AS passenger,
           substr(b.coupons, (s.place::int4 - 1) * cardinality(b.flight_ids) + 1, cardinality(b.flight_ids)) AS coupons,
           b.ticket_time AS issue_time
      FROM booking b, unnest(b.ticket_serials) WITH ORDINALITY AS s(serial, place);

CREATE TABLE cancellation (             -- distributed by booking_id
    booking_id      uuid NOT NULL,
    cancellation_id uuid NOT NULL,
    state           cancellation_state NOT NULL,
    refund_minor    int8 NOT NULL,
    penalty_minor   int8 NOT NULL,
    currency        text NOT NULL,
    refund_id       uuid,
    expire_time     timestamptz NOT NULL,
    create_time     timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT cancellation_pk PRIMARY KEY (booking_id, cancellation_id)
);
CREATE INDEX cancellation_due_ix ON cancellation (expire_time) WHERE state = 'QUOTED';

-- What the machine cannot decide, for people. B10.
CREATE TABLE attention_item (           -- distributed by booking_id
    booking_id  uuid NOT NULL,
    item_id     uuid NOT NULL,
    kind        text NOT NULL,
    detail      text NOT NULL,
    create_time timestamptz NOT NULL DEFAULT now(),
    resolve_time timestamptz,
    CONSTRAINT attention_item_pk PRIMARY KEY (booking_id, item_id)
);
CREATE INDEX attention_item_open_ix ON attention_item (create_time) WHERE resolve_time IS NULL;

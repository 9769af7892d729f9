-- The timetable, in rows of which each is contended: a flight's cabin.

-- The weekly pattern that dated flights are expanded from (SSIM: local times, validity, days of the week).
CREATE TABLE schedule (                 -- reference
    carrier         text NOT NULL,
    number          int4 NOT NULL,
    origin          text NOT NULL,
    destination     text NOT NULL,
    first_date      date NOT NULL,
    last_date       date NOT NULL,
    weekdays        int2 NOT NULL,          -- bit 0 Monday .. bit 6 Sunday
    departure_local time NOT NULL,
    block_minutes   int4 NOT NULL,
    distance_km     int4 NOT NULL,
    aircraft        text NOT NULL,
    base_minor      int8 NOT NULL,          -- economy base price before the ladder
    CONSTRAINT schedule_pk PRIMARY KEY (carrier, number, first_date)
);

-- A dated flight: a row for each of its cabins, which tells all of the flight as well, so that a search reads one index and
-- the rows it finds there, and GetFlight the neighbours under one key. What is so of the flight is the same in all its rows:
-- they are changed by one statement, and `faregate check` compares them.
-- Counters are in no index, so that every update of them stays HOT; they stand together, before what hardly ever changes, so
-- that the log of an update is short.
-- Every seat that may be sold is free or taken. It is only moved between these two, and neither can fall below zero: so no
-- seat is sold twice or given back twice. Whether it is held or sold tells the booking that has it, so that who pays need not
-- touch its flights. Domains, since a CHECK of the table would be read again by each execution that writes it; that the two
-- are what may be sold, and that bookings have what is taken, `faregate check` proves (0004_booking.sql says more).
CREATE DOMAIN seat_count AS int4 CONSTRAINT seat_count_ck CHECK (VALUE >= 0);
CREATE DOMAIN cabin_code AS int2 CONSTRAINT cabin_code_ck CHECK (VALUE BETWEEN 1 AND 4);
CREATE DOMAIN flight_state AS text
    CONSTRAINT flight_state_ck CHECK (VALUE IN ('SCHEDULED', 'CLOSED', 'DEPARTED', 'CANCELLED'));

CREATE TABLE inventory (                -- distributed by flight_id
    flight_id        uuid NOT NULL,
    cabin            cabin_code NOT NULL,
    departure_offset_min int2 NOT NULL,     -- UTC offset at the origin then: local = UTC + offset
    arrival_offset_min   int2 NOT NULL,
    authorised       int4 NOT NULL,         -- seats that may be sold: free and taken
    free             seat_count NOT NULL,
    taken            seat_count NOT NULL DEFAULT 0, -- held or sold
    base_minor       int8 NOT NULL,         -- price before the bucket ladder, USD cents
    sales_close_time timestamptz NOT NULL,  -- cut-off; -infinity takes the cabin off sale
    departure_time   timestamptz NOT NULL,
    arrival_time     timestamptz NOT NULL,
    departure_date   date NOT NULL,         -- local at the origin
    number           int4 NOT NULL,
    distance_km      int4 NOT NULL,
    carrier          text NOT NULL,
    origin           text NOT NULL,
    destination      text NOT NULL,
    aircraft         text NOT NULL,
    state            flight_state NOT NULL DEFAULT 'SCHEDULED',
    CONSTRAINT inventory_pk PRIMARY KEY (flight_id, cabin)
) WITH (fillfactor = 70);

-- Searched by route and local departure date; read whole in this order (read_departures). `faregate seed` drops it
-- and makes it after the load as it is defined here.
CREATE INDEX inventory_route_ix ON inventory (origin, destination, departure_date, departure_time, flight_id, cabin);

-- A row for each flight, for people.
CREATE VIEW flight AS
    SELECT DISTINCT ON (flight_id) flight_id, carrier, number, origin, destination, departure_date, departure_time,
           arrival_time, departure_offset_min, arrival_offset_min, aircraft, distance_km, state
      FROM inventory ORDER BY flight_id, cabin;

-- What a statement changed of free seats, prices, sales or flights: one row for all flights of a batch, written by that
-- statement. Who keeps the timetable in memory (services/flight/board_load.c) looks for rows that its last look could not
-- see. No flights: anything may have changed, as after a new timetable. Unlogged: who loses a connection, as everybody does
-- when PostgreSQL falls or fails over, reads everything again.
CREATE UNLOGGED TABLE inventory_change ( -- distributed by flight_id
    xid          xid8 NOT NULL DEFAULT pg_current_xact_id(),
    flight_id    uuid NOT NULL,             -- the first of those; nil: none
    flight_ids   uuid[] NOT NULL,
    create_time  timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT inventory_change_pk PRIMARY KEY (xid, flight_id, create_time)
);

-- One live assignment per flight and seat: taken over in place once expired.
CREATE TABLE seat_assignment (          -- distributed by flight_id
    flight_id    uuid NOT NULL,
    seat         text NOT NULL,             -- e.g. 12A
    cabin        int2 NOT NULL,
    booking_id   uuid NOT NULL,
    passenger    int2 NOT NULL,             -- index in the booking
    expire_time  timestamptz NOT NULL,      -- infinity once ticketed
    CONSTRAINT seat_assignment_pk PRIMARY KEY (flight_id, seat)
);

-- What `faregate seed` has done: a further run continues the same timetable, or does nothing where it reaches far enough.
CREATE TABLE seed_run (                 -- reference
    seed            int8 NOT NULL,
    scale_permille  int4 NOT NULL,
    first_date      date NOT NULL,
    last_date       date NOT NULL,
    flights         int8 NOT NULL,
    applied_time    timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT seed_run_pk PRIMARY KEY (first_date)
);

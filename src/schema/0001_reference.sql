-- Reference data: small, read mostly, the same on every node.
-- Loaded by `faregate seed` from the data files embedded in the binary; `installation` alone is written here, once.

-- What all servers of this database share and nobody may ever change: another key would give live bookings each other's
-- record locators.
CREATE TABLE installation (             -- reference
    one         boolean NOT NULL CONSTRAINT installation_pk PRIMARY KEY CONSTRAINT installation_one_ck CHECK (one),
    locator_key bytea NOT NULL CONSTRAINT installation_locator_key_ck CHECK (length(locator_key) = 32)
);
INSERT INTO installation SELECT true, sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));

CREATE TABLE airport (                  -- reference
    iata        text NOT NULL CONSTRAINT airport_pk PRIMARY KEY CONSTRAINT airport_iata_ck CHECK (iata ~ '^[A-Z]{3}$'),
    icao        text NOT NULL,
    name        text NOT NULL,
    city        text NOT NULL,
    metro       text NOT NULL,          -- metropolitan area code; equal to iata where the airport stands alone
    area        text NOT NULL,          -- the name people look for that area by; '' where the city's serves
    country     text NOT NULL,          -- ISO 3166 alpha-2
    zone        text NOT NULL,          -- IANA time zone
    latitude    float8 NOT NULL,
    longitude   float8 NOT NULL,
    size        int2 NOT NULL,          -- 1 small .. 3 large
    traffic     int4 NOT NULL DEFAULT 0 -- rough passengers a year, in thousands: orders suggestions, shapes the network
);

CREATE TABLE airline (                  -- reference
    iata        text NOT NULL CONSTRAINT airline_pk PRIMARY KEY,
    icao        text NOT NULL,
    name        text NOT NULL,
    country     text NOT NULL,
    ticket_code text NOT NULL           -- three digits that open a ticket number
);

CREATE TABLE aircraft (                 -- reference
    code        text NOT NULL CONSTRAINT aircraft_pk PRIMARY KEY,   -- IATA type code, e.g. 320
    name        text NOT NULL,
    range_km    int4 NOT NULL,
    speed_kmh   int4 NOT NULL
);

CREATE TABLE aircraft_cabin (           -- reference
    aircraft    text NOT NULL,
    cabin       int2 NOT NULL,          -- faregate.v1.Cabin: 1 economy 2 premium economy 3 business 4 first
    first_row   int2 NOT NULL,
    last_row    int2 NOT NULL,
    columns     text NOT NULL,          -- letters and aisles, e.g. 'ABC-DEF'
    exit_rows   int2[] NOT NULL,
    CONSTRAINT aircraft_cabin_pk PRIMARY KEY (aircraft, cabin),
    CONSTRAINT aircraft_cabin_cabin_ck CHECK (cabin BETWEEN 1 AND 4)
);

-- What a traveller buys: a brand with its conditions. NULL penalty and allowed = free.
CREATE TABLE fare_brand (               -- reference
    brand                 text NOT NULL CONSTRAINT fare_brand_pk PRIMARY KEY,  -- e.g. ECONOMY_LIGHT
    cabin                 int2 NOT NULL,
    name                  text NOT NULL,
    price_permille        int4 NOT NULL,    -- of the bucket price
    refundable            boolean NOT NULL,
    refund_penalty_permille int4 NOT NULL,  -- of the base fare kept on refund
    changeable            boolean NOT NULL,
    change_penalty_permille int4 NOT NULL,
    checked_bags          int2 NOT NULL,
    cabin_bags            int2 NOT NULL
);

-- The ladder: a bucket is open while what is taken is below its share of the seats that may be sold.
CREATE TABLE fare_bucket (              -- reference
    cabin          int2 NOT NULL,
    booking_class  text NOT NULL,           -- RBD letter
    upto_permille  int4 NOT NULL,           -- of the seats that may be sold
    price_permille int4 NOT NULL,           -- of the flight's base price
    CONSTRAINT fare_bucket_pk PRIMARY KEY (cabin, booking_class)
);

CREATE TABLE tax (                      -- reference
    country      text NOT NULL,             -- of departure; '*' everywhere
    code         text NOT NULL,
    name         text NOT NULL,
    international_only boolean NOT NULL,
    amount_minor int8 NOT NULL,             -- per passenger and departure, in the sale currency USD
    refundable   boolean NOT NULL,
    CONSTRAINT tax_pk PRIMARY KEY (country, code)
);

CREATE TABLE connection_time (          -- reference: minimum connection minutes; '*' is the default airport
    airport      text NOT NULL,
    kind         text NOT NULL CONSTRAINT connection_time_kind_ck CHECK (kind IN ('DD', 'DI', 'ID', 'II')),
    minutes      int4 NOT NULL,
    CONSTRAINT connection_time_pk PRIMARY KEY (airport, kind)
);

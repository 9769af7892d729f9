"""Large tables from what is there: bookings and flights copied by SQL, so that `faregate check` still finds all in order.
growth fills with it. What must stay true: columns are asked of the database, so that a new one is copied like the rest."""


def _copy(pg, table, source, new):
    """Rows of @source become rows of @table; @new: expressions for the columns that must differ."""
    columns = pg.sql(f"SELECT attname FROM pg_attribute WHERE attrelid = '{table}'::regclass AND attnum > 0"
                     " AND NOT attisdropped AND attgenerated = '' ORDER BY attnum").split()
    pg.sql(f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(new.get(c, 't.' + c) for c in columns)}"
           f" FROM {source}")


# A version 7 id of long ago, and what else a copy must have of its own.
BOOKING_ID = ("(lpad(to_hex(1600000000000 + n * 10), 12, '0') || '7' || substr(md5(n::text), 1, 3) || '8'"
              " || substr(md5(n::text), 4, 15))::uuid")
LONG_AGO = "timestamptz '2020-09-13 12:26:40+00' + n * interval '10 milliseconds'"


def bookings(pg, first, end):
    """Copies of holds that expired long ago: they take no seats and no money, and belong to the same travellers. Their claims
    were pruned long ago as well."""
    pg.sql("CREATE UNLOGGED TABLE IF NOT EXISTS bench_hold AS SELECT row_number() OVER () - 1 AS i, h.* FROM"
           " (SELECT * FROM booking WHERE state = 'HELD' AND event_count = 1 LIMIT 10000) h")
    source = f"generate_series({first}, {end - 1}) n JOIN bench_hold t ON t.i = n % (SELECT count(*) FROM bench_hold)"
    _copy(pg, "booking", source, {"booking_id": BOOKING_ID, "serial": "nextval('booking_serial')", "state": "'EXPIRED'",
                                  "event_count": "2", "create_time": LONG_AGO, "update_time": LONG_AGO,
                                  "payment_required_time": LONG_AGO})
    # A hold's first event is its booking's row; this is its end.
    pg.sql("INSERT INTO booking_event (booking_id, sequence, type, state, actor, occur_time)"
           f" SELECT {BOOKING_ID}, 2, 'EXPIRED', 'EXPIRED', 'system', {LONG_AGO}"
           f" FROM generate_series({first}, {end - 1}) n")


def flights(pg, first, end):
    """Copies of flights, years later each, without anybody aboard."""
    pg.sql("CREATE UNLOGGED TABLE IF NOT EXISTS bench_flight AS SELECT row_number() OVER (ORDER BY flight_id) - 1 AS i, flight_id"
           " FROM flight")
    pg.sql("CREATE UNIQUE INDEX IF NOT EXISTS bench_flight_ix ON bench_flight (i)")
    count = int(pg.sql("SELECT count(*) FROM bench_flight"))
    new_id, later = "md5(n || 'flight')::uuid", f"(n / {count} + 1)"
    pg.sql("DROP TABLE IF EXISTS bench_new")
    pg.sql(f"CREATE UNLOGGED TABLE bench_new AS SELECT n, {new_id} AS new_id, i % {count} AS i"
           f" FROM generate_series({first}, {end - 1}) n, LATERAL (SELECT n % {count} AS i) x")
    years = f"364 * {later} * interval '1 day'"
    _copy(pg, "inventory", "bench_new b JOIN bench_flight f USING (i) JOIN inventory t ON t.flight_id = f.flight_id",
          {"flight_id": "b.new_id", "free": "t.authorised", "taken": "0",
           "departure_date": f"t.departure_date + 364 * {later}", "departure_time": f"t.departure_time + {years}",
           "arrival_time": f"t.arrival_time + {years}", "sales_close_time": f"t.sales_close_time + {years}"})

-- Statements for the tests of src/db. t.sql.c and t.sql.h are made from it by sqlgen; a test of sqlgen keeps them fresh.
-- Tables: tests/unit/db/support.c.

-- name: echo(b bool, i2 int2, i4 int4, i8 int8, f float8, t text, y bytea, u uuid, ts timestamptz, d date)
--       -> one (b bool, i2 int2, i4 int4, i8 int8, f float8, t text, y bytea, u uuid, ts timestamptz, d date)
-- read
-- batched: max 64
-- one:
SELECT @b, @i2, @i4, @i8, @f, @t, @y, @u, @ts, @d;
-- many:
SELECT n::int4, b, i2, i4, i8, f, t, y, u, ts, d
  FROM unnest(@b, @i2, @i4, @i8, @f, @t, @y, @u, @ts, @d) WITH ORDINALITY r(b, i2, i4, i8, f, t, y, u, ts, d, n);

-- name: echo_null(b bool?, i2 int2?, i4 int4?, i8 int8?, f float8?, t text?, y bytea?, u uuid?, ts timestamptz?, d date?)
--       -> one (b bool?, i2 int2?, i4 int4?, i8 int8?, f float8?, t text?, y bytea?, u uuid?, ts timestamptz?, d date?)
-- read
-- batched: max 64
-- one:
SELECT @b, @i2, @i4, @i8, @f, @t, @y, @u, @ts, @d;
-- many:
SELECT n::int4, b, i2, i4, i8, f, t, y, u, ts, d
  FROM unnest(@b, @i2, @i4, @i8, @f, @t, @y, @u, @ts, @d) WITH ORDINALITY r(b, i2, i4, i8, f, t, y, u, ts, d, n);

-- name: arrays(b bool[], i2 int2[], i4 int4[], i8 int8[], f float8[], t text[]?, u uuid[], ts timestamptz[], d date[])
--       -> one (as_text text)
-- read
-- batched: max 64
-- Both forms answer with everything as text, array by array.
-- one:
SELECT concat_ws('|', array_to_string(@b, ','), array_to_string(@i2, ','), array_to_string(@i4, ','),
                 array_to_string(@i8, ','), array_to_string(@f, ','), coalesce(array_to_string(@t, ',', 'NULL'), ''),
                 array_to_string(@u, ','), array_to_string(@ts, ','), array_to_string(@d, ','));
-- many:
WITH o AS (SELECT generate_series(1, greatest(1, (SELECT max(m) FROM unnest(@i4__ord) x(m)))) AS n)
SELECT o.n::int4, concat_ws('|',
    (SELECT coalesce(string_agg(v::bool::text, ',' ORDER BY k), '') FROM unnest(@b, @b__ord) WITH ORDINALITY x(v, m, k) WHERE m = o.n),
    (SELECT coalesce(string_agg(v::text, ',' ORDER BY k), '') FROM unnest(@i2, @i2__ord) WITH ORDINALITY x(v, m, k) WHERE m = o.n),
    (SELECT coalesce(string_agg(v::text, ',' ORDER BY k), '') FROM unnest(@i4, @i4__ord) WITH ORDINALITY x(v, m, k) WHERE m = o.n),
    (SELECT coalesce(string_agg(v::text, ',' ORDER BY k), '') FROM unnest(@i8, @i8__ord) WITH ORDINALITY x(v, m, k) WHERE m = o.n),
    (SELECT coalesce(string_agg(v::text, ',' ORDER BY k), '') FROM unnest(@f, @f__ord) WITH ORDINALITY x(v, m, k) WHERE m = o.n),
    (SELECT coalesce(string_agg(coalesce(v, 'NULL'), ',' ORDER BY k), '') FROM unnest(@t, @t__ord) WITH ORDINALITY x(v, m, k) WHERE m = o.n),
    (SELECT coalesce(string_agg(v::text, ',' ORDER BY k), '') FROM unnest(@u, @u__ord) WITH ORDINALITY x(v, m, k) WHERE m = o.n),
    (SELECT coalesce(string_agg(v::text, ',' ORDER BY k), '') FROM unnest(@ts, @ts__ord) WITH ORDINALITY x(v, m, k) WHERE m = o.n),
    (SELECT coalesce(string_agg(v::text, ',' ORDER BY k), '') FROM unnest(@d, @d__ord) WITH ORDINALITY x(v, m, k) WHERE m = o.n))
  FROM o;

-- name: one_of(n int4) -> one (v int4)
-- Promises a row, and has @n of them.
SELECT x::int4 FROM generate_series(1, @n) x;

-- name: maybe_of(n int4) -> maybe (v int4, w text?)
SELECT x::int4, NULL::text FROM generate_series(1, @n) x;

-- name: many_of(n int4) -> many (v int4, t text)
-- read
-- max: 10 rows
SELECT x::int4, 'row ' || x FROM generate_series(1, @n) x;

-- name: some_of(n int4) -> many (v int4)
-- read
-- batched: max 64
-- max: 10 rows
-- many:
SELECT r.n::int4, x::int4 FROM unnest(@n) WITH ORDINALITY r(c, n), generate_series(1, r.c) x ORDER BY 2, 1;

-- name: nothing(id int4) -> none
INSERT INTO log(member) VALUES (@id);

-- name: null_where_none_should_be() -> one (v int4)
SELECT NULL::int4;

-- name: add(account uuid, request uuid, amount int8) -> maybe (balance int8, batch int4, ord int4)
-- batched: on account distinct request max 64
-- A negative balance violates account_balance_ck; the batch is told by its transaction, the order by ord.
-- one:
WITH u AS (UPDATE account SET balance = balance + @amount WHERE id = @account RETURNING balance),
     l AS (INSERT INTO log(account, request, amount, batch, ord)
           SELECT @account, @request, @amount, txid_current()::int8, 1 FROM u RETURNING seq)
SELECT balance, txid_current()::int4, 1 FROM u;
-- many:
WITH r AS (SELECT * FROM unnest(@account, @request, @amount) WITH ORDINALITY r(account, request, amount, n)),
     k AS MATERIALIZED (SELECT id FROM account WHERE id IN (SELECT account FROM r) ORDER BY id FOR UPDATE),
     s AS (SELECT account, sum(amount) AS amount FROM r GROUP BY account),
     u AS (UPDATE account a SET balance = balance + s.amount FROM s, k WHERE a.id = s.account AND k.id = a.id
           RETURNING a.id, a.balance),
     l AS (INSERT INTO log(account, request, amount, batch, ord)
           SELECT account, request, amount, txid_current()::int8, n::int4 FROM r ORDER BY n)
SELECT r.n::int4, u.balance, txid_current()::int4, r.n::int4 FROM r JOIN u ON u.id = r.account;

-- name: put(id int4, v text) -> none
-- key: id
INSERT INTO item(id, v) VALUES (@id, @v);

-- name: set_item(id int4, v text) -> maybe (v text)
UPDATE item SET v = @v WHERE id = @id RETURNING item.v;

-- name: get_item(id int4) -> maybe (v text)
-- read
SELECT v FROM item WHERE id = @id;

-- name: look(id int4) -> maybe (reads int8)
-- read
-- batched: max 64
-- How many index entries this session has read by then, as far as they have not been reported yet.
-- many:
SELECT r.n::int4, pg_stat_get_xact_tuples_returned('item_pkey'::regclass)
  FROM unnest(@id) WITH ORDINALITY r(id, n) JOIN item USING (id);

-- name: star(id int4) -> maybe (id int4, v text)
-- read
-- Its result follows the table: altered under it, the cached plan becomes stale.
SELECT * FROM item WHERE id = @id;

-- name: wait_a_bit(seconds float8) -> one (v int4)
SELECT 1 FROM (SELECT pg_sleep(@seconds)) x;

-- name: wait_and_log(seconds float8, id int4) -> one (v int4)
WITH s AS (SELECT pg_sleep(@seconds)), l AS (INSERT INTO log(member) SELECT @id FROM s RETURNING 1)
SELECT 1 FROM l;

-- name: timeout() -> one (statement_timeout text, lock_timeout text, plan text, app text)
-- read
SELECT current_setting('statement_timeout'), current_setting('lock_timeout'), current_setting('plan_cache_mode'),
       current_setting('application_name');

-- name: fail_with(state text) -> one (v int4)
SELECT fail_with(@state);

-- name: fail_reading(state text) -> one (v int4)
-- read
SELECT fail_with(@state);

-- name: fail_times(state text, times int4) -> one (v int4)
-- Fails so often, then succeeds: a sequence remembers, since it is not rolled back.
SELECT fail_times(@state, @times);

-- name: take(amount int8) -> one (taken bool)
-- batched: max 64
-- Decides by what its snapshot shows of the one stock, and writes behind the lock: seat_count_ck says that it was too late.
-- many:
WITH v AS MATERIALIZED (
    SELECT r.n, r.amount, sum(r.amount) OVER (ORDER BY r.n) <= (SELECT rest FROM stock) AS fits
      FROM unnest(@amount) WITH ORDINALITY r(amount, n)
), u AS (
    UPDATE stock SET rest = rest - (SELECT coalesce(sum(amount), 0) FROM v WHERE fits)
)
SELECT n::int4, fits FROM v;

-- name: deferred(id int4) -> one (v int4)
-- Violates a deferred constraint: the error comes with the commit.
INSERT INTO child(id, parent) VALUES (@id, -1) RETURNING id;

-- name: pid() -> one (pid int4)
SELECT pg_backend_pid();

-- name: kill(pid int4) -> one (v bool)
SELECT pg_terminate_backend(@pid);

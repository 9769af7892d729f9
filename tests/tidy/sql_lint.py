"""The distribution rules as a test: what would stop the schema from being spread over nodes. Standard library only.

Called by ctest: sql_lint.py <source dir>. Reads the migrations and the signed statements; needs no Citus, no PostgreSQL.
Each rule also has to find what is wrong in a sample, so that a rule that no longer sees anything fails.

Migrations: each table says its kind behind its name (distributed by KEY, reference, local); primary keys, unique
constraints and indexes of distributed tables contain the key; foreign keys stay with it; constraints are named; no
triggers, exclusion or deferred constraints.
Statements: a query that reads or writes a distributed table fixes its key (=, IN, USING). Otherwise the statement's
documentation says so, and why it may: "Scans: table, ..." for tables that are searched on every node; "Spans: key, ..."
for statements that work on tables of several keys, one transaction over several shards.
A statement that writes inventory or flight tells inventory_change, which searches from memory are kept up by.
"""
import pathlib
import re
import sys

KIND = re.compile(r"--\s*(?:distributed by (\w+)|(reference)|(local))\b")
NEVER = "nothing"  # the key of what is on every node


def without_comments(sql):
    """Comments and quoted texts blanked, same length."""
    def blank(m):
        return re.sub(r"[^\n]", " ", m.group(0))
    return re.sub(r"--[^\n]*|'(?:[^']|'')*'", blank, sql)


def closing(text, start):
    """Place of the parenthesis that closes the one at start."""
    depth = 0
    for i in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[i], 0)
        if depth == 0:
            return i
    return len(text)


def split_top(text):
    """At the commas that are in no parentheses."""
    parts, depth, last = [], 0, 0
    for i, ch in enumerate(text):
        depth += {"(": 1, ")": -1}.get(ch, 0)
        if ch == "," and depth == 0:
            parts.append(text[last:i])
            last = i + 1
    return parts + [text[last:]]


class Table:
    def __init__(self, name, key):
        self.name, self.key = name, key  # key: a column, NEVER, or None: no kind was said
        self.columns, self.uniques, self.foreign = [], [], []


# ---- migrations ----

def named(item, word):
    """Whether every use of the word in the item follows CONSTRAINT name."""
    return all(re.search(r"\bCONSTRAINT\s+\w+\s*$", item[:m.start()]) for m in re.finditer(word, item))


def read_item(table, item, where, say):
    item = item.strip()
    first = re.match(r"\w+", item)
    if not first:
        return
    if first.group(0).upper() not in ("CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN", "EXCLUDE"):
        table.columns.append(first.group(0))
    for word in (r"\bPRIMARY KEY\b", r"\bUNIQUE\b", r"\bCHECK\b", r"\bFOREIGN KEY\b", r"\bEXCLUDE\b"):
        if not named(item, word):
            say(where, f"{table.name}: a constraint without a name: {' '.join(item.split())[:60]}")
    for m in re.finditer(r"\b(PRIMARY KEY|UNIQUE)\b\s*(?:\(([^)]*)\))?", item):
        columns = m.group(2).split(",") if m.group(2) else [first.group(0)]
        table.uniques.append([c.strip() for c in columns])
    for m in re.finditer(r"(?:\bFOREIGN KEY\s*\(([^)]*)\)\s*)?\bREFERENCES\s+(\w+)", item):
        if not m.group(1) and not re.search(r"\bCONSTRAINT\s+\w+\s*$", item[:m.start()]):
            say(where, f"{table.name}: a constraint without a name: {' '.join(item.split())[:60]}")
        own = m.group(1).split(",") if m.group(1) else [first.group(0)]
        table.foreign.append(([c.strip() for c in own], m.group(2)))
    if re.search(r"\bEXCLUDE\b|\bDEFERRABLE\b|\bINITIALLY DEFERRED\b", item) and table.key != NEVER:
        say(where, f"{table.name}: exclusion and deferred constraints do not work across shards")


def read_tables(tables, path, sql, say):
    code = without_comments(sql)
    for m in re.finditer(r"\bCREATE (?:UNLOGGED )?TABLE (?:IF NOT EXISTS )?(\w+)\s*\(", code):
        line = sql[m.start():sql.index("\n", m.end() - 1)]
        kind = KIND.search(line)
        where = f"{path}:{code.count(chr(10), 0, m.start()) + 1}"
        table = Table(m.group(1), None)
        if not kind:
            say(where, f"{table.name}: what kind of table? -- distributed by KEY, reference or local")
        else:
            table.key = kind.group(1) or NEVER
        tables[table.name] = table
        end = closing(code, m.end() - 1)
        for item in split_top(code[m.end():end]):
            read_item(table, item, where, say)
        if table.key not in (None, NEVER) and table.key not in table.columns:
            say(where, f"{table.name}: has no column {table.key}")
        if not table.uniques:
            say(where, f"{table.name}: has no primary key")
        for unique in table.uniques:
            if table.key not in (None, NEVER) and table.key not in unique:
                say(where, f"{table.name}: unique ({', '.join(unique)}) without {table.key}")


def check_rest(tables, path, sql, say):
    """Indexes, alterations, triggers, foreign keys: when all tables are known."""
    code = without_comments(sql)

    def where(m):
        return f"{path}:{code.count(chr(10), 0, m.start()) + 1}"
    for m in re.finditer(r"\bCREATE DOMAIN (\w+)([^;]*)", code):
        if not named(m.group(2), r"\bCHECK\b"):
            say(where(m), f"{m.group(1)}: a constraint without a name")
    for m in re.finditer(r"\bCREATE UNIQUE INDEX (?:CONCURRENTLY )?(\w+) ON (\w+)[^(]*\(", code):
        table = tables.get(m.group(2))
        columns = [c.strip() for c in split_top(code[m.end():closing(code, m.end() - 1)])]
        if table and table.key not in (None, NEVER) and table.key not in columns:
            say(where(m), f"{table.name}: unique index {m.group(1)} without {table.key}")
    for m in re.finditer(r"\bCREATE (?:CONSTRAINT )?TRIGGER (\w+)[^;]*? ON (\w+)", code):
        table = tables.get(m.group(2))
        if not table or table.key != NEVER:
            say(where(m), f"{m.group(2)}: trigger {m.group(1)}")
    for m in re.finditer(r"\bALTER TABLE (?:ONLY )?(\w+)\s+ADD\s+([^;]*)", code):
        table = tables.get(m.group(1))
        if table:
            before = len(table.uniques)
            read_item(table, m.group(2).removeprefix("COLUMN "), where(m), say)
            for unique in table.uniques[before:]:
                if table.key not in (None, NEVER) and table.key not in unique:
                    say(where(m), f"{table.name}: unique ({', '.join(unique)}) without {table.key}")


def check_foreign(tables, say):
    for table in tables.values():
        for columns, other in table.foreign:
            target = tables.get(other)
            if not target or target.key == NEVER:
                continue
            if target.key != table.key or table.key not in columns:
                say(table.name, f"foreign key ({', '.join(columns)}) to {other}, which is distributed by {target.key}")


# ---- statements ----

class Statement:
    def __init__(self, where, name, text):
        self.where, self.name = where, name
        self.spans = self.listed(text, "Spans")
        self.scans = self.listed(text, "Scans")
        self.code = without_comments(text)

    @staticmethod
    def listed(text, word):
        found = set()
        for m in re.finditer(rf"^-- {word}: ([\w, ]+)", text, re.M):
            found |= {w.strip() for w in m.group(1).split(",")}
        return found


def statements_of(path, sql):
    starts = list(re.finditer(r"^-- name: (\w+)", sql, re.M))
    for i, m in enumerate(starts):
        end = starts[i + 1].start() if i + 1 < len(starts) else len(sql)
        yield Statement(f"{path}:{sql.count(chr(10), 0, m.start()) + 1}", m.group(1), sql[m.start():end])


def blocks_of(code):
    """The queries of a statement: each parenthesis that opens with a query, without those inside it; then the rest."""
    found = []

    def cut(text):
        out, i = [], 0
        while i < len(text):
            if text[i] == "(":
                end = closing(text, i)
                inner = text[i + 1:end]
                if re.match(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH|VALUES)\b", inner):
                    found.append(cut(inner))
                    out.append("(?)")
                else:
                    out.append("(" + cut(inner) + ")")
                i = end + 1
            else:
                out.append(text[i])
                i += 1
        return "".join(out)
    for part in code.split(";"):
        found.append(cut(part))
    return [part for found_part in found for part in re.split(r"\bUNION(?: ALL)?\b", found_part)]


NO_ALIAS = ("ON|USING|WHERE|SET|JOIN|LEFT|RIGHT|CROSS|FULL|INNER|ORDER|GROUP|LIMIT|FOR|FROM|VALUES|SELECT|RETURNING|"
            "DEFAULT|UNION|HAVING|OFFSET|WITH|TABLESAMPLE|AND|OR")
SOURCE = re.compile(r"(?:\b(FROM|JOIN|USING|UPDATE|INTO)|(,))\s+(?:ONLY\s+|LATERAL\s+)?(?!(?:SKIP|OF|SET)\b)(\w+)"
                    rf"(?:\s+(?:AS\s+)?(?!(?:{NO_ALIAS})\b)(\w+))?")


class Mention:
    """A distributed table in a query."""

    def __init__(self, table, alias, is_insert):
        self.table, self.alias, self.is_insert = table, alias or table.name, is_insert


def mentions(block, tables):
    """The distributed tables of a query, and whether rows come from elsewhere too (a CTE, arrays)."""
    found, others = [], "(?)" in block
    for m in SOURCE.finditer(block):
        if m.group(1) == "UPDATE" and re.search(r"\bFOR\s+(NO KEY\s+)?$", block[:m.start()]):
            continue
        table = tables.get(m.group(3))
        if table and table.key not in (None, NEVER):
            found.append(Mention(table, m.group(4), m.group(1) == "INTO"))
        elif m.group(1) in ("FROM", "JOIN") and not table:
            others = True
    return found, others


def unfixed(block, found, others):
    """The tables whose key the query does not fix: no parameter, no row from elsewhere, no table that is fixed."""
    fixed, links = set(), []
    for i, m in enumerate(found):
        key = m.table.key
        if m.is_insert:
            fixed.add(i)
        column = rf"(?:(?<![\w.@]){m.alias}\.{key}|(?<![\w.@]){key})\b"
        if re.search(rf"{column}\s+IN\b", block):
            fixed.add(i)
        for e in re.finditer(rf"{column}\s*=\s*([\w.@(]+)|([\w.@)]+)\s*=\s*{column}", block):
            side = e.group(1) or e.group(2)
            linked = [k for k, o in enumerate(found) if k != i and side == f"{o.alias}.{o.table.key}"]
            if linked:
                links += [(i, k) for k in linked]
            elif not side.startswith(m.alias + ".") or "." not in side:
                fixed.add(i)
        if re.search(rf"\bUSING\s*\([^)]*\b{key}\b[^)]*\)", block):
            links += [(i, k) for k, o in enumerate(found) if k != i and o.table.key == key]
            if others:
                fixed.add(i)
    for _ in found:
        for i, k in links:
            if i in fixed or k in fixed:
                fixed |= {i, k}
    return {m.table.name for i, m in enumerate(found) if i not in fixed}


def sets_of(block):
    """(table named by the block, column) for each column that an UPDATE or a DO UPDATE sets."""
    for m in re.finditer(r"\bSET\b", block):
        before = re.findall(r"\b(?:UPDATE|INTO)\s+(?:ONLY\s+)?(\w+)", block[:m.start()])
        names = [n for n in before if n.upper() != "SET"]
        rest = re.split(r"\bFROM\b|\bWHERE\b|\bRETURNING\b", block[m.end():])[0]
        for item in split_top(rest):
            left = item.split("=")[0]
            for column in re.findall(r"\w+", left):
                if names:
                    yield names[0], column


WATCHED = re.compile(r"\b(?:UPDATE|INTO|DELETE FROM)\s+(?:ONLY\s+)?(?:inventory|flight)\b")


def check_feed(s, body, say):
    """Each form by itself: what one tells, many may forget."""
    if any(WATCHED.search(part) and not re.search(r"\bINTO inventory_change\b", part) for part in body.split(";")):
        say(s.where, f"{s.name}: changes inventory and does not tell inventory_change")


def check_statement(tables, s, say):
    body = s.code[s.code.find("\n"):]
    check_feed(s, body, say)
    keys, missed = set(), set()
    for block in blocks_of(body):
        found, others = mentions(block, tables)
        missed |= unfixed(block, found, others)
        for table in (m.table for m in found):
            keys.add(table.key)
        for table in (m.table for m in found if m.is_insert):
            m = re.search(rf"\bINTO\s+{table.name}(?:\s+AS\s+\w+)?\s*\(([^)]*)\)", block)
            if m and table.key not in [c.strip() for c in m.group(1).split(",")]:
                say(s.where, f"{s.name}: inserts into {table.name} without {table.key}")
            m = re.search(r"\bON CONFLICT\s*\(([^)]*)\)", block)
            if m and table.key not in [c.strip() for c in m.group(1).split(",")]:
                say(s.where, f"{s.name}: ON CONFLICT ({m.group(1)}) of {table.name} without {table.key}")
        for name, column in sets_of(block):
            table = tables.get(name)
            if table and table.key == column:
                say(s.where, f"{s.name}: changes {name}.{column}, which places the row")
    for name in sorted(missed - s.scans):
        say(s.where, f"{s.name}: {name} without {tables[name].key}: every node is asked. Scans: {name}")
    for name in sorted(s.scans - missed):
        say(s.where, f"{s.name}: says Scans: {name}, but does not")
    if len(keys) > 1 and keys != s.spans:
        say(s.where, f"{s.name}: works on several keys. Spans: {', '.join(sorted(keys))}")
    if len(keys) <= 1 and s.spans:
        say(s.where, f"{s.name}: says Spans: {', '.join(sorted(s.spans))}, but does not")


def lint(migrations, services):
    """Lists of (path, text) -> lines of what is wrong."""
    found, tables = [], {}

    def say(where, what):
        found.append(f"{where}: {what}")
    for path, sql in migrations:
        read_tables(tables, path, sql, say)
    for path, sql in migrations:
        check_rest(tables, path, sql, say)
    check_foreign(tables, say)
    for path, sql in services:
        for s in statements_of(path, sql):
            check_statement(tables, s, say)
    return found


# ---- what each rule must find ----

GOOD = """
CREATE TABLE place ( -- reference
    code text CONSTRAINT place_pk PRIMARY KEY);
CREATE TABLE a ( -- distributed by k
    k uuid NOT NULL,
    n int4 NOT NULL CONSTRAINT a_n_ck CHECK (n > 0),
    code text CONSTRAINT a_code_fk REFERENCES place,
    CONSTRAINT a_pk PRIMARY KEY (k, n));
CREATE UNIQUE INDEX a_uq ON a (k, code) WHERE n > 1;
CREATE TABLE b ( -- distributed by v
    v uuid CONSTRAINT b_pk PRIMARY KEY, k uuid);
"""

BAD_MIGRATIONS = [
    ("what kind of table", "CREATE TABLE c (\n k int4 CONSTRAINT c_pk PRIMARY KEY);"),
    ("has no column q", "CREATE TABLE c ( -- distributed by q\n k int4, CONSTRAINT c_pk PRIMARY KEY (k));"),
    ("has no primary key", "CREATE TABLE c ( -- local\n k int4);"),
    ("unique (n) without k", "CREATE TABLE c ( -- distributed by k\n k int4, n int4 CONSTRAINT c_pk PRIMARY KEY);"),
    ("unique (n, m) without k", "CREATE TABLE c ( -- distributed by k\n k int4 CONSTRAINT c_pk PRIMARY KEY, n int4, m int4,"
     " CONSTRAINT c_uq UNIQUE (n, m));"),
    ("unique index x without k", "CREATE UNIQUE INDEX x ON a (n);"),
    ("unique index x without k", "CREATE UNIQUE INDEX x ON a (lower(k), n) WHERE k > 1;"),
    ("unique (n) without k", "ALTER TABLE a ADD CONSTRAINT a_n_uq UNIQUE (n);"),
    ("a constraint without a name", "CREATE TABLE c ( -- local\n k int4 PRIMARY KEY);"),
    ("a constraint without a name", "CREATE TABLE c ( -- local\n k int4 CONSTRAINT c_pk PRIMARY KEY, n int4 CHECK (n > 0));"),
    ("a constraint without a name", "CREATE TABLE c ( -- local\n k int4 CONSTRAINT c_pk PRIMARY KEY, n text REFERENCES place);"),
    ("a constraint without a name", "CREATE DOMAIN d AS int4 CHECK (VALUE > 0);"),
    ("foreign key (v) to b", "CREATE TABLE c ( -- distributed by k\n k int4 CONSTRAINT c_pk PRIMARY KEY,"
     " v uuid CONSTRAINT c_v_fk REFERENCES b);"),
    ("foreign key (n) to a", "CREATE TABLE c ( -- distributed by k\n k int4 CONSTRAINT c_pk PRIMARY KEY, n int4,"
     " CONSTRAINT c_n_fk FOREIGN KEY (n) REFERENCES a);"),
    ("trigger t", "CREATE TRIGGER t BEFORE UPDATE ON a FOR EACH ROW EXECUTE FUNCTION f();"),
    ("exclusion and deferred", "CREATE TABLE c ( -- distributed by k\n k int4 CONSTRAINT c_pk PRIMARY KEY"
     " DEFERRABLE INITIALLY DEFERRED);"),
]

GOOD_STATEMENTS = [
    "SELECT n FROM a WHERE k = @k;",
    "SELECT n FROM a x WHERE x.n = 1 AND x.k = @k AND EXISTS (SELECT FROM a y WHERE y.k = x.k AND y.n = 2);",
    "WITH r AS (SELECT * FROM unnest(@k) AS r(k)) SELECT n FROM r JOIN a USING (k);",
    "INSERT INTO a (k, n) VALUES (@k, 1) ON CONFLICT (k, n) DO UPDATE SET n = 2;",
    "UPDATE a SET n = 1 FROM r WHERE a.k = r.k;",
    "SELECT FROM a x JOIN a y USING (k) WHERE x.k = @k FOR UPDATE OF x;",
    "SELECT FROM r JOIN a x ON x.k = r.k JOIN a y ON y.k = x.k;",
    "SELECT code FROM place;",
    "-- Scans: a\nSELECT n FROM a WHERE n = 3 FOR UPDATE SKIP LOCKED;",
    "-- Spans: k, v\nSELECT FROM a JOIN b ON a.k = b.k AND b.v = @v;",
    "WITH u AS (UPDATE inventory SET free = 1) INSERT INTO inventory_change SELECT FROM u;",
    "SELECT FROM inventory FOR UPDATE;",
]

BAD_STATEMENTS = [
    ("a without k", "SELECT n FROM a WHERE n = @k;"),
    ("a without k", "SELECT n FROM a WHERE k > @k;"),
    ("a without k", "WITH x AS (SELECT n FROM a) SELECT n FROM x WHERE k = @k;"),
    ("a without k", "SELECT n FROM a WHERE k = @k AND EXISTS (SELECT FROM a y WHERE y.n = 2);"),
    ("a without k", "SELECT FROM a x JOIN a y USING (k) WHERE x.n = 1;"),
    ("a without k", "SELECT FROM a x JOIN a y ON x.k = y.k WHERE x.n = 1;"),
    ("a without k", "WITH d AS (SELECT n, k FROM a WHERE n = 1) DELETE FROM a USING d WHERE a.k = d.k;"),
    ("a without k", "DELETE FROM a WHERE n = 1;"),
    ("a without k", "UPDATE a SET n = 1 WHERE n = 2;"),
    ("a without k", "SELECT 'k = 1' FROM a WHERE n = 1; -- k = 1"),
    ("without k", "INSERT INTO a (n) VALUES (1);"),
    ("ON CONFLICT (n) of a", "INSERT INTO a (k, n) VALUES (@k, 1) ON CONFLICT (n) DO NOTHING;"),
    ("changes a.k", "UPDATE a SET n = 1, k = @v WHERE k = @k;"),
    ("changes a.k", "INSERT INTO a (k, n) VALUES (@k, 1) ON CONFLICT (k, n) DO UPDATE SET k = excluded.k;"),
    ("several keys. Spans: k, v", "SELECT FROM a JOIN b ON a.k = b.k AND b.v = @v;"),
    ("says Spans", "-- Spans: k, v\nSELECT n FROM a WHERE k = @k;"),
    ("says Scans", "-- Scans: a\nSELECT n FROM a WHERE k = @k;"),
    ("does not tell", "UPDATE inventory SET free = 1;"),
    ("does not tell", "UPDATE inventory SET free = 1 RETURNING 1; -- INTO inventory_change"),
    ("does not tell", "WITH u AS (UPDATE flight SET state = 1) INSERT INTO inventory_change SELECT FROM u;\nDELETE FROM inventory;"),
]


def prove():
    """Lines of what the rules fail to find, or find for no reason."""
    wrong = lint([("good.sql", GOOD)], [("s.sql", f"-- name: s{i}() -> none\n{s}\n") for i, s in enumerate(GOOD_STATEMENTS)])
    wrong = [f"found for no reason: {w}" for w in wrong]
    for expected, sample in BAD_MIGRATIONS:
        found = lint([("good.sql", GOOD), ("bad.sql", sample + "\n")], [])
        if not any(expected in f for f in found):
            wrong.append(f"not found: {expected} in: {sample}")
    for expected, sample in BAD_STATEMENTS:
        found = lint([("good.sql", GOOD)], [("bad.sql", f"-- name: bad() -> none\n{sample}\n")])
        if not any(expected in f for f in found):
            wrong.append(f"not found: {expected} in: {sample}")
    return wrong


def read(root, pattern):
    return [(str(p.relative_to(root)), p.read_text()) for p in sorted(root.glob(pattern))]


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    services = read(root, "src/services/**/*.sql") + read(root, "src/jobs/*.sql")
    migrations = read(root, "src/schema/*.sql")
    proofs = prove()
    found = lint(migrations, services)
    print("\n".join(proofs + found) + ("\n" if proofs or found else ""), end="")
    samples = len(BAD_MIGRATIONS) + len(BAD_STATEMENTS) + len(GOOD_STATEMENTS)
    count = sum(len(list(statements_of(p, s))) for p, s in services)
    print(f"{len(migrations)} migrations, {count} statements, {samples} samples")
    if not migrations or count < 20:
        print("nothing to read?")
        return 1
    failed = len(proofs) + len(found)
    print(f"{0 if failed else samples} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

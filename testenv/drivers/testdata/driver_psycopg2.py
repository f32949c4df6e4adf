"""Runs psycopg2 where the PG variables of the environment say."""
import select

import psycopg2
import psycopg2.extensions
import psycopg2.extras

import steps
from steps import ALL, COLUMNS, DAY, INSTANT, MOMENT, UUID_A, UUID_B, show, step

psycopg2.extras.register_uuid()
MARKER = "Zéphyrine-psycopg2"


def described(cursor):
    if cursor.description is None:
        return None
    return [[c.name, c.type_code, c.display_size, c.internal_size, c.precision, c.scale, bool(c.table_oid), c.table_column]
            for c in cursor.description]


def run(name, cursor, sql, args=None):
    """Runs one statement and prints all that the driver says of it."""
    try:
        cursor.execute(sql, args)
        out = {"status": cursor.statusmessage, "count": cursor.rowcount, "fields": described(cursor)}
        if cursor.description is not None:
            out["rows"] = [show(row) for row in cursor.fetchall()]
        step(name, out)
    except psycopg2.Error as e:
        step(name, steps.error(e))


def adapt(row):
    return [psycopg2.extras.Json(v) if isinstance(v, dict) else v for v in row]


def values(cursor, base):
    for i, row in enumerate(steps.rows("psycopg2", base)):
        marks = ", ".join(["%s"] * len(row))
        run(f"insert row {i + 1}", cursor, f"INSERT INTO lab.every ({ALL}) VALUES ({marks})", adapt(row))
    run("insert several", cursor, "INSERT INTO lab.every (id, d_text, r_int4, d_date, r_jsonb) VALUES (%s, %s, %s, %s, %s), (%s, %s, 5, NULL, %s), (%s, 'lit''eral', DEFAULT, %s, '[]') RETURNING id, d_text, r_int4, d_date, r_jsonb, plain",
        (base + 10, "ten", 10, DAY, psycopg2.extras.Json({"k": "v"}), base + 11, None, psycopg2.extras.Json([1]), base + 12, DAY))
    run("select by id", cursor, "SELECT * FROM lab.every WHERE id = %s", (base + 1,))
    run("select all", cursor, f"SELECT {ALL} FROM lab.every WHERE id BETWEEN %s AND %s ORDER BY id", (base, base + 999))
    run("select named", cursor, "SELECT d_text, r_date FROM lab.every e WHERE e.id = %(id)s AND e.d_text = %(text)s", {"id": base + 1, "text": MARKER})


def search(cursor, base):
    where = f" AND id BETWEEN {base} AND {base + 999} ORDER BY id"
    for column, value, many in steps.searches(MARKER):
        run(f"{column} = %s", cursor, f"SELECT id, {column} FROM lab.every WHERE {column} = %s" + where, (value,))
        run(f"%s = {column}", cursor, f"SELECT id FROM lab.every WHERE %s = {column}" + where, (value,))
        run(f"{column} <> %s", cursor, f"SELECT id FROM lab.every WHERE {column} <> %s" + where, (value,))
        run(f"{column} IN %s", cursor, f"SELECT id FROM lab.every WHERE {column} IN %s" + where, (tuple(many),))
        run(f"{column} = ANY", cursor, f"SELECT id FROM lab.every WHERE {column} = ANY(%s)" + where, (many,))
    run("= NULL", cursor, "SELECT id FROM lab.every WHERE d_text = %s" + where, (None,))
    run("IS NULL", cursor, "SELECT id FROM lab.every WHERE d_text IS NULL" + where)
    run("= ANY of nothing", cursor, "SELECT id FROM lab.every WHERE d_text = ANY(%s)" + where, ([],))


def change(cursor, base):
    run("update", cursor, "UPDATE lab.every SET d_text = %s, r_jsonb = %s, d_date = NULL, plain = %s WHERE d_text = %s RETURNING id, d_text, r_jsonb, d_date, plain",
        ("changed", psycopg2.extras.Json({"x": MARKER}), "open", "ten"))
    run("same value for tagged and untagged", cursor, "UPDATE lab.every SET d_text = %(v)s, plain = %(v)s WHERE id = %(id)s", {"v": "no secret", "id": base + 12})
    run("after update", cursor, "SELECT id, plain, d_text, r_int8, d_date, r_jsonb FROM lab.every ORDER BY id")
    run("delete", cursor, "DELETE FROM lab.every WHERE d_text = %s RETURNING *", ("changed",))
    run("count", cursor, "SELECT count(*), count(d_text), count(DISTINCT d_text) FROM lab.every")


def failures(conn, base):
    cursor = conn.cursor()
    for name, sql, args in steps.BAD:
        run(name, cursor, sql, args(base))
        step("status after " + name, conn.info.transaction_status)
        run("in failed transaction after " + name, cursor, "SELECT id, d_text FROM lab.every WHERE id = %s", (base + 1,))
        conn.rollback()
        run("after " + name, cursor, "SELECT id, d_text FROM lab.every WHERE id = %s", (base + 1,))
    conn.commit()
    for sql in steps.REFUSED:
        run("refused 0A000: " + sql, cursor, sql, (base + 1,))
        run("refused 25P02: after " + sql, cursor, "SELECT 1")
        conn.rollback()
        run("after refusal of " + sql, cursor, "SELECT id, d_text FROM lab.every WHERE id = %s", (base + 1,))
    conn.rollback()


def transactions(conn, base):
    cursor = conn.cursor()
    with conn:
        run("insert in transaction", cursor, "INSERT INTO lab.every (id, d_text) VALUES (%s, %s)", (base + 50, "fifty"))
        run("savepoint", cursor, "SAVEPOINT s")
        run("bad value in savepoint", cursor, "UPDATE lab.every SET d_int4 = 'abc'")
        run("rollback to savepoint", cursor, "ROLLBACK TO s")
        run("refused 0A000: in savepoint", cursor, "SELECT d_text || 'x' FROM lab.every")
        run("refused 25P02: in failed savepoint", cursor, "SELECT d_text FROM lab.every")
        run("rollback to savepoint again", cursor, "ROLLBACK TO s")
        run("in transaction", cursor, "SELECT d_text FROM lab.every WHERE id = %s", (base + 50,))
    run("after commit", cursor, "SELECT d_text FROM lab.every WHERE id = %s", (base + 50,))
    conn.rollback()
    try:
        with conn:
            cursor.execute("UPDATE lab.every SET d_text = 'not kept' WHERE id = %s", (base + 50,))
            cursor.execute("UPDATE lab.every SET r_varchar = %s", ("x" * 21,))
    except psycopg2.errors.StringDataRightTruncation as e:
        step("with", steps.error(e))
    run("after with", cursor, "SELECT d_text FROM lab.every WHERE id = %s", (base + 50,))
    conn.rollback()


def many(conn, base):
    cursor = conn.cursor()
    insert = "INSERT INTO lab.every (id, d_text, d_date) VALUES (%s, %s, %s)"
    cursor.executemany(insert, [(base + 100 + i, f"many {i}", DAY) for i in range(5)])
    step("executemany", cursor.rowcount)
    psycopg2.extras.execute_batch(cursor, insert, [(base + 110 + i, f"batch {i}", None) for i in range(25)], page_size=10)
    step("execute_batch", cursor.statusmessage)
    out = psycopg2.extras.execute_values(cursor, "INSERT INTO lab.every (id, d_text, d_uuid) VALUES %s RETURNING id, d_text, d_uuid",
                                         [(base + 140 + i, f"values {i}", UUID_A) for i in range(25)], page_size=10, fetch=True)
    step("execute_values", [show(row) for row in out])
    try:
        psycopg2.extras.execute_values(cursor, "UPDATE lab.every SET d_text = v.t FROM (VALUES %s) AS v (id, t) WHERE lab.every.id = v.id", [(base + 140, "joined")])
        step("update from values", None)
    except psycopg2.Error as e:
        step("update from values", steps.error(e))
        conn.rollback()
    else:
        conn.rollback()
    run("count of many", cursor, "SELECT count(d_text) FROM lab.every WHERE id >= %s", (base + 100,))
    conn.commit()
    # SQL as the application may compose it itself.
    sql = cursor.mogrify("SELECT id, d_text FROM lab.every WHERE d_text IN %s ORDER BY id", (("many 1", "values 3", "it's \\ é"),))
    run("mogrify", cursor, sql)
    run("several statements", cursor, f"SELECT 1; INSERT INTO lab.every (id, d_text) VALUES ({base + 180}, 'a'); SELECT id, d_text FROM lab.every WHERE d_text = 'a'")
    conn.commit()


def factories(conn, base):
    for factory in (psycopg2.extras.RealDictCursor, psycopg2.extras.DictCursor, psycopg2.extras.NamedTupleCursor):
        cursor = conn.cursor(cursor_factory=factory)
        cursor.execute("SELECT id, d_text AS text, r_date, r_jsonb FROM lab.every WHERE id IN (%s, %s) ORDER BY id", (base + 1, base + 3))
        step("factory " + factory.__name__, [show(dict(r) if isinstance(r, dict) else tuple(r)) for r in cursor.fetchall()])
    cursor = conn.cursor()
    cursor.execute("SELECT id, d_text FROM lab.every ORDER BY id")
    step("fetchone", show(cursor.fetchone()))
    step("fetchmany", show(cursor.fetchmany(2)))
    cursor.scroll(-1)
    step("scroll", show(cursor.fetchone()))
    conn.rollback()


def cursors(conn, base):
    fill = conn.cursor()
    fill.execute("INSERT INTO lab.plain SELECT i, 'note ' || i, NULL FROM generate_series(1, 50) i")
    conn.commit()
    with conn.cursor("plain cursor") as named:
        named.itersize = 7
        named.execute("SELECT id, note FROM lab.plain ORDER BY id")
        step("named cursor", [show(row) for row in named])
    conn.commit()
    with conn.cursor("scrolled", scrollable=True) as named:
        named.execute("SELECT id FROM lab.plain ORDER BY id")
        first = named.fetchmany(3)
        named.scroll(10)
        step("scrolled", [show(first), show(named.fetchone())])
    conn.commit()
    named = conn.cursor("tagged")
    try:
        named.execute("SELECT id, d_text FROM lab.every ORDER BY id")
        step("named cursor", None)
    except psycopg2.Error as e:
        step("named cursor", steps.error(e))
    conn.rollback()
    run("after the refused cursor", conn.cursor(), "SELECT id, d_text FROM lab.every WHERE id = %s", (base + 1,))
    conn.rollback()


def copies(conn, base):
    import io
    cursor = conn.cursor()
    cursor.execute("DELETE FROM lab.plain")
    cursor.copy_expert("COPY lab.plain (id, note) FROM STDIN", io.StringIO("1\té\n2\t\\N\n"))
    step("copy", cursor.rowcount)
    out = io.StringIO()
    cursor.copy_expert("COPY (SELECT * FROM lab.plain ORDER BY id) TO STDOUT (FORMAT csv, HEADER)", out)
    step("copy out", out.getvalue())
    conn.commit()
    try:
        cursor.copy_expert("COPY lab.plain (id, note) FROM STDIN", io.StringIO("x\té\n"))
    except psycopg2.Error as e:
        step("bad copy", steps.error(e))
    conn.rollback()
    for name, sql in (("to", "COPY lab.every (id, d_text) FROM STDIN"), ("from", "COPY lab.every TO STDOUT"), ("query", "COPY (SELECT id, d_text FROM lab.every ORDER BY id) TO STDOUT")):
        try:
            data = io.StringIO(f"{base + 195}\t{MARKER}\n" if name == "to" else "")
            cursor.copy_expert(sql, data)
            step(f"copy {name} tagged", data.getvalue() if name == "query" else cursor.rowcount)
        except psycopg2.Error as e:
            step(f"copy {name} tagged", steps.error(e))
        conn.rollback()
        run(f"after copy {name}", cursor, "SELECT d_text FROM lab.every WHERE id = %s", (base + 1,))


def rest(conn, base):
    conn.rollback()
    conn.autocommit = True
    cursor = conn.cursor()
    run("autocommit bad value", cursor, "UPDATE lab.every SET d_int4 = 'abc' WHERE id = %s", (base + 1,))
    run("autocommit after", cursor, "SELECT d_text FROM lab.every WHERE id = %s", (base + 1,))
    run("listen", cursor, "LISTEN psycopg2_channel")
    run("notify", cursor, "NOTIFY psycopg2_channel, 'été'")
    select.select([conn], [], [], 1)
    conn.poll()
    step("notifies", [[n.channel, n.payload, n.pid == conn.info.backend_pid] for n in conn.notifies])
    run("notice", cursor, "DO $$ BEGIN RAISE NOTICE 'été'; END $$")
    step("notices", conn.notices[-1:])
    conn.autocommit = False
    large = conn.lobject(0, "wb")
    step("large object write", large.write(b"a large object"))
    step("large object seek", large.seek(2))
    oid = large.oid
    large.close()
    large = conn.lobject(oid, "rb")
    step("large object read", [show(large.read(5)), large.tell(), show(large.read())])
    large.unlink()
    conn.commit()
    # A query is cancelled; the connection goes on.
    for sql in ("SELECT pg_sleep(30)", f"SELECT d_text, pg_sleep(30) FROM lab.every WHERE id = {base + 1}"):
        import threading
        timer = threading.Timer(0.3, conn.cancel)
        timer.start()
        run("cancel " + sql, cursor, sql)
        timer.join()
        conn.rollback()
        run("after cancel " + sql, cursor, "SELECT d_text FROM lab.every WHERE id = %s", (base + 1,))
        conn.rollback()
    for setting in ("SET TimeZone TO 'Asia/Tokyo'", "SET bytea_output TO escape", "SET extra_float_digits TO 0"):
        run(setting, cursor, setting)
    run("other settings", cursor, "SELECT r_timestamptz, d_timestamptz, r_bytea, d_bytea, r_double, r_real FROM lab.every WHERE id = %s", (base + 1,))
    conn.rollback()
    step("parameters", [conn.info.parameter_status(name) for name in ("TimeZone", "DateStyle", "server_encoding", "standard_conforming_strings", "is_superuser", "session_authorization")])
    conn.set_client_encoding("LATIN1")
    run("untagged in latin1", cursor, "SELECT 'été'")
    run("tagged in latin1", cursor, "SELECT d_text FROM lab.every WHERE id = %s", (base + 1,))
    conn.rollback()
    conn.set_client_encoding("UTF8")
    run("back in utf8", cursor, "SELECT d_text FROM lab.every WHERE id = %s", (base + 1,))
    conn.rollback()


def asynchronous(base):
    conn = psycopg2.connect("", async_=True)

    def wait():
        while True:
            state = conn.poll()
            if state == psycopg2.extensions.POLL_OK:
                return
            if state == psycopg2.extensions.POLL_READ:
                select.select([conn], [], [], 10)
            else:
                select.select([], [conn], [], 10)
    wait()
    cursor = conn.cursor()
    cursor.execute("SELECT id, d_text FROM lab.every WHERE d_text = %s", (MARKER,))
    wait()
    step("asynchronous", [show(row) for row in cursor.fetchall()])
    conn.close()


def main():
    conn = psycopg2.connect("", options="-c TimeZone=Europe/Paris")
    cursor = conn.cursor()
    base = 1000
    values(cursor, base)
    conn.commit()
    search(cursor, base)
    change(cursor, base)
    conn.commit()
    failures(conn, base)
    transactions(conn, base)
    many(conn, base)
    factories(conn, base)
    cursors(conn, base)
    copies(conn, base)
    rest(conn, base)
    conn.close()
    asynchronous(base)


main()

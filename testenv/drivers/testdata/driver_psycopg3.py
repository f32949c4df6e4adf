"""Runs psycopg 3 where the PG variables of the environment say."""
import threading
import uuid
from dataclasses import dataclass

import psycopg
from psycopg import sql as compose
from psycopg.rows import class_row, dict_row, namedtuple_row
from psycopg.types.json import Jsonb

import steps
from steps import ALL, DAY, UUID_A, show, step

MARKER = "Zéphyrine-psycopg3"


def described(cursor):
    if cursor.description is None:
        return None
    return [[c.name, c.type_code, c.display_size, c.internal_size, c.precision, c.scale] for c in cursor.description]


def run(name, cursor, sql, args=None, **options):
    """Runs one statement and prints all that the driver says of it."""
    try:
        cursor.execute(sql, args, **options)
        out = {"status": cursor.statusmessage, "count": cursor.rowcount, "fields": described(cursor)}
        if cursor.description is not None:
            out["rows"] = [show(row) for row in cursor.fetchall()]
            out["formats"] = [cursor.pgresult.fformat(i) for i in range(cursor.pgresult.nfields)]
            out["modifiers"] = [cursor.pgresult.fmod(i) for i in range(cursor.pgresult.nfields)]
            out["attributes"] = [cursor.pgresult.ftablecol(i) for i in range(cursor.pgresult.nfields)]
        step(name, out)
    except psycopg.Error as e:
        step(name, steps.error(e))


def adapt(row):
    return [Jsonb(v) if isinstance(v, dict) else v for v in row]


def values(cursor, base, mark):
    for i, row in enumerate(steps.rows("psycopg3", base)):
        marks = ", ".join([mark] * len(row))
        run(f"insert row {i + 1}", cursor, f"INSERT INTO lab.every ({ALL}) VALUES ({marks})", adapt(row))
    run("insert several", cursor, f"INSERT INTO lab.every (id, d_text, r_int4, d_date, r_jsonb) VALUES ({mark}, {mark}, {mark}, {mark}, {mark}), ({mark}, {mark}, 5, NULL, {mark}), ({mark}, 'lit''eral', DEFAULT, {mark}, '[]') RETURNING id, d_text, r_int4, d_date, r_jsonb, plain",
        (base + 10, "ten", 10, DAY, Jsonb({"k": "v"}), base + 11, None, Jsonb([1]), base + 12, DAY))
    run("select by id", cursor, "SELECT * FROM lab.every WHERE id = %s", (base + 1,))
    run("select all", cursor, f"SELECT {ALL} FROM lab.every WHERE id BETWEEN %s AND %s ORDER BY id", (base, base + 999))
    run("select all in binary", cursor, f"SELECT {ALL} FROM lab.every WHERE id BETWEEN %s AND %s ORDER BY id", (base, base + 999), binary=True)
    run("select named", cursor, "SELECT d_text, r_date FROM lab.every e WHERE e.id = %(id)s AND e.d_text = %(text)s", {"id": base + 1, "text": MARKER})


def search(cursor, base, mark):
    where = f" AND id BETWEEN {base} AND {base + 999} ORDER BY id"
    for column, value, many in steps.searches(MARKER):
        run(f"{column} = value", cursor, f"SELECT id, {column} FROM lab.every WHERE {column} = {mark}" + where, (value,))
        run(f"value = {column}", cursor, f"SELECT id FROM lab.every WHERE {mark} = {column}" + where, (value,))
        run(f"{column} <> value", cursor, f"SELECT id FROM lab.every WHERE {column} <> {mark}" + where, (value,))
        run(f"{column} IN", cursor, f"SELECT id FROM lab.every WHERE {column} IN ({mark}, {mark})" + where, (many[0], many[-1]))
        run(f"{column} = ANY", cursor, f"SELECT id FROM lab.every WHERE {column} = ANY({mark})" + where, (many,))
    run("= NULL", cursor, "SELECT id FROM lab.every WHERE d_text = %s" + where, (None,))
    run("= ANY of nothing", cursor, "SELECT id FROM lab.every WHERE d_text = ANY(%s)" + where, ([],))
    run("= ANY with NULL", cursor, "SELECT id FROM lab.every WHERE d_text = ANY(%s)" + where, ([None, MARKER],))
    # The types of Python's numbers follow their values.
    run("small for int8", cursor, "SELECT id FROM lab.every WHERE d_int8 = %s" + where, (8,))
    run("big for int2", cursor, "SELECT id FROM lab.every WHERE d_int2 = %s" + where, (7000000000,))
    run("cast", cursor, "SELECT id FROM lab.every WHERE d_int8 = %s::int8" + where, (8,))


def change(cursor, base):
    run("update", cursor, "UPDATE lab.every SET d_text = %s, r_jsonb = %s, d_date = NULL, plain = %s WHERE d_text = %s AND id > %s RETURNING id, d_text, r_jsonb, d_date, plain",
        ("changed", Jsonb({"x": MARKER}), "open", "ten", base))
    run("same value for tagged and untagged", cursor, "UPDATE lab.every SET d_text = %(v)s, plain = %(v)s WHERE id = %(id)s", {"v": "no secret", "id": base + 12})
    run("after update", cursor, "SELECT id, plain, d_text, r_int8, d_date, r_jsonb FROM lab.every WHERE id > %s ORDER BY id", (base,))
    run("delete", cursor, "DELETE FROM lab.every WHERE d_text = %s AND id > %s RETURNING *", ("changed", base))
    run("count", cursor, "SELECT count(*), count(d_text), count(DISTINCT d_text) FROM lab.every")


def failures(conn, base):
    cursor = conn.cursor()
    for name, sql, args in steps.BAD:
        run(name, cursor, sql, args(base))
        step("status after " + name, conn.info.transaction_status.name)
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
    with conn.transaction():
        run("insert in transaction", cursor, "INSERT INTO lab.every (id, d_text) VALUES (%s, %s)", (base + 50, "fifty"))
        try:
            with conn.transaction():
                cursor.execute("UPDATE lab.every SET d_text = %s WHERE id = %s", ("undone", base + 50))
                cursor.execute("UPDATE lab.every SET d_int4 = 'abc'")
        except psycopg.Error as e:
            step("bad value in savepoint", steps.error(e))
        try:
            with conn.transaction():
                cursor.execute("SELECT d_text || 'x' FROM lab.every")
                step("refused 0A000: in savepoint", None)
                raise psycopg.Rollback()
        except psycopg.Error as e:
            step("refused 0A000: in savepoint", steps.error(e))
        run("in transaction", cursor, "SELECT d_text FROM lab.every WHERE id = %s", (base + 50,))
        with conn.transaction(force_rollback=True):
            run("in rolled back", cursor, "UPDATE lab.every SET d_text = %s WHERE id = %s RETURNING d_text", ("undone", base + 50))
    run("after commit", cursor, "SELECT d_text FROM lab.every WHERE id = %s", (base + 50,))
    conn.rollback()
    for level in (psycopg.IsolationLevel.SERIALIZABLE, None):
        conn.isolation_level = level
        run(f"isolation {level}", cursor, "SELECT d_text, current_setting('transaction_isolation') FROM lab.every WHERE id = %s", (base + 50,))
        conn.rollback()


def many(conn, base):
    cursor = conn.cursor()
    insert = "INSERT INTO lab.every (id, d_text, d_date) VALUES (%s, %s, %s)"
    cursor.executemany(insert, [(base + 100 + i, f"many {i}", DAY) for i in range(20)])
    step("executemany", cursor.rowcount)
    cursor.executemany(insert + " RETURNING id, d_text", [(base + 130 + i, f"many {i}", None) for i in range(5)], returning=True)
    out = [show(cursor.fetchall())]
    while cursor.nextset():
        out.append(show(cursor.fetchall()))
    step("executemany returning", out)
    conn.commit()
    try:
        cursor.executemany(insert, [(base + 150, "fine", DAY), (base + 151, "not", "hello"), (base + 152, "skipped", DAY)])
    except psycopg.Error as e:
        step("executemany bad", steps.error(e))
    conn.rollback()
    run("after executemany", cursor, "SELECT count(d_text) FROM lab.every WHERE id >= %s", (base + 100,))
    conn.commit()
    # The sixth time a statement is prepared.
    conn.prepare_threshold = 5
    for i in range(9):
        run(f"prepared {i}", cursor, "SELECT id, r_text, d_date FROM lab.every WHERE d_text = %s AND id = %s", (MARKER if i % 2 else None, base + 1))
        run(f"prepared update {i}", cursor, "UPDATE lab.every SET r_int4 = %s WHERE id = %s RETURNING r_int4", (i * 1000, base + 1))
    for i in range(3):
        run(f"prepared at once {i}", cursor, "SELECT d_uuid FROM lab.every WHERE d_int4 = %s", (-42,), prepare=True)
    run("server's statements", cursor, "SELECT count(*) > 2 FROM pg_prepared_statements")
    run("prepared, bad value", cursor, "SELECT id, r_text, d_date FROM lab.every WHERE d_text = %s AND id = %s", (MARKER, "abc"))
    conn.rollback()
    run("prepared, after a bad value", cursor, "SELECT id, r_text, d_date FROM lab.every WHERE d_text = %s AND id = %s", (MARKER, base + 1))
    run("prepared text", cursor, "SELECT d_uuid FROM lab.every WHERE d_uuid = %t AND id = %s", (UUID_A, base + 2), prepare=True)
    run("prepared binary", cursor, "SELECT d_uuid FROM lab.every WHERE d_uuid = %b AND id = %b", (UUID_A, base + 2), prepare=True, binary=True)
    conn.commit()


def pipelines(conn, base):
    read = "SELECT id, d_text, r_date FROM lab.every WHERE id = %s"
    with conn.pipeline() as pipeline:
        cursors = []
        for i in range(4):
            for sql, args in ((read, (base + 1,)), ("SELECT %s::int8 + 1", (i,)), ("UPDATE lab.every SET d_varchar = %s WHERE id = %s RETURNING d_varchar", (f"piped {i}", base + 12)),
                              ("INSERT INTO lab.every (id, d_text) VALUES (%s, %s)", (base + 160 + i, "piped")), ("SELECT note FROM lab.plain", ())):
                cursor = conn.cursor()
                cursor.execute(sql, args)
                cursors.append(cursor)
            if i == 2:
                pipeline.sync()
        out = [[c.statusmessage, described(c), [show(r) for r in c.fetchall()] if c.description else None] for c in cursors]
    step("pipeline", out)
    conn.commit()
    cursor = conn.cursor()
    try:
        with conn.pipeline():
            conn.execute(read, (base + 1,))
            conn.execute("UPDATE lab.every SET d_text = %s WHERE id = %s", ("undone", base + 160))
            conn.execute("SELECT id FROM lab.every WHERE d_date = %s", ("hello",))
            conn.execute(read, (base + 1,))
    except psycopg.Error as e:
        step("pipeline with an error", steps.error(e))
    step("pipeline status", conn.info.transaction_status.name)
    conn.rollback()
    run("after pipeline with an error", cursor, "SELECT d_text FROM lab.every WHERE id = %s", (base + 160,))
    conn.rollback()
    try:
        with conn.pipeline():
            conn.execute("UPDATE lab.every SET d_text = %s WHERE id = %s", ("undone", base + 160))
            conn.execute("SELECT id FROM lab.every WHERE d_text LIKE %s", ("Z%",))
            conn.execute(read, (base + 1,))
        step("refused 0A000: in pipeline", None)
    except psycopg.Error as e:
        step("refused 0A000: in pipeline", steps.error(e))
    conn.rollback()
    run("after pipeline with a refusal", cursor, "SELECT d_text FROM lab.every WHERE id = %s", (base + 160,))
    conn.rollback()
    with conn.pipeline():
        with conn.transaction():
            conn.execute("UPDATE lab.every SET d_text = %s WHERE id = %s", ("kept", base + 160))
        cursor = conn.execute("SELECT d_text FROM lab.every WHERE id = %s", (base + 160,))
        step("transaction in pipeline", show(cursor.fetchone()))
    conn.commit()


@dataclass
class Row:
    id: int
    text: str
    day: object


def factories(conn, base):
    sql = "SELECT id, d_text AS text, r_date AS day FROM lab.every WHERE id IN (%s, %s) ORDER BY id"
    for factory in (dict_row, namedtuple_row, class_row(Row)):
        cursor = conn.cursor(row_factory=factory)
        step("factory", [repr(row) for row in cursor.execute(sql, (base + 1, base + 3))])
    cursor = conn.cursor().execute("SELECT id, d_text FROM lab.every ORDER BY id")
    first, some = cursor.fetchone(), cursor.fetchmany(2)
    cursor.scroll(1)
    step("fetch", show([first, some, cursor.fetchone()]))
    step("stream", [show(row) for row in conn.cursor().stream("SELECT id, d_text, r_numeric FROM lab.every WHERE id < %s ORDER BY id", (base + 13,))])
    run("composed", conn.cursor(), compose.SQL("SELECT {} FROM {} WHERE {} = {} ORDER BY id").format(
        compose.SQL(", ").join(map(compose.Identifier, ("id", "d_text", "r_bool"))), compose.Identifier("lab", "every"), compose.Identifier("d_text"), compose.Literal(MARKER)))
    several = conn.cursor().execute("SELECT 1 AS one; SELECT d_text FROM lab.every WHERE id = 1001; SELECT id FROM lab.plain")
    out = [[described(several), show(several.fetchall())]]
    while several.nextset():
        out.append([described(several), show(several.fetchall())])
    step("several statements", out)
    conn.rollback()


def cursors(conn, base):
    conn.execute("INSERT INTO lab.plain SELECT i, 'note ' || i, NULL FROM generate_series(1, 50) i")
    conn.commit()
    with conn.cursor("plain cursor") as named:
        named.itersize = 7
        named.execute("SELECT id, note FROM lab.plain WHERE id > %s ORDER BY id", (5,))
        step("server cursor", [show(row) for row in named])
    conn.commit()
    with conn.cursor("binary", scrollable=True, binary=True) as named:
        named.execute("SELECT id FROM lab.plain ORDER BY id")
        first = named.fetchmany(3)
        named.scroll(10)
        step("scrolled", [show(first), show(named.fetchone()), described(named)])
    conn.commit()
    try:
        with conn.cursor("tagged") as named:
            named.execute("SELECT id, d_text FROM lab.every ORDER BY id")
        step("server cursor", None)
    except psycopg.Error as e:
        step("server cursor", steps.error(e))
    conn.rollback()
    run("after the refused cursor", conn.cursor(), "SELECT id, d_text FROM lab.every WHERE id = %s", (base + 1,))
    conn.rollback()


def copies(conn, base):
    cursor = conn.cursor()
    cursor.execute("DELETE FROM lab.plain")
    with cursor.copy("COPY lab.plain (id, note) FROM STDIN") as copy:
        copy.write_row((1, "é"))
        copy.write_row((2, None))
    step("copy", cursor.rowcount)
    with cursor.copy("COPY lab.plain (id, note) FROM STDIN (FORMAT binary)") as copy:
        copy.set_types(["int4", "text"])
        copy.write_row((3, "binary"))
    with cursor.copy("COPY (SELECT id, note FROM lab.plain ORDER BY id) TO STDOUT") as copy:
        copy.set_types(["int4", "text"])
        step("copy out", [show(row) for row in copy.rows()])
    conn.commit()
    try:
        with cursor.copy("COPY lab.plain (id, note) FROM STDIN") as copy:
            copy.write("x\té\n")
    except psycopg.Error as e:
        step("bad copy", steps.error(e))
    conn.rollback()
    try:
        with cursor.copy("COPY lab.plain (id, note) FROM STDIN") as copy:
            copy.write("9\té\n")
            raise ValueError("stopped")
    except (ValueError, psycopg.Error) as e:
        step("stopped copy", steps.error(e))
    conn.rollback()
    for name, sql in (("to", "COPY lab.every (id, d_text) FROM STDIN"), ("from", "COPY lab.every TO STDOUT"), ("query", "COPY (SELECT id, d_text FROM lab.every ORDER BY id) TO STDOUT")):
        try:
            with cursor.copy(sql) as copy:
                if name == "to":
                    copy.write_row((base + 195, MARKER))
                else:
                    data = b"".join(bytes(part) for part in copy)
            step(f"copy {name} tagged", data.decode() if name == "query" else cursor.rowcount)
        except psycopg.Error as e:
            step(f"copy {name} tagged", steps.error(e))
        conn.rollback()
        run(f"after copy {name}", cursor, "SELECT d_text FROM lab.every WHERE id = %s", (base + 1,))
        conn.rollback()


def rest(conn, base):
    conn.autocommit = True
    cursor = conn.cursor()
    run("autocommit bad value", cursor, "UPDATE lab.every SET d_int4 = 'abc' WHERE id = %s", (base + 1,))
    run("autocommit after", cursor, "SELECT d_text FROM lab.every WHERE id = %s", (base + 1,))
    run("listen", cursor, "LISTEN psycopg3_channel")
    handled = []
    conn.add_notify_handler(lambda n: handled.append([n.channel, n.payload, n.pid == conn.info.backend_pid]))
    run("notify", cursor, "SELECT pg_notify('psycopg3_channel', %s)", ("été",))
    run("after notify", cursor, "SELECT 1")
    step("handled", handled)
    with connect(autocommit=True) as other:
        timer = threading.Timer(0.2, other.execute, ("NOTIFY psycopg3_channel, 'stop'",))
        timer.start()
        waiting = conn.notifies()
        n = next(waiting)
        waiting.close()
        step("notifies", [n.channel, n.payload, n.pid == other.info.backend_pid])
        timer.join()
    notices = []
    conn.add_notice_handler(lambda diag: notices.append([diag.severity, diag.message_primary]))
    run("notice", cursor, "DO $$ BEGIN RAISE NOTICE 'été'; END $$")
    step("notices", notices)
    for sql in ("SELECT pg_sleep(30)", f"SELECT d_text, pg_sleep(30) FROM lab.every WHERE id = {base + 1}"):
        timer = threading.Timer(0.3, conn.cancel)
        timer.start()
        run("cancel " + sql, cursor, sql)
        timer.join()
        run("after cancel " + sql, cursor, "SELECT d_text FROM lab.every WHERE id = %s", (base + 1,))
    for setting in ("SET TimeZone TO 'Asia/Tokyo'", "SET bytea_output TO escape", "SET extra_float_digits TO 0"):
        run(setting, cursor, setting)
    run("other settings", cursor, "SELECT r_timestamptz, d_timestamptz, r_bytea, d_bytea, r_double, r_real FROM lab.every WHERE id = %s", (base + 1,))
    step("parameters", [conn.info.parameter_status(name) for name in ("TimeZone", "DateStyle", "server_encoding", "standard_conforming_strings", "is_superuser", "session_authorization")])
    large = conn.execute("SELECT lo_from_bytea(0, %s)", (b"large object",)).fetchone()[0]
    step("large object", show(conn.execute("SELECT lo_get(%s), lo_unlink(%s)", (large, large)).fetchone()))


def connect(**options):
    conn = psycopg.connect("", options="-c TimeZone=Europe/Paris", **options)
    return conn


def main():
    for base, prefix, mark, options in ((1000, "", "%s", {}), (2000, "binary: ", "%b", {}), (3000, "text: ", "%t", {}),
                                        (4000, "client-side: ", "%s", {"cursor_factory": psycopg.ClientCursor})):
        steps.prefix = prefix
        conn = connect(**options)
        cursor = conn.cursor()
        values(cursor, base, mark)
        conn.commit()
        search(cursor, base, mark)
        conn.rollback()
        change(cursor, base)
        conn.commit()
        failures(conn, base)
        transactions(conn, base)
        many(conn, base)
        if base == 1000:
            pipelines(conn, base)
            factories(conn, base)
            cursors(conn, base)
            copies(conn, base)
            rest(conn, base)
        conn.close()


main()

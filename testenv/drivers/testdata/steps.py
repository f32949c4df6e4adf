"""What the programs of psycopg2 and psycopg 3 share: steps printed as JSON lines."""
import datetime
import decimal
import json
import uuid

COLUMNS = (
    "id plain r_text d_text r_varchar d_varchar r_char d_char r_int2 d_int2 r_int4 d_int4 r_int8 d_int8 "
    "r_numeric r_real r_double r_bool d_bool r_date d_date r_timestamp d_timestamp r_timestamptz d_timestamptz "
    "r_uuid d_uuid r_jsonb r_bytea d_bytea").split()
ALL = ", ".join(COLUMNS)
DAY = datetime.date(1942, 3, 5)
MOMENT = datetime.datetime(2024, 5, 6, 7, 8, 9, 123456)
INSTANT = MOMENT.replace(tzinfo=datetime.timezone(datetime.timedelta(hours=-3)))
UUID_A = uuid.UUID("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")
UUID_B = uuid.UUID("b1ffcd99-9c0b-4ef8-bb6d-6bb9bd380a22")

prefix = ""


def show(value):
    """A value with its type, the same for equal values."""
    if isinstance(value, memoryview):
        return "memoryview " + repr(bytes(value))
    if isinstance(value, (list, tuple)):
        return type(value).__name__ + " [" + ", ".join(show(v) for v in value) + "]"
    if isinstance(value, dict):
        return type(value).__name__ + " {" + ", ".join(f"{k}: {show(v)}" for k, v in value.items()) + "}"
    if isinstance(value, datetime.datetime) and value.tzinfo is not None:
        return "datetime " + value.isoformat()
    return f"{type(value).__name__} {value!r}"


def step(name, out):
    print(json.dumps({"step": prefix + name, "out": out}), flush=True)


def error(exception):
    """What an application can tell of an error; diag is None for the driver's own."""
    diag = getattr(exception, "diag", None)
    said = {"class": type(exception).__name__}
    if diag is not None and diag.sqlstate:
        said.update(sqlstate=diag.sqlstate, severity=diag.severity, message=diag.message_primary,
                    detail=diag.message_detail, hint=diag.message_hint, position=diag.statement_position)
    else:
        said["message"] = str(exception)
    return {"error": said}


def rows(driver, base):
    """A typical row, an extreme one, and one of NULLs."""
    marker, other = "Zéphyrine-" + driver, "Ünïque-北京-" + driver
    nulls = [None] * len(COLUMNS)
    nulls[0] = base + 3
    return [
        [base + 1, "first", marker, marker, other[:14], "it's", "abc", "é", -32768, 7, 42, -42, 9223372036854775807, 8,
         decimal.Decimal("1234.5678"), 1.5, 0.1, True, False, DAY, DAY, MOMENT, MOMENT, INSTANT, INSTANT, UUID_A, UUID_B,
         {"b": 1, "a": [1, 2.5, marker]}, b"\xde\xad\x00\xff", b"bytes-" + marker.encode()],
        [base + 2, "", "", other, 'back\\slash "q" \'q\'', "", "0123456789", "", 0, -1, 2147483647, 0, -9223372036854775808, -8,
         decimal.Decimal("NaN"), -1e20, -1e300, False, True, datetime.date.max, datetime.date.min,
         datetime.datetime(1000, 1, 1), MOMENT, datetime.datetime(2500, 7, 1, 12, tzinfo=datetime.timezone.utc), INSTANT, UUID_B, UUID_A,
         None, b"", b"\0"],
        nulls,
    ]


# A column, a value in it, and several.
def searches(marker):
    return [
        ("d_text", marker, [marker, "ten", "nobody"]),
        ("d_varchar", "it's", ["it's", ""]),
        ("d_char", "é", ["é", "x"]),
        ("d_int2", 7, [7, -1]),
        ("d_int4", -42, [-42, 0]),
        ("d_int8", 8, [8, -8]),
        ("d_bool", True, [True]),
        ("d_date", DAY, [DAY, datetime.date.min]),
        ("d_timestamp", MOMENT, [MOMENT]),
        ("d_timestamptz", INSTANT, [INSTANT, MOMENT.replace(tzinfo=datetime.timezone.utc)]),
        ("d_uuid", UUID_B, [UUID_B, UUID_A]),
        ("d_bytea", b"bytes-" + marker.encode(), [b"bytes-" + marker.encode(), b"\0"]),
    ]


# Statements that fail as the server fails; each is followed by one that works.
BAD = [
    ("too long", "INSERT INTO lab.every (id, r_varchar) VALUES (%s, %s)", lambda base: (base + 90, "é" * 21)),
    ("too long char", "INSERT INTO lab.every (id, d_char) VALUES (%s, %s)", lambda base: (base + 90, "0123456789a")),
    ("bad int", "INSERT INTO lab.every (id, plain, d_int4) VALUES (%s, 'été', %s)", lambda base: (base + 90, "abc")),
    ("bad literal", "INSERT INTO lab.every (id, plain, d_int4) VALUES (%s, 'été', 'abc')", lambda base: (base + 90,)),
    ("out of range", "UPDATE lab.every SET d_int2 = 32768 WHERE id = %s", lambda base: (base + 1,)),
    ("parameter out of range", "UPDATE lab.every SET d_int2 = %s WHERE id = %s", lambda base: (70000, base + 1)),
    ("bad date", "SELECT id FROM lab.every WHERE d_date = '2023-02-29' AND id = %s", lambda base: (base + 1,)),
    ("bad date parameter", "SELECT id FROM lab.every WHERE d_date = %s AND id = %s", lambda base: ("hello", base + 1)),
    ("numeric overflow", "UPDATE lab.every SET r_numeric = %s WHERE id = %s", lambda base: (decimal.Decimal("1234567890.5"), base + 1)),
    ("bad json", "UPDATE lab.every SET r_jsonb = %s WHERE id = %s", lambda base: ("{", base + 1)),
    ("bad uuid", "SELECT id FROM lab.every WHERE d_uuid = %s AND id = %s", lambda base: ("zz", base + 1)),
    ("wrong type", "SELECT id FROM lab.every WHERE d_int4 = 'x'::text AND id = %s", lambda base: (base + 1,)),
    ("no such column", "SELECT d_texte FROM lab.every WHERE id = %s", lambda base: (base + 1,)),
    ("not unique", "INSERT INTO lab.every (id, d_text) VALUES (%s, 'again')", lambda base: (base + 1,)),
    ("division by zero", "SELECT id / 0, d_text FROM lab.every WHERE id = %s", lambda base: (base + 1,)),
]
REFUSED = [
    "SELECT id FROM lab.every WHERE d_text LIKE 'Z%%' AND id = %s",
    "SELECT upper(d_text) FROM lab.every WHERE id = %s",
    "SELECT id FROM lab.every WHERE r_text = 'x' AND id = %s",
    "SELECT id FROM lab.every WHERE id = %s ORDER BY r_date",
    "UPDATE lab.every SET d_text = d_varchar WHERE id = %s",
]

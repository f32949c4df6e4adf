import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.io.StringReader;
import java.io.StringWriter;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.sql.Array;
import java.sql.BatchUpdateException;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.Date;
import java.sql.DriverManager;
import java.sql.ParameterMetaData;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.sql.Timestamp;
import java.sql.Types;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Properties;
import java.util.UUID;
import org.postgresql.PGConnection;
import org.postgresql.PGNotification;
import org.postgresql.copy.CopyManager;
import org.postgresql.largeobject.LargeObject;
import org.postgresql.largeobject.LargeObjectManager;
import org.postgresql.util.PGobject;
import org.postgresql.util.PSQLException;
import org.postgresql.util.ServerErrorMessage;

/** Runs pgjdbc where the PG variables of the environment say; prints steps as JSON lines. */
public class Driver {
    static final String MARKER = "Zéphyrine-pgjdbc", OTHER = "Ünïque-北京-pgjdbc";
    static final UUID A = UUID.fromString("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"), B = UUID.fromString("b1ffcd99-9c0b-4ef8-bb6d-6bb9bd380a22");
    static final LocalDate DAY = LocalDate.of(1942, 3, 5);
    static final LocalDateTime MOMENT = LocalDateTime.of(2024, 5, 6, 7, 8, 9, 123456000);
    static final OffsetDateTime INSTANT = MOMENT.atOffset(ZoneOffset.ofHours(-3));
    static final String COLUMNS = "id, plain, r_text, d_text, r_varchar, d_varchar, r_char, d_char, r_int2, d_int2, r_int4, d_int4, r_int8, d_int8, "
        + "r_numeric, r_real, r_double, r_bool, d_bool, r_date, d_date, r_timestamp, d_timestamp, r_timestamptz, d_timestamptz, r_uuid, d_uuid, r_jsonb, r_bytea, d_bytea";

    /** What a step does; it returns what is to be compared. */
    interface Body { Object run() throws SQLException, IOException, InterruptedException; }
    /** Sets the parameters of a statement. */
    interface Setter { void set(PreparedStatement p) throws SQLException; }

    final PrintStream out;
    final String prefix;
    final int base;
    final boolean simple;
    final Connection conn;

    Driver(PrintStream out, String prefix, int base, Connection conn) {
        this.out = out;
        this.prefix = prefix;
        this.base = base;
        this.simple = prefix.contains("preferQueryMode=simple");
        this.conn = conn;
    }

    public static void main(String[] args) throws Exception {
        PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        String[] configurations = {
            "preferQueryMode=simple", "preferQueryMode=extended", "preferQueryMode=extended&prepareThreshold=1&binaryTransfer=true",
            "preferQueryMode=extended&prepareThreshold=-1", "preferQueryMode=extended&prepareThreshold=0&binaryTransfer=false",
            "preferQueryMode=extendedForPrepared", "preferQueryMode=extendedCacheEverything", "reWriteBatchedInserts=true", "stringtype=unspecified", "autosave=always",
        };
        for (int i = 0; i < configurations.length; i++) {
            Driver d = new Driver(out, configurations[i] + ": ", 1000 * (i + 1), connect(configurations[i]));
            d.values();
            d.search();
            d.change();
            d.failures();
            d.transactions();
            d.batches();
            d.portals();
            d.repeated();
            if (i < 2) {
                d.resultSets();
                d.rest();
            }
            d.conn.close();
        }
        out.flush();
    }

    static Connection connect(String settings) throws SQLException {
        Properties properties = new Properties();
        properties.setProperty("user", System.getenv("PGUSER"));
        properties.setProperty("password", System.getenv("PGPASSWORD"));
        return DriverManager.getConnection("jdbc:postgresql://" + System.getenv("PGHOST") + ":" + System.getenv("PGPORT") + "/"
            + System.getenv("PGDATABASE") + "?sslmode=disable&" + settings, properties);
    }

    void step(String name, Body body) {
        String said;
        try {
            said = json(body.run());
        } catch (SQLException e) {
            said = error(e);
        } catch (IOException | InterruptedException e) {
            said = json(e.toString());
        }
        out.println("{\"step\": " + json(prefix + name) + ", \"out\": " + said + "}");
    }

    static String json(Object value) {
        if (value == null) {
            return "null";
        }
        if (value instanceof List<?>) {
            List<String> parts = new ArrayList<>();
            for (Object item : (List<?>) value) {
                parts.add(json(item));
            }
            return "[" + String.join(", ", parts) + "]";
        }
        StringBuilder b = new StringBuilder("\"");
        for (char c : value.toString().toCharArray()) {
            if (c == '"' || c == '\\') {
                b.append('\\').append(c);
            } else if (c < ' ') {
                b.append(String.format("\\u%04x", (int) c));
            } else {
                b.append(c);
            }
        }
        return b.append('"').toString();
    }

    static String error(SQLException e) {
        SQLException first = e;
        while (first.getNextException() != null && !(first instanceof PSQLException && ((PSQLException) first).getServerErrorMessage() != null)) {
            first = first.getNextException();
        }
        String counts = e instanceof BatchUpdateException ? Arrays.toString(((BatchUpdateException) e).getUpdateCounts()) : "";
        String text = e.getMessage(), detail = null, hint = null;
        int position = 0;
        if (first instanceof PSQLException && ((PSQLException) first).getServerErrorMessage() != null) {
            ServerErrorMessage m = ((PSQLException) first).getServerErrorMessage();
            text = m.getMessage();
            detail = m.getDetail();
            hint = m.getHint();
            position = m.getPosition();
        }
        return "{\"error\": {\"class\": " + json(e.getClass().getSimpleName()) + ", \"sqlstate\": " + json(first.getSQLState()) + ", \"message\": " + json(text)
            + ", \"detail\": " + json(detail) + ", \"hint\": " + json(hint) + ", \"position\": " + position + ", \"counts\": " + json(counts) + "}}";
    }

    /** A value with its class, the same for equal values. */
    static String show(Object value) throws SQLException {
        if (value == null) {
            return "NULL";
        }
        if (value instanceof byte[]) {
            return "bytes " + HexFormat.of().formatHex((byte[]) value);
        }
        if (value instanceof PGobject) {
            return "PGobject " + ((PGobject) value).getType() + " " + ((PGobject) value).getValue();
        }
        if (value instanceof Array) {
            return "Array " + value;
        }
        return value.getClass().getSimpleName() + " " + value;
    }

    static List<Object> describe(ResultSetMetaData m) throws SQLException {
        List<Object> columns = new ArrayList<>();
        for (int i = 1; i <= m.getColumnCount(); i++) {
            columns.add(m.getColumnLabel(i) + " " + m.getColumnName(i) + " " + m.getColumnType(i) + " " + m.getColumnTypeName(i) + " " + m.getColumnClassName(i)
                + " " + m.getPrecision(i) + " " + m.getScale(i) + " " + m.getColumnDisplaySize(i) + " " + m.isSigned(i) + m.isCaseSensitive(i) + m.isSearchable(i)
                + " " + m.isNullable(i) + m.isAutoIncrement(i) + " " + m.getSchemaName(i) + "." + m.getTableName(i));
        }
        return columns;
    }

    static List<Object> rows(ResultSet r) throws SQLException {
        List<Object> all = new ArrayList<>();
        int n = r.getMetaData().getColumnCount();
        while (r.next()) {
            List<Object> row = new ArrayList<>();
            for (int i = 1; i <= n; i++) {
                Object value = r.getObject(i);
                // In binary a byte array has no text of its own.
                row.add(value instanceof byte[] ? show(value) : show(value) + " | " + r.getString(i));
            }
            all.add(row);
        }
        return all;
    }

    /** All results of a statement that ran: rows with their description, and counts. */
    static List<Object> results(Statement s, boolean isRows) throws SQLException {
        List<Object> all = new ArrayList<>();
        for (;;) {
            if (isRows) {
                try (ResultSet r = s.getResultSet()) {
                    all.add(describe(r.getMetaData()));
                    all.add(rows(r));
                }
            } else if (s.getUpdateCount() >= 0) {
                all.add("count " + s.getUpdateCount());
            } else {
                return all;
            }
            isRows = s.getMoreResults();
        }
    }

    void run(String name, String sql, Setter setter) {
        step(name, () -> {
            try (PreparedStatement p = conn.prepareStatement(sql)) {
                setter.set(p);
                return results(p, p.execute());
            }
        });
    }

    void run(String name, String sql, Object... args) {
        run(name, sql, p -> {
            for (int i = 0; i < args.length; i++) {
                p.setObject(i + 1, args[i]);
            }
        });
    }

    void plain(String name, String sql) {
        step(name, () -> {
            try (Statement s = conn.createStatement()) {
                return results(s, s.execute(sql));
            }
        });
    }

    String where() {
        return " AND id BETWEEN " + base + " AND " + (base + 999) + " ORDER BY id";
    }

    static PGobject typed(String type, String value) throws SQLException {
        PGobject o = new PGobject();
        o.setType(type);
        o.setValue(value);
        return o;
    }

    /** Bytes as a parameter: this driver cannot write an array of them into a simple query. */
    Object bytea(byte[] bytes) throws SQLException {
        return simple ? typed("bytea", "\\x" + HexFormat.of().formatHex(bytes)) : bytes;
    }

    Object bytea(int... values) throws SQLException {
        byte[] bytes = new byte[values.length];
        for (int i = 0; i < values.length; i++) {
            bytes[i] = (byte) values[i];
        }
        return bytea(bytes);
    }

    void values() throws SQLException {
        String insert = "INSERT INTO lab.every (" + COLUMNS + ") VALUES (?" + ", ?".repeat(29) + ")";
        run("insert by setters", insert, p -> {
            int i = 1;
            p.setInt(i++, base + 1);
            p.setString(i++, "first");
            p.setString(i++, MARKER);
            p.setString(i++, MARKER);
            p.setString(i++, "Ünïque-北京");
            p.setString(i++, "it's \\ \"q\"");
            p.setString(i++, "abc");
            p.setString(i++, "é");
            p.setShort(i++, (short) -32768);
            p.setByte(i++, (byte) 7);
            p.setInt(i++, 42);
            p.setInt(i++, -42);
            p.setLong(i++, Long.MAX_VALUE);
            p.setInt(i++, 8);
            p.setBigDecimal(i++, new BigDecimal("1234.5678"));
            p.setFloat(i++, 1.5f);
            p.setDouble(i++, 0.1);
            p.setBoolean(i++, true);
            p.setBoolean(i++, false);
            p.setDate(i++, Date.valueOf(DAY));
            p.setObject(i++, DAY);
            p.setTimestamp(i++, Timestamp.valueOf(MOMENT));
            p.setObject(i++, MOMENT);
            p.setTimestamp(i++, Timestamp.from(INSTANT.toInstant()));
            p.setObject(i++, INSTANT);
            p.setObject(i++, A);
            p.setObject(i++, B);
            p.setObject(i++, typed("jsonb", "{\"b\": 1, \"a\": [1, 2.50, \"" + MARKER + "\"]}"));
            byte[] bytes = ("bytes-" + MARKER).getBytes(StandardCharsets.UTF_8);
            if (simple) {
                p.setObject(i++, bytea(0xde, 0xad, 0, 0xff));
                p.setObject(i++, bytea(bytes));
            } else {
                p.setBytes(i++, new byte[] {(byte) 0xde, (byte) 0xad, 0, (byte) 0xff});
                p.setBinaryStream(i++, new ByteArrayInputStream(bytes));
            }
        });
        run("insert by objects", insert, base + 2, "", "", OTHER, "", "x".repeat(20), "0123456789", "", 0, -1, Integer.MAX_VALUE, 0, Long.MIN_VALUE, -8L,
            new BigDecimal("0.0005"), -1e20f, -1e300, Boolean.FALSE, Boolean.TRUE, LocalDate.of(9999, 12, 31), Date.valueOf("0001-01-01"),
            LocalDateTime.of(1000, 1, 1, 0, 0), Timestamp.valueOf(MOMENT), OffsetDateTime.of(2500, 7, 1, 12, 0, 0, 0, ZoneOffset.UTC), Timestamp.from(INSTANT.toInstant()),
            B, A, typed("jsonb", "null"), bytea(), bytea(0));
        int[] types = {Types.INTEGER, Types.VARCHAR, Types.VARCHAR, Types.VARCHAR, Types.VARCHAR, Types.VARCHAR, Types.CHAR, Types.CHAR, Types.SMALLINT, Types.SMALLINT,
            Types.INTEGER, Types.INTEGER, Types.BIGINT, Types.BIGINT, Types.NUMERIC, Types.REAL, Types.DOUBLE, Types.BOOLEAN, Types.BIT, Types.DATE, Types.DATE,
            Types.TIMESTAMP, Types.TIMESTAMP, Types.TIMESTAMP_WITH_TIMEZONE, Types.TIMESTAMP_WITH_TIMEZONE, Types.OTHER, Types.NULL, Types.OTHER, Types.BINARY, Types.VARBINARY};
        run("insert nulls", insert, p -> {
            p.setInt(1, base + 3);
            for (int i = 2; i <= types.length; i++) {
                p.setNull(i, types[i - 1]);
            }
        });
        run("insert with types", "INSERT INTO lab.every (id, d_text, d_int2, d_int4, d_int8, r_numeric, r_double, d_date, d_uuid, r_jsonb, d_bool) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", p -> {
            p.setObject(1, "" + (base + 4), Types.INTEGER);
            p.setObject(2, 4711, Types.VARCHAR);
            p.setObject(3, "12", Types.SMALLINT);
            p.setObject(4, 12L, Types.INTEGER);
            p.setObject(5, "13", Types.BIGINT);
            p.setObject(6, "12.3456", Types.NUMERIC, 2);
            p.setObject(7, 3, Types.DOUBLE);
            p.setObject(8, "2024-02-29", Types.DATE);
            p.setObject(9, A.toString(), Types.OTHER);
            p.setObject(10, "{\"k\": \"é\"}", Types.OTHER);
            p.setObject(11, 1, Types.BOOLEAN);
        });
        run("insert several", "INSERT INTO lab.every (id, d_text, r_int4, d_date, r_jsonb) VALUES (?, ?, ?, ?, ?), (?, ?, 5, NULL, ?), (?, 'lit''eral', DEFAULT, ?, '[]') RETURNING id, d_text, r_int4, d_date, r_jsonb, plain",
            base + 10, "ten", 10, DAY, typed("jsonb", "{}"), base + 11, "eleven", typed("jsonb", "[1]"), base + 12, DAY);
        plain("select literal", "SELECT * FROM lab.every WHERE id = " + (base + 1));
        run("select by id", "SELECT * FROM lab.every WHERE id = ?", base + 1);
        run("select all", "SELECT " + COLUMNS + " FROM lab.every e WHERE id > ?" + where(), base);
        if (!simple) { // which describes nothing before it runs
            step("parameters", () -> {
                try (PreparedStatement p = conn.prepareStatement("UPDATE lab.every SET d_text = ?, r_numeric = ?, d_date = ?, r_uuid = ?, plain = ? WHERE d_char = ? AND d_int8 = ANY (?) AND id = ?")) {
                    ParameterMetaData m = p.getParameterMetaData();
                    List<Object> all = new ArrayList<>();
                    for (int i = 1; i <= m.getParameterCount(); i++) {
                        all.add(m.getParameterTypeName(i) + " " + m.getParameterType(i) + " " + m.getParameterClassName(i) + " " + m.isSigned(i));
                    }
                    return all;
                }
            });
            step("description before running", () -> {
                try (PreparedStatement p = conn.prepareStatement("SELECT *, d_text AS alias, 1 + 1 FROM lab.every WHERE d_uuid = ?")) {
                    return describe(p.getMetaData());
                }
            });
        }
        step("getters", () -> {
            try (PreparedStatement p = conn.prepareStatement("SELECT r_text, d_int4, r_int8, r_numeric, r_double, r_bool, r_date, r_timestamp, r_timestamptz, r_uuid, r_bytea, r_jsonb, r_int4 FROM lab.every WHERE id IN (?, ?) ORDER BY id")) {
                p.setInt(1, base + 1);
                p.setInt(2, base + 3);
                List<Object> all = new ArrayList<>();
                try (ResultSet r = p.executeQuery()) {
                    while (r.next()) {
                        all.add(Arrays.asList(r.getString("r_text"), r.getInt("d_int4"), r.wasNull(), r.getLong("r_int8"), r.getBigDecimal("r_numeric"), r.getDouble("r_double"), r.getBoolean("r_bool"),
                            r.getDate("r_date"), r.getTimestamp("r_timestamp"), r.getTimestamp("r_timestamptz"), show(r.getBytes("r_bytea")), r.getObject("r_date", LocalDate.class),
                            r.getObject("r_timestamp", LocalDateTime.class), r.getObject("r_timestamptz", OffsetDateTime.class), r.getObject("r_uuid", UUID.class), r.getString("r_jsonb"), r.getInt("r_int4")));
                    }
                }
                return all;
            }
        });
    }

    void search() throws SQLException {
        Object[][] searches = {
            {"d_text", MARKER, "text", new String[] {MARKER, "ten", "no,\"body"}},
            {"d_varchar", "it's \\ \"q\"", "varchar", new String[] {"it's \\ \"q\"", ""}},
            {"d_int2", (short) 7, "int2", new Short[] {7, -1}},
            {"d_int4", -42, "int4", new Integer[] {-42, 0}},
            {"d_int8", 8L, "int8", new Long[] {8L, -8L}},
            {"d_bool", true, "bool", new Boolean[] {true}},
            {"d_date", DAY, "date", new LocalDate[] {DAY, LocalDate.of(1, 1, 1)}},
            {"d_timestamp", MOMENT, "timestamp", new Timestamp[] {Timestamp.valueOf(MOMENT)}},
            {"d_timestamptz", INSTANT, "timestamptz", new String[] {INSTANT.toString()}},
            {"d_uuid", B, "uuid", new UUID[] {B, A}},
            {"d_bytea", bytea(("bytes-" + MARKER).getBytes(StandardCharsets.UTF_8)), "bytea", new byte[][] {("bytes-" + MARKER).getBytes(StandardCharsets.UTF_8), {0}}},
        };
        for (Object[] s : searches) {
            String column = (String) s[0];
            run(column + " = ?", "SELECT id, " + column + " FROM lab.every WHERE " + column + " = ?" + where(), s[1]);
            run("? = " + column, "SELECT id FROM lab.every WHERE ? = " + column + where(), s[1]);
            run(column + " <> ?", "SELECT id FROM lab.every WHERE " + column + " <> ?" + where(), s[1]);
            run(column + " IN", "SELECT id FROM lab.every WHERE " + column + " IN (?, ?)" + where(), s[1], s[1]);
            run(column + " = ANY", "SELECT id FROM lab.every WHERE " + column + " = ANY (?)" + where(), p -> p.setArray(1, conn.createArrayOf((String) s[2], (Object[]) s[3])));
        }
        run("d_char = varchar", "SELECT id FROM lab.every WHERE d_char = ?" + where(), "é");
        run("d_int8 = int4", "SELECT id FROM lab.every WHERE d_int8 = ?" + where(), 8);
        run("d_int2 = int8", "SELECT id FROM lab.every WHERE d_int2 = ?" + where(), 7L);
        run("d_int2 = a large int8", "SELECT id FROM lab.every WHERE d_int2 = ?" + where(), 7000000000L);
        run("d_date = setDate", "SELECT id FROM lab.every WHERE d_date = ?" + where(), p -> p.setDate(1, Date.valueOf(DAY)));
        run("d_timestamptz = setTimestamp", "SELECT id FROM lab.every WHERE d_timestamptz = ?" + where(), p -> p.setTimestamp(1, Timestamp.from(INSTANT.toInstant())));
        run("= NULL", "SELECT id FROM lab.every WHERE d_text = ?" + where(), p -> p.setNull(1, Types.VARCHAR));
        run("cast", "SELECT id FROM lab.every WHERE d_text = ?::text AND d_uuid = ?::uuid" + where(), MARKER, B.toString());
    }

    void change() throws SQLException {
        run("update", "UPDATE lab.every SET d_text = ?, r_jsonb = ?, d_date = NULL, plain = ? WHERE d_text = ? AND id > ?", "changed", typed("jsonb", "{\"x\": \"" + MARKER + "\"}"), "open", "ten", base);
        run("update returning", "UPDATE lab.every SET r_int8 = ?, d_varchar = ? WHERE id = ? RETURNING r_int8, d_varchar", 77L, "v", base + 11);
        run("delete", "DELETE FROM lab.every WHERE d_text = ? AND id > ? RETURNING *", "changed", base);
        run("count", "SELECT count(*), count(d_text), count(DISTINCT d_text) FROM lab.every WHERE id BETWEEN ? AND ?", base, base + 999);
        String nir = "1850578006084" + String.format("%02d", base / 1000);
        step("generated keys", () -> {
            try (PreparedStatement p = conn.prepareStatement("INSERT INTO lab.visit (nir, note) VALUES (?, ?)", Statement.RETURN_GENERATED_KEYS)) {
                p.setString(1, nir);
                p.setString(2, MARKER);
                p.executeUpdate();
                try (ResultSet r = p.getGeneratedKeys()) {
                    return Arrays.asList(describe(r.getMetaData()), rows(r));
                }
            }
        });
        step("generated columns", () -> {
            try (PreparedStatement p = conn.prepareStatement("UPDATE lab.visit SET note = ? WHERE nir = ?", new String[] {"id", "note"})) {
                p.setString(1, OTHER);
                p.setString(2, nir);
                p.executeUpdate();
                try (ResultSet r = p.getGeneratedKeys()) {
                    return rows(r);
                }
            }
        });
        step("generated keys of a literal", () -> {
            try (Statement s = conn.createStatement()) {
                s.executeUpdate("INSERT INTO lab.visit (note) VALUES ('literal')", Statement.RETURN_GENERATED_KEYS);
                try (ResultSet r = s.getGeneratedKeys()) {
                    return rows(r);
                }
            }
        });
        run("not unique", "INSERT INTO lab.visit (id, nir) VALUES (DEFAULT, ?)", p -> p.setNull(1, Types.VARCHAR));
    }

    void failures() throws SQLException {
        Object[][] bad = {
            {"too long", "UPDATE lab.every SET r_varchar = ? WHERE id = ?", "é".repeat(21), base + 1},
            {"bad literal", "INSERT INTO lab.every (id, plain, d_int4) VALUES (?, 'été', 'abc')", base + 90},
            {"out of range", "UPDATE lab.every SET d_int2 = ? WHERE id = ?", 70000, base + 1},
            {"literal out of range", "UPDATE lab.every SET d_int2 = 32768 WHERE id = ?", base + 1},
            {"bad date", "SELECT id FROM lab.every WHERE d_date = '2023-02-29' AND id = ?", base + 1},
            {"numeric overflow", "UPDATE lab.every SET r_numeric = ? WHERE id = ?", new BigDecimal("1234567890.5"), base + 1},
            {"bad json", "UPDATE lab.every SET r_jsonb = ? WHERE id = ?", typed("jsonb", "{"), base + 1},
            {"bad uuid", "SELECT id FROM lab.every WHERE d_uuid = 'zz' AND id = ?", base + 1},
            {"wrong type", "SELECT id FROM lab.every WHERE d_int4 = 'x'::text AND id = ?", base + 1},
            {"no such column", "SELECT d_texte FROM lab.every WHERE id = ?", base + 1},
            {"primary key", "INSERT INTO lab.every (id, d_text) VALUES (?, 'again')", base + 1},
            {"division by zero", "SELECT id / 0, d_text FROM lab.every WHERE id = ?", base + 1},
            {"syntax", "SELECT d_text FROMM lab.every WHERE id = ?", base + 1},
        };
        for (boolean autocommit : new boolean[] {true, false}) {
            conn.setAutoCommit(autocommit);
            String suffix = autocommit ? "" : " in a transaction";
            for (Object[] b : bad) {
                run(b[0] + suffix, (String) b[1], Arrays.copyOfRange(b, 2, b.length));
                run("after " + b[0] + suffix, "SELECT id, d_text FROM lab.every WHERE id = ?", base + 1);
                if (!autocommit) {
                    conn.rollback();
                    run("after rollback of " + b[0], "SELECT id, d_text FROM lab.every WHERE id = ?", base + 1);
                }
            }
        }
        for (String sql : new String[] {"SELECT id FROM lab.every WHERE d_text LIKE 'Z%' AND id = ?", "SELECT upper(d_text) FROM lab.every WHERE id = ?",
                "SELECT id FROM lab.every WHERE r_text = 'x' AND id = ?", "SELECT id FROM lab.every WHERE id = ? ORDER BY r_date"}) {
            run("refused 0A000: " + sql, sql, base + 1);
            if (!prefix.startsWith("autosave")) {
                run("refused 25P02: after " + sql, "SELECT 1");
                conn.rollback();
            }
            run("after refusal of " + sql, "SELECT id, d_text FROM lab.every WHERE id = ?", base + 1);
        }
        conn.rollback();
        conn.setAutoCommit(true);
    }

    void transactions() throws SQLException {
        conn.setAutoCommit(false);
        run("insert in transaction", "INSERT INTO lab.every (id, d_text) VALUES (?, ?)", base + 50, "fifty");
        Savepoint s = conn.setSavepoint("sévère");
        run("bad value in savepoint", "UPDATE lab.every SET d_date = 'hello'");
        conn.rollback(s);
        run("after savepoint", "SELECT d_text FROM lab.every WHERE id = ?", base + 50);
        run("undone", "UPDATE lab.every SET d_text = ? WHERE id = ? RETURNING d_text", "undone", base + 50);
        conn.rollback(s);
        conn.commit();
        run("after commit", "SELECT d_text FROM lab.every WHERE id = ?", base + 50);
        conn.rollback();
        run("not kept", "UPDATE lab.every SET d_text = ? WHERE id = ?", "not kept", base + 50);
        conn.rollback();
        run("after rollback", "SELECT d_text FROM lab.every WHERE id = ?", base + 50);
        conn.commit();
        conn.setAutoCommit(true);
    }

    void batches() throws SQLException {
        String insert = "INSERT INTO lab.every (id, d_text, d_date, r_numeric, r_bytea) VALUES (?, ?, ?, ?, ?)";
        step("batch", () -> {
            try (PreparedStatement p = conn.prepareStatement(insert)) {
                for (int i = 0; i < 13; i++) {
                    p.setInt(1, base + 100 + i);
                    p.setString(2, i % 4 == 0 ? null : "batch " + i);
                    p.setObject(3, DAY.plusDays(i));
                    p.setBigDecimal(4, BigDecimal.valueOf(i));
                    p.setObject(5, bytea(i));
                    p.addBatch();
                }
                return Arrays.toString(p.executeBatch());
            }
        });
        run("rows of batch", "SELECT id, d_text, d_date, r_numeric, r_bytea FROM lab.every WHERE id >= ?" + where(), base + 100);
        step("batch with keys", () -> {
            try (PreparedStatement p = conn.prepareStatement("INSERT INTO lab.visit (note) VALUES (?)", Statement.RETURN_GENERATED_KEYS)) {
                for (int i = 0; i < 5; i++) {
                    p.setString(1, MARKER + i);
                    p.addBatch();
                }
                String counts = Arrays.toString(p.executeBatch());
                try (ResultSet r = p.getGeneratedKeys()) {
                    return Arrays.asList(counts, rows(r));
                }
            }
        });
        step("batch of updates", () -> {
            try (PreparedStatement p = conn.prepareStatement("UPDATE lab.every SET d_text = ? WHERE d_date = ? AND id >= ?")) {
                for (int i = 0; i < 4; i++) {
                    p.setString(1, "updated " + i);
                    p.setObject(2, DAY.plusDays(i));
                    p.setInt(3, base + 100);
                    p.addBatch();
                }
                return Arrays.toString(p.executeBatch());
            }
        });
        step("batch of statements", () -> {
            try (Statement s = conn.createStatement()) {
                s.addBatch("INSERT INTO lab.every (id, d_text) VALUES (" + (base + 120) + ", 'a')");
                s.addBatch("UPDATE lab.every SET d_text = 'b' WHERE id = " + (base + 120));
                s.addBatch("DELETE FROM lab.plain");
                s.addBatch("DELETE FROM lab.every WHERE d_text = 'b' AND id = " + (base + 120));
                return Arrays.toString(s.executeBatch());
            }
        });
        step("batch with a bad value", () -> {
            try (PreparedStatement p = conn.prepareStatement("UPDATE lab.every SET r_varchar = ? WHERE id = ?")) {
                for (int i = 0; i < 4; i++) {
                    p.setString(1, i == 2 ? "x".repeat(21) : "fine");
                    p.setInt(2, base + 100);
                    p.addBatch();
                }
                return Arrays.toString(p.executeBatch());
            }
        });
        run("after batches", "SELECT id, d_text, r_varchar FROM lab.every WHERE id >= ?" + where(), base + 100);
    }

    /** With a fetch size and without autocommit rows come from a suspended portal. */
    void portals() throws SQLException {
        conn.setAutoCommit(false);
        step("fetch size", () -> {
            try (PreparedStatement p = conn.prepareStatement("SELECT id, d_text, r_date, r_numeric FROM lab.every WHERE id >= ?" + where());
                 PreparedStatement between = conn.prepareStatement("SELECT d_uuid FROM lab.every WHERE id = ?")) {
                p.setFetchSize(2);
                p.setInt(1, base);
                List<Object> all = new ArrayList<>();
                try (ResultSet r = p.executeQuery()) {
                    while (r.next()) {
                        all.add(Arrays.asList(r.getInt(1), r.getString(2), show(r.getObject(3)), r.getBigDecimal(4)));
                        if (r.getRow() % 3 == 0) { // another statement while the portal is suspended
                            between.setInt(1, base + 1);
                            try (ResultSet other = between.executeQuery()) {
                                all.add(rows(other));
                            }
                        }
                        if (r.getRow() == 5) {
                            r.setFetchSize(3);
                        }
                    }
                }
                return all;
            }
        });
        step("two portals", () -> {
            try (Statement s = conn.createStatement(); Statement t = conn.createStatement()) {
                s.setFetchSize(3);
                t.setFetchSize(4);
                List<Object> all = new ArrayList<>();
                try (ResultSet a = s.executeQuery("SELECT id, d_text FROM lab.every WHERE true" + where()); ResultSet b = t.executeQuery("SELECT r_text, id FROM lab.every WHERE true" + where())) {
                    while (a.next() && b.next()) {
                        all.add(a.getString(2) + " " + b.getString(1));
                    }
                }
                return all;
            }
        });
        step("max rows", () -> {
            try (Statement s = conn.createStatement()) {
                s.setMaxRows(3);
                return results(s, s.execute("SELECT id, d_text FROM lab.every WHERE true" + where()));
            }
        });
        step("left open", () -> {
            try (Statement s = conn.createStatement()) {
                s.setFetchSize(1);
                ResultSet r = s.executeQuery("SELECT id, d_text FROM lab.every WHERE true" + where());
                r.next();
                return r.getString(2);
            }
        });
        conn.commit();
        run("after portals", "SELECT d_text FROM lab.every WHERE id = ?", base + 1);
        conn.commit();
        conn.setAutoCommit(true);
    }

    /** The same statement again and again: it becomes a named one, in binary. */
    void repeated() throws SQLException {
        step("repeated", () -> {
            List<Object> all = new ArrayList<>();
            try (PreparedStatement p = conn.prepareStatement("SELECT " + COLUMNS + " FROM lab.every WHERE d_text = ? AND id = ?")) {
                for (int i = 0; i < 8; i++) {
                    p.setString(1, i % 3 == 2 ? null : MARKER);
                    p.setInt(2, base + 1);
                    try (ResultSet r = p.executeQuery()) {
                        all.add(rows(r));
                    }
                }
            }
            return all;
        });
        step("repeated with other types", () -> {
            List<Object> all = new ArrayList<>();
            try (PreparedStatement p = conn.prepareStatement("UPDATE lab.every SET d_int8 = ?, d_timestamptz = ? WHERE id = ? RETURNING d_int8, d_timestamptz")) {
                for (int i = 0; i < 14; i++) {
                    if (i % 2 == 0) {
                        p.setInt(1, i);
                    } else {
                        p.setLong(1, i);
                    }
                    if (i % 3 == 0) {
                        p.setTimestamp(2, Timestamp.from(INSTANT.toInstant()));
                    } else {
                        p.setObject(2, INSTANT);
                    }
                    p.setInt(3, base + 1);
                    all.add(results(p, p.execute()));
                }
            }
            return all;
        });
    }

    void resultSets() throws SQLException {
        step("updatable", () -> {
            try (PreparedStatement p = conn.prepareStatement("SELECT id, d_text, r_int4, d_date FROM lab.every WHERE id IN (?, ?) ORDER BY id", ResultSet.TYPE_SCROLL_INSENSITIVE, ResultSet.CONCUR_UPDATABLE)) {
                p.setInt(1, base + 1);
                p.setInt(2, base + 2);
                try (ResultSet r = p.executeQuery()) {
                    r.last();
                    r.updateString("d_text", OTHER);
                    r.updateInt("r_int4", 4711);
                    r.updateNull("d_date");
                    r.updateRow();
                    r.refreshRow();
                    List<Object> now = Arrays.asList(r.getRow(), r.getString(2), r.getInt(3), r.getString(4));
                    r.moveToInsertRow();
                    r.updateInt("id", base + 300);
                    r.updateString("d_text", "inserted");
                    r.insertRow();
                    r.first();
                    return Arrays.asList(now, r.getString(2));
                }
            }
        });
        run("after updates", "SELECT id, d_text, r_int4, d_date FROM lab.every WHERE id IN (?, ?, ?) ORDER BY id", base + 1, base + 2, base + 300);
        plain("several statements", "SELECT 1; SELECT id, d_text FROM lab.every WHERE id = " + (base + 1) + "; INSERT INTO lab.every (id, d_text) VALUES (" + (base + 301) + ", 'x;y'); SELECT 'last'");
        step("catalog", () -> {
            DatabaseMetaData m = conn.getMetaData();
            List<Object> all = new ArrayList<>();
            all.add(m.getDatabaseProductVersion() + " " + m.getUserName());
            try (ResultSet r = m.getColumns(null, "lab", null, null)) {
                all.add(rows(r));
            }
            for (String table : new String[] {"patient", "stay", "stay_1", "visit", "seen"}) {
                try (ResultSet r = m.getIndexInfo(null, "lab", table, false, true)) {
                    all.add(rows(r));
                }
                try (ResultSet r = m.getImportedKeys(null, "lab", table)) {
                    all.add(rows(r));
                }
                try (ResultSet r = m.getExportedKeys(null, "lab", table)) {
                    all.add(rows(r));
                }
                try (ResultSet r = m.getBestRowIdentifier(null, "lab", table, DatabaseMetaData.bestRowSession, true)) {
                    all.add(rows(r));
                }
            }
            try (ResultSet r = m.getPrimaryKeys(null, "lab", "every")) {
                all.add(rows(r));
            }
            try (ResultSet r = m.getTables(null, "lab", null, new String[] {"TABLE", "VIEW"})) {
                all.add(rows(r));
            }
            return all;
        });
    }

    void rest() throws SQLException {
        PGConnection pg = conn.unwrap(PGConnection.class);
        CopyManager copies = pg.getCopyAPI();
        step("copy", () -> copies.copyIn("COPY lab.plain (id, note) FROM STDIN", new StringReader(base + "\té\n" + (base + 1) + "\t\\N\n")));
        step("copy out", () -> {
            StringWriter w = new StringWriter();
            long n = copies.copyOut("COPY (SELECT * FROM lab.plain WHERE id >= " + base + " ORDER BY id) TO STDOUT (FORMAT csv)", w);
            return n + " " + w;
        });
        step("bad copy", () -> copies.copyIn("COPY lab.plain (id, note) FROM STDIN", new StringReader("x\té\n")));
        conn.setAutoCommit(false);
        step("copy to tagged", () -> copies.copyIn("COPY lab.every (id, d_text) FROM STDIN", new StringReader((base + 400) + "\t" + MARKER + "\n")));
        conn.rollback();
        step("bad copy to tagged", () -> copies.copyIn("COPY lab.every (id, r_int4) FROM STDIN", new StringReader((base + 401) + "\tseven\n")));
        conn.rollback();
        step("copy from tagged", () -> {
            StringWriter w = new StringWriter();
            long n = copies.copyOut("COPY (SELECT id, d_text, r_date FROM lab.every ORDER BY id) TO STDOUT (FORMAT csv, HEADER)", w);
            return n + " " + w;
        });
        conn.rollback();
        run("after copies", "SELECT d_text FROM lab.every WHERE id = ?", base + 1);
        if (!simple) { // the driver's fast path needs the extended protocol
            step("large object", () -> {
                LargeObjectManager manager = pg.getLargeObjectAPI();
                long oid = manager.createLO();
                LargeObject o = manager.open(oid);
                o.write("a large object".getBytes(StandardCharsets.UTF_8));
                o.seek(2);
                String content = new String(o.read(5), StandardCharsets.UTF_8);
                int at = o.tell();
                o.close();
                manager.delete(oid);
                return content + at;
            });
        }
        conn.commit();
        conn.setAutoCommit(true);
        plain("listen", "LISTEN pgjdbc_channel");
        run("notify", "SELECT pg_notify('pgjdbc_channel', ?)", "été");
        step("notifications", () -> {
            List<Object> all = new ArrayList<>();
            PGNotification[] got = pg.getNotifications(5000);
            for (PGNotification n : got == null ? new PGNotification[0] : got) {
                all.add(n.getName() + " " + n.getParameter() + " " + (n.getPID() == pg.getBackendPID()));
            }
            return all;
        });
        step("warning", () -> {
            try (Statement s = conn.createStatement()) {
                s.execute("DO $$ BEGIN RAISE WARNING 'été'; END $$");
                return s.getWarnings().getMessage();
            }
        });
        for (String sql : new String[] {"SELECT pg_sleep(30)", "SELECT d_text, pg_sleep(30) FROM lab.every WHERE id = " + (base + 1)}) {
            step("cancel " + sql, () -> {
                try (Statement s = conn.createStatement()) {
                    Thread t = new Thread(() -> {
                        try {
                            Thread.sleep(300);
                            s.cancel();
                        } catch (SQLException | InterruptedException e) {
                            throw new IllegalStateException(e);
                        }
                    });
                    t.start();
                    try {
                        return results(s, s.execute(sql));
                    } finally {
                        t.join();
                    }
                }
            });
            run("after cancel " + sql, "SELECT d_text FROM lab.every WHERE id = ?", base + 1);
        }
    }
}

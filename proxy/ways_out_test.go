package proxy_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// shownTable is what waysOut reads: a table lab.shown with an id, a column plain that is not
// tagged, and the tagged columns; a view of it, and the rights.
func shownTable(columns ...string) []string {
	table := "CREATE TABLE lab.shown (id int PRIMARY KEY, plain text"
	for _, name := range columns {
		table += ", " + name + " bytea"
	}
	return []string{
		`CREATE SCHEMA lab`, table + ")", `CREATE VIEW lab.seen AS SELECT * FROM lab.shown`,
		`GRANT USAGE ON SCHEMA lab TO biologist, secretary, researcher`,
		`GRANT ALL ON ALL TABLES IN SCHEMA lab TO biologist, secretary, researcher`,
	}
}

// waysOut gives what a client sees of a column of a row of lab.shown, as text, by each of the
// ways in which values leave.
func waysOut(t *testing.T, conn *pgx.Conn, column string, id int) map[string]string {
	t.Helper()
	seen := make(map[string]string)
	for way, row := range rowWaysOut(t, conn, []string{column}, id) {
		seen[way] = row[0]
	}
	return seen
}

// sqlWay is a way in which values leave by statements alone: the last one gives them.
type sqlWay struct {
	name       string
	statements []string
	after      string
}

// sqlWays are such ways for some columns of a row of lab.shown.
func sqlWays(columns []string, id int) []sqlWay {
	list := strings.Join(columns, ", ")
	query := fmt.Sprintf("SELECT %s FROM lab.shown WHERE id = %d", list, id)
	return []sqlWay{
		{"simple", []string{query}, ""},
		{"cursor", []string{"BEGIN", "DECLARE c CURSOR FOR " + query, "FETCH ALL FROM c"}, "ROLLBACK"},
		{"execute", []string{"PREPARE p AS " + query, "EXECUTE p"}, "DEALLOCATE ALL"},
		{"returning", []string{fmt.Sprintf("UPDATE lab.shown SET plain = plain WHERE id = %d RETURNING %s", id, list)}, ""},
		{"view", []string{fmt.Sprintf("SELECT %s FROM lab.seen WHERE id = %d", list, id)}, ""},
		{"WITH", []string{fmt.Sprintf("WITH w AS (SELECT id, %s FROM lab.seen) SELECT %[1]s FROM w WHERE id = %[2]d", list, id)}, ""},
		{"subquery", []string{fmt.Sprintf("SELECT (SELECT %s FROM lab.seen w WHERE w.id = s.id) FROM lab.shown s WHERE id = %d", strings.Join(columns, " FROM lab.seen w WHERE w.id = s.id), (SELECT "), id)}, ""},
	}
}

// rowWaysOut is waysOut of several columns at once.
func rowWaysOut(t *testing.T, conn *pgx.Conn, columns []string, id int) map[string][]string {
	t.Helper()
	ctx, pg := context.Background(), conn.PgConn()
	seen := make(map[string][]string)
	list := strings.Join(columns, ", ")
	query := fmt.Sprintf("SELECT %s FROM lab.shown WHERE id = %d", list, id)
	for _, way := range sqlWays(columns, id) {
		lines := strings.Split(show(t, conn, strings.Join(way.statements, "; ")), "\n")
		seen[way.name] = strings.Split(lines[len(lines)-1], "|")
		show(t, conn, way.after)
	}
	description, err := pg.Prepare(ctx, "shown", fmt.Sprintf("SELECT %s FROM lab.shown WHERE id = $1", list), nil)
	if err != nil {
		t.Fatal(err)
	}
	for way, format := range map[string]int16{"extended text": 0, "extended binary": 1} {
		param := [][]byte{fmt.Append(nil, id)}
		for _, result := range []*pgconn.Result{
			pg.ExecParams(ctx, fmt.Sprintf("SELECT %s FROM lab.shown WHERE id = $1", list), param, nil, nil, []int16{format}).Read(),
			pg.ExecPrepared(ctx, "shown", param, nil, []int16{format}).Read(),
		} {
			if result.Err != nil || len(result.Rows) != 1 {
				t.Fatalf("%s: %d rows, %v", way, len(result.Rows), result.Err)
			}
			var row []string
			for i, value := range result.Rows[0] {
				row = append(row, asText(t, conn, description.Fields[i].DataTypeOID, format, value))
			}
			seen[way] = row
			way += ", prepared"
		}
	}
	if err := pg.Deallocate(ctx, "shown"); err != nil {
		t.Fatal(err)
	}

	var text, table, binaryCopy bytes.Buffer
	for options, to := range map[string]*bytes.Buffer{"": &text, " (FORMAT csv, NULL 'NULL')": &table, " (FORMAT binary)": &binaryCopy} {
		if _, err := pg.CopyTo(ctx, to, "COPY ("+query+") TO STDOUT"+options); err != nil {
			t.Fatal(err)
		}
	}
	for _, field := range strings.Split(strings.TrimSuffix(text.String(), "\n"), "\t") {
		seen["copy"] = append(seen["copy"], strings.NewReplacer(`\N`, "NULL", `\\`, `\`).Replace(field))
	}
	if seen["copy csv"], err = csv.NewReader(&table).Read(); err != nil {
		t.Fatal(err)
	}
	const header = 11 + 4 + 4 + 2 // of the data, and the number of fields of a row
	field := binaryCopy.Bytes()[header:]
	for i := range columns {
		n := int32(binary.BigEndian.Uint32(field))
		field = field[4:]
		if n < 0 {
			seen["copy binary"] = append(seen["copy binary"], "NULL")
			continue
		}
		seen["copy binary"] = append(seen["copy binary"], asText(t, conn, description.Fields[i].DataTypeOID, 1, field[:n]))
		field = field[n:]
	}

	var pairs []string
	for _, column := range columns {
		pairs = append(pairs, fmt.Sprintf("'%s', %[1]s", column))
	}
	for way, sql := range map[string]string{
		"json":        fmt.Sprintf("SELECT json_build_object(%s) FROM lab.shown WHERE id = %d", strings.Join(pairs, ", "), id),
		"row_to_json": fmt.Sprintf("SELECT row_to_json(x) FROM (%s) x", query),
	} {
		row := make(map[string]any)
		decoder := json.NewDecoder(strings.NewReader(show(t, conn, sql)))
		decoder.UseNumber()
		if err := decoder.Decode(&row); err != nil {
			t.Fatal(err)
		}
		for _, column := range columns {
			shown := fmt.Sprint(row[column])
			if row[column] == nil {
				shown = "NULL"
			}
			seen[way] = append(seen[way], shown)
		}
	}
	return seen
}

// asText gives a value as the server writes it as text, of whatever format it is.
func asText(t *testing.T, conn *pgx.Conn, oid uint32, format int16, value []byte) string {
	t.Helper()
	if value == nil {
		return "NULL"
	}
	if format == pgtype.TextFormatCode {
		return string(value)
	}
	typ, ok := conn.TypeMap().TypeForOID(oid)
	if !ok {
		t.Fatalf("type %d is not known", oid)
	}
	decoded, err := typ.Codec.DecodeValue(conn.TypeMap(), oid, format, value)
	if err != nil {
		t.Fatalf("%s: %v", typ.Name, err)
	}
	text, err := conn.TypeMap().Encode(oid, pgtype.TextFormatCode, decoded, nil)
	if err != nil {
		t.Fatalf("%s: %v", typ.Name, err)
	}
	return string(text)
}

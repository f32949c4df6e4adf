package proxy_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// TestSlippedElsewhere: forms of statements in which other proxies have let values
// pass in the clear. Each gives what a server with the columns in the clear gives, or
// is refused; nothing of it is found at the server.
func TestSlippedElsewhere(t *testing.T) {
	p := startPair(t)
	p.run(t, []step{
		// A later statement of a Query message.
		{sql: "SELECT 1; INSERT INTO lab.patient (id, nir, last_name) VALUES (1, 'Marker-A', 'Marker-B'); SELECT nir FROM lab.patient"},
		{sql: "BEGIN; UPDATE lab.patient SET last_name = 'Marker-C' WHERE nir = 'Marker-A'; COMMIT"},
		// INSERT in a CTE, INSERT … SELECT, MERGE.
		{sql: "WITH i AS (INSERT INTO lab.patient (id, nir, last_name) VALUES (2, 'Marker-D', $1) RETURNING id, nir) SELECT * FROM i", params: []any{"Marker-E"}},
		{sql: "INSERT INTO lab.patient (id, nir, last_name) SELECT 3, 'Marker-F', $1", params: []any{"Marker-G"}},
		{sql: "INSERT INTO lab.patient (id, last_name) SELECT 3, last_name || 'Marker-X' FROM lab.patient", refused: "||"},
		{sql: "MERGE INTO lab.patient p USING (VALUES (3, 'Marker-H')) v (id, n) ON p.id = v.id WHEN MATCHED THEN UPDATE SET nir = v.n, last_name = $1", params: []any{"Marker-I"}},
		// ON CONFLICT DO UPDATE.
		{sql: "INSERT INTO lab.patient (id) VALUES (3) ON CONFLICT (id) DO UPDATE SET last_name = 'Marker-J'"},
		{sql: "INSERT INTO lab.patient (id, nir) VALUES (3, $1) ON CONFLICT (id) DO UPDATE SET nir = $2, last_name = excluded.last_name", params: []any{"Marker-K", "Marker-L"}},
		// SET with operators and with several columns.
		{sql: "UPDATE lab.patient SET last_name = 'Marker-' || 'M' WHERE id = 3"},
		{sql: "UPDATE lab.patient SET last_name = city || 'Marker-X'", refused: "cannot assign"},
		{sql: "UPDATE lab.patient SET last_name = last_name || 'Marker-X'", refused: "||"},
		{sql: "UPDATE lab.patient SET (city, last_name) = ('open', 'Marker-N') WHERE id = 3"},
		{sql: "UPDATE lab.patient SET (city, last_name) = ROW($1, $2) WHERE id = 3", params: []any{"open", "Marker-O"}},
		{sql: "UPDATE lab.patient SET (last_name, city) = (SELECT 'Marker-P', 'open') WHERE id = 3"},
		// Parameters.
		{sql: "INSERT INTO lab.patient (id, last_name, email) VALUES (4, $1, $1)", params: []any{"Marker-Q"}},
		{sql: "INSERT INTO lab.patient (id, email, city) VALUES (5, $1, $1)", params: []any{"open"}, oids: []uint32{1043}},
		{sql: "INSERT INTO lab.patient (id, nir) VALUES ($1, $2::bytea)", params: []any{"6", "Marker-X"}},
		{sql: "INSERT INTO lab.every (id, r_bytea) VALUES ($1, $2::bytea)", params: []any{"6", "Marker-R"}},
		{sql: "INSERT INTO lab.patient (id, last_name) VALUES ($1, coalesce($2, 'Marker-S'))", params: []any{"6", nil}},
		{sql: "UPDATE lab.patient SET last_name = coalesce($2, last_name) WHERE id = $1", params: []any{"6", "Marker-T"}},
		{sql: "INSERT INTO lab.patient (id, nir) VALUES ($1, $2::varchar)", params: []any{"7", "Marker-U"}},
		// Searches.
		{sql: "SELECT id FROM lab.patient WHERE nir IN ('Marker-A', $1) ORDER BY id", params: []any{"Marker-U"}},
		{sql: "SELECT id FROM lab.patient WHERE nir = ANY ($1) ORDER BY id", params: []any{"{Marker-A,Marker-U}"}},
		{sql: "SELECT id FROM lab.patient WHERE nir = ANY ('{Marker-A,Marker-U}') ORDER BY id"},
		{sql: "SELECT id FROM lab.patient WHERE 'Marker-A' = nir OR $1 = nir ORDER BY id", params: []any{"Marker-U"}},
		{sql: "SELECT id FROM lab.patient WHERE nir = $1::varchar", params: []any{"Marker-U"}},
		{sql: "SELECT id FROM lab.patient WHERE nir = upper($1)", params: []any{"Marker-u"}},
		// Tables of one name in two schemas.
		{sql: "INSERT INTO other.patient (id, nir) VALUES (1, 'open')"},
		{sql: "SET search_path TO other, lab"},
		{sql: "INSERT INTO patient (id, nir) VALUES (2, 'open')"},
		{sql: "SET search_path TO lab, other"},
		{sql: "INSERT INTO patient (id, nir) VALUES (8, 'Marker-V')"},
		{sql: "SELECT nir FROM patient WHERE nir = 'Marker-V'"},
		{sql: "RESET search_path"},
		{sql: "SELECT * FROM other.patient ORDER BY id"},
		allPatients,
	})
	want, got := pipelined(t, p.direct), pipelined(t, p.through)
	for i := range want {
		compareAnswers(t, "a statement of the pipeline", want[i], got[i])
	}
	p.run(t, []step{allPatients})
	p.sealed(t, "Marker-", "MARKER-")
}

// pipelined runs the unnamed statement again and again within one pipeline, and
// another one in its place.
func pipelined(t *testing.T, c *pgconn.PgConn) []answer {
	t.Helper()
	pipeline := c.StartPipeline(context.Background())
	pipeline.SendPrepare("", "INSERT INTO lab.patient (id, nir, city) VALUES ($1, $2, $3) RETURNING nir", nil)
	for _, row := range [][2]string{{"20", "Marker-W"}, {"21", "Marker-Y"}, {"22", "Marker-Z"}} {
		pipeline.SendQueryPrepared("", [][]byte{[]byte(row[0]), []byte(row[1]), []byte("open")}, nil, nil)
	}
	pipeline.SendPrepare("", "UPDATE lab.patient SET last_name = upper($2) WHERE nir = $1 RETURNING last_name", nil)
	pipeline.SendQueryPrepared("", [][]byte{[]byte("Marker-Y"), []byte("Marker-y")}, nil, nil)
	if err := pipeline.Sync(); err != nil {
		t.Fatal(err)
	}
	var answers []answer
	for {
		r, err := pipeline.GetResults()
		if err != nil {
			t.Fatal(err)
		}
		switch r := r.(type) {
		case *pgconn.ResultReader:
			result := r.Read()
			answers = append(answers, answer{[]*pgconn.Result{result}, result.Err})
		case *pgconn.PipelineSync:
			if err := pipeline.Close(); err != nil {
				t.Fatal(err)
			}
			if len(answers) != 4 {
				t.Fatalf("%d answers", len(answers))
			}
			return answers
		}
	}
}

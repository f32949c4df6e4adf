package proxy_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// TestQueriesWays: what a query makes of sealed columns is the same by COPY, through a
// cursor and by EXECUTE as on tables in the clear.
func TestQueriesWays(t *testing.T) {
	_, through, direct := queryPair(t)
	sameCopies(t, through, direct, []string{
		`COPY (SELECT nir::varchar(3), coalesce(email, '-'), coalesce(nir, 'x ') FROM lab.patient ORDER BY id) TO STDOUT`,
		`COPY (SELECT array_agg(email ORDER BY id), array_agg(nir ORDER BY id) FROM lab.patient) TO STDOUT`,
		`COPY (WITH p AS (SELECT id, last_name AS n FROM lab.patient) SELECT n FROM p UNION ALL SELECT 'z' UNION ALL SELECT NULL) TO STDOUT (FORMAT csv)`,
		`COPY (SELECT array_agg(birth_date ORDER BY id), ARRAY(SELECT last_name FROM lab.patient ORDER BY id) FROM lab.patient) TO STDOUT (FORMAT binary)`,
		`COPY (SELECT CASE WHEN id = 1 THEN nir ELSE last_name END, birth_date::text FROM lab.patient ORDER BY id) TO STDOUT (FORMAT binary)`,
	})
	sameSteps(t, through, direct, [][]string{
		{`BEGIN`, `DECLARE c CURSOR FOR SELECT coalesce(nir, '-'), email::char(4), (SELECT array_agg(last_name ORDER BY id) FROM lab.patient) FROM lab.patient ORDER BY id`, `FETCH 2 FROM c`, `FETCH ALL FROM c`, `ROLLBACK`},
		{`BEGIN`, `DECLARE c SCROLL CURSOR FOR SELECT nir FROM lab.patient WHERE id = 1 UNION ALL SELECT 'none'`, `FETCH LAST FROM c`, `ROLLBACK`},
		{`PREPARE p AS SELECT coalesce(nir, $1), nullif(email, $2) FROM lab.patient ORDER BY id`, `EXECUTE p('a ', 'anne@exemple.fr')`, `EXECUTE p(NULL, '')`, `DEALLOCATE p`},
		{`PREPARE p (text) AS WITH x AS (SELECT id, email AS e FROM lab.patient) SELECT id FROM x WHERE e = $1 UNION ALL SELECT 0`, `EXECUTE p('anne@exemple.fr')`, `DEALLOCATE p`},
	})
}

// sameCopies compares the data of COPYs.
func sameCopies(t *testing.T, through, direct *pgconn.PgConn, copies []string) {
	t.Helper()
	for _, sql := range copies {
		var want, got bytes.Buffer
		_, a := direct.CopyTo(context.Background(), &want, sql)
		_, b := through.CopyTo(context.Background(), &got, sql)
		if a != nil || b != nil || !bytes.Equal(want.Bytes(), got.Bytes()) {
			t.Errorf("%s\ndirectly %q %v\nthrough pgveil %q %v", sql, want.Bytes(), a, got.Bytes(), b)
		}
	}
}

// sameSteps compares the answers to statements that follow one another.
func sameSteps(t *testing.T, through, direct *pgconn.PgConn, sequences [][]string) {
	t.Helper()
	for _, steps := range sequences {
		for _, sql := range steps {
			if want, got := queryAnswer(t, direct, queryCase{sql: sql}, "simple"), queryAnswer(t, through, queryCase{sql: sql}, "simple"); want != got {
				t.Errorf("%s\ndirectly\n%s\nthrough pgveil\n%s", sql, want, got)
			}
		}
	}
}

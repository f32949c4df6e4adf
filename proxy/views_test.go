package proxy_test

import (
	"context"
	"strings"
	"testing"

	"github.com/pgveil/pgveil/testenv/stack"
)

// changedViews are views that statements change, in the sealed database and in the twin.
var changedViews = []string{
	`CREATE VIEW lab.lyon AS SELECT id, nir, last_name, birth_date, city FROM lab.patient WHERE city IS DISTINCT FROM 'Paris' WITH CHECK OPTION`,
	`CREATE VIEW lab.card (number, "Name", key) AS SELECT l.nir, l.last_name, l.id FROM lab.lyon l WHERE l.nir IS NOT NULL WITH LOCAL CHECK OPTION`,
	`CREATE VIEW lab.joined AS SELECT r.id, p.nir, p.last_name, r.outcome FROM lab.patient p JOIN lab.result r ON r.patient = p.id`,
	`CREATE VIEW lab.grouped AS SELECT nir, count(*) AS n FROM lab.patient GROUP BY nir`,
	`CREATE VIEW lab.nameless AS SELECT id, nir, last_name IS NULL AS nameless FROM lab.patient`,
	`CREATE VIEW lab.ruled AS SELECT id, nir FROM lab.patient`,
	`CREATE RULE changed AS ON INSERT TO lab.ruled DO INSTEAD INSERT INTO lab.patient (id, nir) VALUES (NEW.id, NEW.nir)`,
	`CREATE VIEW lab.over_ruled AS SELECT id, nir FROM lab.ruled`,
	`CREATE MATERIALIZED VIEW lab.kept AS SELECT id, nir FROM lab.patient`,
	`CREATE VIEW lab.entry AS SELECT r.id, p.nir, p.last_name, r.outcome FROM lab.patient p JOIN lab.result r ON r.patient = p.id`,
	`CREATE FUNCTION lab.enter() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
		INSERT INTO lab.patient (id, nir, last_name) VALUES (NEW.id, NEW.nir, NEW.last_name);
		INSERT INTO lab.result (id, patient, nir, outcome) VALUES (NEW.id, NEW.id, NEW.nir, NEW.outcome);
		RETURN NEW;
	END$$`,
	`CREATE TRIGGER enter INSTEAD OF INSERT ON lab.entry FOR EACH ROW EXECUTE FUNCTION lab.enter()`,
	`GRANT ALL ON ALL TABLES IN SCHEMA lab TO PUBLIC`,
}

// startViews is startPair with the views and what it takes to change them.
func startViews(t *testing.T) *pair {
	t.Helper()
	p := startPair(t)
	if err := p.stack.Postgres.ExecIn(context.Background(), stack.Database, append(changedViews, `ALTER VIEW lab.card OWNER TO biologist`)...); err != nil {
		t.Fatal(err)
	}
	if err := p.stack.Server.Check(context.Background()); err != nil {
		t.Fatal(err)
	}
	for _, sql := range changedViews {
		if sql = strings.Replace(sql, "TO PUBLIC", "TO postgres", 1); ask(p.direct, step{sql: sql}).err != nil {
			t.Fatalf("%s: %v", sql, ask(p.direct, step{sql: sql}).err)
		}
	}
	return p
}

// TestChangeThroughViews: a statement that changes a table through a view seals what it
// stores there, and the server decides whether the view can be changed.
func TestChangeThroughViews(t *testing.T) {
	p := startViews(t)
	p.run(t, []step{
		{sql: "INSERT INTO lab.lyon (id, nir, last_name) VALUES (1, 'Marker-A', 'Marker-B') RETURNING *"},
		{sql: "INSERT INTO lab.lyon VALUES ($1, $2, $3, $4, $5) RETURNING nir, birth_date", params: []any{"2", "Marker-C", "Marker-D", "1942-03-05", "Lyon"}},
		{sql: "INSERT INTO lab.lyon (id, nir, city) VALUES (3, 'Marker-E', 'Paris')"},
		{sql: "INSERT INTO lab.lyon (id, nir, city) SELECT id + 10, nir, city FROM lab.patient WHERE nir = 'Marker-C' ON CONFLICT (nir) DO UPDATE SET last_name = 'Marker-F', birth_date = excluded.birth_date WHERE lyon.nir = 'Marker-C' RETURNING *"},
		{sql: "INSERT INTO lab.card (key, number, \"Name\") VALUES (4, 'Marker-G', upper('Marker-H')), (5, 'Marker-I', NULL) RETURNING number, \"Name\""},
		{sql: "INSERT INTO lab.card (key, number) VALUES (6, NULL)"},
		{sql: "INSERT INTO lab.card (key, number) VALUES (6, 'Marker-A')"},
		{sql: "INSERT INTO lab.card VALUES ('Marker-J', $1, $2)", params: []any{"Marker-K", "7"}},
		{sql: "UPDATE lab.card SET \"Name\" = $1 WHERE number = $2 RETURNING *", params: []any{"Marker-L", "Marker-G"}},
		{sql: "UPDATE lab.card c SET (number, \"Name\") = ('Marker-M', 'Marker-N') WHERE c.key = 7 RETURNING c.number"},
		{sql: "UPDATE lab.lyon SET city = 'Paris' WHERE nir = 'Marker-A'"},
		{sql: "UPDATE lab.lyon SET nir = '0123456789012345'"},
		{sql: "UPDATE lab.lyon SET birth_date = 'no date'"},
		{sql: "UPDATE lab.card SET number = NULL WHERE key = 7"},
		{sql: "UPDATE lab.lyon SET nir = city", refused: "cannot assign"},
		{sql: "UPDATE lab.lyon SET city = nir", refused: "cannot copy"},
		{sql: "UPDATE lab.lyon SET city = 'x' WHERE last_name = 'Marker-B'", refused: "cannot search"},
		{sql: "UPDATE lab.lyon SET last_name = 'Marker-O' FROM lab.card c WHERE c.number = lyon.nir AND c.key = 5 RETURNING lyon.*, c.\"Name\""},
		{sql: "WITH u AS (UPDATE lab.card SET \"Name\" = 'Marker-P' WHERE key = 5 RETURNING number, key) INSERT INTO lab.result (id, patient, nir) SELECT key, key, number FROM u RETURNING nir"},
		{sql: "MERGE INTO lab.card c USING lab.plain s ON c.key = s.id WHEN NOT MATCHED THEN INSERT (key, number) VALUES (8, 'Marker-Q')"},
		{sql: "DELETE FROM lab.lyon USING lab.card c WHERE c.number = lyon.nir AND c.number = 'Marker-M' RETURNING lyon.nir, lyon.last_name"},
		{sql: "EXPLAIN (COSTS off) DELETE FROM lab.card WHERE key = 1"},
		// What the server does not change.
		{sql: "INSERT INTO lab.joined (id, nir, outcome) VALUES (9, 'Marker-R', 'Marker-S')"},
		{sql: "UPDATE lab.joined SET nir = 'Marker-T'"},
		{sql: "UPDATE lab.grouped SET nir = 'Marker-U'"},
		{sql: "DELETE FROM lab.grouped WHERE nir = 'Marker-V'"},
		{sql: "INSERT INTO lab.nameless (id, nir) VALUES (10, 'Marker-W') RETURNING *"},
		{sql: "UPDATE lab.nameless SET nameless = true"},
		{sql: "UPDATE lab.kept SET nir = 'Marker-X'"},
		{sql: "INSERT INTO lab.lyon (id, email) VALUES (11, 'Marker-Y')"},
		{sql: "INSERT INTO lab.lyon (id) VALUES (11) RETURNING ctid"},
		// Rules and triggers.
		{sql: "INSERT INTO lab.ruled VALUES (12, 'Marker-Z')", refused: "it has rules"},
		{sql: "INSERT INTO lab.over_ruled VALUES (12, 'Marker-Z')", refused: "rules"},
		{sql: "SELECT count(*) FROM lab.over_ruled"},
		{sql: "INSERT INTO lab.entry (id, nir, last_name, outcome) VALUES (13, 'Marker-a', 'Marker-b', $1) RETURNING *", params: []any{"Marker-c"}},
		{sql: "UPDATE lab.entry SET outcome = 'Marker-d'"},
		// A default of the view's own.
		{sql: "ALTER VIEW lab.card ALTER COLUMN \"Name\" SET DEFAULT 'Marker-e'"},
		{sql: "INSERT INTO lab.card (key, number) VALUES (14, 'Marker-f') RETURNING *"},
		{sql: "INSERT INTO lab.card (key, number, \"Name\") VALUES (15, DEFAULT, DEFAULT)"},
		{sql: "PREPARE change AS UPDATE lab.card SET \"Name\" = $2 WHERE number = $1 RETURNING key, \"Name\""},
		{sql: "EXECUTE change ('Marker-f', 'Marker-g')"},
		allPatients, allResults,
	})
	p.sealed(t, "Marker-", "1942-03-05")
}

// TestViewVerdicts: what a role may not do to a column it may not do through a view.
func TestViewVerdicts(t *testing.T) {
	p := startViews(t)
	fill(t, p.stack)
	for _, c := range []struct{ role, sql, want string }{
		{"researcher", `INSERT INTO lab.lyon (id, nir) VALUES (9, '` + nir1 + `')`, "42501"},
		{"researcher", `UPDATE lab.lyon SET city = 'x' WHERE nir = '` + nir2 + `'`, "42501"},
		{"researcher", `DELETE FROM lab.card`, "42501"}, // its condition tells NULL from a value
		{"secretary", `UPDATE lab.card SET "Name" = 'Martin' WHERE number = '` + nir2 + `' RETURNING number, "Name"`, "2**************|Martin"},
		{"secretary", `UPDATE lab.entry SET outcome = 'x' RETURNING outcome`, "42501"},
		{"secretary", `INSERT INTO lab.lyon (id, nir) SELECT 7, nir FROM lab.result WHERE id = 1`, "42501"},
	} {
		if got := show(t, p.stack.Connect(t, c.role), c.sql); got != c.want {
			t.Errorf("%s: %s\ngot  %q\nwant %q", c.role, c.sql, got, c.want)
		}
	}
}

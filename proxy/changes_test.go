package proxy_test

import (
	"strings"
	"testing"
)

// These read what the steps before them have stored.
var (
	allPatients = step{sql: "SELECT id, nir, email, last_name, birth_date, city FROM lab.patient ORDER BY id"}
	allResults  = step{sql: "SELECT id, patient, nir, outcome FROM lab.result ORDER BY id"}
)

func TestInsertSelect(t *testing.T) {
	p := startPair(t)
	p.run(t, []step{
		{sql: "INSERT INTO lab.plain VALUES (1, 'one', 'x'), (2, 'two', 'y'), (3, NULL, NULL)"},
		{sql: "INSERT INTO lab.patient (id, nir, last_name, city) SELECT id, 'Marker-A', 'Marker-B', note FROM lab.plain WHERE id = 1"},
		{sql: "INSERT INTO lab.patient (id, nir, last_name, birth_date) SELECT 2, $1, $2, $3", params: []any{"Marker-C", "Marker-D", "1942-03-05"}},
		{sql: "INSERT INTO lab.patient (id, nir, city) SELECT $1, $2, $2", params: []any{"20", "open"}, oids: []uint32{0, 25}},
		{sql: "INSERT INTO lab.patient (id, nir) SELECT 3, NULL UNION ALL SELECT 4, 'Marker-E' UNION ALL SELECT id + 4, nir || 'x' FROM (SELECT id, NULL AS nir FROM lab.plain WHERE id = 1) s", refused: "cannot assign"},
		{sql: "INSERT INTO lab.patient (id, nir) SELECT 3, NULL UNION ALL SELECT 4, 'Marker-E'"},
		{sql: "INSERT INTO lab.result (id, patient, nir, outcome) SELECT p.id, p.id, p.nir, 'Marker-F' FROM lab.patient p WHERE p.nir IS NOT NULL RETURNING *"},
		{sql: "INSERT INTO lab.result (id, nir, outcome) SELECT 100 + id, nir, outcome FROM lab.result WHERE nir = 'Marker-A' RETURNING id, nir, outcome"},
		{sql: "INSERT INTO lab.result (id, nir) SELECT 200, (SELECT nir FROM lab.patient WHERE id = 1)"},
		{sql: "INSERT INTO lab.result (id, nir, outcome) SELECT 201 + id, CASE WHEN id = 1 THEN nir WHEN id = 2 THEN 'Marker-G' ELSE $1 END, coalesce(NULL, 'Marker-H') FROM lab.patient WHERE id < 4", params: []any{"Marker-I"}},
		{sql: "INSERT INTO lab.result (id, nir) SELECT id, last_name FROM lab.patient", refused: "last_name"},
		{sql: "INSERT INTO lab.result (id, nir) SELECT 300, city FROM lab.patient", refused: "cannot assign"},
		{sql: "INSERT INTO lab.plain (id, nir) SELECT 300, nir FROM lab.patient", refused: "cannot copy"},
		{sql: "INSERT INTO lab.patient (id, last_name) SELECT 301, $1", params: []any{"Marker-" + strings.Repeat("0", 80)}},
		{sql: "INSERT INTO lab.patient (id, birth_date) SELECT 302, 'not a date'"},
		{sql: "INSERT INTO lab.patient (id, birth_date) SELECT 302, '1942-03-05' FROM lab.plain WHERE false"},
		{sql: "INSERT INTO lab.patient (id, nir) SELECT 1, 'Marker-A'"},
		{sql: "INSERT INTO lab.patient DEFAULT VALUES"},
		{sql: "INSERT INTO lab.patient (id, nir) VALUES (30, 'Marker-J'), (31, 'Marker-K') ORDER BY 1 DESC LIMIT 1 RETURNING id, nir"},
		{sql: "WITH n AS (INSERT INTO lab.patient (id, nir) VALUES (40, 'Marker-L') RETURNING id, nir) INSERT INTO lab.result (id, patient, nir) SELECT 400, NULL, nir FROM n"},
		{sql: "INSERT INTO lab.result (id, nir) WITH s AS (SELECT nir AS n FROM lab.patient WHERE id = 1) SELECT 401, n FROM s"},
		{sql: "INSERT INTO other.patient (id, nir) SELECT 1, 'not secret'"},
		{sql: "INSERT INTO lab.patient (id, nir) SELECT id, nir FROM other.patient", refused: "cannot assign"},
		{sql: "INSERT INTO lab.patient (id, nir, city, email) SELECT 50, 'Marker-M', 'x', 'y', 'z'"},
		{sql: "INSERT INTO lab.patient (id, nir, city) SELECT 50, 'Marker-M'"},
		allPatients, allResults,
	})
	p.sealed(t, "Marker-", "1942-03-05")
}

func TestOnConflict(t *testing.T) {
	p := startPair(t)
	p.run(t, []step{
		{sql: "INSERT INTO lab.patient (id, nir, last_name, city) VALUES (1, 'Marker-A', 'Marker-B', 'Paris'), (2, 'Marker-C', NULL, 'Lyon')"},
		{sql: "INSERT INTO lab.patient (id, nir, last_name) VALUES (1, 'Marker-D', 'Marker-E') ON CONFLICT (id) DO UPDATE SET nir = excluded.nir, last_name = excluded.last_name RETURNING *"},
		{sql: "INSERT INTO lab.patient (id, nir) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET last_name = $3, city = $4", params: []any{"1", "Marker-D", "Marker-F", "Nice"}},
		{sql: "INSERT INTO lab.patient (id, nir) VALUES (9, 'Marker-C') ON CONFLICT (nir) DO UPDATE SET email = 'Marker-G' WHERE patient.nir = 'Marker-C'"},
		{sql: "INSERT INTO lab.patient AS p (id, nir) VALUES (9, 'Marker-C') ON CONFLICT (nir) DO UPDATE SET email = 'Marker-H' WHERE p.nir = 'Marker-X'"},
		{sql: "INSERT INTO lab.patient AS p (id, nir, last_name) VALUES (1, NULL, 'Marker-I') ON CONFLICT (id) DO UPDATE SET nir = coalesce(excluded.nir, p.nir), last_name = CASE WHEN p.city = 'Nice' THEN excluded.last_name ELSE 'Marker-J' END"},
		{sql: "INSERT INTO lab.patient (id, nir) VALUES (2, 'Marker-K') ON CONFLICT (id) DO UPDATE SET (nir, last_name) = (excluded.nir, 'Marker-L')"},
		{sql: "INSERT INTO lab.patient (id, nir) VALUES (2, 'Marker-M') ON CONFLICT (id) DO UPDATE SET (nir, city) = (SELECT 'Marker-N', 'Brest')"},
		{sql: "INSERT INTO lab.patient (id, nir) SELECT 2, nir FROM lab.patient WHERE id = 1 ON CONFLICT ON CONSTRAINT patient_pkey DO UPDATE SET email = excluded.city, city = 'x'", refused: "cannot assign"},
		{sql: "INSERT INTO lab.patient (id, nir) VALUES (1, 'a') ON CONFLICT (last_name) DO NOTHING", refused: "ON CONFLICT"},
		{sql: "INSERT INTO lab.patient (id, nir) VALUES (1, 'Marker-N') ON CONFLICT (nir) DO NOTHING"},
		{sql: "INSERT INTO lab.patient (id, nir) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET city = excluded.nir", refused: "cannot copy"},
		{sql: "INSERT INTO lab.patient (id, nir) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET nir = '0123456789012345'"},
		{sql: "INSERT INTO lab.patient (id, nir) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET nir = 'Marker-N'"},
		allPatients,
	})
	p.sealed(t, "Marker-")
}

func TestUpdateFrom(t *testing.T) {
	p := startPair(t)
	p.run(t, []step{
		{sql: "INSERT INTO lab.patient (id, nir, last_name, birth_date, city) VALUES (1, 'Marker-A', 'Marker-B', '1942-03-05', 'Paris'), (2, 'Marker-C', 'Marker-D', NULL, 'Lyon'), (3, NULL, NULL, NULL, NULL)"},
		{sql: "INSERT INTO lab.result (id, patient, nir, outcome) VALUES (1, 1, 'Marker-E', 'Marker-F'), (2, 2, 'Marker-C', NULL)"},
		{sql: "UPDATE lab.patient SET nir = r.nir FROM lab.result r WHERE r.patient = patient.id AND r.nir = 'Marker-E' RETURNING patient.*, r.outcome"},
		{sql: "UPDATE lab.patient p SET last_name = q.last_name FROM lab.patient q WHERE q.id = 1 AND p.id = 3"},
		{sql: "UPDATE lab.patient SET (city, nir) = ('x', 'Marker-G') WHERE id = 2"},
		{sql: "UPDATE lab.patient SET (city, nir) = ROW($1, $2) WHERE nir = $2 RETURNING nir", params: []any{"y", "Marker-G"}},
		{sql: "UPDATE lab.patient SET (nir, city) = (SELECT nir, 'z' FROM lab.result WHERE id = 2) WHERE id = 2"},
		{sql: "UPDATE lab.patient SET (nir, last_name, birth_date) = (SELECT 'Marker-H', NULL, date '1942-03-06') WHERE id = 2"},
		{sql: "UPDATE lab.patient SET (nir, birth_date) = (SELECT 'Marker-H', '1942-03-06') WHERE id = 2"},
		{sql: "UPDATE lab.patient SET nir = coalesce($1, nir), birth_date = coalesce($2, birth_date) WHERE id = 2", params: []any{nil, "1942-03-07"}},
		{sql: "UPDATE lab.patient SET nir = coalesce($1, nir) WHERE id = 2", params: []any{"Marker-I"}, oids: []uint32{1043}},
		{sql: "UPDATE lab.patient SET last_name = CASE WHEN id = 1 THEN 'Marker-J' WHEN id = $1 THEN $2 ELSE last_name END", params: []any{"2", "Marker-K"}},
		{sql: "UPDATE lab.patient SET last_name = CASE id WHEN 1 THEN NULL ELSE NULL END, email = CASE WHEN city = 'x' THEN NULL ELSE 'Marker-L' END WHERE id = 3"},
		{sql: "UPDATE lab.patient SET nir = (SELECT 'Marker-M'), last_name = (SELECT last_name FROM lab.patient WHERE id = 1) WHERE id = 3 RETURNING nir, id + 1 AS next, upper(city), last_name IS NULL"},
		{sql: "UPDATE lab.patient SET birth_date = (SELECT '1942-03-05')"},
		{sql: "UPDATE lab.patient SET nir = nir, last_name = last_name"},
		{sql: "UPDATE lab.patient SET email = nir", refused: "cannot assign"},
		{sql: "UPDATE lab.patient SET nir = city", refused: "cannot assign"},
		{sql: "UPDATE lab.patient SET city = nir", refused: "cannot copy"},
		{sql: "UPDATE lab.patient SET nir = city || 'x'", refused: "cannot assign"},
		{sql: "UPDATE lab.patient SET birth_date = current_date - 1", refused: "an expression"},
		{sql: "UPDATE lab.every SET r_timestamptz = clock_timestamp()", refused: "clock_timestamp()"},
		{sql: "DELETE FROM lab.result USING lab.patient p WHERE p.nir = result.nir AND p.id = 2 RETURNING p.nir, result.outcome"},
		{sql: "WITH d AS (DELETE FROM lab.result RETURNING patient, nir) UPDATE lab.patient SET nir = d.nir FROM d WHERE d.patient = id RETURNING nir"},
		{sql: "UPDATE lab.patient SET nir = '0123456789012345'"},
		{sql: "UPDATE lab.patient SET birth_date = CASE WHEN id = 1 THEN '1942-03-05' END"},
		allPatients, allResults,
	})
	p.sealed(t, "Marker-", "1942-03-0")
}

func TestMerge(t *testing.T) {
	p := startPair(t)
	p.run(t, []step{
		{sql: "INSERT INTO lab.patient (id, nir, last_name, city) VALUES (1, 'Marker-A', 'Marker-B', 'Paris'), (2, 'Marker-C', NULL, 'Lyon'), (3, NULL, NULL, NULL)"},
		{sql: "INSERT INTO lab.result (id, patient, nir, outcome) VALUES (1, 1, 'Marker-A', 'Marker-D'), (2, NULL, 'Marker-E', NULL), (3, 3, NULL, NULL)"},
		{sql: "MERGE INTO lab.patient p USING lab.result r ON p.nir = r.nir WHEN MATCHED AND r.nir = 'Marker-A' THEN UPDATE SET last_name = 'Marker-F', city = 'x' WHEN NOT MATCHED AND r.nir IS NOT NULL THEN INSERT (id, nir, last_name) VALUES (10 + r.id, r.nir, upper('Marker-G'))"},
		{sql: "MERGE INTO lab.patient p USING (VALUES (1, 'Marker-H', 'Marker-I'), (20, 'Marker-J', NULL)) v (id, n, l) ON p.id = v.id WHEN MATCHED THEN UPDATE SET nir = v.n, last_name = v.l WHEN NOT MATCHED THEN INSERT VALUES (v.id, v.n, DEFAULT, v.l)"},
		{sql: "MERGE INTO lab.patient p USING (SELECT $1 AS n, $2 AS l) v ON p.nir = v.n WHEN MATCHED THEN UPDATE SET last_name = v.l WHEN NOT MATCHED THEN INSERT (id, nir, last_name) VALUES (21, v.n, v.l)", params: []any{"Marker-K", "Marker-L"}},
		{sql: "MERGE INTO lab.patient p USING (SELECT $1 AS n, $2 AS l) v ON p.nir = v.n WHEN MATCHED THEN UPDATE SET last_name = v.l WHEN NOT MATCHED THEN INSERT (id, nir, last_name) VALUES (21, v.n, v.l)", params: []any{"Marker-K", "Marker-M"}},
		{sql: "MERGE INTO lab.patient p USING (SELECT $1 AS n) v ON p.nir = v.n WHEN NOT MATCHED THEN INSERT (id, nir) VALUES (22, v.n)", params: []any{"Marker-K  "}, refused: "stored in another form"},
		{sql: "MERGE INTO lab.patient p USING lab.result r ON p.id = r.patient WHEN MATCHED AND r.nir IS NULL THEN DELETE WHEN MATCHED THEN DO NOTHING WHEN NOT MATCHED THEN DO NOTHING"},
		{sql: "WITH s AS (SELECT id, nir FROM lab.result WHERE nir = 'Marker-E') MERGE INTO lab.patient p USING s ON p.id = s.id WHEN MATCHED THEN UPDATE SET nir = CASE WHEN p.nir IS NULL THEN s.nir ELSE p.nir END"},
		{sql: "MERGE INTO lab.plain q USING lab.patient p ON p.id = q.id AND p.nir = 'Marker-H' WHEN NOT MATCHED THEN INSERT (id, note) VALUES (p.id, p.city)"},
		{sql: "MERGE INTO lab.plain q USING lab.patient p ON p.id = q.id WHEN MATCHED THEN UPDATE SET nir = p.nir", refused: "cannot copy"},
		{sql: "MERGE INTO lab.patient p USING lab.plain q ON p.nir = q.nir WHEN MATCHED THEN DELETE", refused: "cannot compare"},
		{sql: "MERGE INTO lab.patient p USING lab.plain q ON p.id = q.id WHEN NOT MATCHED THEN INSERT (id, nir) VALUES (30, q.nir)", refused: "cannot assign"},
		{sql: "SELECT * FROM lab.plain ORDER BY id"},
		allPatients,
	})
	p.sealed(t, "Marker-", "MARKER-")
}

// TestSuppliedValues: constants and parameters of VALUES and of subqueries, met by a
// sealed column.
func TestSuppliedValues(t *testing.T) {
	p := startPair(t)
	p.run(t, []step{
		{sql: "INSERT INTO lab.patient (id, nir, city) SELECT v.* FROM (VALUES (1, 'Marker-A', 'Paris'), (2, 'Marker-B', 'Lyon'), (3, NULL, NULL)) v (id, n, c)"},
		{sql: "UPDATE lab.patient p SET last_name = v.l, city = v.c FROM (VALUES (1, 'Marker-C', 'x'), (2, upper('Marker-d'), NULL)) v (id, l, c) WHERE v.id = p.id RETURNING p.*"},
		{sql: "WITH v (id, n) AS (VALUES (1, 'Marker-E')) UPDATE lab.patient p SET nir = v.n FROM v WHERE v.id = p.id"},
		{sql: "SELECT p.id FROM lab.patient p JOIN (VALUES ('Marker-E'), ('Marker-B'), ('no')) v (n) ON v.n = p.nir ORDER BY 1"},
		{sql: "SELECT p.id FROM lab.patient p WHERE nir IN (VALUES ('Marker-E'), ($1)) OR email = ANY (SELECT 'x')", params: []any{"Marker-B"}},
		{sql: "WITH v AS (SELECT $1 AS n, $2 AS i) SELECT p.id FROM lab.patient p, v WHERE p.nir = v.n AND p.id = v.i::int", params: []any{"Marker-B", "2"}},
		{sql: "INSERT INTO lab.patient (id, nir) SELECT 5, v.n FROM (SELECT $1 AS n) v WHERE NOT EXISTS (SELECT FROM lab.patient p WHERE p.nir = v.n)", params: []any{"Marker-F"}},
		{sql: "INSERT INTO lab.patient (id, nir) SELECT 6, v.n FROM (SELECT $1 AS n) v WHERE NOT EXISTS (SELECT FROM lab.patient p WHERE p.nir = v.n)", params: []any{"Marker-F"}},
		{sql: "SELECT p.id, v.n FROM lab.patient p, (SELECT 'Marker-X' AS n) v WHERE p.nir = v.n", refused: "in the clear"},
		{sql: "SELECT p.id FROM lab.patient p, (SELECT 'Marker-X' AS n) v WHERE p.nir = v.n AND v::text = 'x'", refused: "whole row"},
		{sql: "DELETE FROM lab.patient USING (VALUES ('Marker-B')) v (n) WHERE nir = v.n"},
		allPatients,
	})
	p.sealed(t, "Marker-", "MARKER-")
}

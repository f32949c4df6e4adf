package proxy_test

import (
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// TestAttackWide: everything that runs on tagged tables beside plain statements, bent
// to pass a value in the clear or to get one back sealed.
func TestAttackWide(t *testing.T) {
	one := func(sql string) []messages { return []messages{{query(sql)}} }
	several := func(texts ...string) []messages {
		var all []messages
		for _, sql := range texts {
			all = append(all, messages{query(sql)})
		}
		return all
	}
	copied := func(sql, data string) []messages {
		return []messages{{query(sql), &pgproto3.CopyData{Data: []byte(data)}, &pgproto3.CopyDone{}}}
	}
	var attacks []attack
	for _, sql := range []string{
		// Values.
		`WITH a AS (INSERT INTO lab.patient (id, last_name) VALUES (900, '%s') RETURNING last_name) SELECT * FROM a`,
		`WITH a (v) AS (VALUES ('%s')) INSERT INTO lab.patient (id, last_name) SELECT 901, v FROM a`,
		`WITH a AS (SELECT '%s' AS v) UPDATE lab.patient SET last_name = v FROM a WHERE id = 1`,
		`WITH a AS (SELECT '%s'::text AS v) SELECT id FROM lab.patient, a WHERE nir = v`,
		`SELECT id FROM lab.patient WHERE nir IN (SELECT '%s')`,
		`SELECT id FROM lab.patient JOIN (VALUES ('%s')) v (n) ON nir = n`,
		`SELECT id FROM lab.patient JOIN (VALUES ('%s')) v (nir) USING (nir)`,
		`SELECT nir FROM lab.patient UNION SELECT '%s'`,
		`SELECT nir FROM lab.patient EXCEPT VALUES ('%s')`,
		`SELECT CASE nir WHEN '%s' THEN 1 ELSE 2 END FROM lab.patient`,
		`SELECT CASE WHEN id = 1 THEN nir ELSE '%s' END FROM lab.patient`,
		`SELECT coalesce(nir, '%s') FROM lab.patient`,
		`SELECT nullif(nir, '%s') FROM lab.patient`,
		`SELECT nullif('%s', nir) FROM lab.patient`,
		`SELECT id FROM lab.patient WHERE (nir, city) = ('%s', 'Paris')`,
		`SELECT id FROM lab.patient WHERE (nir, city) IN (SELECT '%s', 'Paris')`,
		`SELECT id FROM lab.patient WHERE (SELECT nir) = '%s'`,
		`SELECT id FROM lab.patient WHERE nir = (SELECT '%s')`,
		`SELECT id FROM lab.patient WHERE nir = (SELECT max(x) FROM (VALUES ('%s')) v (x))`,
		`SELECT id FROM lab.patient WHERE nir = ALL (ARRAY['%s', lower('%s')])`,
		`SELECT id FROM lab.patient WHERE nir = ANY (ARRAY(SELECT '%s'))`,
		`SELECT id FROM lab.patient WHERE nir = ANY (string_to_array('%s', ','))`,
		`SELECT id FROM lab.patient WHERE nir = lower(upper(trim('%s')))`,
		`SELECT id FROM lab.patient WHERE nir = concat('%s', city)`,
		`SELECT id FROM lab.patient WHERE nir = '%s' || id`,
		`SELECT id FROM lab.patient WHERE nir = format('%%s', '%s')`,
		`SELECT id FROM lab.patient WHERE nir IS NOT DISTINCT FROM '%s' || ''`,
		`UPDATE lab.patient SET (city, last_name) = (SELECT 'x', '%s')`,
		`UPDATE lab.patient SET (city, last_name) = ROW ('x', 'a' || '%s')`,
		`UPDATE lab.patient SET last_name = CASE WHEN id = 1 THEN 'a' || '%s' ELSE last_name END`,
		`UPDATE lab.patient SET last_name = coalesce(last_name, '%s')`,
		`INSERT INTO lab.patient (id, last_name) SELECT 902, '%s' UNION ALL SELECT 903, initcap('%s')`,
		`INSERT INTO lab.patient (id, last_name) SELECT g, '%s' FROM generate_series(904, 905) g ORDER BY 2`,
		`INSERT INTO lab.patient (id, last_name) SELECT DISTINCT 906, '%s'`,
		`INSERT INTO lab.patient (id, nir) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET last_name = '%s', city = excluded.nir::text`,
		`INSERT INTO lab.patient (id, nir) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET nir = excluded.nir WHERE excluded.nir <> '%s'`,
		`MERGE INTO lab.patient p USING (VALUES (1, '%s')) s (id, n) ON p.id = s.id WHEN MATCHED THEN UPDATE SET last_name = s.n`,
		`MERGE INTO lab.patient p USING lab.result r ON p.id = r.id WHEN MATCHED AND p.nir = '%s' THEN DELETE WHEN NOT MATCHED THEN INSERT (id, last_name) VALUES (907, '%s')`,
		`PREPARE a AS INSERT INTO lab.patient (id, last_name) VALUES (908, '%s'); EXECUTE a`,
		`EXPLAIN (ANALYZE, VERBOSE) INSERT INTO lab.patient (id, last_name) VALUES (909, '%s')`,
		`EXPLAIN SELECT id FROM lab.patient WHERE nir = '%s'`,
		`EXPLAIN (ANALYZE) WITH a AS (UPDATE lab.patient SET last_name = '%s' RETURNING *) SELECT count(*) FROM a`,
		`DECLARE c CURSOR WITH HOLD FOR SELECT id FROM lab.patient WHERE nir = '%s'`,
		`COPY (SELECT id FROM lab.patient WHERE nir = '%s') TO STDOUT`,
		`COPY (UPDATE lab.patient SET last_name = '%s' RETURNING id) TO STDOUT`,
		`CREATE TABLE other.c AS SELECT nir, '%s' AS x FROM lab.patient WHERE nir = '%s'`,
		`SELECT nir INTO other.d FROM lab.patient WHERE nir = '%s'`,
		`CREATE VIEW other.e AS SELECT id FROM lab.patient WHERE nir = '%s'`,
		`CREATE TEMP VIEW f AS SELECT id FROM lab.patient WHERE nir = '%s' OR nir = lower('%s')`,
		`CREATE INDEX ON lab.patient (id) WHERE nir = '%s'`,
		`CREATE POLICY p ON lab.patient USING (nir = '%s')`,
		`ALTER TABLE lab.patient ALTER last_name SET DEFAULT '%s'`,
		`ALTER TABLE lab.patient ADD CHECK (nir <> '%s')`,
		`CREATE TABLE other.patient2 (LIKE lab.patient INCLUDING ALL, x text DEFAULT '%s')`,
		`CREATE STATISTICS other.s ON (nir = '%s'), id FROM lab.patient`,
		`DO $$ BEGIN UPDATE lab.patient SET last_name = '%s'; END $$`,
		`WITH RECURSIVE r (n) AS (SELECT nir FROM lab.patient UNION SELECT '%s' FROM r) SELECT n FROM r`,
		`SELECT id FROM lab.patient p, LATERAL (SELECT p.nir = '%s' AS x) s WHERE x`,
		`SELECT id FROM lab.patient GROUP BY id HAVING bool_or(nir = '%s')`,
		`SELECT count(*) FILTER (WHERE nir = '%s') OVER (PARTITION BY nir) FROM lab.patient`,
		`SELECT array_agg(nir) FILTER (WHERE nir = '%s') FROM lab.patient`,
		`SELECT array_agg(nir) || ARRAY['%s'::text] FROM lab.patient`,
		`SELECT '%s' = ANY (array_agg(nir)) FROM lab.patient`,
		`SELECT '%s' = ANY (ARRAY(SELECT nir FROM lab.patient))`,
		`SELECT id FROM lab.patient WHERE nir::text = '%s' AND nir::varchar(3) = '%s'`,
		`SELECT id FROM lab.patient WHERE nir::char(20) IN ('%s', '%s')`,
		`UPDATE lab.patient SET nir = '%s'::varchar(3)::char(15)`,
		// What comes back.
		`SELECT p FROM lab.patient p`, `SELECT (p).nir FROM lab.patient p`, `SELECT p.* FROM (SELECT * FROM lab.patient) p`,
		`WITH p AS (SELECT * FROM lab.patient) SELECT p FROM p`,
		`WITH p AS MATERIALIZED (SELECT nir AS x FROM lab.patient) SELECT x::text, x::varchar(3), x::bytea FROM p`,
		`SELECT row(nir, id) FROM lab.patient`, `SELECT ARRAY[nir] FROM lab.patient`, `SELECT array_agg(nir)::text FROM lab.patient`, `SELECT (array_agg(nir))[1] FROM lab.patient`,
		`SELECT unnest(array_agg(nir)) FROM lab.patient`, `SELECT x FROM (SELECT array_agg(nir) FROM lab.patient) s (a), unnest(a) x`,
		`SELECT array_to_string(array_agg(nir), ',') FROM lab.patient`, `SELECT array_agg(p) FROM lab.patient p`, `SELECT array_agg(ARRAY[nir]) FROM lab.patient`,
		`SELECT to_jsonb(p) FROM lab.patient p`, `SELECT json_agg(nir) FROM lab.patient`, `SELECT jsonb_build_object('n', nir) FROM lab.patient`, `SELECT xmlelement(name x, nir) FROM lab.patient`,
		`SELECT greatest(nir, nir) FROM lab.patient`, `SELECT min(nir), string_agg(nir::text, ',') FROM lab.patient`, `SELECT mode() WITHIN GROUP (ORDER BY nir) FROM lab.patient`,
		`SELECT first_value(nir) OVER (), lag(nir) OVER (ORDER BY id) FROM lab.patient`, `SELECT nir::bytea FROM lab.patient`, `SELECT nir COLLATE "C" FROM lab.patient`,
		`SELECT quote_literal(nir), encode(nir, 'hex') FROM lab.patient`, `SELECT nir || '' FROM lab.patient`, `SELECT format('%%s', nir) FROM lab.patient`,
		`SELECT CASE WHEN true THEN nir END::bytea FROM lab.patient`, `SELECT coalesce(nir, '')::bytea FROM lab.patient`, `SELECT nir FROM lab.patient UNION ALL SELECT email FROM lab.patient`,
		`SELECT nir FROM lab.patient UNION ALL SELECT city::bytea FROM lab.patient`, `TABLE lab.patient`, `VALUES ((SELECT nir FROM lab.patient LIMIT 1))`,
		`SELECT * FROM lab.patient NATURAL JOIN lab.result`, `SELECT nir FROM lab.patient FULL JOIN lab.result USING (nir)`, `SELECT x FROM lab.patient JOIN lab.result USING (nir) AS x`,
		`SELECT nir FROM lab.patient CROSS JOIN LATERAL (SELECT nir AS y) z`, `SELECT y FROM lab.patient p, LATERAL (SELECT p) z (y)`, `SELECT z FROM lab.patient p, LATERAL (SELECT p.nir) z`,
		`SELECT pg_typeof(nir), pg_column_size(nir), nir IS NULL FROM lab.patient`, `SELECT md5(nir::text) FROM lab.patient`, `SELECT length(nir) FROM lab.patient`,
		`INSERT INTO lab.plain (id, note) SELECT 910, nir FROM lab.patient RETURNING note`, `UPDATE lab.plain SET note = (SELECT nir FROM lab.patient LIMIT 1) RETURNING note`,
		`INSERT INTO lab.twin (id, nir) SELECT id, nir FROM lab.patient RETURNING nir`, `UPDATE lab.twin SET nir = p.nir FROM lab.patient p RETURNING twin.nir`,
		`MERGE INTO lab.twin t USING lab.patient p ON t.id = p.id WHEN NOT MATCHED THEN INSERT VALUES (p.id, p.nir)`,
		`COPY lab.patient TO STDOUT`, `COPY (SELECT p FROM lab.patient p) TO STDOUT`, `COPY (SELECT array_agg(nir) FROM lab.patient) TO STDOUT`, `COPY (SELECT nir::text, CASE id WHEN 1 THEN nir END FROM lab.patient) TO STDOUT (FORMAT binary)`,
		`COPY (SELECT nir FROM lab.patient UNION ALL SELECT nir FROM lab.result) TO STDOUT`, `EXPLAIN (VERBOSE) SELECT nir FROM lab.patient WHERE nir = 'x' AND id = 1`,
		`SELECT * FROM ROWS FROM (lab.nothing(), generate_series(1, 2))`, `SELECT * FROM pg_get_viewdef('lab.patient'::regclass)`, `SELECT nir FROM lab.patient TABLESAMPLE system (100)`,
		`CREATE TEMP TABLE t1 AS SELECT nir FROM lab.patient; SELECT nir FROM t1`, `SELECT nir INTO TEMP t2 FROM lab.patient; TABLE t2`,
		`CREATE MATERIALIZED VIEW other.mv AS SELECT nir FROM lab.patient; TABLE other.mv`, `CREATE TEMP VIEW v1 AS SELECT nir FROM lab.patient; TABLE v1`,
		`DELETE FROM lab.patient USING lab.result r WHERE patient.id = -1 RETURNING patient, r`, `UPDATE lab.patient SET city = city RETURNING patient.*, (SELECT p FROM lab.patient p LIMIT 1)`,
	} {
		attacks = append(attacks, attack{name: sql, bursts: one(sql)})
		attacks = append(attacks, attack{name: "extended: " + sql, bursts: []messages{{parse("", sql), describe('S', ""), bind("", ""), execute("", 0), sync_}}})
	}
	attacks = append(attacks,
		attack{"cursor over a view replaced", "", several(`CREATE VIEW other.w AS SELECT '1'::bytea AS x`, `BEGIN`, `PREPARE a AS SELECT x FROM other.w`,
			`CREATE OR REPLACE VIEW other.w AS SELECT nir AS x FROM lab.patient`, `EXECUTE a`, `FETCH ALL FROM a`, `ROLLBACK`)},
		attack{"a prepared statement over a view replaced", "", []messages{
			{query(`CREATE VIEW other.w2 AS SELECT '1'::bytea AS x`)},
			{parse("s", `SELECT x FROM other.w2`), sync_},
			{query(`CREATE OR REPLACE VIEW other.w2 AS SELECT nir AS x FROM lab.patient`)},
			{bind("", "s"), execute("", 0), sync_},
			{query(`EXECUTE s`)},
		}},
		attack{"the same in one burst", "", []messages{{query(`CREATE VIEW other.w3 AS SELECT '1'::bytea AS x`)}, burst(messages{parse("s", `SELECT x FROM other.w3`), sync_},
			messages{query(`CREATE OR REPLACE VIEW other.w3 AS SELECT nir AS x FROM lab.patient`)}, messages{bind("", "s"), execute("", 0), sync_}, messages{query(`EXECUTE s`)})}},
		attack{"a cursor's name used again", "", several(`BEGIN`, `DECLARE c CURSOR FOR SELECT id FROM lab.plain`, `CLOSE c; DECLARE c CURSOR FOR SELECT nir FROM lab.patient`, `FETCH ALL FROM c`, `COMMIT`, `FETCH c`)},
		attack{"a cursor after a savepoint", "", several(`BEGIN`, `DECLARE c CURSOR FOR SELECT nir FROM lab.patient`, `SAVEPOINT a`, `CLOSE c`, `DECLARE c CURSOR FOR SELECT id FROM lab.plain`, `ROLLBACK TO a`, `FETCH ALL FROM c`)},
		attack{"a failed DECLARE", "", several(`BEGIN`, `DECLARE c CURSOR FOR SELECT nir FROM lab.patient`, `SAVEPOINT a`, `DECLARE c CURSOR FOR SELECT id FROM lab.plain`, `ROLLBACK TO a`, `FETCH ALL FROM c`, `FETCH BACKWARD 1 FROM c`)},
		attack{"a held cursor", "", several(`BEGIN`, `DECLARE c SCROLL CURSOR WITH HOLD FOR SELECT nir, last_name FROM lab.patient`, `COMMIT`, `FETCH LAST FROM c`, `MOVE ABSOLUTE 0 IN c`, `FETCH ALL FROM c`)},
		attack{"a binary cursor", "", several(`BEGIN`, `DECLARE c BINARY CURSOR FOR SELECT nir, last_name FROM lab.patient`, `FETCH ALL FROM c`)},
		attack{"a held cursor of another role", "", several(`BEGIN`, `DECLARE c CURSOR WITH HOLD FOR SELECT nir FROM lab.patient`, `COMMIT`, `SET ROLE researcher`, `FETCH ALL FROM c`)},
		attack{"a portal read by Execute and by FETCH", "", []messages{{query(`BEGIN`)}, {parse("", `SELECT nir FROM lab.patient`), bind("p", ""), execute("p", 1), sync_}, {query(`FETCH p`)}, {query(`MOVE p`)}}},
		attack{"EXECUTE with values", "", several(`PREPARE a (int, text) AS INSERT INTO lab.patient (id, last_name) VALUES ($1, $2) RETURNING last_name`, `EXECUTE a (920, '%s')`, `EXECUTE a (921, lower('%s'))`, `EXECUTE a (922, (SELECT '%s'))`, `EXPLAIN ANALYZE EXECUTE a (923, '%s')`)},
		attack{"CREATE TABLE AS EXECUTE", "", several(`PREPARE a AS SELECT nir FROM lab.patient`, `CREATE TEMP TABLE x AS EXECUTE a`, `TABLE x`)},
		attack{"EXECUTE after DEALLOCATE", "", several(`PREPARE a AS SELECT nir FROM lab.patient`, `DEALLOCATE a; PREPARE a AS SELECT id FROM lab.plain`, `EXECUTE a`, `DEALLOCATE ALL`, `PREPARE a AS SELECT last_name FROM lab.patient`, `EXECUTE a`)},
		attack{"COPY in text", "", copied(`COPY lab.patient (id, last_name) FROM STDIN`, "930\t%s\n")},
		attack{"COPY in, other order", "", copied(`COPY lab.patient (last_name, id) FROM STDIN CSV HEADER DELIMITER ';'`, "a;b\n\"%s\";931\n")},
		attack{"COPY in, too few columns", "", copied(`COPY lab.patient (id, nir, last_name) FROM STDIN`, "932\t%s\n")},
		attack{"COPY in, too many columns", "", copied(`COPY lab.patient (id, last_name) FROM STDIN`, "932\tx\t%s\n")},
		attack{"COPY in, an open quote", "", copied(`COPY lab.patient (id, last_name) FROM STDIN CSV`, "933,\"%s\n934,x\n")},
		attack{"COPY in, a bad value", "", copied(`COPY lab.patient (id, birth_date) FROM STDIN`, "935\t%s\n")},
		attack{"COPY in with WHERE", "", copied(`COPY lab.patient (id, nir) FROM STDIN WHERE nir <> '%s'`, "936\t1\n")},
		attack{"COPY of a cut off line", "", copied(`COPY lab.patient (id, last_name) FROM STDIN`, "937\t%s")},
		attack{"COPY behind another statement", "", copied(`SELECT 1; COPY lab.patient (id, last_name) FROM STDIN`, "938\t%s\n")},
		attack{"data with no COPY", "", []messages{{&pgproto3.CopyData{Data: []byte("939\t%s\n")}, query(`SELECT nir FROM lab.patient`)}}},
		attack{"COPY to a view", "", copied(`COPY other.e2 (id, nir) FROM STDIN`, "940\t%s\n")},
		attack{"parameters in the clear beside", "", []messages{{parse("", `SELECT $1::text, id FROM lab.patient WHERE nir = $1`), bind("", "", "%s"), execute("", 0), sync_}}},
		attack{"a computed parameter", "", []messages{{parse("", `UPDATE lab.patient SET last_name = upper($1) || coalesce($2, 'x') WHERE id = 1 RETURNING last_name`), bind("", "", "%s", "%s"), execute("", 0), sync_}}},
		attack{"an array parameter", "", []messages{{parse("", `SELECT nir FROM lab.patient WHERE nir = ANY ($1) OR nir = ALL ($1)`), bind("", "", "{%s,%s}"), execute("", 0), sync_}}},
		attack{"LIMIT by parameter, VALUES by parameter", "", []messages{{parse("", `INSERT INTO lab.patient (id, last_name) SELECT $1, $2 UNION ALL SELECT $1 + 1, $2 LIMIT 1`), bind("", "", "950", "%s"), execute("", 0), sync_}}},
		attack{"a tagged table of the transaction's own", "", several(`BEGIN`, `CREATE TABLE lab.copy (LIKE lab.patient)`, `INSERT INTO lab.copy (id, last_name) SELECT id, last_name FROM lab.patient`, `SELECT last_name FROM lab.copy`, `ROLLBACK`)},
		attack{"a renamed table", "", several(`BEGIN`, `ALTER TABLE lab.patient RENAME TO p2`, `SELECT nir FROM lab.p2`, `ROLLBACK`)},
		attack{"a renamed column", "", several(`BEGIN`, `ALTER TABLE lab.patient RENAME nir TO n2`, `SELECT n2 FROM lab.patient`, `UPDATE lab.patient SET n2 = '%s'`, `ROLLBACK`)},
		attack{"a column of another type", "", several(`BEGIN`, `ALTER TABLE lab.patient ALTER nir TYPE text USING nir::text`, `UPDATE lab.patient SET nir = '%s'`, `SELECT nir FROM lab.patient`, `ROLLBACK`)},
		attack{"another column default, taken", "", several(`ALTER TABLE lab.patient ALTER last_name SET DEFAULT '%s' || 'x'`, `INSERT INTO lab.patient (id) VALUES (970) RETURNING last_name`)},
	)
	runAttacks(t, attackStack(t), attacks)
}

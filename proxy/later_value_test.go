package proxy_test

import (
	"testing"

	"github.com/pgveil/pgveil/testenv/stack"
)

// TestLaterValue: a value that its column cannot hold, in a later statement of a message,
// undoes no more than it does at the server, and what it says points into the client's text.
func TestLaterValue(t *testing.T) {
	p := startPair(t)
	const (
		one = `INSERT INTO lab.every (id, d_text, d_date) VALUES (1, 'Marker-A', '1942-03-05'); `
		bad = `INSERT INTO lab.every (id, d_text, d_date) VALUES (2, 'Marker-B', '1942-03-55')`
		all = `SELECT id, d_text, d_date FROM lab.every ORDER BY id`
	)
	var steps []step
	for _, sql := range []string{
		`SELECT 1; ` + bad,
		one + bad,
		one + bad + `; INSERT INTO lab.every (id, d_text) VALUES (3, 'Marker-C')`,
		`BEGIN; ` + one + `COMMIT; ` + bad, // what is committed stays
		`DELETE FROM lab.every RETURNING d_text; BEGIN; ` + one + `; ; ` + bad,
		bad, // the transaction has failed
		`ROLLBACK; ` + one + `SELECT d_text FROM lab.every; ` + bad,
		`BEGIN; SELECT 1/0`,
		`ROLLBACK; ` + bad + ` -- é`,
		`SELECT 'é'; ` + bad,
		`SELECT 1/0; ` + bad,
		`SELECT nosuch; ` + bad,
		`UPDATE lab.every SET d_varchar = 'é'; UPDATE lab.every SET d_varchar = 'Marker-D-and-much-more-than-the-column-takes-and-much-more-than-that'`,
		`SELECT d_text FROM lab.every WHERE d_date = '1942-03-05'; SELECT d_text FROM lab.every WHERE d_date = '1942-03-55'`,
		`PREPARE later AS SELECT d_text FROM lab.every; ` + bad,
		`EXECUTE later`, // is there all the same
		`DEALLOCATE later`,
		`COPY lab.every (id, d_text) TO STDOUT; ` + bad,
		`SELECT 1; ` + bad + `; COPY (SELECT d_text FROM lab.every) TO STDOUT`,
		`SELECT 1; ` + bad + `; COPY lab.every (id, d_text) FROM STDIN`,
		`SELECT 1; ` + bad + `; DROP TABLE lab.every`,
	} {
		steps = append(steps, step{sql: sql}, step{sql: all})
	}
	p.run(t, steps)
	p.sealed(t, "Marker-", "1942-03-5")
}

// TestFailedTransaction: in a failed transaction a message is parsed before it is said that
// it has failed, and what stands behind its end runs.
func TestFailedTransaction(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	fill(t, s)
	fails := messages{query(`BEGIN; SAVEPOINT a; SELECT 1/0`)}
	var conversations []conversation
	for name, in := range map[string]messages{
		"ends":               {query(`ROLLBACK; SELECT nir, city FROM lab.patient ORDER BY id`)},
		"ends, then nothing": {query(`ROLLBACK; ; SELECT nosuch FROM lab.patient`)},
		"COMMIT":             {query(`COMMIT; UPDATE lab.patient SET email = 'f@d.fr' WHERE id = 1 RETURNING email`), query(`SELECT email FROM lab.patient WHERE id = 1`)},
		"savepoint":          {query(`ROLLBACK TO a; UPDATE lab.patient SET email = 'g@d.fr' WHERE id = 1 RETURNING email`), query(`ROLLBACK; SELECT email FROM lab.patient WHERE id = 1`)},
		"fails again":        {query(`ROLLBACK TO SAVEPOINT a; SELECT 1/0; SELECT nir FROM lab.patient`), query(`SELECT 1`), query(`ROLLBACK; SELECT email FROM lab.patient`)},
		"begins again":       {query(`ROLLBACK; BEGIN; SELECT email FROM lab.patient WHERE nir = '` + nir1 + `'; SELECT 1/0`), query(`SELECT email FROM lab.patient`)},
		"chains":             {query(`ROLLBACK AND CHAIN; SELECT email FROM lab.patient WHERE nir = '` + nir1 + `'`), query(`COMMIT`)},
		"without waiting":    {query(`SELECT email FROM lab.patient`), query(`ROLLBACK; SELECT email FROM lab.patient`), query(`SELECT city FROM lab.patient WHERE id = 2`)},
		"no such savepoint":  {query(`ROLLBACK TO SAVEPOINT b; SELECT email FROM lab.patient`), query(`SELECT 1`)},
		"does not end":       {query(`SELECT 1; ROLLBACK; SELECT email FROM lab.patient`), query(`ROLLBACK`)},
		"no syntax":          {query(`SELEC email FROM lab.patient`), query(`ROLLBACK; SELEC email FROM lab.patient`), query(`SELECT 1`)},
		"no syntax in the extended protocol": {
			parse("", `SELECT email FROM lab.patient WHERE`), bind("", ""), execute("", 0), sync_,
			parse("", `SELECT email FROM lab.patient`), bind("", ""), execute("", 0), sync_,
		},
		"a position":        {query(`ROLLBACK; /* a */ SELECT 'é', nosuch FROM lab.patient`)},
		"a bad value":       {query(`ROLLBACK; /* a */ SELECT 'é'; UPDATE lab.patient SET birth_date = '1942-03-55'`), query(`SELECT 1`)},
		"in a block":        {query(`ROLLBACK; BEGIN`), query(`SET LOCAL search_path TO lab; SELECT email FROM patient; SET search_path TO public; SELECT 'é', nosuch FROM lab.patient; COMMIT; SELECT nir FROM lab.patient`)},
		"begins a block":    {query(`ROLLBACK`), query(`BEGIN; SET LOCAL search_path TO lab; SELECT email FROM patient WHERE id = 1; SELECT 1/0; SELECT nir FROM patient; COMMIT`), query(`COMMIT; SELECT email FROM lab.patient`)},
		"unknown functions": {query(`ROLLBACK`), query(`BEGIN; DO 'BEGIN NULL; END'; SELECT email FROM lab.patient WHERE nir = '` + nir2 + `'; DO 'BEGIN NULL; END'; SELECT email FROM lab.patient; ROLLBACK`)},
		"without a reading": {query(`ROLLBACK; SELECT note FROM lab.plain`)},
	} {
		conversations = append(conversations, conversation{name, []messages{fails, in, {query(`SELECT count(*) FROM lab.patient`)}}})
	}
	sameAnswers(t, s, twinOfAll(t), conversations)
}

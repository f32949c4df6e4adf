# Errors, warnings and notices of the server that quote rows, and errors whose presence says something.
UPDATE lab.patient SET city = NULL WHERE id = 3
UPDATE lab.patient SET city = NULL
UPDATE lab.patient SET age = -1 WHERE id = 3
UPDATE lab.patient SET age = -1
UPDATE lab.patient SET id = 1 WHERE id = 3
UPDATE lab.patient SET id = 1
UPDATE lab.patient SET age = age / (age - age) WHERE id = 3
UPDATE lab.same SET city = 'Brest' WHERE id = 3
UPDATE lab.paris SET city = 'Brest' WHERE id = 3
UPDATE lab.parted SET day = '2031-01-01' WHERE id = 3
UPDATE lab.parted SET day = NULL WHERE id = 3
INSERT INTO lab.patient (id, city) VALUES (3, 'Nice')
INSERT INTO lab.patient (id, city) VALUES (90, NULL)
INSERT INTO lab.patient (id, city, age) VALUES (90, 'Nice', -1)
INSERT INTO lab.patient (id, city, age) SELECT id + 90, city, - age FROM lab.patient
INSERT INTO lab.patient (id, city, age) SELECT id + 90, city, 'x'::int FROM lab.patient
INSERT INTO lab.result (id, patient) VALUES (90, 77)
INSERT INTO lab.parted (id, day) VALUES (90, '2031-01-01')
INSERT INTO lab.slot (id, during) VALUES (90, '[2024-01-01,2024-01-03)')
UPDATE lab.slot SET during = '[2024-01-01,2024-01-03)'
DELETE FROM lab.patient WHERE id = 3
DELETE FROM lab.patient WHERE id = 1
UPDATE lab.told SET age = 4 WHERE id = 3
UPDATE lab.told SET age = 5 WHERE id = 3
UPDATE lab.told SET age = 6 WHERE id = 3 RETURNING id
MERGE INTO lab.patient t USING lab.plain p ON t.id = 3 WHEN MATCHED THEN UPDATE SET city = NULL
MERGE INTO lab.patient t USING generate_series(1, 2) g ON t.id = 3 WHEN MATCHED THEN UPDATE SET age = g
WITH u AS (UPDATE lab.patient SET city = NULL WHERE id = 3 RETURNING id) SELECT * FROM u
SET LOCAL lc_messages TO 'C' ;; UPDATE lab.patient SET city = NULL WHERE id = 3
SET LOCAL bytea_output TO escape ;; UPDATE lab.patient SET city = NULL WHERE id = 3
SET LOCAL bytea_output TO escape ;; UPDATE lab.told SET age = 5 WHERE id = 3
COPY lab.patient (id, city) FROM STDIN << 3	Nice
COPY lab.patient (id, city) FROM STDIN << x	Nice
COPY lab.patient (id, city, age) FROM STDIN << 91	Nice	-1
COPY lab.patient (id, city) FROM STDIN << 91	\N
COPY lab.patient (id, city, last_name) FROM STDIN << 3	Nice	Durand
COPY lab.patient (id, city, born) FROM STDIN << 91	Nice	not a date
DO $$ BEGIN UPDATE lab.patient SET city = NULL WHERE id = 3; END $$
DO $$ BEGIN RAISE NOTICE '%', (SELECT last_name FROM lab.patient WHERE id = 3); END $$
DO $$ BEGIN IF EXISTS (SELECT FROM lab.patient WHERE last_name = 'Durand') THEN RAISE EXCEPTION 'yes'; END IF; END $$
DO $$ BEGIN EXECUTE 'UPDATE lab.pati' || 'ent SET city = NULL WHERE id = 3'; END $$
DO $$ BEGIN EXECUTE 'UPDATE lab.pati' || 'ent SET age = -1 WHERE id = 3'; END $$
DO $$ BEGIN EXECUTE 'UPDATE lab.pati' || 'ent SET city = NULL WHERE id = 3'; EXCEPTION WHEN not_null_violation THEN RAISE NOTICE 'caught'; END $$
DO $$ DECLARE d text; BEGIN EXECUTE 'UPDATE lab.pati' || 'ent SET city = ''x'' WHERE id = 3'; GET DIAGNOSTICS d = ROW_COUNT; RAISE NOTICE '%', d; END $$
DO $$ BEGIN EXECUTE 'SELECT 1/(count(*) - 8) FROM lab.pati' || 'ent'; END $$
CREATE FUNCTION lab.made() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM lab.patient WHERE last_name = ''Durand''' ;; SELECT lab.made()
CREATE FUNCTION lab.made() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN (SELECT last_name FROM lab.patient WHERE id = 3); END $$ ;; SELECT lab.made()
CREATE FUNCTION lab.made(bytea) RETURNS int LANGUAGE sql AS 'SELECT get_byte($1, 0)' ;; SELECT lab.made(last_name) FROM lab.patient
CREATE FUNCTION lab.made(lab.patient) RETURNS bytea LANGUAGE sql AS 'SELECT $1.last_name' ;; SELECT lab.made(p) FROM lab.patient p
CREATE FUNCTION lab.made(lab.patient) RETURNS text LANGUAGE sql AS 'SELECT $1.last_name::text' ;; SELECT p.made FROM lab.patient p
CREATE FUNCTION lab.made(text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS $$ BEGIN RAISE NOTICE '%', $1; RETURN true; END $$ ;; SELECT id FROM lab.patient WHERE lab.made(last_name)
CREATE FUNCTION lab.made(int) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS $$ BEGIN RAISE NOTICE '%', $1; RETURN true; END $$ ;; SELECT id FROM lab.patient WHERE lab.made(age) AND id < 4 ORDER BY id
CREATE FUNCTION lab.made(anyelement) RETURNS text LANGUAGE sql AS 'SELECT $1::text' ;; SELECT lab.made(last_name) FROM lab.patient WHERE id = 3
CREATE OPERATOR lab.=== (FUNCTION = byteaeq, LEFTARG = bytea, RIGHTARG = bytea) ;; SELECT id FROM lab.patient WHERE last_name OPERATOR(lab.===) 'Durand'
CREATE OPERATOR lab.<<< (FUNCTION = textlt, LEFTARG = text, RIGHTARG = text) ;; SELECT id FROM lab.patient WHERE last_name OPERATOR(lab.<<<) 'E'
CREATE CAST (bytea AS int) WITH INOUT
CREATE AGGREGATE lab.made(bytea) (SFUNC = byteacat, STYPE = bytea) ;; SELECT lab.made(last_name) FROM lab.patient
CREATE DOMAIN lab.made AS text CHECK (VALUE <> 'Durand') ;; SELECT last_name::lab.made FROM lab.patient WHERE id = 3
CREATE TABLE lab.made (x int GENERATED ALWAYS AS (1) STORED) INHERITS (lab.patient) ;; SELECT * FROM lab.made
CREATE TEMP TABLE patient (id int) ;; SELECT id FROM patient ;; SELECT id, last_name FROM lab.patient ORDER BY id
SELECT * FROM lab.leak()
SELECT lab.leak_name(3)
SELECT lab.count_names('Durand')
SELECT lab.count_rows()
SELECT last_name, 1/0 FROM lab.patient WHERE id = 3
SELECT last_name, lab.nosuch(last_name) FROM lab.patient
SELECT nosuch, last_name FROM lab.patient WHERE nir = '1'
SELECT last_name FROM lab.patient WHERE nir =
SELECT last_name FROM lab.patient WHERE id = 3 AND born = 'not a date'
SELECT id FROM lab.patient WHERE weight = 99999999999999
SELECT id FROM lab.patient WHERE ref = 'not a uuid'
INSERT INTO lab.patient (id, city, nir) VALUES (90, 'Nice', '1234567890123456')
INSERT INTO lab.patient (id, city, weight) VALUES (90, 'Nice', 'x')
INSERT INTO lab.patient (id, city, chart) VALUES (90, 'Nice', '{')
SAVEPOINT a ;; UPDATE lab.patient SET city = NULL WHERE id = 3 ;; ROLLBACK TO a ;; SELECT id, city FROM lab.patient WHERE id = 3
SELECT id FROM lab.patient WHERE id = 3 AND {c}::int = 1
SELECT id FROM lab.patient WHERE id = 3 AND 1/length({c}) = 1
SELECT CAST({c} AS date) FROM lab.patient WHERE id = 3
SELECT substring({c} FROM -1) FROM lab.patient WHERE id = 3
SELECT repeat({c}, 1000000000) FROM lab.patient WHERE id = 3
SELECT ({c})::json FROM lab.patient WHERE id = 3
SELECT id FROM lab.patient WHERE {c} = (SELECT {c} FROM lab.patient)

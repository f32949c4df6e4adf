# Changes: how many rows, what comes back, and which errors.
UPDATE lab.patient SET city = 'Nice' WHERE {c} = {v}
UPDATE lab.patient SET city = 'Nice' WHERE {c} IS NULL
UPDATE lab.patient SET city = 'Nice' WHERE {c} > {v} RETURNING id
UPDATE lab.patient SET city = {c} WHERE id = 3
UPDATE lab.patient SET age = CASE WHEN {c} = {v} THEN 1 ELSE 2 END WHERE id = 3 RETURNING age
UPDATE lab.patient SET age = 1/(CASE WHEN {c} = {v} THEN 0 ELSE 1 END) WHERE id = 3
UPDATE lab.patient SET city = 'Nice' WHERE id = 3 RETURNING id, {c}
UPDATE lab.patient SET city = 'Nice' WHERE id = 3 RETURNING {c} = {v}
UPDATE lab.patient SET {c} = {v} WHERE id = 1
UPDATE lab.patient SET {c} = {v} WHERE id = 3 RETURNING {c}
UPDATE lab.patient SET {c} = NULL WHERE id = 3 RETURNING id
UPDATE lab.patient SET {c} = DEFAULT WHERE id = 3
UPDATE lab.patient SET {c} = {c} WHERE id = 3
UPDATE lab.patient SET {c} = coalesce({c}, {v}) WHERE id = 3
UPDATE lab.patient SET {c} = (SELECT {c} FROM lab.patient WHERE id = 3) WHERE id = 1
UPDATE lab.patient p SET {c} = q.{c} FROM lab.patient q WHERE q.id = 3 AND p.id = 1
UPDATE lab.patient SET {c} = $1 WHERE id = 1 :: {v}
DELETE FROM lab.patient WHERE {c} = {v}
DELETE FROM lab.patient WHERE {c} IS NOT NULL RETURNING id
DELETE FROM lab.patient p USING (VALUES ({v})) x (y) WHERE p.{c} = x.y
DELETE FROM lab.visit WHERE true RETURNING *
INSERT INTO lab.patient (id, {c}, city) VALUES (90, {v}, 'Nice')
INSERT INTO lab.patient (id, {c}, city) VALUES (90, {v}, 'Nice') ON CONFLICT DO NOTHING
INSERT INTO lab.patient (id, {c}, city) VALUES (90, {v}, 'Nice') ON CONFLICT ({c}) DO NOTHING RETURNING id
INSERT INTO lab.patient (id, {c}, city) VALUES (3, {v}, 'Nice') ON CONFLICT (id) DO UPDATE SET {c} = excluded.{c} WHERE patient.{c} = {v}
INSERT INTO lab.patient (id, city) VALUES (3, 'Nice') ON CONFLICT (id) DO UPDATE SET city = patient.{c}
INSERT INTO lab.patient (id, city) VALUES (3, 'Nice') ON CONFLICT (id) DO UPDATE SET city = 'Nice' RETURNING {c}
INSERT INTO lab.patient (id, city, {c}) SELECT 90, 'Nice', {c} FROM lab.patient WHERE id = 3
INSERT INTO lab.patient (id, city, {c}) SELECT 90, 'Nice', {c} FROM lab.patient WHERE id = 3 ON CONFLICT DO NOTHING
INSERT INTO lab.plain (id, note) SELECT 90, {c} FROM lab.patient WHERE id = 3
INSERT INTO lab.plain (id, note) SELECT 90, {c}::text FROM lab.patient WHERE id = 3 RETURNING note
INSERT INTO lab.plain (id) SELECT id + 90 FROM lab.patient WHERE {c} = {v}
INSERT INTO lab.plain (id) SELECT 90 WHERE EXISTS (SELECT FROM lab.patient WHERE {c} IS NULL)
MERGE INTO lab.plain t USING lab.patient p ON t.id = p.id AND p.{c} = {v} WHEN MATCHED THEN DELETE
MERGE INTO lab.plain t USING lab.patient p ON t.id = p.id WHEN MATCHED AND p.{c} = {v} THEN DELETE WHEN NOT MATCHED THEN DO NOTHING
MERGE INTO lab.patient t USING (VALUES ({v})) x (y) ON t.{c} = x.y WHEN MATCHED THEN UPDATE SET city = 'Nice'
MERGE INTO lab.patient t USING (VALUES (3)) x (i) ON t.id = x.i WHEN MATCHED THEN UPDATE SET {c} = {v}
WITH d AS (DELETE FROM lab.patient WHERE id = 9 RETURNING id, {c}) SELECT * FROM d
WITH d AS (UPDATE lab.patient SET city = 'Nice' RETURNING {c}) SELECT count(*) FROM d WHERE {c} = {v}
CREATE TABLE lab.made AS SELECT id, {c} FROM lab.patient
CREATE TEMP TABLE made AS SELECT id, {c} AS y FROM lab.patient ;; SELECT * FROM made
SELECT id, {c} INTO lab.made FROM lab.patient
CREATE VIEW lab.made AS SELECT id, {c} FROM lab.patient ;; SELECT * FROM lab.made ORDER BY id
CREATE VIEW lab.made AS SELECT id FROM lab.patient WHERE {c} = {v} ;; SELECT * FROM lab.made
CREATE VIEW lab.made AS SELECT id, {c}::text AS y FROM lab.patient ;; SELECT * FROM lab.made
CREATE TEMP VIEW made AS SELECT id, {c} IS NULL AS y FROM lab.patient ;; SELECT id FROM made WHERE y
CREATE MATERIALIZED VIEW lab.made AS SELECT id, {c} IS NULL AS y FROM lab.patient ;; SELECT * FROM lab.made ORDER BY id
CREATE TABLE lab.made AS SELECT id FROM lab.patient WHERE {c} IS NULL ;; SELECT * FROM lab.made
CREATE TEMP TABLE made AS SELECT id, {c} IS NULL AS y, count({c}) OVER () AS n FROM lab.patient ;; SELECT * FROM made ORDER BY id
CREATE MATERIALIZED VIEW lab.made AS SELECT id, {c} FROM lab.patient ;; SELECT * FROM lab.made ORDER BY id
COPY lab.patient (id, {c}) TO STDOUT
COPY (SELECT id, {c} FROM lab.patient ORDER BY id) TO STDOUT (FORMAT csv, HEADER)
COPY (SELECT id, {c} FROM lab.patient ORDER BY id) TO STDOUT (FORMAT binary)
COPY (SELECT id FROM lab.patient WHERE {c} = {v}) TO STDOUT
COPY lab.patient (id, city, {c}) FROM STDIN << 91	Nice	{raw}
COPY lab.patient (id, city) FROM STDIN WHERE {c} IS NULL << 91	Nice
COPY lab.patient (id, city) FROM STDIN << 91	Nice
UPDATE lab.result SET nir = (SELECT nir FROM lab.patient WHERE id = 3) WHERE id = 1
INSERT INTO lab.once (nir) SELECT nir FROM lab.patient WHERE id = 3
INSERT INTO lab.once (nir) SELECT nir FROM lab.result ON CONFLICT DO NOTHING
INSERT INTO lab.visit (id, nir) SELECT 90, nir FROM lab.result WHERE id = 3
INSERT INTO lab.visit (id, nir) VALUES (90, DEFAULT)
COPY lab.patient TO STDOUT
COPY lab.patient (id, city, age) TO STDOUT
COPY (SELECT * FROM lab.seen) TO STDOUT
COPY lab.patient TO '/tmp/oracle'
COPY lab.patient TO PROGRAM 'cat'

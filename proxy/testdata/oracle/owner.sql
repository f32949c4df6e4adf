# DDL by the owner of the tables, to whom the schema file gives nothing.
ALTER TABLE lab.patient ADD CONSTRAINT made CHECK ({c} = {v})
ALTER TABLE lab.patient ADD CONSTRAINT made CHECK ({c} <> {v}) NOT VALID ;; ALTER TABLE lab.patient VALIDATE CONSTRAINT made
ALTER TABLE lab.patient ADD CONSTRAINT made CHECK ({c} IS NOT NULL)
ALTER TABLE lab.patient ADD CONSTRAINT made CHECK ({c} IS NULL OR age > 0)
ALTER TABLE lab.patient ADD CONSTRAINT made CHECK (num_nulls({c}) = 0)
ALTER TABLE lab.patient ADD CONSTRAINT made CHECK (patient IS NOT NULL)
ALTER TABLE lab.patient ADD UNIQUE ({c})
ALTER TABLE lab.patient ADD UNIQUE ({c}, city)
ALTER TABLE lab.patient ADD UNIQUE NULLS NOT DISTINCT ({c})
ALTER TABLE lab.patient ADD EXCLUDE USING btree ({c} WITH =)
ALTER TABLE lab.patient ALTER {c} SET NOT NULL
ALTER TABLE lab.patient ALTER {c} TYPE text
ALTER TABLE lab.patient ALTER {c} TYPE text USING {c}::text
ALTER TABLE lab.patient ALTER {c} TYPE int USING 1/(CASE WHEN {c} IS NULL THEN 0 ELSE 1 END)
ALTER TABLE lab.patient ALTER city TYPE text USING CASE WHEN {c} IS NULL THEN 'a' ELSE 'b' END
ALTER TABLE lab.patient ALTER age TYPE bigint USING age / (CASE WHEN {c} IS NULL THEN 0 ELSE 1 END)
ALTER TABLE lab.patient ALTER {c} SET DEFAULT {v}
ALTER TABLE lab.patient ADD COLUMN made boolean GENERATED ALWAYS AS ({c} = {v}) STORED
ALTER TABLE lab.patient ADD COLUMN made boolean GENERATED ALWAYS AS ({c} IS NULL) STORED ;; SELECT id, made FROM lab.patient ORDER BY id
ALTER TABLE lab.patient ALTER {c} SET STATISTICS 1000
CREATE UNIQUE INDEX made ON lab.patient ({c})
CREATE UNIQUE INDEX made ON lab.patient (city, {c})
CREATE UNIQUE INDEX made ON lab.patient (({c} IS NULL))
CREATE UNIQUE INDEX made ON lab.patient (city) WHERE {c} = {v}
CREATE UNIQUE INDEX made ON lab.patient (city) WHERE {c} IS NULL
CREATE INDEX made ON lab.patient ({c}) ;; CLUSTER lab.patient USING made ;; SELECT count(*) FROM lab.patient
CREATE INDEX made ON lab.patient ((1/(CASE WHEN {c} = {v} THEN 0 ELSE 1 END)))
CREATE STATISTICS lab.made ON {c}, city FROM lab.patient
CREATE STATISTICS lab.made ON ({c} = {v}) FROM lab.patient
CREATE POLICY made ON lab.patient USING ({c} = {v}) ;; ALTER TABLE lab.patient ENABLE ROW LEVEL SECURITY ;; ALTER TABLE lab.patient FORCE ROW LEVEL SECURITY ;; SELECT id FROM lab.patient ORDER BY id
CREATE POLICY made ON lab.patient USING ({c} IS NULL) ;; ALTER TABLE lab.patient ENABLE ROW LEVEL SECURITY ;; ALTER TABLE lab.patient FORCE ROW LEVEL SECURITY ;; SELECT id FROM lab.patient ORDER BY id
CREATE RULE made AS ON UPDATE TO lab.patient WHERE old.{c} = {v} DO INSTEAD NOTHING ;; UPDATE lab.patient SET city = 'Nice'
CREATE RULE made AS ON UPDATE TO lab.patient WHERE old.{c} IS NULL DO INSTEAD NOTHING ;; UPDATE lab.patient SET city = 'Nice'
CREATE TRIGGER made BEFORE UPDATE ON lab.patient FOR EACH ROW WHEN (old.{c} = {v}) EXECUTE FUNCTION lab.refuses() ;; UPDATE lab.patient SET city = 'Nice'
CREATE TRIGGER made BEFORE UPDATE ON lab.patient FOR EACH ROW WHEN (old.{c} IS NULL) EXECUTE FUNCTION lab.refuses() ;; UPDATE lab.patient SET city = 'Nice' WHERE id = 3
CREATE TRIGGER made BEFORE UPDATE ON lab.patient FOR EACH ROW EXECUTE FUNCTION lab.refuses() ;; UPDATE lab.patient SET city = 'Nice' WHERE id = 3
CREATE TABLE lab.made (LIKE lab.patient INCLUDING ALL) ;; INSERT INTO lab.made SELECT * FROM lab.patient
CREATE TABLE lab.made (day int, {c} bytea) PARTITION BY LIST ({c})
ALTER TABLE lab.patient RENAME {c} TO made ;; SELECT made FROM lab.patient
ALTER TABLE lab.patient DROP COLUMN {c} ;; SELECT count(*) FROM lab.patient
COMMENT ON COLUMN lab.patient.{c} IS 'x' ;; REINDEX TABLE lab.patient
ALTER TABLE lab.result ADD FOREIGN KEY (nir) REFERENCES lab.patient (nir)
ALTER TABLE lab.patient ADD FOREIGN KEY (blood) REFERENCES lab.once (nir)
ALTER TABLE lab.patient ADD PRIMARY KEY (email)
ALTER TABLE lab.patient RENAME TO made ;; SELECT * FROM lab.made
ALTER TABLE lab.patient SET SCHEMA public ;; SELECT * FROM public.patient
DROP TABLE lab.patient CASCADE
VACUUM FULL lab.patient
VACUUM (ANALYZE) lab.patient
CREATE TABLE lab.made () INHERITS (lab.patient) ;; INSERT INTO lab.made (id, city) VALUES (91, 'Nice') ;; SELECT id FROM lab.patient ORDER BY id
ALTER TABLE lab.parted DETACH PARTITION lab.parted_2024 ;; ALTER TABLE lab.parted ATTACH PARTITION lab.parted_2024 FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')
GRANT SELECT ON lab.patient TO PUBLIC
ALTER TABLE lab.bare ALTER note TYPE text USING CASE WHEN email IS NULL THEN 'a' ELSE 'b' END ;; SELECT note FROM lab.bare ORDER BY id
ALTER TABLE lab.bare ALTER age TYPE bigint USING age / (CASE WHEN email IS NULL THEN 0 ELSE 1 END)
ALTER TABLE lab.bare ALTER age TYPE bigint USING age / (CASE WHEN blood = 'O' THEN 0 ELSE 1 END)
ALTER TABLE lab.bare ALTER email SET NOT NULL
ALTER TABLE lab.bare ADD UNIQUE (blood)
ALTER TABLE lab.bare ADD UNIQUE (blood, email)
ALTER TABLE lab.bare ADD CONSTRAINT made UNIQUE NULLS NOT DISTINCT (email)
ALTER TABLE lab.bare ADD CHECK (email IS NOT NULL)
ALTER TABLE lab.bare ADD CHECK (email IS NULL OR age > 3) NOT VALID ;; UPDATE lab.bare SET note = note
ALTER TABLE lab.bare ADD FOREIGN KEY (blood) REFERENCES lab.bare (blood)
ALTER TABLE lab.bare ADD COLUMN made int GENERATED ALWAYS AS (num_nulls(email)) STORED ;; SELECT id, made FROM lab.bare ORDER BY id
ALTER TABLE lab.bare ADD COLUMN made int GENERATED ALWAYS AS (CASE WHEN email IS NULL THEN 1 ELSE 2 END) STORED ;; SELECT id, made FROM lab.bare ORDER BY id
CREATE UNIQUE INDEX ON lab.bare (blood)
CREATE UNIQUE INDEX ON lab.bare (blood) WHERE id < 4
CREATE UNIQUE INDEX ON lab.bare ((email IS NULL)) WHERE id > 1
CREATE STATISTICS lab.made ON (email IS NULL), note FROM lab.bare ;; ANALYZE lab.bare ;; EXPLAIN SELECT id FROM lab.bare WHERE note = 'c'
CREATE TABLE lab.made AS SELECT * FROM lab.bare
CREATE TABLE lab.made (LIKE lab.bare INCLUDING ALL) ;; INSERT INTO lab.made SELECT * FROM lab.bare
CLUSTER lab.bare USING bare_pkey ;; SELECT id FROM lab.bare

# Rows as one value, and what says something of a row or a table without naming a column.
SELECT * FROM lab.patient ORDER BY id
TABLE lab.patient
SELECT p FROM lab.patient p WHERE id = 3
SELECT p::text FROM lab.patient p WHERE id = 3
SELECT p.*::text FROM lab.patient p WHERE id = 3
SELECT (p).last_name FROM lab.patient p WHERE id = 3
SELECT p IS NULL FROM lab.patient p ORDER BY id
SELECT p IS NOT NULL FROM lab.patient p ORDER BY id
SELECT p = p FROM lab.patient p WHERE id = 3
SELECT count(DISTINCT p) FROM lab.patient p
SELECT id FROM lab.patient p ORDER BY p
SELECT count(p) FROM lab.patient p
SELECT count(p.*) FROM lab.patient p
SELECT num_nulls(p.*) FROM lab.patient p
SELECT p.id FROM lab.patient p, lab.patient q WHERE p = q AND p.id = 3
SELECT ROW (p.*) = ROW (p.*) FROM lab.patient p WHERE id = 3
SELECT ROW (nir, last_name) FROM lab.patient WHERE id = 3
SELECT (nir, last_name) < (nir, last_name) FROM lab.patient WHERE id = 3
SELECT row_to_json(p) FROM lab.patient p ORDER BY id
SELECT to_jsonb(p) FROM lab.patient p ORDER BY id
SELECT to_jsonb(p) - 'id' FROM lab.patient p WHERE id = 3
SELECT to_jsonb(p) ->> 'last_name' FROM lab.patient p WHERE id = 3
SELECT key, value FROM lab.patient p, json_each_text(row_to_json(p)) WHERE id = 3
SELECT jsonb_each(to_jsonb(p)) FROM lab.patient p WHERE id = 3
SELECT json_agg(p) FROM lab.patient p
SELECT array_to_json(array_agg(p)) FROM lab.patient p
SELECT json_populate_record(NULL::lab.patient, row_to_json(p)) FROM lab.patient p WHERE id = 3
SELECT pg_column_size(p) FROM lab.patient p WHERE id = 3
SELECT pg_column_size(p.*) FROM lab.patient p WHERE id = 3
SELECT octet_length(p::text) FROM lab.patient p WHERE id = 3
SELECT hash_record(p) FROM lab.patient p WHERE id = 3
SELECT md5(p::text) FROM lab.patient p WHERE id = 3
SELECT record_out(p) FROM lab.patient p WHERE id = 3
SELECT format('%s', p) FROM lab.patient p WHERE id = 3
SELECT concat(p) FROM lab.patient p WHERE id = 3
SELECT string_agg(p::text, ' ') FROM lab.patient p
SELECT query_to_xml('SELECT * FROM lab.patient', true, false, '')
SELECT query_to_xml('SELECT id FROM lab.patient WHERE last_name = ''Durand''', true, false, '')
SELECT query_to_xml('SELECT id FROM lab.pati' || 'ent WHERE weight > 70', true, false, '')
SELECT query_to_xml_and_xmlschema('TABLE lab.patient', true, false, '')
SELECT table_to_xml('lab.patient', true, false, '')
SELECT schema_to_xml('lab', true, false, '')
SELECT database_to_xml(true, false, '')
SELECT table_to_xmlschema('lab.patient', true, false, '')
DECLARE c CURSOR FOR SELECT id, last_name FROM lab.patient WHERE id = 3 ;; SELECT cursor_to_xml('c', 1, true, false, '')
DECLARE c CURSOR FOR SELECT id, last_name, email FROM lab.patient ORDER BY id ;; FETCH 2 FROM c ;; FETCH ALL FROM c ;; CLOSE c
DECLARE c SCROLL CURSOR FOR SELECT id FROM lab.patient WHERE blood = 'O' ;; FETCH LAST FROM c ;; MOVE ABSOLUTE 1 FROM c ;; CLOSE c
DECLARE c BINARY CURSOR FOR SELECT last_name FROM lab.patient WHERE id = 3 ;; FETCH ALL FROM c
DECLARE c CURSOR FOR SELECT id FROM lab.patient WHERE id = 3 FOR UPDATE ;; FETCH c ;; UPDATE lab.patient SET city = 'Nice' WHERE CURRENT OF c
PREPARE p AS SELECT id, last_name, email FROM lab.patient ORDER BY id ;; EXECUTE p ;; DEALLOCATE p
SELECT ctid, tableoid::regclass, id FROM lab.patient ORDER BY id
SELECT ctid FROM lab.patient WHERE id = 3
SELECT xmin, xmax, cmin, cmax FROM lab.patient WHERE id = 3
SELECT id FROM lab.patient ORDER BY ctid
SELECT id, city, age FROM lab.patient
SELECT id FROM lab.patient WHERE age > 30
SELECT id FROM lab.patient TABLESAMPLE SYSTEM (100)
SELECT city, count(*), avg(age) FROM lab.patient GROUP BY city ORDER BY 1
SELECT corr(age, weight), regr_slope(age, score) FROM lab.patient
SELECT stddev(weight), variance(score) FROM lab.patient
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY weight) FROM lab.patient
SELECT avg(weight), sum(score) FROM lab.patient
SELECT width_bucket(weight, 0, 100, 10) FROM lab.patient WHERE id = 3
SELECT extract(month FROM born) FROM lab.patient WHERE id = 3
SELECT date_trunc('year', seen) FROM lab.patient WHERE id = 3
SELECT born - '1970-01-01'::date FROM lab.patient WHERE id = 3
SELECT jsonb_object_keys(chart) FROM lab.patient WHERE id = 3
SELECT jsonb_typeof(chart) FROM lab.patient WHERE id = 3
SELECT jsonb_pretty(chart) FROM lab.patient WHERE id = 3
SELECT chart #>> '{ct}' FROM lab.patient WHERE id = 3
SELECT x.* FROM lab.patient, jsonb_to_record(chart) x (ct text) WHERE id = 3
SELECT to_char(seen, 'YYYY'), to_char(weight, '999') FROM lab.patient WHERE id = 3
SELECT active AND true, NOT smoker FROM lab.patient WHERE id = 3
SELECT CASE WHEN active THEN 1 ELSE 0 END FROM lab.patient WHERE id = 3
SELECT CASE WHEN smoker THEN 1/0 ELSE 0 END FROM lab.patient WHERE id = 3
SELECT weight, score, smoker, active, ref, seen, chart, photo, born FROM lab.patient WHERE id = 3
SELECT r.*, p.city FROM lab.patient p JOIN lab.result r ON r.patient = p.id ORDER BY r.id
SELECT p.city, r.outcome FROM lab.patient p JOIN lab.result r ON r.patient = p.id WHERE p.id = 3
SELECT at, outcome FROM lab.result ORDER BY at

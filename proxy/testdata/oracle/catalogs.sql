# Statistics, sizes, plans and the rest of what the server keeps about a table. These come first of a role's, since
# the space that changes leave behind in a table hangs on when the server clears it; those that change something are last.
SELECT * FROM pg_stats WHERE tablename = 'patient'
SELECT attname, null_frac, n_distinct, avg_width FROM pg_stats WHERE schemaname = 'lab'
SELECT most_common_vals FROM pg_stats WHERE attname = 'blood'
SELECT histogram_bounds::text FROM pg_stats
SELECT * FROM pg_statistic
SELECT stanullfrac, stawidth, stadistinct FROM pg_statistic WHERE starelid = 'lab.patient'::regclass
SELECT * FROM pg_stats_ext
SELECT * FROM pg_stats_ext_exprs
SELECT * FROM pg_statistic_ext_data
SELECT count(*) FROM pg_stats WHERE tablename = 'patient' AND null_frac > 0
SELECT relname, reltuples, relpages FROM pg_class WHERE relname IN ('patient', 'result') ORDER BY 1
SELECT pg_relation_size('lab.patient'), pg_table_size('lab.patient'), pg_total_relation_size('lab.patient'), pg_indexes_size('lab.patient')
SELECT attname, atttypid::regtype, attstattarget, attnotnull FROM pg_attribute WHERE attrelid = 'lab.patient'::regclass ORDER BY attnum
SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'lab.patient'::regclass ORDER BY 1
SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'lab' ORDER BY 1
SELECT * FROM information_schema.columns WHERE table_schema = 'lab' ORDER BY table_name, ordinal_position
SELECT viewname, definition FROM pg_views WHERE schemaname = 'lab' ORDER BY 1
SELECT proname, prosrc FROM pg_proc WHERE pronamespace = 'lab'::regnamespace ORDER BY 1
SELECT n_live_tup >= 0, n_dead_tup >= 0 FROM pg_stat_user_tables WHERE relname = 'patient'
SELECT seq_scan >= 0 FROM pg_stat_user_tables WHERE relname = 'patient'
SELECT count(*) >= 0 FROM pg_locks WHERE relation = 'lab.patient'::regclass
SELECT usename, datname FROM pg_stat_activity WHERE query LIKE '%Durand%' AND pid <> pg_backend_pid()
SELECT tgname FROM pg_trigger WHERE tgrelid = 'lab.told'::regclass ORDER BY 1
SELECT brin_summarize_new_values('lab.patient_pkey'::regclass)
SELECT pg_read_file('/etc/hostname')
SELECT lo_import('/etc/hostname')
SELECT * FROM pg_ls_dir('.')
SELECT pg_column_size(x) FROM (SELECT id FROM lab.patient) x ORDER BY x.id
SELECT currval('lab.one')
SELECT last_value FROM lab.one
SELECT txid_current() > 0
EXPLAIN SELECT * FROM lab.patient
EXPLAIN SELECT id FROM lab.patient WHERE {c} = {v}
EXPLAIN SELECT id FROM lab.patient WHERE {c} IS NULL
EXPLAIN (ANALYZE, TIMING off, SUMMARY off) SELECT id FROM lab.patient WHERE {c} = {v}
EXPLAIN (ANALYZE, TIMING off, SUMMARY off) SELECT id, {c} FROM lab.patient
EXPLAIN (VERBOSE, FORMAT json) SELECT {c} FROM lab.patient
EXPLAIN (VERBOSE, FORMAT yaml) SELECT id FROM lab.patient WHERE {c} <> {v}
EXPLAIN (ANALYZE, BUFFERS, TIMING off, SUMMARY off, FORMAT xml) SELECT id FROM lab.patient WHERE {c} IS NULL
EXPLAIN SELECT count(*) FROM lab.patient GROUP BY {c}
EXPLAIN SELECT DISTINCT {c} FROM lab.patient
EXPLAIN SELECT p.id FROM lab.patient p JOIN lab.patient q USING ({c})
EXPLAIN (GENERIC_PLAN) SELECT id FROM lab.patient WHERE {c} = $1
EXPLAIN SELECT id FROM lab.patient WHERE {c} = $1 :: {v}
EXPLAIN (ANALYZE, TIMING off, SUMMARY off) SELECT id, age FROM lab.patient WHERE age > 30
EXPLAIN (VERBOSE) SELECT id, age, city FROM lab.patient ORDER BY age
EXPLAIN (ANALYZE, TIMING off, SUMMARY off) SELECT p.id FROM lab.patient p JOIN lab.result r ON r.patient = p.id
EXPLAIN (ANALYZE, TIMING off, SUMMARY off) SELECT p.id FROM lab.patient p JOIN lab.result r USING (nir)
PREPARE p AS SELECT id FROM lab.patient WHERE last_name = 'Durand' ;; EXPLAIN ANALYZE EXECUTE p
LISTEN oracle ;; NOTIFY oracle, 'x'
LOCK TABLE lab.patient IN ACCESS EXCLUSIVE MODE
CREATE STATISTICS lab.made ON blood, city FROM lab.patient
CREATE STATISTICS lab.made (ndistinct) ON (age = 3), city FROM lab.patient
SELECT dblink('dbname=laboratory', 'SELECT last_name FROM lab.patient')
CREATE EXTENSION IF NOT EXISTS pageinspect ;; SELECT * FROM heap_page_items(get_raw_page('lab.patient', 0))
CREATE EXTENSION IF NOT EXISTS pgstattuple ;; SELECT tuple_len FROM pgstattuple('lab.patient')
SELECT * FROM pg_get_object_address('table', '{lab,patient}', '{}')
SELECT obj_description('lab.patient'::regclass), col_description('lab.patient'::regclass, 4)
SELECT has_column_privilege('lab.patient', 'last_name', 'SELECT')
SELECT currtid2('lab.patient', '(0,1)')
SELECT pg_relation_filepath('lab.patient') IS NOT NULL
SELECT id FROM lab.plain WHERE note = '{long}'
SELECT id FROM lab.patient WHERE last_name = '{long}'
SELECT id FROM lab.patient WHERE age IN ({many}) ORDER BY id
PREPARE p AS SELECT id, age FROM lab.patient ORDER BY id ;; EXECUTE p ;; EXPLAIN EXECUTE p ;; DEALLOCATE p
EXPLAIN (ANALYZE, TIMING off, SUMMARY off) UPDATE lab.patient SET city = 'Nice' WHERE {c} = {v}
EXPLAIN (ANALYZE, TIMING off, SUMMARY off) DELETE FROM lab.patient WHERE {c} = {v} RETURNING id
EXPLAIN (ANALYZE, TIMING off, SUMMARY off) INSERT INTO lab.patient (id, city, {c}) VALUES (90, 'Nice', {v}) ON CONFLICT DO NOTHING
ANALYZE lab.patient
ANALYZE VERBOSE lab.patient
TRUNCATE lab.once

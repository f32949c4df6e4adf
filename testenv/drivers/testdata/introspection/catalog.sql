-- information_schema.columns in full
SELECT * FROM information_schema.columns WHERE table_schema = 'lab' ORDER BY table_name, ordinal_position

-- the types that columns have
SELECT * FROM information_schema.column_udt_usage WHERE table_schema = 'lab' ORDER BY table_name, column_name

-- pg_attribute in full, of tables, views and indexes
SELECT c.relname, a.* FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid WHERE c.relnamespace = 'lab'::regnamespace ORDER BY c.relname, a.attnum

-- every constraint
SELECT conname, contype, conrelid::regclass, conkey, pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'lab'::regnamespace ORDER BY 1, 3::text

-- how many constraints there are to be
SELECT relname, relchecks FROM pg_class WHERE relnamespace = 'lab'::regnamespace ORDER BY 1

-- table_constraints
SELECT * FROM information_schema.table_constraints WHERE table_schema = 'lab' AND constraint_name !~ '_not_null$' ORDER BY table_name, constraint_name

-- check_constraints
SELECT * FROM information_schema.check_constraints WHERE constraint_schema = 'lab' AND constraint_name !~ '_not_null$' ORDER BY constraint_name

-- constraint_column_usage
SELECT * FROM information_schema.constraint_column_usage WHERE table_schema = 'lab' ORDER BY table_name, constraint_name, column_name

-- key_column_usage, which pgveil leaves as it is
SELECT * FROM information_schema.key_column_usage WHERE table_schema = 'lab' ORDER BY table_name, constraint_name, column_name

-- as a prepared statement
PREPARE columns_of AS SELECT attname, atttypid::regtype, atttypmod FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 ORDER BY attnum

-- running it
EXECUTE columns_of('lab.every')

-- as a cursor
BEGIN

-- declared
DECLARE introspect CURSOR FOR SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = 'lab' AND table_name = 'every' ORDER BY ordinal_position

-- fetched
FETCH ALL FROM introspect

-- closed
COMMIT

-- in a CTE and a subquery
WITH a AS (SELECT attrelid, attname, atttypid FROM pg_catalog.pg_attribute WHERE attnum > 0) SELECT (SELECT relname FROM pg_class WHERE oid = attrelid), attname, t.typname FROM a JOIN pg_type t ON t.oid = atttypid WHERE attrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'lab'::regnamespace) ORDER BY 1, 2

-- copied out
COPY (SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'lab.patient'::regclass ORDER BY attnum) TO STDOUT

-- system columns
SELECT a.tableoid::regclass, a.attname, a.atttypid::regtype FROM pg_attribute a WHERE a.attrelid = 'lab.patient'::regclass ORDER BY a.attnum

-- an error's position is that of the client's text
SELECT attname, atttypid, nowhere FROM pg_attribute WHERE attrelid = 1

-- a type that does not fit
SELECT count(*) FROM pg_attribute WHERE attname = 'a' AND atttypid = 'unheard of'::regtype

-- nothing tagged named, nor anything else that exists
SELECT atttypid FROM pg_attribute, lab.nothing

-- a name from information_schema by search_path
SET search_path = information_schema, pg_catalog

-- found
SELECT column_name, data_type, character_maximum_length, columns.udt_name FROM columns WHERE columns.table_schema = 'lab' AND columns.table_name = 'patient' ORDER BY ordinal_position

-- back
RESET search_path

-- the type of a value
SELECT pg_typeof(r_numeric), pg_typeof(d_char), pg_catalog.pg_typeof(e.r_timestamptz), pg_typeof(d_bytea), pg_typeof(plain) FROM (SELECT 1) x LEFT JOIN lab.every e ON true LIMIT 1

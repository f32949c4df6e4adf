# What is computed of a tagged column, in every clause.
SELECT id, {c} FROM lab.patient ORDER BY id
SELECT id, {c} = {v} FROM lab.patient ORDER BY id
SELECT id, CASE WHEN {c} = {v} THEN 1 ELSE 0 END FROM lab.patient ORDER BY id
SELECT id, CASE {c} WHEN {v} THEN 1 ELSE 0 END FROM lab.patient ORDER BY id
SELECT id, CASE WHEN {c} IS NULL THEN 'none' ELSE 'some' END FROM lab.patient ORDER BY id
SELECT id, coalesce({c}, {v}) FROM lab.patient ORDER BY id
SELECT id, nullif({c}, {v}) FROM lab.patient ORDER BY id
SELECT id, greatest({c}, {v}) FROM lab.patient ORDER BY id
SELECT id, CASE WHEN id = 3 THEN {c} ELSE {v} END FROM lab.patient ORDER BY id
SELECT id, CASE WHEN id = 3 THEN {c}::text ELSE city END FROM lab.patient ORDER BY id
SELECT id FROM lab.patient ORDER BY {c}
SELECT id FROM lab.patient ORDER BY {c} DESC NULLS LAST LIMIT 1
SELECT id FROM lab.patient ORDER BY {c} = {v}, id
SELECT id, {c} FROM lab.patient ORDER BY 2
SELECT id, {c} AS x FROM lab.patient ORDER BY x USING <
SELECT DISTINCT {c} IS NULL FROM lab.patient
SELECT DISTINCT ON ({c} IS NULL) id FROM lab.patient ORDER BY {c} IS NULL, id
SELECT count(*) FROM (SELECT DISTINCT {c} FROM lab.patient) x
SELECT count(DISTINCT {c}) FROM lab.patient
SELECT count({c}) FROM lab.patient
SELECT count({c}) FILTER (WHERE id = 3) FROM lab.patient
SELECT count(*) FILTER (WHERE {c} = {v}) FROM lab.patient
SELECT sum(CASE WHEN {c} = {v} THEN 1 ELSE 0 END) FROM lab.patient
SELECT bool_or({c} = {v}) FROM lab.patient
SELECT count(*), min(id) FROM lab.patient GROUP BY {c} ORDER BY 2
SELECT count(*) FROM lab.patient GROUP BY {c} = {v} ORDER BY 1
SELECT city FROM lab.patient GROUP BY city HAVING count({c}) > 1 ORDER BY 1
SELECT city FROM lab.patient GROUP BY city HAVING bool_or({c} = {v}) ORDER BY 1
SELECT city FROM lab.patient GROUP BY city HAVING max({c}) > {v}
SELECT count(*) FROM lab.patient GROUP BY GROUPING SETS (({c}), ()) ORDER BY 1
SELECT count(*) FROM lab.patient GROUP BY ROLLUP ({c}, city) ORDER BY 1
SELECT min({c}), max({c}) FROM lab.patient
SELECT string_agg({c}::text, ',') FROM lab.patient
SELECT array_agg({c} ORDER BY id) FROM lab.patient
SELECT array_agg(id ORDER BY {c}) FROM lab.patient
SELECT mode() WITHIN GROUP (ORDER BY {c}) FROM lab.patient
SELECT rank({v}) WITHIN GROUP (ORDER BY {c}) FROM lab.patient
SELECT id, row_number() OVER (ORDER BY {c}) FROM lab.patient ORDER BY id
SELECT id, count(*) OVER (PARTITION BY {c}) FROM lab.patient ORDER BY id
SELECT id, lag({c}) OVER (ORDER BY id) FROM lab.patient ORDER BY id
SELECT id, first_value(id) OVER (ORDER BY {c}) FROM lab.patient ORDER BY id
SELECT id, ntile(2) OVER w FROM lab.patient WINDOW w AS (ORDER BY {c}) ORDER BY id
SELECT {c} FROM lab.patient WHERE id = 3 UNION ALL SELECT {v}
SELECT count(*) FROM (SELECT {c} FROM lab.patient WHERE id = 3 UNION SELECT {v}) x
SELECT count(*) FROM (SELECT {c} FROM lab.patient INTERSECT SELECT {v}) x
SELECT count(*) FROM (SELECT {c} FROM lab.patient EXCEPT SELECT {v}) x
SELECT count(*) FROM (VALUES ({v})) x (y) WHERE y IN (SELECT {c} FROM lab.patient)
SELECT {c}::text FROM lab.patient WHERE id = 3
SELECT {c}::int FROM lab.patient WHERE id = 3
SELECT {c}::numeric FROM lab.patient WHERE id = 3
SELECT {c}::bytea FROM lab.patient WHERE id = 3
SELECT {c}::{t} FROM lab.patient WHERE id = 3
SELECT {c}::varchar(1) FROM lab.patient WHERE id = 3
SELECT {c}::regclass FROM lab.patient WHERE id = 3
SELECT {c}::xml FROM lab.patient WHERE id = 3
SELECT {c}::inet FROM lab.patient WHERE id = 3
SELECT 1/(CASE WHEN {c} = {v} THEN 0 ELSE 1 END) FROM lab.patient WHERE id = 3
SELECT 1/(CASE WHEN {c} IS NULL THEN 0 ELSE 1 END) FROM lab.patient WHERE id = 3
SELECT ('x' || {c})::int FROM lab.patient WHERE id = 3
SELECT (CASE WHEN {c} > {v} THEN 'x' ELSE '1' END)::int FROM lab.patient WHERE id = 3
SELECT (ARRAY[1, 2])[{c}::int] FROM lab.patient WHERE id = 3
SELECT length({c}::text) FROM lab.patient WHERE id = 3
SELECT octet_length({c}) FROM lab.patient WHERE id = 3
SELECT pg_column_size({c}) FROM lab.patient WHERE id = 3
SELECT md5({c}::text) FROM lab.patient WHERE id = 3
SELECT encode({c}, 'hex') FROM lab.patient WHERE id = 3
SELECT sha256({c}) FROM lab.patient WHERE id = 3
SELECT get_byte({c}, 0) FROM lab.patient WHERE id = 3
SELECT substr({c}, 1, 2) FROM lab.patient WHERE id = 3
SELECT upper({c}) FROM lab.patient WHERE id = 3
SELECT {c} || 'x' FROM lab.patient WHERE id = 3
SELECT {c} + 1 FROM lab.patient WHERE id = 3
SELECT - {c} FROM lab.patient WHERE id = 3
SELECT pg_typeof({c}) FROM lab.patient WHERE id = 3
SELECT format('%s', {c}) FROM lab.patient WHERE id = 3
SELECT concat({c}, 'x') FROM lab.patient WHERE id = 3
SELECT quote_literal({c}) FROM lab.patient WHERE id = 3
SELECT hashtext({c}::text) FROM lab.patient WHERE id = 3
SELECT generate_series(1, CASE WHEN {c} = {v} THEN 1 ELSE 2 END) FROM lab.patient WHERE id = 3
SELECT id FROM lab.patient LIMIT (SELECT count(*) FROM lab.patient WHERE {c} = {v})
SELECT id FROM lab.patient ORDER BY id OFFSET (SELECT count({c}) FROM lab.patient)
SELECT (SELECT {c} FROM lab.patient WHERE id = 3) = {v}
SELECT EXISTS (SELECT FROM lab.patient WHERE {c} = {v})
SELECT ARRAY(SELECT {c} FROM lab.patient ORDER BY id)
SELECT ARRAY[{c}, {c}] FROM lab.patient WHERE id = 3
SELECT unnest(ARRAY[{c}]) FROM lab.patient WHERE id = 3
SELECT (array_agg({c}))[1] FROM lab.patient WHERE id = 3
SELECT array_length(array_remove(array_agg({c}), NULL), 1) FROM lab.patient
SELECT array_position(array_agg({c}), {v}) FROM lab.patient
SELECT pg_sleep(CASE WHEN {c} = {v} THEN 0.1 ELSE 0 END) FROM lab.patient WHERE id = 3
SELECT set_config('oracle.v', {c}::text, true) FROM lab.patient WHERE id = 3
SELECT pg_advisory_xact_lock(CASE WHEN {c} = {v} THEN 1 ELSE 2 END) FROM lab.patient WHERE id = 3
SELECT pg_try_advisory_xact_lock(hashtext({c}::text)) FROM lab.patient WHERE id = 3
SELECT pg_notify('oracle', {c}::text) FROM lab.patient WHERE id = 3
SELECT nextval(CASE WHEN {c} = {v} THEN 'lab.one'::regclass ELSE 'lab.two'::regclass END) FROM lab.patient WHERE id = 3
SELECT lo_from_bytea(0, {c}) FROM lab.patient WHERE id = 3
SELECT row_to_json(x) FROM (SELECT id, {c} FROM lab.patient) x ORDER BY x.id
SELECT to_json({c}) FROM lab.patient WHERE id = 3
SELECT json_agg({c}) FROM lab.patient
SELECT json_build_object('v', {c}) FROM lab.patient ORDER BY id
SELECT json_strip_nulls(json_build_object('v', {c})) FROM lab.patient WHERE id = 3
SELECT json_object_agg({c}, id) FROM lab.patient
SELECT json_build_object('v', {c}) ->> 'v' FROM lab.patient WHERE id = 3
SELECT json_build_object('v', {c})::text = '{"v" : null}' FROM lab.patient WHERE id = 3
SELECT DISTINCT to_jsonb({c}) FROM lab.patient
SELECT xmlelement(name x, {c}) FROM lab.patient WHERE id = 3
SELECT xmlforest({c}) FROM lab.patient WHERE id = 3
SELECT xmlagg(xmlelement(name x, {c})) FROM lab.patient
WITH w AS (SELECT id, {c} AS y FROM lab.patient) SELECT y FROM w WHERE id = 3
WITH w AS MATERIALIZED (SELECT id, {c} AS y FROM lab.patient) SELECT id FROM w WHERE y = {v}
WITH RECURSIVE w (y, n) AS (SELECT {c}, 1 FROM lab.patient WHERE id = 3 UNION ALL SELECT y, n + 1 FROM w WHERE n < 2) SELECT n FROM w WHERE y = {v}
WITH RECURSIVE w (y) AS (SELECT {c} FROM lab.patient UNION SELECT {v}) SELECT count(*) FROM w
SELECT id, {c} FROM lab.seen ORDER BY id
SELECT id FROM lab.seen WHERE {c} = {v}
SELECT * FROM lab.same WHERE city = 'Paris'
SELECT p.{c} FROM lab.plain LEFT JOIN lab.patient p ON p.id = 3 AND p.{c} = {v}
SELECT {c} FROM lab.patient TABLESAMPLE BERNOULLI (50) REPEATABLE (1)
SELECT {c} FROM lab.patient WHERE id = 3 FOR UPDATE
SELECT id FROM lab.patient WHERE {c} = {v} FOR SHARE SKIP LOCKED
SELECT CASE WHEN (SELECT {c} FROM lab.patient WHERE id = 3) IS NULL THEN 1/0 ELSE 1 END

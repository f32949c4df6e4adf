# Every operator, with values of the column's type. {c} is a tagged column, {v} a value of its
# type, {t} that type. A line is one test; its statements are parted by " ;; ".
SELECT id FROM lab.patient WHERE {c} = {v} ORDER BY id
SELECT id FROM lab.patient WHERE {v} = {c} ORDER BY id
SELECT id FROM lab.patient WHERE {c} <> {v} ORDER BY id
SELECT id FROM lab.patient WHERE {c} OPERATOR(pg_catalog.=) {v} ORDER BY id
SELECT id FROM lab.patient WHERE NOT {c} = {v} ORDER BY id
SELECT id FROM lab.patient WHERE {c} IN ({v}, {v}) ORDER BY id
SELECT id FROM lab.patient WHERE {c} NOT IN ({v}) ORDER BY id
SELECT id FROM lab.patient WHERE {c} = ANY (ARRAY[{v}]::{t}[]) ORDER BY id
SELECT id FROM lab.patient WHERE {c} <> ALL (ARRAY[{v}]::{t}[]) ORDER BY id
SELECT id FROM lab.patient WHERE {c} IS DISTINCT FROM {v} ORDER BY id
SELECT id FROM lab.patient WHERE {c} IS NOT DISTINCT FROM {v} ORDER BY id
SELECT id FROM lab.patient WHERE {c} < {v} ORDER BY id
SELECT id FROM lab.patient WHERE {c} >= {v} ORDER BY id
SELECT id FROM lab.patient WHERE {c} BETWEEN {v} AND {v} ORDER BY id
SELECT id FROM lab.patient WHERE {c} BETWEEN SYMMETRIC {v} AND {v}
SELECT id FROM lab.patient WHERE {c} LIKE 'D%' ORDER BY id
SELECT id FROM lab.patient WHERE {c} NOT ILIKE '%ur%' ORDER BY id
SELECT id FROM lab.patient WHERE {c} ~ '^D' ORDER BY id
SELECT id FROM lab.patient WHERE {c} SIMILAR TO 'D%' ORDER BY id
SELECT id FROM lab.patient WHERE {c}::text = {v} ORDER BY id
SELECT id FROM lab.patient WHERE {c} = {v}::{t} ORDER BY id
SELECT id FROM lab.patient WHERE {c} = CAST({v} AS text) ORDER BY id
SELECT id FROM lab.patient WHERE ({c}, id) = ({v}, 3)
SELECT id FROM lab.patient WHERE ({c}, id) < ({v}, 3)
SELECT id FROM lab.patient WHERE ({c}, id) IN (({v}, 3), ({v}, 1))
SELECT id FROM lab.patient WHERE ({c}, id) IN (VALUES ({v}, 3))
SELECT id FROM lab.patient WHERE {c} = (SELECT {v}) ORDER BY id
SELECT id FROM lab.patient WHERE {c} IN (SELECT {v}) ORDER BY id
SELECT id FROM lab.patient WHERE {c} = ANY (SELECT {c} FROM lab.patient WHERE id = 1) ORDER BY id
SELECT p.id FROM lab.patient p WHERE EXISTS (SELECT FROM (SELECT {v} AS y) x WHERE x.y = p.{c}) ORDER BY 1
SELECT p.id FROM lab.patient p JOIN (VALUES ({v})) x (y) ON x.y = p.{c} ORDER BY 1
SELECT p.id FROM lab.patient p LEFT JOIN (VALUES ({v})) x (y) ON x.y = p.{c} WHERE x.y IS NULL ORDER BY 1
SELECT id FROM lab.patient JOIN (SELECT {v}::{t} AS {c}) x USING ({c}) ORDER BY 1
SELECT id FROM lab.patient NATURAL JOIN (SELECT {v}::{t} AS {c}) x ORDER BY 1
SELECT p.id, q.id FROM lab.patient p JOIN lab.patient q ON p.{c} = q.{c} AND p.id < q.id ORDER BY 1
SELECT p.id FROM lab.patient p, LATERAL (SELECT p.{c} AS y) x WHERE x.y = {v}
SELECT id FROM lab.patient WHERE id = 3 AND ({c} = {v} OR 1/(id - 3) = 0)
SELECT id FROM lab.patient WHERE {c} = {v} OR id = 1 ORDER BY id
SELECT id FROM lab.patient WHERE {c} IS NULL ORDER BY id
SELECT id FROM lab.patient WHERE {c} IS NOT NULL ORDER BY id
SELECT id FROM lab.patient WHERE ROW ({c}) IS NULL ORDER BY id
SELECT id FROM lab.patient WHERE coalesce({c}, {v}) = {v} ORDER BY id
SELECT id FROM lab.patient WHERE nullif({c}, {v}) IS NULL ORDER BY id
SELECT id FROM lab.patient WHERE num_nulls({c}) = 1 ORDER BY id
SELECT id FROM lab.patient WHERE ({c} = {v}) IS TRUE ORDER BY id
SELECT id FROM lab.patient WHERE ({c} = {v}) IS NOT UNKNOWN ORDER BY id
SELECT id FROM lab.patient WHERE {c} = $1 ORDER BY id :: {v}
SELECT id FROM lab.patient WHERE {c} = ANY ($1) ORDER BY id :: {"{v}"}
SELECT id FROM lab.patient WHERE $1 = {c} OR $2 = id :: {v} :: 1
SELECT id FROM lab.patient WHERE {c} < $1 :: {v}
PREPARE p ({t}) AS SELECT id FROM lab.patient WHERE {c} = $1 ORDER BY id ;; EXECUTE p ({v}) ;; DEALLOCATE p
SELECT id FROM lab.patient WHERE active ORDER BY id
SELECT id FROM lab.patient WHERE NOT active ORDER BY id
SELECT id FROM lab.patient WHERE smoker IS TRUE ORDER BY id
SELECT id FROM lab.patient WHERE smoker IS NOT UNKNOWN
SELECT count(*) FROM lab.patient WHERE active IS NULL
SELECT id FROM lab.patient WHERE weight > 70 AND age > 3
SELECT id FROM lab.patient WHERE weight = 70
SELECT id FROM lab.patient WHERE born < '1975-01-01'
SELECT id FROM lab.patient WHERE born = '1970-05-17'
SELECT id FROM lab.patient WHERE (born, born) OVERLAPS ('1970-01-01'::date, '1971-01-01'::date)
SELECT id FROM lab.patient WHERE extract(year FROM born) = 1970
SELECT id FROM lab.patient WHERE age(born) > interval '40 years'
SELECT id FROM lab.patient WHERE chart @> '{"smokes": true}'
SELECT id FROM lab.patient WHERE chart ->> 'ct' = '21'
SELECT id FROM lab.patient WHERE chart ? 'ct'
SELECT id FROM lab.patient WHERE jsonb_path_exists(chart, '$.ct')
SELECT id FROM lab.patient WHERE to_tsvector('simple', last_name) @@ to_tsquery('durand')
SELECT id FROM lab.patient WHERE photo = '\xdeadbeef'
SELECT id FROM lab.patient WHERE substring(photo FROM 1 FOR 1) = '\xde'
SELECT id FROM lab.patient WHERE ref = 'c0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'
SELECT id FROM lab.patient WHERE seen > now() - interval '1 year'
SELECT id FROM lab.patient WHERE score % 2 = 0
SELECT id FROM lab.patient WHERE score BETWEEN 1 AND 2
SELECT p.id, r.id FROM lab.patient p JOIN lab.result r ON p.nir = r.nir ORDER BY 1, 2
SELECT p.id, r.id FROM lab.patient p JOIN lab.result r USING (nir) ORDER BY 1, 2
SELECT count(*) FROM lab.patient NATURAL JOIN lab.visit
SELECT id FROM lab.patient WHERE nir IN (SELECT nir FROM lab.result) ORDER BY id
SELECT id FROM lab.patient p WHERE NOT EXISTS (SELECT FROM lab.result r WHERE r.nir = p.nir) ORDER BY id
SELECT id FROM lab.patient WHERE nir = blood
SELECT id FROM lab.patient WHERE last_name = email
SELECT id FROM lab.patient WHERE city = blood
SELECT id FROM lab.patient WHERE last_name = city

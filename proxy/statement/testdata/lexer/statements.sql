SELECT abalance FROM pgbench_accounts WHERE aid = 12345;
----
BEGIN; UPDATE pgbench_accounts SET abalance = abalance + -120 WHERE aid = 55; END;
----
INSERT INTO lab.patient (nom, nir, né_le) VALUES ('Dupont', '1790275123456', DATE '1979-02-01'), ($1, $2::varchar, NULL), (DEFAULT, E'\'', now()) ON CONFLICT (nir) DO UPDATE SET nom = excluded.nom RETURNING *
----
WITH RECURSIVE t(n) AS (VALUES (1) UNION ALL SELECT n+1 FROM t WHERE n < 100) SELECT sum(n) FROM t
----
CREATE FUNCTION f(a int, OUT b text) LANGUAGE plpgsql AS $fn$ BEGIN b := 'x;' || $1; RETURN; END $fn$
----
CREATE FUNCTION add(a int, b int) RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT a; SELECT CASE WHEN a > b THEN 1 ELSE 2 END; END; SELECT 2
----
COPY t (a, b) FROM STDIN WITH (FORMAT csv, DELIMITER E'\t', NULL '')
----
SELECT * FROM a NATURAL LEFT JOIN b USING (x) WHERE (a.x, b.y) = (1, 'z') AND a.d AT TIME ZONE 'Europe/Paris' > CURRENT_TIMESTAMP - INTERVAL '1 day' ORDER BY 1 DESC NULLS LAST LIMIT 10 OFFSET $1 FOR UPDATE SKIP LOCKED
----
SELECT count(*) FILTER (WHERE x IS NOT NULL) OVER (PARTITION BY y ORDER BY z ROWS BETWEEN 1 PRECEDING AND CURRENT ROW), ARRAY[1,2,3], ROW(1,'a'), CAST(a AS numeric(10,2)), x::varchar(15) COLLATE "fr_FR"
----
MERGE INTO t USING s ON t.id = s.id WHEN MATCHED THEN UPDATE SET v = s.v WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.v)
----
PREPARE p (int, text) AS SELECT $1, $2; EXECUTE p(1, 'a'); DEALLOCATE ALL
----
SET search_path = lab, public; SET LOCAL role 'biologist'; RESET ALL; SELECT set_config('role', 'x', false)
----
abort absent absolute access action add admin after aggregate all also alter always analyse analyze and any array as asc asensitive assertion assignment asymmetric at atomic attach attribute authorization backward before begin between bigint binary bit boolean both breadth by cache call called cascade cascaded case cast catalog chain char character characteristics check checkpoint class close cluster coalesce collate collation column columns comment comments commit committed compression concurrently conditional configuration conflict connection constraint constraints content continue conversion copy cost create cross csv cube current current_catalog current_date current_role current_schema current_time current_timestamp current_user cursor cycle
----
data database day deallocate dec decimal declare default defaults deferrable deferred definer delete delimiter delimiters depends depth desc detach dictionary disable discard distinct do document domain double drop each else empty enable encoding encrypted end enum error escape event except exclude excluding exclusive execute exists explain expression extension external extract false family fetch filter finalize first float following for force foreign format forward freeze from full function functions generated global grant granted greatest group grouping groups handler having header hold hour identity if ilike immediate immutable implicit import in include including increment indent index indexes inherit inherits initially inline inner inout input insensitive insert instead int integer intersect interval into invoker is isnull isolation join
----
json json_array json_arrayagg json_exists json_object json_objectagg json_query json_scalar json_serialize json_table json_value keep key keys label language large last lateral leading leakproof least left level like limit listen load local localtime localtimestamp location lock locked logged mapping match matched materialized maxvalue merge merge_action method minute minvalue mode month move name names national natural nchar nested new next nfc nfd nfkc nfkd no none normalize normalized not nothing notify notnull nowait null nullif nulls numeric object of off offset oids old omit on only operator option options or order ordinality others out outer over overlaps overlay overriding owned owner
----
parallel parameter parser partial partition passing password path placing plan plans policy position preceding precision prepare prepared preserve primary prior privileges procedural procedure procedures program publication quote quotes range read real reassign recursive ref references referencing refresh reindex relative release rename repeatable replace replica reset restart restrict return returning returns revoke right role rollback rollup routine routines row rows rule savepoint scalar schema schemas scroll search second security select sequence sequences serializable server session session_user set setof sets share show similar simple skip smallint snapshot some source sql stable standalone start statement statistics stdin stdout storage stored strict string strip subscription substring support symmetric sysid system system_user
----
table tables tablesample tablespace target temp template temporary text then ties time timestamp to trailing transaction transform treat trigger trim true truncate trusted type types uescape unbounded uncommitted unconditional unencrypted union unique unknown unlisten unlogged until update user using vacuum valid validate validator value values varchar variadic varying verbose version view views volatile when where whitespace window with within without work wrapper write xml xmlattributes xmlconcat xmlelement xmlexists xmlforest xmlnamespaces xmlparse xmlpi xmlroot xmlserialize xmltable year yes zone

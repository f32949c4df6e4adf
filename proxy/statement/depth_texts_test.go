package statement

import "strings"

// deepTexts are all the ways to make a parse tree deep that the grammar is known
// to have, each with how often it is repeated.
var deepTexts = map[string]func(n int) string{
	"plus":   func(n int) string { return "SELECT 1" + strings.Repeat("+1", n) },
	"plusR":  func(n int) string { return "SELECT 1" + strings.Repeat("+(1", n) + strings.Repeat(")", n) },
	"parens": func(n int) string { return "SELECT " + strings.Repeat("(", n) + "1" + strings.Repeat(")", n) },
	"not":    func(n int) string { return "SELECT " + strings.Repeat("NOT ", n) + "true" },
	"minus":  func(n int) string { return "SELECT " + strings.Repeat("- ", n) + "a" },
	"subq":   func(n int) string { return strings.Repeat("SELECT (", n) + "SELECT 1" + strings.Repeat(")", n) },
	"subqfrom": func(n int) string {
		return strings.Repeat("SELECT * FROM (", n) + "SELECT 1" + strings.Repeat(") x", n)
	},
	"subqin": func(n int) string {
		return strings.Repeat("SELECT 1 WHERE a IN (", n) + "SELECT 1" + strings.Repeat(")", n)
	},
	"case": func(n int) string {
		return "SELECT " + strings.Repeat("CASE WHEN a THEN ", n) + "1" + strings.Repeat(" END", n)
	},
	"caseelse": func(n int) string {
		return "SELECT " + strings.Repeat("CASE WHEN a THEN 1 ELSE ", n) + "1" + strings.Repeat(" END", n)
	},
	"cast": func(n int) string { return "SELECT a" + strings.Repeat("::int", n) },
	"castfn": func(n int) string {
		return "SELECT " + strings.Repeat("CAST(", n) + "1" + strings.Repeat(" AS int)", n)
	},
	"join":   func(n int) string { return "SELECT 1 FROM a" + strings.Repeat(" CROSS JOIN b", n) },
	"joinon": func(n int) string { return "SELECT 1 FROM a" + strings.Repeat(" JOIN b ON true", n) },
	"joinright": func(n int) string {
		return "SELECT 1 FROM " + strings.Repeat("a JOIN ", n) + "a" + strings.Repeat(" ON true", n)
	},
	"union":      func(n int) string { return "SELECT 1" + strings.Repeat(" UNION ALL SELECT 1", n) },
	"unionparen": func(n int) string { return strings.Repeat("(", n) + "SELECT 1" + strings.Repeat(" UNION SELECT 2)", n) },
	"subscript":  func(n int) string { return "SELECT a" + strings.Repeat("[1]", n) },
	"subscriptn": func(n int) string { return "SELECT " + strings.Repeat("a[", n) + "1" + strings.Repeat("]", n) },
	"dots":       func(n int) string { return "SELECT a" + strings.Repeat(".b", n) },
	"isnull":     func(n int) string { return "SELECT a" + strings.Repeat(" IS NULL", n) },
	"isnotnull":  func(n int) string { return "SELECT a" + strings.Repeat(" NOTNULL", n) },
	"istrue":     func(n int) string { return "SELECT a" + strings.Repeat(" IS TRUE", n) },
	"collate":    func(n int) string { return "SELECT a" + strings.Repeat(` COLLATE "C"`, n) },
	"attz":       func(n int) string { return "SELECT a" + strings.Repeat(` AT TIME ZONE 'x'`, n) },
	"atlocal":    func(n int) string { return "SELECT a" + strings.Repeat(` AT LOCAL`, n) },
	"and":        func(n int) string { return "SELECT a" + strings.Repeat(` AND a`, n) },
	"or":         func(n int) string { return "SELECT a" + strings.Repeat(` OR a`, n) },
	"andor":      func(n int) string { return "SELECT a" + strings.Repeat(` AND a OR a`, n) },
	"andparen":   func(n int) string { return "SELECT " + strings.Repeat(`a AND (`, n) + "a" + strings.Repeat(")", n) },
	"andorparen": func(n int) string {
		return "SELECT " + strings.Repeat(`a AND (a OR (`, n) + "a" + strings.Repeat("))", n)
	},
	"func":     func(n int) string { return "SELECT " + strings.Repeat("f(", n) + "1" + strings.Repeat(")", n) },
	"row":      func(n int) string { return "SELECT " + strings.Repeat("ROW(", n) + "1" + strings.Repeat(")", n) },
	"rowimp":   func(n int) string { return "SELECT " + strings.Repeat("(1,", n) + "1" + strings.Repeat(")", n) },
	"array":    func(n int) string { return "SELECT " + strings.Repeat("ARRAY[", n) + "1" + strings.Repeat("]", n) },
	"arrayin":  func(n int) string { return "SELECT ARRAY" + strings.Repeat("[", n) + "1" + strings.Repeat("]", n) },
	"op":       func(n int) string { return "SELECT a" + strings.Repeat(" @@ a", n) },
	"prefop":   func(n int) string { return "SELECT " + strings.Repeat("@@ ", n) + "a" },
	"operator": func(n int) string { return "SELECT a" + strings.Repeat(" OPERATOR(pg_catalog.+) a", n) },
	"eq":       func(n int) string { return "SELECT " + strings.Repeat("a = (", n) + "a" + strings.Repeat(")", n) },
	"like":     func(n int) string { return "SELECT " + strings.Repeat("a LIKE (", n) + "a" + strings.Repeat(")", n) },
	"between": func(n int) string {
		return "SELECT " + strings.Repeat("a BETWEEN 1 AND (", n) + "a" + strings.Repeat(")", n)
	},
	"in":  func(n int) string { return "SELECT " + strings.Repeat("a IN (", n) + "a" + strings.Repeat(")", n) },
	"any": func(n int) string { return "SELECT a" + strings.Repeat(" = ANY (a)", n) },
	"cte": func(n int) string {
		return strings.Repeat("WITH x AS (", n) + "SELECT 1" + strings.Repeat(") SELECT 1", n)
	},
	"jointree": func(n int) string {
		return "SELECT 1 FROM " + strings.Repeat("(", n) + "a" + strings.Repeat(" JOIN b ON true)", n)
	},
	"coalesce": func(n int) string { return "SELECT " + strings.Repeat("COALESCE(", n) + "1" + strings.Repeat(")", n) },
	"exists":   func(n int) string { return strings.Repeat("SELECT EXISTS (", n) + "SELECT 1" + strings.Repeat(")", n) },
	"arraysub": func(n int) string { return strings.Repeat("SELECT ARRAY(", n) + "SELECT 1" + strings.Repeat(")", n) },
	"xml":      func(n int) string { return "SELECT " + strings.Repeat("XMLCONCAT(", n) + "1" + strings.Repeat(")", n) },
	"xmlel": func(n int) string {
		return "SELECT " + strings.Repeat("XMLELEMENT(NAME a, ", n) + "1" + strings.Repeat(")", n)
	},
	"json": func(n int) string {
		return "SELECT " + strings.Repeat("JSON_OBJECT('a':", n) + "1" + strings.Repeat(")", n)
	},
	"jsonarr":      func(n int) string { return "SELECT " + strings.Repeat("JSON_ARRAY(", n) + "1" + strings.Repeat(")", n) },
	"isjson":       func(n int) string { return "SELECT a" + strings.Repeat(" IS JSON", n) },
	"intersect":    func(n int) string { return "SELECT 1" + strings.Repeat(" INTERSECT SELECT 1", n) },
	"valuesu":      func(n int) string { return "VALUES (1)" + strings.Repeat(" UNION VALUES (1)", n) },
	"tableu":       func(n int) string { return "TABLE a" + strings.Repeat(" UNION TABLE a", n) },
	"isnormalized": func(n int) string { return "SELECT a" + strings.Repeat(" IS NORMALIZED", n) },
	"overlaps":     func(n int) string { return "SELECT (a,b) OVERLAPS (a,b)" + strings.Repeat(" IS NULL", n) },
	"qualop":       func(n int) string { return "SELECT " + strings.Repeat("OPERATOR(pg_catalog.-) ", n) + "1" },
	"typmod":       func(n int) string { return "SELECT 1::" + strings.Repeat("x(1::", n) + "int" + strings.Repeat(")", n) },
	"nestjt": func(n int) string {
		return "SELECT * FROM JSON_TABLE(a, '$' COLUMNS (" + strings.Repeat("NESTED PATH '$' COLUMNS (", n) + "a int" + strings.Repeat(")", n) + "))"
	},
	"createview": func(n int) string { return "CREATE SCHEMA x " + strings.Repeat("CREATE VIEW v AS SELECT 1 ", n) },
	"rule": func(n int) string {
		return "CREATE RULE r AS ON INSERT TO t DO ALSO (" + strings.Repeat("SELECT 1;", n) + ")"
	},
	"xmltable": func(n int) string {
		return strings.Repeat("SELECT * FROM XMLTABLE('a' PASSING (", n) + "SELECT 1" + strings.Repeat(") COLUMNS a int)", n)
	},
	"windowfn": func(n int) string {
		return "SELECT " + strings.Repeat("f() OVER (PARTITION BY ", n) + "1" + strings.Repeat(")", n)
	},
	"filter": func(n int) string {
		return "SELECT " + strings.Repeat("f() FILTER (WHERE ", n) + "a" + strings.Repeat(")", n)
	},
	"within": func(n int) string {
		return "SELECT " + strings.Repeat("f() WITHIN GROUP (ORDER BY ", n) + "a" + strings.Repeat(")", n)
	},
	"lateralfn": func(n int) string {
		return strings.Repeat("SELECT * FROM f((", n) + "SELECT 1" + strings.Repeat("))", n)
	},
	"rowsfrom": func(n int) string {
		return strings.Repeat("SELECT * FROM ROWS FROM (f((", n) + "SELECT 1" + strings.Repeat(")))", n)
	},
	"grouping": func(n int) string {
		return "SELECT 1 GROUP BY " + strings.Repeat("GROUPING SETS (", n) + "a" + strings.Repeat(")", n)
	},
	"rollup": func(n int) string {
		return "SELECT 1 GROUP BY " + strings.Repeat("GROUPING SETS (a,", n) + "a" + strings.Repeat(")", n)
	},
	"notbetween": func(n int) string { return "SELECT " + strings.Repeat("NOT a BETWEEN b AND ", n) + "a" },
	"setto": func(n int) string {
		return "SELECT a[" + strings.Repeat("1:a[", n) + "1" + strings.Repeat("]", n) + "]"
	},
	"arraytype": func(n int) string { return "SELECT 1::int" + strings.Repeat("[]", n) },
	"namedarg":  func(n int) string { return "SELECT " + strings.Repeat("f(a => ", n) + "1" + strings.Repeat(")", n) },
	"aliascol":  func(n int) string { return "SELECT " + strings.Repeat("a, ", n) + "1" },
	"insel": func(n int) string {
		return strings.Repeat("WITH x AS (INSERT INTO t ", n) + "SELECT 1" + strings.Repeat(" RETURNING 1) SELECT 1", n)
	},
	"conflict": func(n int) string {
		return strings.Repeat("INSERT INTO t VALUES (1) ON CONFLICT DO UPDATE SET a = (WITH x AS (", n) + "SELECT 1" + strings.Repeat(") SELECT 1)", n)
	},
	"merge": func(n int) string {
		return strings.Repeat("WITH x AS (MERGE INTO t USING (", n) + "SELECT 1" + strings.Repeat(") s ON true WHEN MATCHED THEN DELETE) SELECT 1", n)
	},
	"createfn": func(n int) string {
		return "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC " + strings.Repeat("SELECT 1;", n) + " END"
	},
	"defparam": func(n int) string {
		return "CREATE TABLE t (a int DEFAULT " + strings.Repeat("(", n) + "1" + strings.Repeat(")", n) + ")"
	},
	"partition": func(n int) string {
		return "CREATE TABLE t (a int) PARTITION BY RANGE (" + strings.Repeat("(", n) + "a" + strings.Repeat(")", n) + ")"
	},
	"stmts": func(n int) string { return strings.Repeat("SELECT 1;", n) },
	"isof":  func(n int) string { return "SELECT a" + strings.Repeat(" IS DOCUMENT", n) },
	"positionb": func(n int) string {
		return "SELECT " + strings.Repeat("POSITION(", n) + "'a'" + strings.Repeat(" IN 'b')", n)
	},
	"extract": func(n int) string {
		return "SELECT " + strings.Repeat("EXTRACT(year FROM ", n) + "'a'" + strings.Repeat(")", n)
	},
	"interval":         func(n int) string { return "SELECT " + strings.Repeat("INTERVAL '1' - ", n) + "a" },
	"plusUnary":        func(n int) string { return "SELECT a" + strings.Repeat(" + - 1", n) },
	"cmpnon":           func(n int) string { return "SELECT a" + strings.Repeat(" || a", n) },
	"arrow":            func(n int) string { return "SELECT a" + strings.Repeat("->'a'", n) },
	"notin":            func(n int) string { return "SELECT " + strings.Repeat("a NOT IN (", n) + "a" + strings.Repeat(")", n) },
	"unionselectparen": func(n int) string { return "SELECT 1" + strings.Repeat(" UNION (SELECT 1", n) + strings.Repeat(")", n) },
	"selectwhere": func(n int) string {
		return strings.Repeat("SELECT 1 WHERE (", n) + "SELECT true" + strings.Repeat(")", n)
	},
	"limit": func(n int) string { return strings.Repeat("SELECT 1 LIMIT (", n) + "SELECT 1" + strings.Repeat(")", n) },
	"having": func(n int) string {
		return strings.Repeat("SELECT 1 HAVING (", n) + "SELECT 1" + strings.Repeat(")", n)
	},
	"orderby": func(n int) string {
		return strings.Repeat("SELECT 1 ORDER BY (", n) + "SELECT 1" + strings.Repeat(")", n)
	},
	"distinct": func(n int) string {
		return strings.Repeat("SELECT DISTINCT ON ((", n) + "SELECT 1" + strings.Repeat(")) 1", n)
	},
	"dbldot":   func(n int) string { return "SELECT (a)" + strings.Repeat(".b", n) },
	"indirpar": func(n int) string { return "SELECT " + strings.Repeat("(", n) + "a" + strings.Repeat(").b", n) },
	"indirsub": func(n int) string { return "SELECT " + strings.Repeat("(", n) + "a" + strings.Repeat(")[1]", n) },
	"treat": func(n int) string {
		return "SELECT " + strings.Repeat("TREAT(", n) + "a" + strings.Repeat(" AS int)", n)
	},
	"nullif": func(n int) string { return "SELECT " + strings.Repeat("NULLIF(", n) + "a" + strings.Repeat(",1)", n) },
	"xmlis": func(n int) string {
		return "SELECT " + strings.Repeat("XMLSERIALIZE(CONTENT ", n) + "a" + strings.Repeat(" AS text)", n)
	},
	"cube": func(n int) string {
		return "SELECT 1 GROUP BY " + strings.Repeat("CUBE(", n) + "a" + strings.Repeat(")", n)
	},
	"tablesample": func(n int) string {
		return strings.Repeat("SELECT 1 FROM t TABLESAMPLE x ((", n) + "SELECT 1" + strings.Repeat("))", n)
	},
	"setsub": func(n int) string {
		return strings.Repeat("UPDATE t SET (a) = (WITH x AS (", n) + "SELECT 1" + strings.Repeat(") SELECT 1)", n)
	},
	"collatepar": func(n int) string {
		return "SELECT " + strings.Repeat("(", n) + "a" + strings.Repeat(` COLLATE "C")`, n)
	},
	"whenmany":  func(n int) string { return "SELECT CASE " + strings.Repeat("WHEN a THEN b ", n) + "END" },
	"notparen":  func(n int) string { return "SELECT " + strings.Repeat("NOT (", n) + "a" + strings.Repeat(")", n) },
	"emptyfrom": func(n int) string { return "SELECT 1 FROM a" + strings.Repeat(", a", n) },
	"natjoin":   func(n int) string { return "SELECT 1 FROM a" + strings.Repeat(" NATURAL JOIN b", n) },
	"cross": func(n int) string {
		return "SELECT 1 FROM " + strings.Repeat("a CROSS JOIN (", n) + "a CROSS JOIN b" + strings.Repeat(")", n)
	},
	"concatstr":   func(n int) string { return "SELECT 'a'" + strings.Repeat("\n'a'", n) },
	"alterop":     func(n int) string { return "SELECT a" + strings.Repeat(" <= ALL (ARRAY[1])", n) },
	"similar":     func(n int) string { return "SELECT a" + strings.Repeat(" SIMILAR TO a ESCAPE 'x' IS NULL", n) },
	"notdistinct": func(n int) string { return "SELECT " + strings.Repeat("NOT a IS DISTINCT FROM ", n) + "a" },
	"withintz":    func(n int) string { return "SELECT a" + strings.Repeat("::timestamp with time zone", n) },
	"withingroup": func(n int) string { return "SELECT 1" + strings.Repeat(" + f() WITHIN GROUP (ORDER BY a)", n) },
	"joinfunc":    func(n int) string { return "SELECT 1" + strings.Repeat(" + join(1)", n) },
	"setcolumn":   func(n int) string { return "SELECT 1" + strings.Repeat(" + set + offset_ + t.from + t.select", n) },
	"labels": func(n int) string {
		return "SELECT 1" + strings.Repeat(" + 1", n) + " end, 1 case, 2 as from, 1" + strings.Repeat(" + 1", n) + " end"
	},
	"caselabel": func(n int) string {
		return "SELECT " + strings.Repeat("(SELECT 1 + ", n) + "1" + strings.Repeat(" case)", n)
	},
	"endlabel": func(n int) string {
		return "SELECT " + strings.Repeat("CASE WHEN (SELECT 1 end) THEN 1 ELSE ", n) + "1" + strings.Repeat(" END", n)
	},
	"betweenchain": func(n int) string { return "SELECT " + strings.Repeat("a BETWEEN b AND NOT ", n) + "a" },
	"joinchain": func(n int) string {
		return "SELECT 1 FROM a" + strings.Repeat(" LEFT JOIN b ON a.x = b.x AND a.y + 1 > b.y OR a.z IS NULL", n)
	},
	"joinusing": func(n int) string { return "SELECT 1 FROM a" + strings.Repeat(" JOIN b USING (x)", n) },
	"unionchain": func(n int) string {
		return "SELECT a" + strings.Repeat(" FROM t WHERE a = 1 + 2 AND b GROUP BY c HAVING d UNION SELECT b", n)
	},
	"filterchain": func(n int) string {
		return "SELECT 1" + strings.Repeat(" + f() FILTER (WHERE a) OVER (PARTITION BY b)", n)
	},
	"quoted":    func(n int) string { return "SELECT 1" + strings.Repeat(` + "from" + "select"`, n) },
	"casechain": func(n int) string { return "SELECT 1" + strings.Repeat(" + CASE WHEN a THEN b ELSE c END", n) },
	"trim": func(n int) string {
		return "SELECT " + strings.Repeat("TRIM(BOTH 'x' FROM ", n) + "a" + strings.Repeat(")", n)
	},
	"substring": func(n int) string {
		return "SELECT " + strings.Repeat("SUBSTRING(", n) + "a" + strings.Repeat(" FROM 1 FOR 2)", n)
	},
	"overlay": func(n int) string {
		return "SELECT " + strings.Repeat("OVERLAY(", n) + "a" + strings.Repeat(" PLACING b FROM 1 FOR 2)", n)
	},
	"groupingsets": func(n int) string {
		return "SELECT 1 GROUP BY " + strings.Repeat("GROUPING SETS ((a, b), GROUPING SETS (", n) + "ROLLUP (a)" + strings.Repeat("))", n)
	},
	"window": func(n int) string {
		return "SELECT f() OVER w FROM t WINDOW w AS (ORDER BY " + strings.Repeat("(SELECT ", n) + "1" + strings.Repeat(")", n) + ")"
	},
	"lateral": func(n int) string {
		return "SELECT 1 FROM " + strings.Repeat("LATERAL (SELECT 1 FROM ", n) + "a" + strings.Repeat(") x", n)
	},
	"ctes": func(n int) string {
		return "WITH x AS (" + strings.Repeat("WITH RECURSIVE x AS MATERIALIZED (", n) + "SELECT 1" + strings.Repeat(") SELECT 1", n) + ") SELECT 1"
	},
	"isjsonwith":   func(n int) string { return "SELECT a" + strings.Repeat(" IS JSON OBJECT WITH UNIQUE KEYS", n) },
	"fieldstar":    func(n int) string { return "SELECT " + strings.Repeat("(", n) + "a" + strings.Repeat(").b[1:2].c", n) },
	"intervalcast": func(n int) string { return "SELECT a" + strings.Repeat("::interval day to second(3)", n) },
	"explained":    func(n int) string { return "EXPLAIN (ANALYZE) SELECT a" + strings.Repeat(" + 1", n) },
	"prepared":     func(n int) string { return "PREPARE p (int) AS SELECT a" + strings.Repeat(" + 1", n) },
	"declared":     func(n int) string { return "DECLARE c CURSOR FOR SELECT a" + strings.Repeat(" + 1", n) },
	"xmlforest": func(n int) string {
		return "SELECT " + strings.Repeat("XMLELEMENT(NAME a, XMLATTRIBUTES(", n) + "1" + strings.Repeat(" AS x))", n)
	},
	"jsonagg": func(n int) string {
		return "SELECT " + strings.Repeat("JSON_OBJECTAGG('a' VALUE ", n) + "1" + strings.Repeat(")", n)
	},
	"jsonvalue": func(n int) string {
		return "SELECT " + strings.Repeat("JSON_VALUE(a, '$' PASSING ", n) + "1" + strings.Repeat(" AS x DEFAULT 1 ON EMPTY)", n)
	},
	"jsonquery": func(n int) string {
		return "SELECT " + strings.Repeat("JSON_VALUE(a, '$' DEFAULT ", n) + "1" + strings.Repeat(" ON ERROR)", n)
	},
	"insertrows": func(n int) string {
		return "INSERT INTO t VALUES " + strings.Repeat("(1, 'a'), (1, 2), ", n) + "(DEFAULT, NULL)"
	},
	"setmulti": func(n int) string {
		return "UPDATE t SET (a, b) = (" + strings.Repeat("(", n) + "1" + strings.Repeat(")", n) + ", 2), c = 1" + strings.Repeat(" || 'x'", n)
	},
	"mergewhen": func(n int) string {
		return "MERGE INTO t USING s ON a" + strings.Repeat(" WHEN MATCHED AND x THEN UPDATE SET y = 1 + 1", n)
	},
	"conflictwhere": func(n int) string {
		return "INSERT INTO t VALUES (1) ON CONFLICT (a) WHERE b" + strings.Repeat(" + 1", n) + " = 2 DO UPDATE SET c = 1 WHERE d" + strings.Repeat(" + 1", n) + " = 3"
	},
	"createtable": func(n int) string {
		return "CREATE TABLE t (a int CHECK (a" + strings.Repeat(" + 1", n) + " > 0), b int GENERATED ALWAYS AS (a" + strings.Repeat("::text::int", n) + ") STORED)"
	},
}
